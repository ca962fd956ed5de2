"""Fusion of trained members, in each outer fold and of the ensemble that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.modalities import EARLY
from bids_stroke.fusion.fitted import Fusion, clipped_logit
from bids_stroke.fusion.out_of_fold import OutOfFold
from bids_stroke.fusion.people import People
from bids_stroke.fusion.subset import fit_fusion, fusion_among
from bids_stroke.training.cohort import Cohort
from bids_stroke.training.cross_validation import TrainedMember
from bids_stroke.training.folds import OuterFold

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fused:
    """What the fusions said of people that they had not seen, and what is kept.

    Attributes
    ----------
    probability, score : (folds, units) float64
        Of the test units of each outer fold, NaN elsewhere and where no member is present.
    interval : (2, folds, units) float64
        Ends of the score's interval; NaN where there is none.
    prediction : (folds, units) object
        ``poor``, ``good``, ``abstain``, or None.
    kept : Fusion
        Of all members and the early fusion.
    evidence : OutOfFold
        What that was fitted on, and what the fusion of whoever lacks something will be.
    """

    probability: Array
    score: Array
    interval: Array
    prediction: NDArray[np.object_]
    kept: Fusion
    evidence: OutOfFold


def fuse_members(
    members: Sequence[TrainedMember], cohort: Cohort, folds: Sequence[OuterFold], coverage: float
) -> Fused:
    """Fuse out of the folds, everybody by the fusion of the members that they have.

    Parameters
    ----------
    members : sequence of TrainedMember
        And the early fusion, if there is one, with what they said out of the folds.
    cohort : Cohort
        Units and outcomes.
    folds : sequence of OuterFold
        Those of the members.
    coverage : float
        As in `fit_distribution`.
    """
    names = [entry.member.name for entry in members]
    probability, score = np.full((2, len(folds), len(cohort.units)), np.nan)
    interval = np.full((2, *score.shape), np.nan)
    prediction = np.full(probability.shape, None, dtype=object)
    for i, outer in enumerate(folds):
        evidence = _evidence(members, cohort, [i], outer.learned, "inner")
        whole = fit_fusion(evidence, names, coverage)
        said = _evidence(members, cohort, [i], outer.split.test, "test")
        there = np.isfinite(said.probability)
        for pattern in np.unique(there[there.any(axis=1)], axis=0):
            own = (there == pattern).all(axis=1)
            rows = outer.split.test[own]
            fusion = fusion_among(evidence, [name for name, has in zip(names, pattern, strict=True) if has], whole)
            probability[i, rows], score[i, rows], interval[:, i, rows], prediction[i, rows] = _apply(fusion, said, own)
    if not folds[0].fixed:  # else what was tested is kept
        first = [i for i, outer in enumerate(folds) if outer.repeat == 0]
        evidence = _evidence(members, cohort, first, np.arange(len(cohort.units)), "test")
        evidence = replace(evidence, refitted=_refitted(members, [folds[i] for i in first], evidence))
        whole = fit_fusion(evidence, names, coverage)
    return Fused(probability, score, interval, prediction, whole, evidence)


def apart(members: Sequence[TrainedMember]) -> tuple[list[TrainedMember], TrainedMember | None]:
    """The members, and the early fusion of some of them if there is one."""
    single = [entry for entry in members if entry.member.modality != EARLY]
    return single, next((entry for entry in members if entry.member.modality == EARLY), None)


def _apply(fusion: Fusion, said: OutOfFold, rows: NDArray[np.bool_]) -> tuple[Array, Array, Array, NDArray[np.object_]]:
    """Calibrated probabilities, scores with the ends of their intervals, and predictions of some rows."""
    known = fusion.distribution
    assert known is not None  # of training, every one has it
    said = said.of_members(fusion.weights)
    index = fusion.index(said.probability[rows], said.score[rows])
    probability = known.probability(index)
    decisions = np.array([known.decide(p) for p in probability.tolist()], dtype=object)
    ends = np.array([known.interval(value) or (np.nan, np.nan) for value in index.tolist()])
    return probability, known.score(index), ends.reshape(-1, 2).T, decisions


def _evidence(
    members: Sequence[TrainedMember], cohort: Cohort, folds: Sequence[int], rows: Rows, part: str
) -> OutOfFold:
    """What members said of these rows in the ``inner`` or ``test`` part of outer folds, of each row in one of them."""
    said = [
        np.stack([_only(getattr(entry.folds, f"{part}_{what}")[list(folds)])[rows] for entry in members], axis=1)
        for what in ("probability", "score")
    ]
    names = tuple(entry.member.name for entry in members)
    people = People.of(cohort.participants[row] for row in rows)
    unknown = np.full_like(said[0], np.nan)  # an outer fold has one training of each row only
    return OutOfFold(names, said[0], said[1], cohort.poor[rows], cohort.score[rows], people, unknown)


def _refitted(members: Sequence[TrainedMember], folds: Sequence[OuterFold], evidence: OutOfFold) -> Array:
    """`OutOfFold.refitted` of everybody, from the inner folds of one repeat, in which each row is predicted often.

    A person is told by another training in each outer fold whose test part he or she is not in. Two such trainings
    share people; how far they lie apart then tells of the variance over samples by the delete-d jackknife (Shao and
    Wu 1989, "A general theory for jackknife variance estimation"): times kept over left-out people.
    """
    logits = np.stack(
        [clipped_logit(entry.folds.inner_probability[: len(folds)]) for entry in members], axis=2
    )  # (folds, units, members), NaN of the row's own fold
    there = np.isfinite(logits)
    count = there.sum(axis=0)
    mean = np.divide(np.where(there, logits, 0.0).sum(axis=0), count, out=np.zeros(count.shape), where=count > 0)
    kept = (1 - 1 / len(folds)) * (1 - 1 / len(folds[0].inner))
    found = np.full(evidence.probability.shape, np.nan)
    for i, outer in enumerate(folds):
        rows, other = outer.split.test, (i + 1) % len(folds)
        own = count[rows]
        scale = np.sqrt(np.divide(own, own - 1, out=np.full(own.shape, np.nan), where=own > 1) * kept / (1 - kept))
        found[rows] = (logits[other, rows] - mean[rows]) * scale
    return found


def _only(values: Array) -> Array:
    """The value of each column that is there, NaN where none is, (folds, units) -> (units,)."""
    present = np.isfinite(values)
    found: Array = np.where(present, values, 0.0).sum(axis=0)
    return np.where(present.any(axis=0), found, np.nan)
