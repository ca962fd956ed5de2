"""Fusion and calibration together, in a fold and for the ensemble that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.decision import Calibration, ScoreFusion, pool
from bids_stroke.fusion.calibration import disagreement, fit_calibration
from bids_stroke.fusion.score import calibrate_scores, fit_score_fusion
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import fit_weights

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
    fused = pool(there, np.full(there.shape[1], 1 / there.shape[1]))
    for here in _parts(outcomes):
        fused[here] = pool(there[here], fit_weights(there[~here], outcomes.of(~here), doubt))
    weights = fit_weights(there, outcomes, doubt)
    spread = disagreement(there, weights)
    return Head(weights, replace(fit_calibration(fused, outcomes, spread, coverage), pools="logits"))


def fit_scores(scores: Array, target: Target, doubt: Array) -> ScoreFusion:
    """Weights; slope and interval with other rows' weights; range of all.

    Parameters
    ----------
    scores : (n, members) float64
        Out of the folds, NaN where a member is missing.
    target : Target
        Outcomes.
    doubt : (members,) float64
        As in `simplex_weights`.
    """
    predicted = np.full(len(scores), np.nan)
    rows = np.flatnonzero(np.isfinite(scores).any(axis=1))
    outcomes = target.of(rows)
    for here in _parts(outcomes):
        fusion = fit_score_fusion(scores[rows[~here]], outcomes.score[~here], doubt)
        predicted[rows[here]] = fusion.apply(scores[rows[here]])
    return calibrate_scores(fit_score_fusion(scores, target.score, doubt), predicted, target.score)


def _parts(target: Target) -> Iterator[NDArray[np.bool_]]:
    """Rows of each of CROSS_PARTS parts; the rows of a class take turns over the parts."""
    part = np.empty(len(target.poor), dtype=np.int64)
    for kind in (True, False):
        own = np.flatnonzero(target.poor == kind)
        part[own] = np.arange(len(own)) % CROSS_PARTS
    for here in (part == i for i in range(CROSS_PARTS)):
        if here.any() and not here.all():  # else there is one row, and nothing to learn from
            yield here
