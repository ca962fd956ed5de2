"""Fusion of the members' scores: weights of their own on the simplex, a slope, and how far off the fused score is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.fusion.fitted import ScoreFusion
from bids_stroke.fusion.weights import simplex_weights

Array = NDArray[np.float64]

COVERAGE = 0.9
"""Of the interval of a predicted score, as for the probability's."""
SLOPE_SD = 1.0
"""Of the slope, about 1: few people, of whom little can be told, leave the weighted mean as it is."""


def score_weights(scores: Array, truth: Array, doubt: Array | None = None) -> Array:
    """Weights with which the members' scores are averaged.

    Parameters
    ----------
    scores : (n, members) float64
        Out-of-fold, NaN where a member is missing, which counts as knowing nothing.
    truth : (n,) float64
        Scores that were measured.
    doubt : (members,) float64, optional
        As in `simplex_weights`.

    Returns
    -------
    (members,) float64
        As `simplex_weights` gives them.
    """
    return simplex_weights(np.nan_to_num(scores - truth.mean()), truth, doubt)


def calibrate_scores(fusion: ScoreFusion, predicted: Array, truth: Array) -> ScoreFusion:
    """The fusion with slope, intercept and interval.

    Parameters
    ----------
    fusion : ScoreFusion
        With weights and range.
    predicted : (n,) float64
        Weighted means of other people's weights, out of the folds; NaN where nothing was predicted.
    truth : (n,) float64
        Scores that were measured.

    Notes
    -----
    Weights on the simplex leave the scale open: members that know different things each predict a part of the spread
    only, and members that know nothing add a spread of their own. So the scale is that of a regression of the true
    score (a ridge about 1, never negative); the interval is of people left out of it (Allen 1974, "The relationship
    between variable selection and data augmentation and a method for prediction").
    """
    known = np.isfinite(predicted)
    x, y = predicted[known], truth[known]
    if len(x) < 2 or y.std() == 0:
        return replace(fusion, half_width=half_width(x, y))
    distance, penalty = x - x.mean(), y.var() / SLOPE_SD**2
    scatter = distance @ distance + penalty
    slope = max(0.0, float(distance @ (y - y.mean()) + penalty) / scatter)
    intercept = float(y.mean() - slope * x.mean())
    leverage = 1 / len(x) + (distance**2 / scatter if slope else 0.0)
    left_out = y - (y - intercept - slope * x) / (1 - leverage)
    width = half_width(np.clip(left_out, fusion.low, fusion.high), y)
    return replace(fusion, slope=slope, intercept=intercept, half_width=width)


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
