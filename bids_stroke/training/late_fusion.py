"""Fusion of trained members, in each outer fold and of the ensemble that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import Member
from bids_stroke.fusion.fitted import Fusion, clipped_logit
from bids_stroke.fusion.out_of_fold import OutOfFold
from bids_stroke.fusion.people import People
from bids_stroke.fusion.subset import fit_fusion, fusion_among
from bids_stroke.training.cohort import Cohort
from bids_stroke.training.cross_validation import TrainedMember
from bids_stroke.training.folds import OuterFold

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

EARNED = 0.02
"""Weight from which on a member adds something: of next to nothing, the fusion keeps a thousandth."""


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
        Of the members that earned their weight, and the early fusion.
    evidence : OutOfFold
        What that was fitted on, and what the fusion of whoever lacks something will be.
    left_out : mapping of str to float
        Members that are not among these (`idle_members`), and the weight that each had beside them.
    """

    probability: Array
    score: Array
    interval: Array
    prediction: NDArray[np.object_]
    kept: Fusion
    evidence: OutOfFold
    left_out: Mapping[str, float]


def fuse_members(
    members: Sequence[TrainedMember], cohort: Cohort, folds: Sequence[OuterFold], coverage: float
) -> Fused:
    """Fuse out of the folds, everybody by the fusion of the members that they have.

    Members that did not earn their weight (`idle_members`) are left out, in each fold by what its own people show.

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
    probability, score = np.full((2, len(folds), len(cohort.units)), np.nan)
    interval = np.full((2, *score.shape), np.nan)
    prediction = np.full(probability.shape, None, dtype=object)
    for i, outer in enumerate(folds):
        whole, evidence, idle = _earning(_evidence(members, cohort, [i], outer.learned, "inner"), members, coverage)
        said = _evidence(members, cohort, [i], outer.split.test, "test").of_members(evidence.names)
        there = np.isfinite(said.probability)
        for pattern in np.unique(there[there.any(axis=1)], axis=0):
            own = (there == pattern).all(axis=1)
            rows = outer.split.test[own]
            fusion = fusion_among(evidence, [n for n, has in zip(said.names, pattern, strict=True) if has], whole)
            probability[i, rows], score[i, rows], interval[:, i, rows], prediction[i, rows] = _apply(fusion, said, own)
    if not folds[0].fixed:  # else what was tested is kept
        first = [i for i, outer in enumerate(folds) if outer.repeat == 0]
        evidence = _evidence(members, cohort, first, np.arange(len(cohort.units)), "test")
        evidence = replace(evidence, refitted=_refitted(members, [folds[i] for i in first], evidence))
        whole, evidence, idle = _earning(evidence, members, coverage)
    return Fused(probability, score, interval, prediction, whole, evidence, idle)


def idle_members(weights: Mapping[str, float], members: Sequence[Member], said: OutOfFold) -> list[str]:
    """Members that earned no weight (`EARNED`) beside others on the same modality, which tell what they tell.

    Parameters
    ----------
    weights : mapping of str to float
        Fusion weight by member, on the simplex.
    members : sequence of Member
        And the early fusion, if there is one: what it joins is never idle.
    said : OutOfFold
        What the weights were fitted on: whoever has an idle member must have one of the others, which may be lacking
        where it is not (two on EEG and EMG may read other channels).
    """
    there = {name: np.isfinite(said.probability[:, i]) for i, name in enumerate(said.names)}
    parts = {part for member in members for part in member.inputs.get("parts", ()) if member.modality == EARLY}
    found = []
    for member in members:
        others = [other.name for other in members if other.modality == member.modality and other is not member]
        beside = [there[name] for name in others if weights[name] >= EARNED]
        if weights[member.name] < EARNED and beside and member.name not in parts:
            found += [] if (there[member.name] & ~np.any(beside, axis=0)).any() else [member.name]
    return found


def _earning(
    evidence: OutOfFold, members: Sequence[TrainedMember], coverage: float
) -> tuple[Fusion, OutOfFold, dict[str, float]]:
    """The fusion of the members that earn their weight, what it was fitted on, and the weights of the others."""
    whole = fit_fusion(evidence, evidence.names, coverage)
    idle = idle_members(whole.weights, [entry.member for entry in members], evidence)
    if not idle:
        return whole, evidence, {}
    rest = evidence.of_members(set(evidence.names) - set(idle))
    return fit_fusion(rest, rest.names, coverage), rest, {name: whole.weights[name] for name in idle}


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
