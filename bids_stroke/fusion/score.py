"""Fusion of the members' scores: weights of their own on the simplex, and how far off the fused score is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_stroke.decision import ScoreFusion
from bids_stroke.fusion.weights import simplex_weights

Array = NDArray[np.float64]

COVERAGE = 0.9
"""Of the interval of a predicted score, as for the probability's."""


def fit_score_fusion(scores: Array, truth: Array, doubt: Array | None = None) -> ScoreFusion:
    """Weights, and the range of the training scores, beyond which nothing is predicted; without an interval.

    Parameters
    ----------
    scores : (n, members) float64
        Out-of-fold, NaN where a member is missing, which counts as knowing nothing.
    truth : (n,) float64
        Scores that were measured.
    doubt : (members,) float64, optional
        As in `simplex_weights`.
    """
    rows = np.isfinite(scores).any(axis=1)
    if rows.any():
        weights = simplex_weights(np.nan_to_num(scores[rows] - truth[rows].mean()), truth[rows], doubt)
    else:
        weights = np.full(scores.shape[1], 1 / scores.shape[1])
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
