"""The whole fusion fitted: probabilities of units with few or no members, and fused scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bids_stroke.fusion.fit import fit_probabilities, fit_scores
from bids_stroke.fusion.fitted import pool
from bids_stroke.fusion.people import People
from bids_stroke.fusion.score import half_width
from bids_stroke.fusion.target import Target
from tests.helpers.outcomes import classes, simulated


def test_head_leaves_units_without_members_undecided() -> None:
    probabilities, poor = simulated(60, (1.0, 0.5))
    probabilities[5] = np.nan
    fitted = fit_probabilities(probabilities, classes(poor), 0.9)
    fused, calibrated = fitted.apply(probabilities)
    assert np.isnan(fused[5]) and np.isnan(calibrated[5])
    assert np.isfinite(np.delete(calibrated, 5)).all()
    assert fused[0] == pytest.approx(pool(probabilities, fitted.weights)[0])


def test_two_members_together_are_surer_than_the_better_one() -> None:
    areas = []
    for seed in range(20):
        probabilities, poor = simulated(60, (1.0, 0.8), seed)
        fitted = fit_probabilities(probabilities, classes(poor), 0.9)
        fresh, outcomes = simulated(2000, (1.0, 0.8), 1000 + seed)
        areas.append([roc_auc_score(outcomes, p) for p in (fitted.apply(fresh)[1], *fresh.T)])
    fused, first, second = np.mean(areas, axis=0)
    assert fused > max(first, second) + 0.04


def test_weights_of_the_scores_follow_the_errors_and_the_interval_covers() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(17, 8, 400)
    scores = np.stack([truth + rng.normal(0, 3, 400), truth + rng.normal(0, 12, 400), np.full(400, np.nan)], axis=1)
    scores[:40, 0] = np.nan
    target = Target.of_people(truth <= 17, truth)
    fusion = replace(fit_scores(scores, target), slope=1.0, intercept=0.0, half_width=None)
    assert sum(fusion.weights) == pytest.approx(1) and fusion.weights[0] > 5 * fusion.weights[1]
    fused = fusion.apply(scores)
    np.testing.assert_allclose(fused[:40], np.clip(scores[:40, 1], truth.min(), truth.max()))
    half = half_width(fused[::2], truth[::2], People.of(range(200)))
    assert half is not None
    assert 0.84 < (np.abs(fused[1::2] - truth[1::2]) <= half).mean() < 0.96
    low, high = replace(fusion, half_width=half).interval(truth.max()) or (0.0, 0.0)
    assert (low, high) == (pytest.approx(truth.max() - half), truth.max())
    assert half_width(fused[:5], truth[:5], People.of(range(5))) is None and fusion.interval(1.0) is None
    assert fit_scores(np.full((5, 2), np.nan), target.of(np.arange(5))).weights == (0.5, 0.5)
