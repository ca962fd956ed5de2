"""Weights, scales and distribution together, in a fold and for the ensemble that is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.errors import DataError
from bids_stroke.core.modalities import EARLY
from bids_stroke.fusion.fit_distribution import fit_distribution, low_is_poor
from bids_stroke.fusion.fitted import Fusion, Scale, clipped_logit, degrees, fuse
from bids_stroke.fusion.out_of_fold import OutOfFold
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import DOUBT_OF_EARLY, averaged_weights, simplex_weights

Array = NDArray[np.float64]

CONSTANT = 1e-6
"""Deviation by size, up to which an output is the same for everybody: more than single precision's rounding."""
FEWEST = 2
"""People of each class of whom the members said something, without whom nothing can be fitted."""


def fit_rows(out_of_fold: OutOfFold, coverage: float) -> Fusion:
    """The fusion of all members of a table, fitted on all its rows that have any.

    The distribution is fitted on indices whose weights came from other people, or it would take the luck of the
    weights on their own people for knowledge.

    Parameters
    ----------
    out_of_fold : OutOfFold
        What the members said, with the outcomes.
    coverage : float
        As in `fit_distribution`.

    Raises
    ------
    DataError
        No row has a probability, or those that have are too few (`FEWEST`).
    """
    rows = np.flatnonzero(np.isfinite(out_of_fold.probability).any(axis=1))
    if not len(rows):
        raise DataError("No unit has a prediction of any member.", "Train with more participants.", "no-predictions")
    there = out_of_fold.of_rows(rows)
    target = Target(there.poor, there.outcome, there.people)
    if min(target.people.among(of_class).n for of_class in (target.poor, ~target.poor)) < FEWEST:
        raise DataError(
            f"The members said something of too few people ({target.people.n}, or of one kind of outcome).",
            "Train with more participants.",
            "too-few-participants",
        )
    scales = _scales(there, target)
    degree = degrees(scales, there.probability, there.score)
    known = np.nan_to_num(degree)
    doubt = np.array([DOUBT_OF_EARLY if name == EARLY else 1.0 for name in there.names])

    def fit(half: NDArray[np.int64]) -> Array:
        own = target.of(half)
        return simplex_weights(known[half], own.latent, own.people, doubt)

    weights, others = averaged_weights(fit, target)
    distribution = fit_distribution(fuse(degree, others), target, coverage, _refitting(there, scales, weights))
    return Fusion(dict(zip(there.names, weights.tolist(), strict=True)), scales, distribution)


def _scales(out_of_fold: OutOfFold, target: Target) -> tuple[Scale, ...]:
    """The scale of each member's outputs, where every person counts the same."""
    sign = -1.0 if low_is_poor(target) else 1.0
    logits, scores = clipped_logit(out_of_fold.probability), out_of_fold.score
    found = []
    for logit, score in zip(logits.T, scores.T, strict=True):
        centre, deviation = _moments(score, target)
        of_score = (centre, sign * deviation) if np.isfinite(score).any() else None
        found.append(Scale(_moments(logit, target), of_score))
    return tuple(found)


def _moments(values: Array, target: Target) -> tuple[float, float]:
    """Mean and standard deviation of what is finite; 1 for one of 0, or of nothing but rounding."""
    known = np.isfinite(values)
    if not known.any():
        return 0.0, 1.0
    people, there = target.people.among(known), values[known]
    centre = people.mean(there)
    deviation = float(np.sqrt(people.mean((there - centre) ** 2)))
    return centre, deviation if deviation > CONSTANT * float(np.abs(there).max()) else 1.0


def _refitting(out_of_fold: OutOfFold, scales: tuple[Scale, ...], weights: Array) -> float:
    """Standard deviation of the index between trainings on other people; 0 where nothing is known of it."""
    deviation = np.array([scale.logit[1] for scale in scales])
    shift = fuse(out_of_fold.refitted / deviation, weights)
    known = np.isfinite(shift)
    return float(np.sqrt(np.mean(shift[known] ** 2))) if known.any() else 0.0
