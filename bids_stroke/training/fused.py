"""Fusion of trained members, in each outer fold and of the ensemble that is kept.

Where there is an early fusion there are two, fitted apart: of the members and the early fusion, and of the members
alone (late fusion), for whoever lacks a part of it. Beside the early fusion the members' weights are what is left to
tell, and the calibration is mostly that of the early fusion: for somebody without it both would be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.decision import Fusion
from bids_stroke.records import EARLY
from bids_stroke.training.cases import Cohort
from bids_stroke.training.crossval import TrainedMember
from bids_stroke.training.folds import OuterFold
from bids_stroke.training.fusion import DOUBT_OF_EARLY
from bids_stroke.training.heads import crossfitted_head, fit_head, validated_score_fusion
from bids_stroke.training.score import fit_score_fusion, half_width
from bids_stroke.training.target import Target

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_WITH_EARLY = 10
"""Units of each class with the early fusion that the one of all needs to be fitted on them alone; else on all units."""


@dataclass(frozen=True, eq=False)
class Fused:
    """What a fusion said of people that it had not seen, and the one that is kept.

    Attributes
    ----------
    probability, score : (folds, units) float64
        Of the test units of each outer fold, NaN elsewhere and where no member is present.
    prediction : (folds, units) object
        ``poor``, ``good``, ``abstain``, or None.
    kept : Fusion
        For the bundle.
    """

    probability: Array
    score: Array
    prediction: NDArray[np.object_]
    kept: Fusion


def fuse_members(
    members: Sequence[TrainedMember], cohort: Cohort, folds: Sequence[OuterFold], coverage: float
) -> tuple[Fused, Fusion | None]:
    """Fuse out of the folds, everybody by the fusion that is for them.

    Parameters
    ----------
    members : sequence of TrainedMember
        And the early fusion, if there is one, with what they said out of the folds.
    cohort : Cohort
        Units and outcomes.
    folds : sequence of OuterFold
        Those of the members.
    coverage : float
        Of the conformal sets.

    Returns
    -------
    Fused
        Its ``kept`` is the fusion of all.
    Fusion or None
        Of the members alone; None where there is no early fusion.
    """
    everybody = np.ones(len(cohort.units), dtype=bool)
    single, early = apart(members)
    if early is None:
        return _fused(members, cohort, folds, coverage, everybody), None
    has_early = _present(early)
    every = _fused(members, cohort, folds, coverage, has_early)
    late = _fused(single, cohort, folds, coverage, everybody)
    return Fused(
        probability=np.where(has_early, every.probability, late.probability),
        score=np.where(has_early, every.score, late.score),
        prediction=np.where(has_early, every.prediction, late.prediction),
        kept=every.kept,
    ), late.kept


def apart(members: Sequence[TrainedMember]) -> tuple[list[TrainedMember], TrainedMember | None]:
    """The members, and the early fusion of some of them if there is one."""
    single = [entry for entry in members if entry.member.modality != EARLY]
    return single, next((entry for entry in members if entry.member.modality == EARLY), None)


def _fused(
    members: Sequence[TrainedMember], cohort: Cohort, folds: Sequence[OuterFold], coverage: float, whom: Mask
) -> Fused:
    """One fusion, for the units in ``whom``."""
    doubt = np.array([DOUBT_OF_EARLY if entry.member.modality == EARLY else 1.0 for entry in members])
    target, shape = Target(cohort.poor, cohort.score), (len(folds), len(cohort.units))
    raw, probability, score = np.full((3, *shape), np.nan)
    prediction = np.full(shape, None, dtype=object)
    for i, outer in enumerate(folds):
        test, learned = outer.split.test, outer.learned
        who = _learn_from(whom, cohort, outer.validated)
        head = fit_head(_stack(members, "inner_probability", i, who), target, coverage, doubt)
        raw[i], calibrated = head.apply(_stack(members, "test_probability", i, who))
        probability[i, test] = calibrated[test]
        prediction[i, test] = [head.calibration.decide(p) if np.isfinite(p) else None for p in calibrated[test]]
        fusion = fit_score_fusion(_stack(members, "inner_score", i, who)[learned], cohort.score[learned], doubt)
        score[i, test] = fusion.apply(_stack(members, "test_score", i, who))[test]
    if folds[0].fixed:  # what was tested is kept
        inner = _stack(members, "inner_score", 0, who)[learned]
        scores = validated_score_fusion(inner, cohort.score[learned], doubt)
    else:
        first = [i for i, outer in enumerate(folds) if outer.repeat == 0]
        who = _learn_from(whom, cohort, np.arange(len(cohort.units)))
        fused, predicted = (np.where(who, _mean(values[first]), np.nan) for values in (raw, score))
        head = crossfitted_head(_out_of(members, "test_probability", first, who), fused, target, coverage, doubt)
        scores = fit_score_fusion(_out_of(members, "test_score", first, who), cohort.score, doubt)
        scores = replace(scores, half_width=half_width(predicted, cohort.score))
    names = [entry.member.name for entry in members]
    kept = Fusion(dict(zip(names, head.weights.tolist(), strict=True)), head.calibration, scores)
    return Fused(probability, score, prediction, kept)


def _learn_from(whom: Mask, cohort: Cohort, rows: NDArray[np.intp]) -> Mask:
    """The units in ``whom``, or all where too few of a class among these rows are."""
    poor = cohort.poor[rows[whom[rows]]]
    return whom if min(poor.sum(), (~poor).sum()) >= LEAST_WITH_EARLY else np.ones_like(whom)


def _present(entry: TrainedMember) -> Mask:
    """(units,) of whom a member says something."""
    said = np.concatenate([entry.folds.inner_probability, entry.folds.test_probability])
    return np.asarray(np.isfinite(said).any(axis=0))


def _stack(members: Sequence[TrainedMember], attribute: str, fold: int, who: Mask) -> Array:
    """(units, members) of one outer fold, NaN of units that are not in ``who``."""
    said = np.stack([getattr(entry.folds, attribute)[fold] for entry in members], axis=1)
    return np.where(who[:, None], said, np.nan)


def _out_of(members: Sequence[TrainedMember], attribute: str, folds: Sequence[int], who: Mask) -> Array:
    """(units, members): what each member said in that of these outer folds in which a unit was tested."""
    said = np.stack([_mean(getattr(entry.folds, attribute)[list(folds)]) for entry in members], axis=1)
    return np.where(who[:, None], said, np.nan)


def _mean(values: Array) -> Array:
    """Mean over the first axis of what is there, NaN where nothing is (without numpy's warning)."""
    present = np.isfinite(values)
    total, count = np.where(present, values, 0.0).sum(axis=0), present.sum(axis=0)
    result: Array = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return result
