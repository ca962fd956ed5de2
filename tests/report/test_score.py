"""A predicted score on its scale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bids_stroke.core.records import Prediction
from bids_stroke.report.score import score_scale

KNOWN = Prediction(
    0.5, (0.4, 0.6), "poor", 12.0, {}, {}, {"outcome": "fma_le<=17"}, False, predicted_score_interval=(5.0, 40.0)
)


def test_a_known_scale_has_its_own_ends() -> None:
    scale = score_scale(KNOWN)
    assert scale is not None
    assert (scale.first, scale.last, scale.cut, scale.low_is_poor) == (0.0, 34.0, 17.0, True)
    assert scale.share(17.0) == 0.5
    assert scale.share(40.0) == 1.0  # beyond the end: at it


def test_an_unknown_one_holds_all_that_is_shown() -> None:
    scale = score_scale(replace(KNOWN, model={"outcome": "nihss>=5"}, predicted_score_interval=(1.0, 21.0)))
    assert scale is not None
    assert not scale.low_is_poor
    assert (scale.first, scale.last) == (pytest.approx(-1.0), pytest.approx(23.0))
    assert 0 < scale.share(5.0) < scale.share(12.0) < 1


@pytest.mark.parametrize(
    "changed", [{"predicted_score": None}, {"predicted_score_interval": None}, {"model": {"outcome": "??"}}]
)
def test_without_score_range_or_rule_there_is_none(changed: dict[str, object]) -> None:
    assert score_scale(replace(KNOWN, **changed)) is None
