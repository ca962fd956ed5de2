"""Weights of the members on the simplex, fitted on probabilities that no member was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

from bids_stroke.decision import fuse
from bids_stroke.errors import DataError

Array = NDArray[np.float64]

PULL_TO_UNIFORM = 1.0
"""Precision of the normal prior on the log-weights: about the worth of a few units."""
_EPSILON = 1e-6


def fit_weights(probabilities: Array, poor: NDArray[np.bool_]) -> Array:
    """Fusion weights with the least log-loss of the fused probability.

    Parameters
    ----------
    probabilities : (n, members) float64
        Out-of-fold, NaN where a member is missing; weights are renormalised over those present.
    poor : (n,) bool
        Outcomes.

    Returns
    -------
    (members,) float64
        Positive, sum 1. Softmax of log-weights with a normal prior at equal weights.

    Raises
    ------
    DataError
        No row has a probability.
    """
    rows = np.isfinite(probabilities).any(axis=1)
    if not rows.any():
        raise DataError("No unit has a prediction of any member.", "Train with more participants.", "no-predictions")
    values, outcomes = probabilities[rows], poor[rows]

    def objective(log_weights: Array) -> float:
        fused = np.clip(fuse(values, softmax(log_weights)), _EPSILON, 1 - _EPSILON)
        loss = -np.where(outcomes, np.log(fused), np.log1p(-fused)).sum()
        return float(loss + PULL_TO_UNIFORM * (log_weights**2).sum() / 2)

    best = minimize(objective, np.zeros(values.shape[1]), method="L-BFGS-B")
    return np.asarray(softmax(best.x))
