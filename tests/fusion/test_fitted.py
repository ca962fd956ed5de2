"""A fitted fusion applied: members that are missing, intervals and decisions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_stroke.fusion.fit import fit_probabilities
from bids_stroke.fusion.fitted import Calibration, clipped_logit, fuse, pool, renormalise
from tests.helpers.outcomes import classes, simulated


def test_pool_is_a_mean_of_logits_over_the_members_present() -> None:
    values = np.array([[0.2, 0.8], [np.nan, 0.8], [np.nan, np.nan], [0.9, 0.9]])
    pooled = pool(values, np.array([0.5, 0.5]))
    assert pooled[[0, 1, 3]] == pytest.approx([0.5, 0.8, 0.9])
    assert np.isnan(pooled[2])


def test_a_calibration_from_before_logits_were_pooled_is_read_as_it_was_made() -> None:
    values, weights = np.array([[0.2, 0.9]]), np.array([0.5, 0.5])
    assert Calibration().fuse(values, weights) == pytest.approx(fuse(values, weights))
    probabilities, poor = simulated(40, (1.0, 1.0))
    assert fit_probabilities(probabilities, classes(poor), 0.9).calibration.pools == "logits"


def test_fuse_leaves_missing_members_out() -> None:
    values = np.array([[0.2, 0.8], [np.nan, 0.8], [np.nan, np.nan]])
    fused = fuse(values, np.array([0.75, 0.25]))
    assert fused[:2] == pytest.approx([0.35, 0.8])
    assert np.isnan(fused[2])
    assert renormalise(np.array([0.6, 0.2, 0.2]), np.array([True, False, True])) == pytest.approx([0.75, 0, 0.25])


def test_fewer_members_and_an_unsure_calibration_widen_the_interval() -> None:
    sure = Calibration(disagreement=0.5)
    unsure = replace(sure, covariance=((0.3, 0.0), (0.0, 0.3)))
    width = {}
    for name, calibration, weights in (
        ("four", sure, np.full(4, 0.25)), ("one", sure, np.ones(1)), ("unsure", unsure, np.ones(1))
    ):  # fmt: skip
        low, high = calibration.interval(0.7, weights)
        assert low < 0.7 < high
        width[name] = high - low
    assert width["four"] < width["one"] < width["unsure"]


def test_interval_of_one_member_is_its_disagreement_on_the_logit_scale() -> None:
    low, high = Calibration(disagreement=0.5).interval(0.5, np.ones(1))
    assert clipped_logit(high) == pytest.approx(1.645 * 0.5, rel=1e-3)
    assert clipped_logit(low) == pytest.approx(-1.645 * 0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("probability", "quantiles", "decision"),
    [
        (0.9, (0.6, 0.6), "poor"), (0.1, (0.6, 0.6), "good"),
        (0.5, (0.6, 0.6), "abstain"), (0.5, (0.4, 0.4), "abstain"), (0.99, (1.0, 1.0), "abstain"),
        (0.53, (0.4, 0.6), "abstain"), (0.47, (0.6, 0.4), "abstain"),
    ],
)  # fmt: skip
def test_decision_follows_the_conformal_set(probability: float, quantiles: tuple[float, float], decision: str) -> None:
    assert Calibration(quantiles=quantiles).decide(probability) == decision
