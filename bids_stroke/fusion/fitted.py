"""From the members' probabilities to one calibrated probability, its interval and a decision (pure numpy)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PROBABILITY_LIMIT = 1e-3
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""
INTERVAL_Z = 1.6448536269514722
"""Standard normal quantile of a two-sided 90 % interval."""


def clipped_logit(probability: Array | float) -> Array:
    """Logit of a probability, finite also at 0 and 1."""
    value = np.clip(np.asarray(probability, dtype=np.float64), PROBABILITY_LIMIT, 1 - PROBABILITY_LIMIT)
    return np.asarray(np.log(value) - np.log1p(-value))


def expit(value: Array | float) -> Array:
    """Probability of a logit; numpy alone, because scipy.special takes as long to import as a prediction."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(value, dtype=np.float64))))


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
        Probabilities or scores, NaN where a member is missing.
    weights : (members,) float64
        On the simplex.

    Returns
    -------
    (n,) float64
        NaN where every member is missing.
    """
    present = np.isfinite(values)
    fused = (renormalise(weights, present) * np.where(present, values, 0.0)).sum(axis=-1)
    return np.where(present.any(axis=-1), fused, np.nan)


def pool(probabilities: Array, weights: Array) -> Array:
    """Probability of the weighted mean of the logits of the members present; shapes as in `fuse`.

    The logarithmic opinion pool (Genest and Zidek 1986, "Combining probability distributions").
    """
    return np.asarray(expit(fuse(clipped_logit(probabilities), weights)))


def more_likely(probability: float) -> str:
    """``poor`` or ``good``, whichever is more likely: all that can be said without calibration."""
    return "poor" if probability >= 0.5 else "good"


@dataclass(frozen=True)
class Calibration:
    """How a fused probability becomes a calibrated one, with an interval and a decision.

    The calibrated logit is ``intercept + logit / temperature``. Fitted on out-of-fold predictions only.

    Attributes
    ----------
    temperature : float
        Above 1: the members were too sure.
    intercept : float
        Logit shift: the members are trained with balanced classes.
    covariance : 2 x 2 tuple
        Sampling covariance of (intercept, 1 / temperature).
    disagreement : float
        Root mean square distance of a member's logit from the fused one.
    quantiles : tuple of float
        Class-conditional split-conformal quantiles of 1 - probability of the true class: poor, good.
    coverage : float
        Wanted coverage of the conformal sets, 0.9.
    pools : {"logits", "probabilities"}
        Of what the fused probability is a weighted mean.
    """

    temperature: float = 1.0
    intercept: float = 0.0
    covariance: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0))
    disagreement: float = 0.0
    quantiles: tuple[float, float] = (1.0, 1.0)
    coverage: float = 0.9
    pools: str = "probabilities"

    def fuse(self, probabilities: Array, weights: Array) -> Array:
        """Fused probabilities (n,) of the members' (n, members), as those that this was fitted on."""
        return pool(probabilities, weights) if self.pools == "logits" else fuse(probabilities, weights)

    def apply(self, fused: Array) -> Array:
        """Calibrated probabilities of fused ones."""
        return np.asarray(expit(self.intercept + clipped_logit(fused) / self.temperature))

    def interval(self, fused: float, weights: Array) -> tuple[float, float]:
        """90 % interval of a calibrated probability.

        Parameters
        ----------
        fused : float
            Before calibration.
        weights : (members,) float64
            Weights used for this unit, renormalised.

        Notes
        -----
        Normal on the logit scale, with the sum of two variances: that of the calibration, by the delta method
        from the covariance of its two numbers, and that of a weighted mean of members which scatter by
        ``disagreement`` around it, so that fewer members give a wider interval. It says how uncertain the
        probability is; how uncertain the person's outcome is, the probability itself says.
        """
        value = float(clipped_logit(fused))
        slope = 1 / self.temperature
        direction = np.array([1.0, value])
        calibration = float(direction @ np.array(self.covariance) @ direction)
        members = (slope * self.disagreement) ** 2 * float((weights**2).sum())
        centre, half = self.intercept + slope * value, INTERVAL_Z * np.sqrt(calibration + members)
        return float(expit(centre - half)), float(expit(centre + half))

    def decide(self, probability: float) -> str:
        """``poor`` or ``good`` where the conformal set holds only that class, else ``abstain``.

        A set that contradicts the probability (only "good" at 53 % poor, which class-conditional sets can give) is
        widened to both classes: nobody should read that, and a wider set keeps its coverage.
        """
        poor = 1 - probability <= self.quantiles[0]
        good = probability <= self.quantiles[1]
        if poor and not good and probability > 0.5:
            return "poor"
        if good and not poor and probability < 0.5:
            return "good"
        return "abstain"


@dataclass(frozen=True)
class ScoreFusion:
    """How the members' scores become one, with an interval. Fitted on out-of-fold predictions only.

    Attributes
    ----------
    weights : tuple of float
        On the simplex, in the order of the members.
    low, high : float
        Range of the training scores (outcome's units): a prediction beyond is moved to its end.
    half_width : float or None
        Of the interval, which covers the true score of the wanted share of people; None where it is not known.
    slope, intercept : float
        Of the true score on the weighted mean: above 1 where members know different things and so each say too
        little, below 1 where they know less than they say.
    """

    weights: tuple[float, ...]
    low: float
    high: float
    half_width: float | None
    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, scores: Array) -> Array:
        """Fused score (n,) of the members' scores (n, members), NaN where no member has one."""
        fused = self.intercept + self.slope * fuse(scores, np.array(self.weights))
        return np.asarray(np.clip(fused, self.low, self.high))

    def interval(self, score: float) -> tuple[float, float] | None:
        """Interval of a fused score, within the range of the training scores; None without a half-width."""
        if self.half_width is None or not np.isfinite(score):
            return None
        return max(self.low, score - self.half_width), min(self.high, score + self.half_width)


@dataclass(frozen=True)
class Fusion:
    """How the members' numbers become one prediction.

    Attributes
    ----------
    weights : mapping of str to float
        Of each member, and of the early fusion where it takes part; on the simplex.
    calibration : Calibration or None
        Of the fused probability; None where there are no out-of-fold predictions to fit it on.
    score_fusion : ScoreFusion or None
        Of the scores, its weights in the order of ``weights``; None: with these.
    """

    weights: Mapping[str, float]
    calibration: Calibration | None = None
    score_fusion: ScoreFusion | None = None
