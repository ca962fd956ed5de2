"""Calibration of fused probabilities: temperature, covariance, conformal sets and disagreement."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from bids_stroke.evaluation.metrics import calibration_slope
from bids_stroke.fusion.calibration import conformal_quantile, disagreement, fit_calibration
from bids_stroke.fusion.fit import fit_probabilities
from bids_stroke.fusion.fitted import pool
from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import Target
from tests.helpers.outcomes import classes, degrees, simulated


def test_calibration_finds_a_known_temperature_and_intercept() -> None:
    rng = np.random.default_rng(0)
    true = expit(1.5 * rng.standard_normal(4000))
    poor = rng.random(4000) < true
    calibration = fit_calibration(expit(2.0 * (logit(true) - 0.4)), classes(poor), 0.0, 0.9)
    assert calibration.temperature == pytest.approx(2.0, rel=0.1)
    assert calibration.intercept == pytest.approx(0.4, abs=0.1)
    assert np.abs(calibration.apply(expit(2.0 * (logit(true) - 0.4))) - true).max() < 0.05


def test_calibration_of_noise_says_the_base_rate() -> None:
    rng = np.random.default_rng(1)
    poor = rng.random(600) < 0.3
    fused = expit(rng.standard_normal(600))
    for target in (classes(poor), Target.of_people(poor, np.where(poor, 1, 0) + rng.random(600))):
        calibrated = fit_calibration(fused, target, 0.0, 0.9).apply(np.array([0.1, 0.5, 0.9]))
        assert np.abs(calibrated - 0.3).max() < 0.12
        assert calibrated[0] < calibrated[1] < calibrated[2]


def test_the_degree_makes_the_temperature_of_few_units_surer() -> None:
    """It moves less from sample to sample, and others' Brier score is not worse."""
    fresh, outcomes = degrees(4000, 999)
    briers, slopes = [], []
    for seed in range(40):
        fused, target = degrees(45, seed)
        found = [fit_calibration(fused, known, 0.0, 0.9) for known in (target, classes(target.poor))]
        briers.append([np.mean((c.apply(fresh) - outcomes.poor) ** 2) for c in found])
        slopes.append([1 / c.temperature for c in found])
    by_degree, by_class = np.std(slopes, axis=0)
    assert by_degree < 0.85 * by_class
    by_degree, by_class = np.mean(briers, axis=0)
    assert by_degree < by_class + 0.0005


@pytest.mark.parametrize("tails", ["heavy", "normal"])
def test_the_classes_decide_the_calibration_of_many_units(tails: str) -> None:
    """Also where the degree is nothing like normal about what the members say."""
    rng = np.random.default_rng(2)
    said = rng.standard_normal(3000)
    noise = rng.standard_t(2, 3000) if tails == "heavy" else rng.standard_normal(3000)
    score = said + noise
    fused, target = expit(2 * said), Target.of_people(score > 1, score)
    calibrated = fit_calibration(fused, target, 0.0, 0.9).apply(fused)
    truth, even = target.poor.astype(float), np.ones((1, 3000))
    assert calibration_slope(truth, calibrated, even)[0] == pytest.approx(1, abs=0.05)
    assert calibrated.mean() == pytest.approx(target.poor.mean(), abs=0.01)


def test_covariance_shrinks_with_the_number_of_units() -> None:
    variances = []
    for n in (40, 400):
        probabilities, poor = simulated(n, (1.0,))
        variances.append(np.trace(fit_calibration(probabilities[:, 0], classes(poor), 0.0, 0.9).covariance))
    assert variances[1] < variances[0] / 4


def test_covariance_is_that_of_repeated_samples() -> None:
    fits = [simulated(300, (0.7,), seed) for seed in range(60)]
    found = [fit_calibration(p[:, 0], classes(poor), 0.0, 0.9) for p, poor in fits]
    observed = np.var([[c.intercept, 1 / c.temperature] for c in found], axis=0)
    expected = np.mean([np.diag(c.covariance) for c in found], axis=0)
    assert observed == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_conformal_sets_cover_each_class(seed: int) -> None:
    probabilities, poor = simulated(400, (0.8,), seed)
    calibration = fit_calibration(probabilities[:, 0], classes(poor), 0.0, 0.9)
    fresh, outcomes = simulated(4000, (0.8,), seed + 100)
    decisions = np.array([calibration.decide(float(p)) for p in calibration.apply(fresh[:, 0])])
    for outcome, wrong in ((True, "good"), (False, "poor")):
        assert (decisions[outcomes == outcome] == wrong).mean() < 0.15
    assert 0.1 < (decisions == "abstain").mean() < 0.9


def test_conformal_quantile_excludes_nothing_where_there_are_too_few() -> None:
    assert conformal_quantile(np.linspace(0.1, 0.8, 8), People.of(range(8)), 0.9) == 1.0
    assert conformal_quantile(np.linspace(0.1, 0.9, 9), People.of(range(9)), 0.9) == pytest.approx(0.9)
    assert conformal_quantile(np.linspace(0.01, 0.99, 99), People.of(range(99)), 0.9) == pytest.approx(0.9)


def test_disagreement_is_zero_among_equals_and_ignores_missing_members() -> None:
    same = np.array([[0.3, 0.3], [0.7, np.nan]])
    assert disagreement(same, np.array([0.5, 0.5])) == pytest.approx(0)
    assert disagreement(np.array([[0.2, 0.8]]), np.array([0.5, 0.5])) == pytest.approx(np.log(4))


def test_calibration_does_not_take_the_luck_of_the_weights_for_knowledge() -> None:
    """Brier score and slope on people who were not there; the base rate alone has a Brier score of 0.25."""
    slopes, scores = {"crossed": [], "own rows": []}, []
    for seed in range(30):
        probabilities, poor = simulated(45, (0.8,) + (0.0,) * 8, seed)
        fitted = fit_probabilities(probabilities, classes(poor), 0.9)
        naive = fit_calibration(pool(probabilities, fitted.weights), classes(poor), 0.0, 0.9)
        fresh, outcomes = simulated(2000, (0.8,) + (0.0,) * 8, 1000 + seed)
        fused, calibrated = fitted.apply(fresh)
        truth, even = outcomes.astype(float), np.ones((1, len(fresh)))
        scores.append(np.mean((calibrated - truth) ** 2))
        for name, found in (("crossed", calibrated), ("own rows", naive.apply(fused))):
            slopes[name].append(calibration_slope(truth, found, even)[0])
    assert np.mean(scores) < 0.24
    assert np.median(slopes["crossed"]) > np.median(slopes["own rows"])
    assert 0.7 < np.median(slopes["crossed"]) < 1.5
