"""Codes and numbers in words."""

from __future__ import annotations

import pytest

from bids_stroke.report import words


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.723, "72 %"),
        (0.004, "< 1 %"),
        (0.996, "> 99 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_percent(given: float | None, expected: str) -> None:
    assert words.percent(given) == expected


def test_words() -> None:
    assert words.outcome_in_words("nihss>=5") == "nihss of 5 or more"
    assert words.outcome_in_words("fma_le<17") == "lower-limb Fugl-Meyer score (FMA-LE) below 17"
    assert words.reason_in_words("an-unknown-code") == "an unknown code"
    assert words.quantity_in_words("n_windows") == "number of windows"
    assert words.quantity_in_words("mean_framewise_displacement_mm") == "mean framewise displacement (mm)"
    assert words.p_value(0.0004) == "< 0.001" and words.p_value(0.041) == "0.041" and words.p_value(None) == "–"
    assert words.number(-0.5) == "−0.50"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(20000.0, 3, "20000"), (1234.56, 4, "1235"), (0.00071234, 3, "0.000712"), (-13.33, 3, "−13.3"),
     (float("nan"), 3, "–"), (None, 3, "–")],
)  # fmt: skip
def test_numbers_are_written_without_powers_where_they_are_large(value: float, digits: int, text: str) -> None:
    assert words.significant(value, digits) == text
