"""What moves a prediction, in words."""

from __future__ import annotations

import pytest

from bids_stroke.core.records import Contribution, MemberPrediction, Prediction
from bids_stroke.report import explanation

MEMBERS = {"a": MemberPrediction(0.5, 1.0, 1, 0.25, "fa"), "b": MemberPrediction(0.5, 1.0, 1, 0.75, "md")}


def prediction(*parts: Contribution) -> Prediction:
    return Prediction(0.5, (0.4, 0.6), "poor", 3.0, MEMBERS, {}, {}, False, contributions=parts)


def test_kinds_add_up_over_members_and_modalities_of_one_step() -> None:
    found = explanation.by_modality(
        prediction(
            Contribution("", "", "", 9.0),
            Contribution("a", "fa", "x", 0.3),
            Contribution("b", "dwi", "y", 0.1),
            Contribution("c", "clinical", "age", -0.8),
        )
    )
    assert [(line.label, line.moves) for line in found] == [
        ("Age, sex, time since stroke, first score", -0.8), ("Diffusion (DWI)", 0.4),
    ]  # fmt: skip
    assert [line.share for line in found] == [-1.0, pytest.approx(0.5)]


def test_numbers_beyond_the_most_are_told_as_one() -> None:
    parts = [Contribution("a", "fa", f"parcel {i}", 0.1 * (i + 1), 1.0, 0.01) for i in range(25)]
    found = explanation.by_number(prediction(*parts))
    assert len(found) == explanation.MOST_NUMBERS + 1
    assert found[0].label == "Fractional anisotropy (DWI): parcel 24"
    assert found[0].value == "as the mean"
    assert found[-1].label == "5 other numbers together"
    assert sum(line.moves for line in found) == pytest.approx(sum(part.moves for part in parts))


def test_weights_where_nothing_else_is_known() -> None:
    assert explanation.weights_by_modality(prediction()) == [("Diffusion (DWI)", 1.0)]
