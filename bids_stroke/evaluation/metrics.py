"""Metrics of binary predictions under many sets of participant weights at once (bootstrap draws), and DeLong's test.

The poor outcome is the positive class throughout. ``poor`` is (n,) of 0 and 1, ``probability`` (n,) in 0-1, and
``weights`` (draws, n) how often each participant counts; every metric comes back as (draws,) float64, NaN where a
draw leaves it undefined. With weights of 1 they equal scikit-learn's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from bids_stroke.evaluation.logistic import logistic_line

Array = NDArray[np.float64]
Ranks = NDArray[np.intp]

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


def _passed(poor: Array, probability: Array, weights: Array) -> tuple[Array, Array, Ranks, Ranks]:
    """What rankings are counted from, the highest first.

    Weights of the poor outcomes (draws, n_poor); sums of those of the good ones down the ranking (draws, n_good + 1),
    from 0; and how many good ones are above, and above or level with, each poor one (n_poor,).
    """
    bad, good = np.flatnonzero(poor == 1), np.flatnonzero(poor != 1)
    bad, good = (which[np.argsort(-probability[which], kind="stable")] for which in (bad, good))
    false = np.zeros((len(weights), len(good) + 1))
    np.cumsum(weights[:, good], axis=1, out=false[:, 1:])
    above = np.searchsorted(-probability[good], -probability[bad], side="left")
    at_least = np.searchsorted(-probability[good], -probability[bad], side="right")
    return weights[:, bad], false, above, at_least


def _area(of_bad: Array, false: Array, above: Ranks, at_least: Ranks) -> Array:
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
    (lowest_good, highest_good), (lowest_poor, highest_poor) = (_ends(logit, poor == c, weights) for c in (0, 1))
    undefined = np.isnan(lowest_good) | np.isnan(lowest_poor)
    undefined |= np.minimum(lowest_good, lowest_poor) == np.maximum(highest_good, highest_poor)
    upward, downward = lowest_poor >= highest_good, highest_poor <= lowest_good
    slope = np.where(upward, np.inf, np.where(downward, -np.inf, np.nan))
    slope[undefined] = np.nan
    fit = ~(undefined | upward | downward)
    if fit.any():
        slope[fit] = logistic_line(poor, logit, weights if fit.all() else weights[fit])
    return slope


def _ends(values: Array, who: NDArray[np.bool_], weights: Array) -> tuple[Array, Array]:
    """The lowest and highest value of some participants in each draw, (draws,); NaN where a draw has none of them."""
    order = np.flatnonzero(who)
    order = order[np.argsort(values[order], kind="stable")]
    there = weights[:, order] > 0
    if not len(order):
        return (np.full(len(weights), np.nan),) * 2
    some = there.any(axis=1)
    first, last = there.argmax(axis=1), len(order) - 1 - there[:, ::-1].argmax(axis=1)
    low, high = (np.where(some, values[order[index]], np.nan) for index in (first, last))
    return low, high


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
