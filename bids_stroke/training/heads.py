"""Fusion and calibration together, in a fold and for the ensemble that is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.decision import Calibration, ScoreFusion, pool
from bids_stroke.training.calibration import disagreement, fit_calibration
from bids_stroke.training.fusion import fit_weights
from bids_stroke.training.score import fit_score_fusion, half_width
from bids_stroke.training.target import Target

Array = NDArray[np.float64]

CROSS_PARTS = 5


@dataclass(frozen=True, eq=False)
class Head:
    """Fusion and calibration fitted on out-of-fold probabilities."""

    weights: Array
    calibration: Calibration

    def apply(self, probabilities: Array) -> tuple[Array, Array]:
        """Fused probabilities before and after calibration, NaN where no member has one."""
        fused = self.calibration.fuse(probabilities, self.weights)
        return fused, np.where(np.isfinite(fused), self.calibration.apply(fused), np.nan)


def fit_head(probabilities: Array, target: Target, coverage: float, doubt: Array | None = None) -> Head:
    """Fusion weights (`doubt` as in `simplex_weights`) and calibration, on rows where at least one member is present.

    The calibration is fitted on fused probabilities whose weights came from other rows (CROSS_PARTS parts), or it
    would take the luck of the weights on their own rows for knowledge.
    """
    rows = np.asarray(np.isfinite(probabilities).any(axis=1))
    there, outcomes = probabilities[rows], target.of(rows)
    return crossfitted_head(there, _crossfitted(there, outcomes, doubt), outcomes, coverage, doubt)


def _crossfitted(probabilities: Array, target: Target, doubt: Array | None) -> Array:
    """Fused probabilities (n,), each with weights that were fitted without it; classes take turns over the parts."""
    part = np.empty(len(probabilities), dtype=np.int64)
    for kind in (True, False):
        own = np.flatnonzero(target.poor == kind)
        part[own] = np.arange(len(own)) % CROSS_PARTS
    fused = np.empty(len(probabilities))
    for here in (part == i for i in range(CROSS_PARTS)):
        if here.any():
            fused[here] = pool(probabilities[here], fit_weights(probabilities[~here], target.of(~here), doubt))
    return fused


def crossfitted_head(
    probabilities: Array, fused: Array, target: Target, coverage: float, doubt: Array | None = None
) -> Head:
    """Weights from the members' out-of-fold probabilities; calibration from the cross-fitted fused ones.

    Parameters
    ----------
    probabilities : (n, members) float64
        Out of the folds.
    fused : (n,) float64
        Each row by weights that were fitted without it, before calibration; NaN where no member is present.
    target : Target
        Outcomes.
    coverage : float
        Of the conformal sets.
    doubt : (members,) float64, optional
        As in `simplex_weights`.
    """
    weights = fit_weights(probabilities, target, doubt)
    rows = np.isfinite(fused)
    spread = disagreement(probabilities[rows], weights)
    return Head(weights, replace(fit_calibration(fused[rows], target.of(rows), spread, coverage), pools="logits"))


def validated_score_fusion(scores: Array, truth: Array, doubt: Array) -> ScoreFusion:
    """Of a fixed split: weights and interval from the rows that have scores, the validation part; range from all.

    Parameters
    ----------
    scores : (n, members) float64
        Of the training and validation rows; NaN in the training rows.
    truth : (n,) float64
        Measured.
    doubt : (members,) float64
        As in `simplex_weights`.

    Notes
    -----
    The interval is a little too narrow, as the weights come from the same rows.
    """
    fusion = fit_score_fusion(scores, truth, doubt)
    return replace(fusion, half_width=half_width(fusion.apply(scores), truth))
