"""Metrics of classes and scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from bids_stroke.evaluation.metrics import (
    auc,
    calibration_slope,
    classification_metrics,
    delong_test,
    permutation_p,
    regression_metrics,
)


def predictions(n: int = 60, seed: int = 0, signal: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    poor = (rng.random(n) < 0.4).astype(float)
    return poor, np.round(1 / (1 + np.exp(-(signal * (poor - 0.4) + rng.normal(size=n)))), 2)  # rounded: with ties


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn_under_any_weights(seed: int) -> None:
    poor, probability = predictions(seed=seed)
    rng = np.random.default_rng(100 + seed)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=5).astype(float)
    ours = classification_metrics(poor, probability, weights)
    said = probability >= 0.5
    for draw, weight in enumerate(weights):
        expected = {
            "accuracy": sk.accuracy_score(poor, said, sample_weight=weight),
            "balanced_accuracy": sk.balanced_accuracy_score(poor, said, sample_weight=weight),
            "recall": sk.recall_score(poor, said, sample_weight=weight),
            "precision": sk.precision_score(poor, said, sample_weight=weight),
            "f1": sk.f1_score(poor, said, sample_weight=weight),
            "auc": sk.roc_auc_score(poor, probability, sample_weight=weight),
            "average_precision": sk.average_precision_score(poor, probability, sample_weight=weight),
            "brier": sk.brier_score_loss(poor, probability, sample_weight=weight),
        }
        assert {name: ours[name][draw] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_calibration_slope_equals_unpenalised_logistic_regression() -> None:
    poor, probability = predictions(200, 4)
    logit = np.log(probability / (1 - probability))[:, None]
    weights = np.random.default_rng(1).integers(0, 4, (3, 200)).astype(float)
    ours = calibration_slope(poor, probability, weights)
    for slope, weight in zip(ours, weights, strict=True):
        fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit, poor, sample_weight=weight)
        assert slope == pytest.approx(fit.coef_[0, 0], abs=1e-5)


def test_calibration_slope_without_a_finite_value() -> None:
    poor = np.array([0.0, 0, 1, 1])
    ones = np.ones((1, 4))
    assert calibration_slope(poor, np.array([0.1, 0.2, 0.7, 0.9]), ones) == np.inf
    assert calibration_slope(1 - poor, np.array([0.1, 0.2, 0.7, 0.9]), ones) == -np.inf
    assert np.isnan(calibration_slope(poor, np.full(4, 0.3), ones))
    assert np.isnan(calibration_slope(np.zeros(4), np.array([0.1, 0.2, 0.7, 0.9]), ones))


def test_probabilities_of_zero_and_one_stay_finite() -> None:
    poor, probability = predictions()
    probability[:2], probability[2:4] = 0.0, 1.0
    result = classification_metrics(poor, probability, np.ones((1, 60)))
    assert all(np.isfinite(value[0]) for value in result.values())


def test_undefined_metrics_are_nan_not_zero() -> None:
    result = classification_metrics(np.array([0.0, 0, 1]), np.array([0.1, 0.2, 0.3]), np.ones((1, 3)))
    assert np.isnan(result["precision"][0])  # nobody was predicted poor
    assert result["recall"][0] == 0
    one_class = classification_metrics(np.zeros(3), np.array([0.1, 0.2, 0.3]), np.ones((1, 3)))
    assert np.isnan(one_class["auc"][0]) and np.isnan(one_class["average_precision"][0])


def test_regression_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(20, 6, 40)
    predicted = score + rng.normal(0, 3, 40)
    weight = rng.integers(0, 3, (1, 40)).astype(float)
    ours = regression_metrics(score, predicted, weight)
    assert ours["r2"][0] == pytest.approx(sk.r2_score(score, predicted, sample_weight=weight[0]))
    assert ours["mae"][0] == pytest.approx(sk.mean_absolute_error(score, predicted, sample_weight=weight[0]))
    assert np.isnan(regression_metrics(np.full(4, 3.0), np.arange(4.0), np.ones((1, 4)))["r2"][0])


def test_delong_equals_the_definition() -> None:
    """Against the structural components written out pair by pair (DeLong 1988, equations 4 to 8)."""
    poor, first = predictions(50, 2)
    second = np.clip(first + np.random.default_rng(3).normal(0, 0.2, 50), 0, 1)
    positive, negative = poor == 1, poor == 0
    kernels = [
        (np.sign(v[positive][:, None] - v[negative][None, :]) + 1) / 2 for v in (first, second)
    ]  # 1, one half for ties, 0
    difference = kernels[0].mean() - kernels[1].mean()
    rows, columns = kernels[0].mean(1) - kernels[1].mean(1), kernels[0].mean(0) - kernels[1].mean(0)
    variance = rows.var(ddof=1) / positive.sum() + columns.var(ddof=1) / negative.sum()
    assert delong_test(poor, first, second) == pytest.approx(chi2.sf(difference**2 / variance, 1), abs=1e-12)


def test_delong_of_equal_and_of_perfect_predictions() -> None:
    poor, probability = predictions()
    assert delong_test(poor, probability, probability) == 1.0
    assert delong_test(poor, poor * 0.8 + 0.1, poor * 0.5 + 0.2) == 1.0
    assert np.isnan(delong_test(poor, poor * 0.8 + 0.1, 0.9 - poor * 0.8))


def test_delong_holds_its_level() -> None:
    rng = np.random.default_rng(5)
    values = []
    for _ in range(400):
        poor = (np.arange(60) < 25).astype(float)
        values.append(delong_test(poor, rng.random(60), rng.random(60)))
    assert 0.02 < np.mean(np.array(values) < 0.05) < 0.09


def test_permutation_p_finds_signal_and_only_signal() -> None:
    poor, probability = predictions(signal=2.5)
    assert permutation_p(poor, probability, 999, np.random.default_rng(0)) == pytest.approx(0.001)
    noise = [permutation_p(poor, np.random.default_rng(s).random(60), 199, np.random.default_rng(s)) for s in range(60)]
    assert 0.35 < np.mean(noise) < 0.65


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_the_area_alone_is_that_of_the_ranking(decimals: int) -> None:
    poor, probability = predictions(80, 6)
    probability = np.round(probability + 1e-4 * np.arange(80), decimals)
    weights = np.random.default_rng(2).multinomial(80, np.full(80, 1 / 80), size=6).astype(float)
    expected = [sk.roc_auc_score(poor, probability, sample_weight=row) for row in weights]
    assert auc(poor, probability, weights) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(auc(np.zeros(80), probability, weights)).all()


def test_a_draw_of_separated_outcomes_among_others_is_infinite() -> None:
    poor, probability = np.array([0.0, 0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.6, 0.5, 0.8, 0.9])
    weights = np.array([[1.0, 1, 1, 1, 1, 1], [1, 1, 0, 1, 1, 1], [0, 0, 2, 2, 0, 0], [1, 1, 1, 0, 0, 0]])
    found = calibration_slope(poor, probability, weights)
    assert np.isfinite(found[0]) and found[1] == np.inf and found[2] == -np.inf and np.isnan(found[3])


def test_delong_of_an_example_worked_by_hand() -> None:
    """Three poor and two good people: the first ranking has 5 of 6 pairs right, the second 3 of 6.

    Placements of the poor among the good: 1, 1, 1/2 and 1/2, 1, 0; of the good below the poor: 2/3, 1 and 1/3, 2/3.
    Their differences 1/2, 0, 1/2 have a variance of 1/12, and 1/3, 1/3 one of 0. z = (1/3) / sqrt(1/12 / 3) = 2.
    """
    poor = np.array([1.0, 1, 1, 0, 0])
    first, second = np.array([0.9, 0.8, 0.4, 0.6, 0.2]), np.array([0.5, 0.9, 0.1, 0.7, 0.3])
    assert sk.roc_auc_score(poor, first) - sk.roc_auc_score(poor, second) == pytest.approx(1 / 3)
    assert delong_test(poor, first, second) == pytest.approx(0.04550026, abs=1e-7)


OVARIAN = {
    "outcome": "0 1 1 0 1 0 0 1 1 1 1 1 1 1 1 0 1 0 0 1 1 0 1 1 1 1 1 1 1 1 0 0 1 1 1 1 0 1 0 1 1 1 1",
    "albumin": "3.0 3.2 3.9 2.8 3.2 0.9 2.5 1.6 3.8 3.7 3.2 3.8 4.1 3.6 4.3 3.6 2.3 4.2 4.0 3.5 3.8 3.0"
    " 4.5 3.7 3.1 4.1 4.3 4.3 3.2 2.6 3.3 1.7 3.7 3.3 4.2 3.5 2.9 2.1 2.8 4.0 3.3 3.7 3.6",
    "protein": "5.8 6.3 6.8 4.8 5.8 4.0 5.7 5.6 5.7 6.7 5.4 6.6 6.6 5.7 7.0 6.7 4.4 7.6 6.6 5.8 6.8 4.7"
    " 7.4 7.4 6.6 8.2 7.0 6.5 5.1 4.7 6.8 4.0 6.1 6.3 7.7 6.2 5.7 4.8 6.2 7.0 5.7 6.9 6.6",
    "score": "10 5 3 6 3 5 8 5 5 6 4 6 5 5 4 4 6 4 6 6 7 8 5 5 6 6 5 4 5 6 6 7 5 7 6 5 9 7 8 7 6 5 5",
}
"""The 43 complete of the 49 patients in DeLong, DeLong and Clarke-Pearson (Biometrics 1988)."""


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        ("albumin", "score", 0.910206347201),
        ("protein", "score", 0.456139707507),
        ("albumin", "protein", 0.111828210121),
    ],
)
def test_delong_of_the_patients_it_was_published_with(one: str, other: str, p: float) -> None:
    """The areas and p values are those of R's pROC 1.18.0 on the same numbers; a low K-G score is a good sign."""
    numbers = {name: np.array(text.split(), dtype=float) for name, text in OVARIAN.items()}
    outcome, numbers["score"] = numbers["outcome"], -numbers["score"]
    areas = {name: sk.roc_auc_score(outcome, values) for name, values in numbers.items() if name != "outcome"}
    assert areas == pytest.approx({"albumin": 0.7365591, "protein": 0.6478495, "score": 0.7258065}, abs=1e-7)
    assert delong_test(outcome, numbers[one], numbers[other]) == pytest.approx(p, abs=1e-11)
