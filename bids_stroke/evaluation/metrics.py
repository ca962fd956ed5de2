"""Metrics of binary predictions under many sets of participant weights at once (bootstrap draws), and DeLong's test.

The poor outcome is the positive class throughout. ``poor`` is (n,) of 0 and 1, ``probability`` (n,) in 0-1, and
``weights`` (draws, n) how often each participant counts; every metric comes back as (draws,) float64, NaN where a
draw leaves it undefined. With weights of 1 they equal scikit-learn's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Array = NDArray[np.float64]

CLASSIFICATION = (
    "accuracy", "balanced_accuracy", "recall", "precision", "f1", "auc", "average_precision", "brier",
    "calibration_slope",
)  # fmt: skip
REGRESSION = ("r2", "mae")
THRESHOLD = 0.5
"""A probability of at least this counts as a prediction of a poor outcome."""


def classification_metrics(poor: Array, probability: Array, weights: Array, *, slope: bool = True) -> dict[str, Array]:
    """Compute the metrics of CLASSIFICATION for each row of weights.

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1, probabilities of a poor one from 0 to 1.
    weights : array
        (draws, n), how often each participant counts.
    slope : bool
        Whether the calibration slope is among them, which takes as long as all others.

    Returns
    -------
    dict of str to array
        Metric -> (draws,), NaN where it is not defined.

    Examples
    --------
    >>> poor, probability = np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.6, 0.9])
    >>> float(classification_metrics(poor, probability, np.ones((1, 3)))["recall"][0])
    1.0
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            **_decision_metrics(poor, probability, weights),
            **ranking_metrics(poor, probability, weights),
            "brier": weights @ (probability - poor) ** 2 / weights.sum(axis=1),
            **({"calibration_slope": calibration_slope(poor, probability, weights)} if slope else {}),
        }


def regression_metrics(score: Array, predicted: Array, weights: Array) -> dict[str, Array]:
    """Compute the coefficient of determination and the mean absolute error for each row of weights.

    Parameters
    ----------
    score, predicted : array
        (n,), in the units of the score.
    weights : array
        (draws, n), how often each participant counts.

    Returns
    -------
    dict of str to array
        ``r2`` (draws,), no unit, NaN where all scores of a draw are equal; ``mae`` (draws,), in the score's units.

    Examples
    --------
    >>> regression_metrics(np.array([10.0, 20.0]), np.array([12.0, 20.0]), np.ones((1, 2)))["mae"]
    array([1.])
    """
    total = weights.sum(axis=1)
    mean = weights @ score / total
    spread = weights @ score**2 - total * mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(spread > 1e-12, 1 - weights @ (score - predicted) ** 2 / spread, np.nan)
    return {"r2": r2, "mae": weights @ np.abs(score - predicted) / total}


def _decision_metrics(poor: Array, probability: Array, weights: Array) -> dict[str, Array]:
    said_poor = (probability >= THRESHOLD).astype(float)
    hits, misses = weights @ (poor * said_poor), weights @ (poor * (1 - said_poor))
    alarms, rejections = weights @ ((1 - poor) * said_poor), weights @ ((1 - poor) * (1 - said_poor))
    recall, specificity = hits / (hits + misses), rejections / (rejections + alarms)
    return {
        "accuracy": (hits + rejections) / weights.sum(axis=1),
        "balanced_accuracy": (recall + specificity) / 2,
        "recall": recall,
        "precision": hits / (hits + alarms),
        "f1": 2 * hits / (2 * hits + alarms + misses),
    }


def ranking_metrics(poor: Array, probability: Array, weights: Array) -> dict[str, Array]:
    """Compute AUC (trapezoid, ties count half) and average precision in one pass down the ranking.

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1; anything that ranks the participants, the poorest highest.
    weights : array
        (draws, n), how often each participant counts.

    Returns
    -------
    dict of str to array
        ``auc`` and ``average_precision``, (draws,) from 0 to 1, NaN for draws of one class.

    Examples
    --------
    >>> ranking_metrics(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.1, 0.3]), np.ones((1, 3)))["auc"]
    array([0.5])
    """
    of_bad, false, above, at_least = _passed(poor, probability, weights)
    true = np.cumsum(of_bad, axis=1)
    ranked = np.sort(-probability[poor == 1], kind="stable")
    last = np.searchsorted(ranked, ranked, side="right") - 1  # of each run of ties
    true, false_there = true[:, last], false[:, at_least]
    precision = np.divide(true, true + false_there, out=np.zeros_like(true), where=true > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = np.einsum("ij,ij->i", of_bad, precision) / of_bad.sum(axis=1)
    area = _area(of_bad, false, above, at_least)
    return {"auc": area, "average_precision": np.where(np.isfinite(area), average, np.nan)}


def auc(poor: Array, probability: Array, weights: Array) -> Array:
    """Compute the AUC alone: ``ranking_metrics(...)["auc"]`` in half the time.

    >>> auc(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.1, 0.3]), np.ones((1, 3)))
    array([0.5])
    """
    return _area(*_passed(poor, probability, weights))


def _passed(poor: Array, probability: Array, weights: Array) -> tuple[Array, Array, Array, Array]:
    """What rankings are counted from, the highest first.

    Weights of the poor outcomes (draws, n_poor); sums of those of the good ones down the ranking (draws, n_good + 1),
    from 0; and how many good ones are above, and above or level with, each poor one (n_poor,).
    """
    bad, good = np.flatnonzero(poor == 1), np.flatnonzero(poor != 1)
    bad, good = (which[np.argsort(-probability[which], kind="stable")] for which in (bad, good))
    false = np.zeros((len(weights), len(good) + 1))
    np.cumsum(weights[:, good], axis=1, out=false[:, 1:])
    above, at_least = (np.searchsorted(-probability[good], -probability[bad], side=side) for side in ("left", "right"))
    return weights[:, bad], false, above, at_least


def _area(of_bad: Array, false: Array, above: Array, at_least: Array) -> Array:
    """AUC from `_passed`, NaN for draws of one class."""
    passed = false[:, at_least]
    if (above != at_least).any():  # ties count half
        passed = (passed + false[:, above]) / 2
    total = false[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - np.einsum("ij,ij->i", of_bad, passed) / (of_bad.sum(axis=1) * total))


def finite_logit(probability: Array) -> Array:
    """Logit of probabilities, finite at 0 and 1 too."""
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))


def calibration_slope(poor: Array, probability: Array, weights: Array) -> Array:
    """Slope of the logistic regression of the outcome on the logit of the probability (Cox 1958; 1 is ideal).

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1, probabilities of a poor one from 0 to 1.
    weights : array
        (draws, n), how often each participant counts.

    Returns
    -------
    array
        (draws,), no unit. Infinite (plus or minus) where the probabilities separate the outcomes completely, NaN where
        the draw holds one class or one probability only, or where the fit does not converge.
    """
    logit = finite_logit(probability)
    lowest = {c: np.where((weights > 0) & (poor == c), logit, np.inf).min(axis=1) for c in (0, 1)}
    highest = {c: np.where((weights > 0) & (poor == c), logit, -np.inf).max(axis=1) for c in (0, 1)}
    undefined = np.isinf(lowest[0]) | np.isinf(lowest[1])
    undefined |= np.minimum(lowest[0], lowest[1]) == np.maximum(highest[0], highest[1])
    upward, downward = lowest[1] >= highest[0], highest[1] <= lowest[0]
    slope = np.where(upward, np.inf, np.where(downward, -np.inf, np.nan))
    slope[undefined] = np.nan
    fit = ~(undefined | upward | downward)
    if fit.any():
        slope[fit] = _logistic_slope(poor, logit, weights[fit])
    return slope


def _logistic_slope(poor: Array, x: Array, weights: Array, iterations: int = 50) -> Array:
    """Newton's method for (intercept, slope) of all draws together; NaN for draws that do not converge."""
    centre, scale = x.mean(), x.std()
    z = (x - centre) / scale
    intercept, slope = np.zeros(len(weights)), np.zeros(len(weights))
    if len(weights) > 1:  # draws are near each other: all begin where the sum of them ends
        together = weights.sum(axis=0, keepdims=True) / len(weights)
        start = _logistic_fit(poor, z, together, (intercept[:1], slope[:1]), iterations)
        if start[2].max() < _CONVERGED:
            intercept, slope = (np.full(len(weights), part[0]) for part in start[:2])
    intercept, slope, step = _logistic_fit(poor, z, weights, (intercept, slope), iterations)
    result: Array = np.where(step < _CONVERGED, slope / scale, np.nan)
    return result


_CONVERGED = 1e-5


def _logistic_fit(
    poor: Array, z: Array, weights: Array, start: tuple[Array, Array], iterations: int
) -> tuple[Array, Array, Array]:
    """Intercept, slope and length of the last step of each draw, (draws,)."""
    intercept, slope = start
    step = np.full(len(weights), np.inf)
    for _ in range(iterations):
        fitted = 1 / (1 + np.exp(-np.clip(intercept[:, None] + slope[:, None] * z, -30, 30)))
        error, curve = weights * (poor - fitted), weights * fitted * (1 - fitted)
        g0, g1 = error.sum(axis=1), error @ z
        h00, h01, h11 = curve.sum(axis=1), curve @ z, curve @ z**2
        determinant = np.maximum(h00 * h11 - h01**2, 1e-12)
        d0, d1 = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        step = np.maximum(np.abs(d0), np.abs(d1))
        shrink = np.minimum(1, 5 / np.maximum(step, 1e-12))  # far from the optimum Newton overshoots
        intercept, slope = intercept + shrink * d0, slope + shrink * d1
        if step.max() < 1e-8:
            break
    return intercept, slope, step


def delong_test(poor: Array, first: Array, second: Array) -> float:
    """Test whether two predictions of the same participants have equal AUC: two-sided p-value.

    Parameters
    ----------
    poor : array
        (n,) of 0 and 1, both classes at least twice.
    first, second : array
        (n,), anything that ranks the participants, the poorest highest.

    Returns
    -------
    float
        From 0 to 1; NaN where the variance of a difference that is not 0 is 0.

    Notes
    -----
    DeLong, DeLong and Clarke-Pearson, Biometrics 1988, computed from midranks (Sun and Xu, IEEE Signal Processing
    Letters 2014).
    """
    is_poor = poor == 1
    n_poor, n_good = int(is_poor.sum()), int((~is_poor).sum())
    above, below, areas = [], [], []
    for values in (first, second):
        overall = rankdata(values)
        above.append((overall[is_poor] - rankdata(values[is_poor])) / n_good)
        below.append(1 - (overall[~is_poor] - rankdata(values[~is_poor])) / n_poor)
        areas.append(above[-1].mean())
    difference = areas[0] - areas[1]
    variance = np.var(above[0] - above[1], ddof=1) / n_poor + np.var(below[0] - below[1], ddof=1) / n_good
    if variance < 1e-15:
        return 1.0 if abs(difference) < 1e-12 else float("nan")
    return float(2 * norm.sf(abs(difference) / np.sqrt(variance)))


def permutation_p(poor: Array, probability: Array, permutations: int, rng: np.random.Generator) -> float:
    """Test whether an AUC is higher than those of shuffled outcomes: one-sided p-value.

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1; anything that ranks the participants, the poorest highest.
    permutations : int
        How often the outcomes are shuffled.
    rng : Generator
        Source of the shuffles.

    Returns
    -------
    float
        (1 + number of shuffles with an AUC at least as high) / (1 + permutations).
    """
    ranks = rankdata(probability)
    observed = poor @ ranks  # the AUC is a linear function of this sum
    shuffled = rng.permuted(np.tile(poor, (permutations, 1)), axis=1) @ ranks
    return float((1 + np.sum(shuffled >= observed - 1e-9)) / (1 + permutations))
