"""Fusion of the members' scores: weights of their own on the simplex, a slope, and how far off the fused score is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.fusion.fitted import ScoreFusion
from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import simplex_weights

Array = NDArray[np.float64]

COVERAGE = 0.9
"""Of the interval of a predicted score, as for the probability's."""
SLOPE_SD = 1.0
"""Of the slope, about 1: few people, of whom little can be told, leave the weighted mean as it is."""


def score_weights(scores: Array, target: Target, doubt: Array | None = None) -> Array:
    """Weights with which the members' scores are averaged.

    Parameters
    ----------
    scores : (n, members) float64
        Out-of-fold, NaN where a member is missing, which counts as knowing nothing.
    target : Target
        Outcomes.
    doubt : (members,) float64, optional
        As in `simplex_weights`.

    Returns
    -------
    (members,) float64
        As `simplex_weights` gives them.
    """
    people = target.people
    return simplex_weights(np.nan_to_num(scores - people.mean(target.score)), target.score, people, doubt)


def calibrate_scores(fusion: ScoreFusion, predicted: Array, target: Target) -> ScoreFusion:
    """The fusion with slope, intercept and interval.

    Parameters
    ----------
    fusion : ScoreFusion
        With weights and range.
    predicted : (n,) float64
        Weighted means of other people's weights, out of the folds; NaN where nothing was predicted.
    target : Target
        Outcomes.

    Notes
    -----
    Weights on the simplex leave the scale open: members that know different things each predict a part of the spread
    only, and members that know nothing add a spread of their own. So the scale is that of a regression of the true
    score (a ridge about 1, never negative); the interval is of people left out of it, with all their rows (Allen 1974,
    "The relationship between variable selection and data augmentation and a method for prediction").
    """
    known = np.isfinite(predicted)
    x, y, people = predicted[known], target.score[known], target.people.among(known)
    if people.n < 2 or np.ptp(y) == 0:
        return replace(fusion, half_width=half_width(x, y, people))
    penalty = people.mean((y - people.mean(y)) ** 2) / SLOPE_SD**2
    middle = people.mean(x), people.mean(y)  # sums of squares about it lose no digits
    moments = np.stack([people.sums(part) for part in _moments(x - middle[0], y - middle[1])])
    slope, intercept = _line(moments.sum(axis=1), penalty)
    slopes, intercepts = _line(moments.sum(axis=1)[:, None] - moments, penalty)
    without = people.of_row  # each row by the line that all but its person give
    left_out = middle[1] + intercepts[without] + slopes[without] * (x - middle[0])
    width = half_width(np.clip(left_out, fusion.low, fusion.high), y, people)
    whole = middle[1] + float(intercept) - float(slope) * middle[0]
    return replace(fusion, slope=float(slope), intercept=whole, half_width=width)


def _moments(x: Array, y: Array) -> tuple[Array, ...]:
    return np.ones_like(x), x, y, x * x, x * y


def _line(moments: Array, penalty: float) -> tuple[Array, Array]:
    """Slope (at least 0, a ridge about 1) and intercept from weighted sums of 1, x, y, xx and xy."""
    n, x, y, xx, xy = moments
    slope = np.maximum(0.0, (xy - x * y / n + penalty) / (xx - x * x / n + penalty))
    return slope, (y - slope * x) / n


def half_width(predicted: Array, truth: Array, people: People, coverage: float = COVERAGE) -> float | None:
    """Half the width of an interval around a predicted score that covers the true one.

    Split-conformal quantile of the absolute errors (Lei et al. 2018, "Distribution-free predictive inference for
    regression"), here of out-of-fold predictions.

    Parameters
    ----------
    predicted : (n,) float64
        Out-of-fold; NaN where nothing was predicted.
    truth : (n,) float64
        Scores that were measured.
    people : People
        Whose rows they are.
    coverage : float
        Wanted share of people, 0-1.

    Returns
    -------
    float or None
        In the outcome's units; None where there are too few for the coverage.
    """
    known = np.isfinite(predicted)
    return people.among(known).quantile(np.abs(predicted - truth)[known], coverage)
