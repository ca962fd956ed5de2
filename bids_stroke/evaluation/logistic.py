"""Logistic regressions of outcomes on one number, for many sets of participant weights at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]

CONVERGED = 1e-5
"""Length of the last Newton step from which on a fit counts: the next one would be about its square."""


def logistic_line(poor: Array, x: Array, weights: Array, iterations: int = 50) -> Array:
    """Slope of the logistic regression of the outcome on a number, by Newton's method for all draws together.

    Parameters
    ----------
    poor, x : array
        (n,): outcomes of 0 and 1, and a number of each participant, not the same for all.
    weights : array
        (draws, n), how often each participant counts; in each draw both outcomes, not separated by ``x``.

    Returns
    -------
    array
        (draws,), NaN where the fit does not converge.
    """
    centre, scale = x.mean(), x.std()
    z = (x - centre) / scale
    start = np.zeros((len(weights), 2))
    if len(weights) > 1:  # draws are near each other: all begin where the sum of them ends
        first, step = _newton(poor, z, weights.sum(axis=0, keepdims=True) / len(weights), start[:1], iterations)
        if step.max() < CONVERGED:
            start = np.repeat(first, len(weights), axis=0)
    found, step = _newton(poor, z, weights, start, iterations)
    return np.asarray(np.where(step < CONVERGED, found[:, 1] / scale, np.nan))


def _newton(poor: Array, z: Array, weights: Array, start: Array, iterations: int) -> tuple[Array, Array]:
    """Intercept and slope (draws, 2), and the length of the last step (draws,)."""
    powers = np.stack([np.ones_like(z), z, z**2], axis=1)
    wanted = weights @ (powers[:, :2] * poor[:, None])
    found, step = start, np.full(len(weights), np.inf)
    for _ in range(iterations):
        fitted = expit(found @ powers[:, :2].T)
        weighed = weights * fitted
        gradient = wanted - weighed @ powers[:, :2]
        weighed *= np.subtract(1, fitted, out=fitted)
        h00, h01, h11 = (weighed @ powers).T
        g0, g1 = gradient.T
        determinant = np.maximum(h00 * h11 - h01**2, 1e-12)
        change = np.stack([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0], axis=1) / determinant[:, None]
        step = np.abs(change).max(axis=1)
        shrink = np.minimum(1, 5 / np.maximum(step, 1e-12))  # far from the optimum Newton overshoots
        found = found + shrink[:, None] * change
        if step.max() < CONVERGED:
            break
    return found, step


def logistic_level(poor: Array, offset: Array, weights: Array, iterations: int = 30) -> Array:
    """Intercept of the logistic regression of the outcome on an offset, by Newton's method for all draws together.

    Parameters
    ----------
    poor, offset : array
        (n,): outcomes of 0 and 1, and logits that the intercept is added to.
    weights : array
        (draws, n), how often each participant counts.

    Returns
    -------
    array
        (draws,); without meaning for draws of one class.
    """
    observed = weights @ poor
    found = np.zeros(len(weights))
    for _ in range(iterations):
        fitted = expit(found[:, None] + offset)
        weighed = weights * fitted
        gradient = observed - weighed.sum(axis=1)
        weighed *= np.subtract(1, fitted, out=fitted)
        step = np.clip(gradient / np.maximum(weighed.sum(axis=1), 1e-12), -2, 2)
        found += step
        if np.abs(step).max(initial=0.0) < CONVERGED:
            break
    return found
