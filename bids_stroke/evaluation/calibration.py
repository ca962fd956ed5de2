"""How well probabilities are calibrated: in the large, and along the whole of their range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bids_stroke.evaluation.logistic import Array, logistic_level
from bids_stroke.evaluation.metrics import finite_logit

SPAN = 0.75
"""Share of the people whom a point of the calibration curve is drawn from, as usual with loess."""
POINTS = 50
"""Of the curve; between them it is straight."""


def calibration_intercept(poor: Array, probability: Array, weights: Array) -> Array:
    """Calibration in the large: what is to be added to the logit of all probabilities (0 is ideal).

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1, probabilities of a poor one from 0 to 1.
    weights : array
        (draws, n), how often each participant counts.

    Returns
    -------
    array
        (draws,): above 0 outcomes were poorer than predicted. Plus or minus infinity for draws of one class.

    Notes
    -----
    The intercept of a logistic regression with the logit as offset (Van Calster et al. 2019, "Calibration: the
    Achilles heel of predictive analytics"), by Newton's method.
    """
    observed, total = weights @ poor, weights.sum(axis=1)
    found = logistic_level(poor, finite_logit(probability), weights)
    return np.where(observed == 0, -np.inf, np.where(observed == total, np.inf, found))


def integrated_calibration_index(poor: Array, probability: Array) -> Callable[[Array], Array]:
    """Mean distance of the probabilities from a smooth curve of the observed shares (ICI; 0 is ideal).

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1, probabilities of a poor one from 0 to 1.

    Returns
    -------
    callable
        Weights (draws, n), how often each participant counts -> (draws,), 0 to 1.

    Notes
    -----
    Austin and Steyerberg 2019, "The Integrated Calibration Index (ICI) and related metrics", with a local straight
    line (tricube weights, as in loess without robustness) through `SPAN` of the people at each of `POINTS` points.
    """
    at, curves = _curves(poor, probability)

    def index(weights: Array) -> Array:
        observed = np.stack([np.interp(probability, at, row) for row in curves(weights)])
        return np.asarray((weights * np.abs(observed - probability)).sum(axis=1) / weights.sum(axis=1))

    return index


def calibration_curve(poor: Array, probability: Array) -> tuple[Array, Array]:
    """The curve that the ICI is the mean distance from.

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1, probabilities of a poor one from 0 to 1.

    Returns
    -------
    tuple of array
        (points,) probabilities, ascending, `POINTS` of them at most, and the observed shares there, 0 to 1.
    """
    at, curves = _curves(poor, probability)
    return at, curves(np.ones((1, len(poor))))[0]


def _curves(poor: Array, probability: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Points of the curve, and from weights (draws, n) to the observed shares there (draws, points)."""
    at = np.unique(np.quantile(probability, np.linspace(0, 1, POINTS)))
    apart = probability[None, :] - at[:, None]
    distance = np.abs(apart)
    nearest = max(2, int(np.ceil(SPAN * len(probability)))) - 1
    reach = np.maximum(np.partition(distance, min(nearest, len(probability) - 1), axis=1)[:, nearest], 1e-9)
    kernel = np.clip(1 - (distance / reach[:, None]) ** 3, 0, None) ** 3

    def curves(weights: Array) -> Array:
        sums = [weights @ (kernel * part).T for part in (1.0, apart, apart**2, poor, apart * poor)]
        n, x, xx, y, xy = sums
        level = np.divide(y, n, out=np.zeros_like(y), where=n > 0)
        spread = n * xx - x**2
        line = np.divide(xx * y - x * xy, spread, out=level.copy(), where=spread > 1e-9 * np.maximum(n, 1) ** 2)
        return np.asarray(np.clip(line, 0, 1))

    return at, curves
