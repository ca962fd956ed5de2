"""Calibration in the large and along the range."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit

from bids_stroke.evaluation.calibration import calibration_curve, calibration_intercept, integrated_calibration_index


def predicted(n: int, seed: int = 0, shift: float = 0.0, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes, and probabilities that are wrong by a shift and a slope of the logit."""
    rng = np.random.default_rng(seed)
    true = 1.2 * rng.standard_normal(n)
    return (rng.random(n) < expit(true)).astype(float), expit((true - shift) / slope)


def test_the_intercept_makes_the_mean_right() -> None:
    poor, probability = predicted(400, shift=0.5)
    found = calibration_intercept(poor, probability, np.ones((1, 400)))[0]
    expected = brentq(lambda a: expit(a + logit(probability)).sum() - poor.sum(), -5, 5)
    assert found == pytest.approx(expected, abs=1e-6) and 0.2 < found < 0.8
    weights = np.random.default_rng(1).multinomial(400, np.full(400, 1 / 400), 20).astype(float)
    for draw, value in zip(weights, calibration_intercept(poor, probability, weights), strict=True):
        again = np.repeat(np.arange(400), draw.astype(int))
        alone = calibration_intercept(poor[again], probability[again], np.ones((1, 400)))[0]
        assert value == pytest.approx(alone, abs=1e-6)


def test_one_class_has_no_finite_intercept() -> None:
    probability, ones = np.full(5, 0.4), np.ones((1, 5))
    assert calibration_intercept(np.ones(5), probability, ones)[0] == np.inf
    assert calibration_intercept(np.zeros(5), probability, ones)[0] == -np.inf


def test_the_index_is_the_mean_distance_from_the_true_curve() -> None:
    poor, probability = predicted(20_000, shift=0.6, slope=0.7)
    true = expit(0.7 * logit(probability) + 0.6)
    found = integrated_calibration_index(poor, probability)(np.ones((1, len(poor))))[0]
    assert found == pytest.approx(np.abs(true - probability).mean(), abs=0.02)
    right = integrated_calibration_index(*predicted(20_000))(np.ones((1, 20_000)))[0]
    assert right < 0.012


def test_the_curve_is_a_line_through_the_nearest_at_each_point() -> None:
    poor, probability = predicted(300, shift=0.4)
    curve = []
    for here in probability:
        distance = np.abs(probability - here)
        tricube = np.clip(1 - (distance / np.sort(distance)[224]) ** 3, 0, None) ** 3
        curve.append(np.polyval(np.polyfit(probability - here, poor, 1, w=np.sqrt(tricube)), 0.0))
    expected = np.abs(np.clip(curve, 0, 1) - probability).mean()
    found = integrated_calibration_index(poor, probability)(np.ones((1, 300)))[0]
    assert found == pytest.approx(expected, abs=0.003)


def test_weights_count_people() -> None:
    poor, probability = predicted(80)
    index = integrated_calibration_index(poor, probability)
    assert index(np.full((1, 80), 3.0))[0] == pytest.approx(index(np.ones((1, 80)))[0])
    constant = integrated_calibration_index(poor, np.full(80, 0.3))(np.ones((2, 80)))
    assert constant == pytest.approx(np.full(2, abs(poor.mean() - 0.3)))


def test_the_drawn_curve_is_the_one_of_the_index() -> None:
    poor, probability = predicted(300, shift=0.4)
    at, curve = calibration_curve(poor, probability)
    assert (np.diff(at) > 0).all() and ((curve >= 0) & (curve <= 1)).all() and len(at) <= 50
    index = integrated_calibration_index(poor, probability)(np.ones((1, 300)))[0]
    assert np.abs(np.interp(probability, at, curve) - probability).mean() == pytest.approx(index)
