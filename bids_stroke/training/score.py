"""Fusion of the members' scores: weights of their own on the simplex, and how far off the fused score is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

from bids_stroke.decision import ScoreFusion, fuse
from bids_stroke.training.fusion import PULL_TO_UNIFORM

Array = NDArray[np.float64]

COVERAGE = 0.9
"""Of the interval of a predicted score, as for the probability's."""


def fit_score_weights(scores: Array, truth: Array) -> Array:
    """Weights with the least squared error of the fused score.

    Parameters
    ----------
    scores : (n, members) float64
        Out-of-fold, NaN where a member is missing; weights are renormalised over those present.
    truth : (n,) float64
        Scores that were measured.

    Returns
    -------
    (members,) float64
        Positive, sum 1. Softmax of log-weights with a normal prior at equal weights, as for the probabilities; equal
        where nobody has a score. Errors count in units of those that equal weights make.
    """
    n_members = scores.shape[1]
    equal = np.full(n_members, 1 / n_members)
    rows = np.isfinite(scores).any(axis=1)
    values, wanted = scores[rows], truth[rows]
    variance = float(((fuse(values, equal) - wanted) ** 2).mean()) if rows.any() else 0.0
    if variance == 0:
        return equal

    def objective(log_weights: Array) -> float:
        squares = (fuse(values, softmax(log_weights)) - wanted) ** 2
        return float(squares.sum() / (2 * variance) + PULL_TO_UNIFORM * (log_weights**2).sum() / 2)

    return np.asarray(softmax(minimize(objective, np.zeros(n_members), method="L-BFGS-B").x))


def fit_score_fusion(scores: Array, truth: Array) -> ScoreFusion:
    """Weights, and the range of the training scores, beyond which nothing is predicted; without an interval."""
    weights = fit_score_weights(scores, truth)
    return ScoreFusion(tuple(float(weight) for weight in weights), float(truth.min()), float(truth.max()), None)


def half_width(predicted: Array, truth: Array, coverage: float = COVERAGE) -> float | None:
    """Half the width of an interval around a predicted score that covers the true one.

    Split-conformal quantile of the absolute errors (Lei et al. 2018, "Distribution-free predictive inference for
    regression"), here of out-of-fold predictions.

    Parameters
    ----------
    predicted : (n,) float64
        Out-of-fold; NaN where nothing was predicted.
    truth : (n,) float64
        Scores that were measured.
    coverage : float
        Wanted share of people, 0-1.

    Returns
    -------
    float or None
        In the outcome's units; None where there are too few for the coverage.
    """
    errors = np.sort(np.abs(predicted - truth)[np.isfinite(predicted)])
    rank = int(np.ceil((len(errors) + 1) * coverage))
    return float(errors[rank - 1]) if rank <= len(errors) else None
