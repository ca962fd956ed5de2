"""Fusion and calibration together, in a fold and for the ensemble that is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.fusion.calibration import disagreement, fit_calibration
from bids_stroke.fusion.fitted import Calibration, ScoreFusion, fuse, pool
from bids_stroke.fusion.score import calibrate_scores, score_weights
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import averaged_weights, fit_weights

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedFusion:
    """Fusion and calibration fitted on out-of-fold probabilities."""

    weights: Array
    calibration: Calibration

    def apply(self, probabilities: Array) -> tuple[Array, Array]:
        """Fused probabilities before and after calibration, NaN where no member has one."""
        fused = self.calibration.fuse(probabilities, self.weights)
        return fused, np.where(np.isfinite(fused), self.calibration.apply(fused), np.nan)


def fit_probabilities(
    probabilities: Array, target: Target, coverage: float, doubt: Array | None = None
) -> FittedFusion:
    """Fusion weights (`doubt` as in `simplex_weights`) and calibration, on rows where at least one member is present.

    The calibration is fitted on fused probabilities whose weights came from other rows, or it would take the luck of
    the weights on their own rows for knowledge.

    Parameters
    ----------
    probabilities : (n, members) float64
        Out of the folds, NaN where a member is missing.
    target : Target
        Outcomes.
    coverage : float
        Of the conformal sets.
    doubt : (members,) float64, optional
        As in `simplex_weights`.
    """
    rows = np.asarray(np.isfinite(probabilities).any(axis=1))
    there, outcomes = probabilities[rows], target.of(rows)
    weights, others = averaged_weights(lambda half: fit_weights(there[half], outcomes.of(half), doubt), outcomes)
    fused = pool(there, others)
    spread = disagreement(there, weights)
    return FittedFusion(weights, replace(fit_calibration(fused, outcomes, spread, coverage), pools="logits"))


def fit_scores(scores: Array, target: Target, doubt: Array | None = None) -> ScoreFusion:
    """Weights; slope and interval with other rows' weights; range of all.

    Parameters
    ----------
    scores : (n, members) float64
        Out of the folds, NaN where a member is missing.
    target : Target
        Outcomes.
    doubt : (members,) float64, optional
        As in `simplex_weights`.
    """
    rows = np.asarray(np.isfinite(scores).any(axis=1))
    low, high = float(target.score.min()), float(target.score.max())
    if not rows.any():  # networks without a score
        return ScoreFusion((1 / scores.shape[1],) * scores.shape[1], low, high, None)
    there, outcomes = scores[rows], target.of(rows)
    weights, others = averaged_weights(lambda half: score_weights(there[half], outcomes.of(half), doubt), outcomes)
    fusion = ScoreFusion(tuple(weights.tolist()), low, high, None)
    return calibrate_scores(fusion, fuse(there, others), outcomes)
