"""Strip plots: where marks lie, what they stand for, and how few bytes thousands of them take."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bids_stroke.report.strips import Number, Strip, strip


def drawn(*values: float | None, usual: tuple[float | None, float | None] = (None, None)) -> Strip:
    numbers = [None if value is None else Number(value, f"{value:g}", value > 5) for value in values]
    plot = strip("motion", "mm", numbers, usual)
    assert plot is not None
    return plot


def places(path: str) -> list[int]:
    return [int(x) for x in re.findall(r"M(-?\d+) \d+h0", path)]


def test_marks_lie_by_their_value_and_those_to_look_at_apart() -> None:
    plot = drawn(0.0, None, 1.0, 2.0, 8.0)
    assert places(plot.dots) == [10, 10 + round(980 / 8), 10 + round(980 / 4)]
    assert places(plot.marks) == [990]
    assert (plot.values, plot.low, plot.high, plot.n, plot.n_marked) == ("0,,1,2,8", "0", "8", 5 - 1, 1)
    assert plot.middle == 10 + round(980 * 1.5 / 8)


def test_a_wild_number_lies_at_the_edge_and_does_not_press_the_others_together() -> None:
    plot = drawn(*np.linspace(1.0, 2.0, 50), 1e6)
    assert plot.n_beyond == 1
    assert places(plot.marks) == [996]
    assert max(places(plot.dots)) - min(places(plot.dots)) > 70
    assert plot.values.endswith(",1e+06")


@pytest.mark.parametrize(
    ("usual", "band"),
    [
        ((None, None), None),
        ((0.0, 5.0), (10, 490)),
        ((5.0, None), (500, 496)),
        ((None, 5.0), (4, 496)),
        ((20.0, 30.0), None),
    ],
)
def test_the_usual_range_is_a_band_as_far_as_the_scale_goes(
    usual: tuple[float | None, float | None], band: tuple[int, int] | None
) -> None:
    assert drawn(0.0, 10.0, usual=usual).usual == band


def test_equal_numbers_lie_in_the_middle_and_one_alone_is_not_drawn() -> None:
    assert places(drawn(3.0, 3.0).dots) == [500, 500]
    assert (
        strip("motion", "mm", [Number(1.0, "1", False), None, Number(float("inf"), "inf", True)], (None, None)) is None
    )


def test_two_thousand_marks_take_less_than_forty_kilobytes() -> None:
    values = np.random.default_rng(0).normal(1000, 100, 2000)
    plot = strip("volume", "ml", [Number(value, f"{value:.0f}", False) for value in values], (None, None))
    assert plot is not None and len(plot.dots) + len(plot.values) < 40_000
    assert len(set(re.findall(r" (\d+)h", plot.dots))) > 25  # heights
