"""The whole fusion fitted: weights, scales and distribution, of few people and of many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from bids_stroke.core.errors import DataError
from bids_stroke.core.modalities import EARLY
from bids_stroke.evaluation.metrics import calibration_slope
from bids_stroke.fusion.fit import fit_rows
from bids_stroke.fusion.fit_distribution import fit_distribution
from bids_stroke.fusion.fitted import Fusion
from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import Target
from tests.helpers.outcomes import classes, out_of_fold, simulated


def said(fusion: Fusion, probability: np.ndarray, score: np.ndarray | None = None) -> np.ndarray:
    """Probabilities of a poor outcome, of whoever has any member."""
    assert fusion.distribution is not None
    nothing = np.full(probability.shape, np.nan)
    return fusion.distribution.probability(fusion.index(probability, nothing if score is None else score))


def test_people_without_any_member_teach_nothing() -> None:
    probability, poor = simulated(60, (1.0, 0.5))
    probability[5] = np.nan
    rest = np.delete(np.arange(60), 5)
    evidence = out_of_fold(probability, classes(poor))
    assert fit_rows(evidence, 0.9) == fit_rows(evidence.of_rows(rest), 0.9)
    with pytest.raises(DataError, match="No unit has a prediction"):
        fit_rows(replace(evidence, probability=np.full((60, 2), np.nan)), 0.9)


def test_two_members_together_are_surer_than_the_better_one() -> None:
    areas = []
    for seed in range(20):
        probability, poor = simulated(60, (1.0, 0.8), seed)
        fitted = fit_rows(out_of_fold(probability, classes(poor)), 0.9)
        fresh, outcomes = simulated(2000, (1.0, 0.8), 1000 + seed)
        areas.append([roc_auc_score(outcomes, p) for p in (said(fitted, fresh), *fresh.T)])
    fused, first, second = np.mean(areas, axis=0)
    assert fused > max(first, second) + 0.04


def test_it_does_not_take_the_luck_of_the_weights_for_knowledge() -> None:
    """Brier score and slope of people who were not there; the base rate alone has a Brier score of 0.25."""
    slopes: dict[str, list[float]] = {"crossed": [], "own rows": []}
    scores = []
    strengths = (0.8,) + (0.0,) * 8
    for seed in range(30):
        probability, poor = simulated(45, strengths, seed)
        fitted = fit_rows(out_of_fold(probability, classes(poor)), 0.9)
        own = fitted.index(probability, np.full(probability.shape, np.nan))
        naive = replace(fitted, distribution=fit_distribution(own, classes(poor), 0.9))
        fresh, outcomes = simulated(2000, strengths, 1000 + seed)
        scores.append(np.mean((said(fitted, fresh) - outcomes) ** 2))
        for name, fusion in (("crossed", fitted), ("own rows", naive)):
            slope = calibration_slope(outcomes.astype(float), said(fusion, fresh), np.ones((1, 2000)))
            slopes[name].append(slope[0])
    assert np.mean(scores) < 0.24
    assert np.median(slopes["crossed"]) > np.median(slopes["own rows"])
    assert 0.7 < np.median(slopes["crossed"]) < 1.5


def causes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, Target]:
    """Two members, each of which says the part of the score that it knows; low scores are poor."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, 5, (n, 2))
    truth = 17 + parts.sum(axis=1) + rng.normal(0, 2, n)
    return 1 / (1 + np.exp(parts / 4)), 17 + parts, Target.of_people(truth <= 17, truth)


def test_members_that_know_different_things_predict_the_whole_spread_together() -> None:
    probability, score, target = causes(300, 1)
    fusion = fit_rows(out_of_fold(probability, target, score), 0.9)
    assert list(fusion.weights.values()) == pytest.approx([0.5, 0.5], abs=0.05)
    assert all(scale.score is not None and scale.score[1] < 0 for scale in fusion.scales)
    fresh, scores, truth = causes(1000, 2)
    assert fusion.distribution is not None
    index = fusion.index(fresh, scores)
    assert r2_score(truth.score, fusion.distribution.score(index)) > 0.88
    ends = np.array([fusion.distribution.interval(value) for value in index.tolist()])
    assert 0.87 < np.mean((truth.score >= ends[:, 0]) & (truth.score <= ends[:, 1])) < 0.93
    assert np.median(np.diff(ends, axis=1)) < 4 * 1.645 * 2


def test_score_and_probability_together_err_less_than_the_probability_alone() -> None:
    areas = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        degree = rng.standard_normal(600)
        outputs = degree[:, None] + rng.standard_normal((600, 2))
        truth = Target.of_people(degree > 0, degree)
        probability, score = 1 / (1 + np.exp(-outputs[:, :1])), outputs[:, 1:]
        half = np.arange(300)
        both, alone = (fit_rows(out_of_fold(probability, truth, known).of_rows(half), 0.9) for known in (score, None))
        areas.append(
            [
                roc_auc_score(truth.poor[300:], said(both, probability[300:], score[300:])),
                roc_auc_score(truth.poor[300:], said(alone, probability[300:])),
            ]
        )
    assert np.mean(areas, axis=0)[0] > np.mean(areas, axis=0)[1] + 0.03


def test_the_early_fusion_is_believed_first() -> None:
    alike, poor = simulated(60, (1.0,))
    evidence = out_of_fold(np.repeat(alike, 3, axis=1), classes(poor))
    fusion = fit_rows(replace(evidence, names=(EARLY, "a", "b")), 0.9)
    assert fusion.weights[EARLY] > 0.9


def test_other_trainings_of_the_members_widen_the_interval_of_the_probability() -> None:
    probability, poor = simulated(80, (1.0, 1.0))
    evidence = out_of_fold(probability, classes(poor))
    apart = np.random.default_rng(0).normal(0, 0.5, probability.shape)
    together = np.repeat(apart[:, :1], 2, axis=1)
    known = [fit_rows(replace(evidence, refitted=moved), 0.9).distribution for moved in (apart, together)]
    still = fit_rows(evidence, 0.9).distribution
    assert still is not None and still.refitting == 0.0 and all(known)
    assert known[1].refitting == pytest.approx(np.sqrt(2) * known[0].refitting, rel=0.15)
    width = [np.diff(one.probability_interval(0.3))[0] for one in (still, *known)]
    assert width[0] < width[1] < width[2]


def test_the_same_rows_several_times_change_nothing() -> None:
    """Weights, scales and slope are those of the people, however often each was seen."""
    probability, score, target = causes(60, 3)
    rows = np.repeat(np.arange(60), 3)
    thrice = out_of_fold(probability[rows], Target(target.poor[rows], target.score[rows], People.of(rows)), score[rows])
    one, three = fit_rows(out_of_fold(probability, target, score), 0.9), fit_rows(thrice, 0.9)
    assert list(three.weights.values()) == pytest.approx(list(one.weights.values()), abs=5e-3)
    assert three.scales[0].logit == pytest.approx(one.scales[0].logit)
    assert three.distribution.slope == pytest.approx(one.distribution.slope, rel=0.02)


def test_a_member_that_says_the_same_of_everybody_moves_nobody() -> None:
    """Its deviation is rounding, not 0: by that, a new person of whom it says a little else would be infinitely far."""
    probability, poor = simulated(47, (1.0,))
    constant = np.full((47, 1), 0.3, dtype=np.float32).astype(float)
    fusion = fit_rows(out_of_fold(np.hstack([probability, constant]), classes(poor)), 0.9)
    one, other = said(fusion, np.array([[0.7, 0.3], [0.7, 0.31]]))
    assert other == pytest.approx(one, abs=0.01)


def test_of_too_few_nothing_is_fitted() -> None:
    probability, _ = simulated(6, (1.0,))
    for poor in (np.arange(6) < 1, np.arange(6) < 0):
        with pytest.raises(DataError, match="too few people"):
            fit_rows(out_of_fold(probability, classes(poor)), 0.9)
