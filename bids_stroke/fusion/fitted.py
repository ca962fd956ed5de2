"""How the members' outputs become one prediction (pure numpy)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_stroke.fusion.distribution import Distribution

Array = NDArray[np.float64]

PROBABILITY_LIMIT = 1e-3
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""


def clipped_logit(probability: Array | float) -> Array:
    """Logit of a probability, finite also at 0 and 1."""
    value = np.clip(np.asarray(probability, dtype=np.float64), PROBABILITY_LIMIT, 1 - PROBABILITY_LIMIT)
    return np.asarray(np.log(value) - np.log1p(-value))


def renormalise(weights: Array, present: NDArray[np.bool_]) -> Array:
    """Fusion weights over the members that are present: (n, members), rows sum to 1 (0 where nobody is)."""
    kept: Array = np.where(present, weights, 0.0)
    total = kept.sum(axis=-1, keepdims=True)
    shares: Array = np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)
    return shares


def fuse(values: Array, weights: Array) -> Array:
    """Weighted mean over the members present.

    Parameters
    ----------
    values : (n, members) float64
        Probabilities, scores or degrees; NaN where a member is missing.
    weights : (members,) float64, or (n, members)
        On the simplex.

    Returns
    -------
    (n,) float64
        NaN where every member is missing.
    """
    present = np.isfinite(values)
    fused = (renormalise(weights, present) * np.where(present, values, 0.0)).sum(axis=-1)
    return np.where(present.any(axis=-1), fused, np.nan)


def more_likely(probability: float) -> str:
    """``poor`` or ``good``, whichever is more likely: all that can be said without calibration."""
    return "poor" if probability >= 0.5 else "good"


@dataclass(frozen=True)
class Scale:
    """How a member's two outputs are put on one scale, its degree: large ones poor, mean 0, deviation 1.

    Attributes
    ----------
    logit : (2,) tuple of float
        Mean and standard deviation of the logit of its probability.
    score : (2,) tuple of float, or None
        Of its score, the deviation negative where low scores are poor; None of a network without a score.
    """

    logit: tuple[float, float]
    score: tuple[float, float] | None = None

    def degree(self, probability: Array, score: Array) -> Array:
        """Mean of both outputs (n,), each by its own deviation; NaN without a probability.

        A probability and a score of one network err in part for different reasons, so that their mean errs less.
        """
        logit = (clipped_logit(probability) - self.logit[0]) / self.logit[1]
        if self.score is None:
            return np.asarray(logit)
        other = (score - self.score[0]) / self.score[1]
        return np.asarray(np.where(np.isfinite(other), (logit + other) / 2, logit))


@dataclass(frozen=True)
class Fusion:
    """How the members' outputs become one prediction.

    Attributes
    ----------
    weights : mapping of str to float
        Of each member, and of the early fusion where it takes part; on the simplex.
    scales : tuple of Scale
        In the order of ``weights``; empty where there is no distribution.
    distribution : Distribution or None
        Of the outcome, given the index; None where there are no out-of-fold predictions to fit it on.
    """

    weights: Mapping[str, float]
    scales: tuple[Scale, ...] = ()
    distribution: Distribution | None = None

    def index(self, probability: Array, score: Array) -> Array:
        """Weighted mean (n,) of the members' degrees, of outputs (n, members); NaN where every member is missing."""
        return fuse(degrees(self.scales, probability, score), np.array(list(self.weights.values())))


def degrees(scales: tuple[Scale, ...], probability: Array, score: Array) -> Array:
    """Degree (n, members) of each member, of probabilities and scores (n, members)."""
    found = [scale.degree(probability[:, i], score[:, i]) for i, scale in enumerate(scales)]
    return np.stack(found, axis=1)
