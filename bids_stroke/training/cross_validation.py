"""Members through the nested folds, and fitted at last on everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.errors import DataError
from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import Member
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.ensemble.explanation.looking import kind_of
from bids_stroke.ensemble.explanation.of_training import Learned
from bids_stroke.networks.device import Thrift
from bids_stroke.training.cohort import Cases, read_cases, shuffled_rows
from bids_stroke.training.cost import Budget, Clock
from bids_stroke.training.early_fusion import join_cases
from bids_stroke.training.folds import (
    MINIMUM_PER_CLASS,
    OuterFold,
    Split,
    advice,
    needed_of_class,
    people_of_classes,
    roles,
)
from bids_stroke.training.loss_curve import Curve, best_epoch
from bids_stroke.training.parts.seeds import place_of_fold, place_of_member
from bids_stroke.training.shallow import fit_shallow, predict_shallow, shallow_curve, step_in_words
from bids_stroke.training.trainer import Fitted, Place, fit, fit_watching, predict_rows

SHUFFLED = 500_000
"""Added to the seed of a member's last fit for the one on shuffled outcomes."""
Rows = NDArray[np.int64]
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LossCurve:
    """Loss on an inner fold's validation rows after each epoch, counted from 1; folds counted from 0."""

    fold: int
    inner: int
    losses: Array


@dataclass(frozen=True, eq=False)
class MemberFolds:
    """What a member said in cross-validation: row = outer fold, column = unit, NaN where it said nothing.

    Attributes
    ----------
    inner_probability, inner_score : (folds, units) float64
        Of the outer training rows, each by a network of the inner folds that did not train on it.
    test_probability, test_score : (folds, units) float64
        Of the outer test rows, by a network fitted on the outer training rows.
    epochs : (folds,) float64
        Chosen in the inner folds (for a shallow network: step of its path); NaN where there were too few units.
    curves : list of LossCurve
        Of all inner folds.
    """

    inner_probability: Array
    inner_score: Array
    test_probability: Array
    test_score: Array
    epochs: Array
    curves: list[LossCurve]


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """A member, or the early fusion of some, after training."""

    member: Member
    folds: MemberFolds
    fitted: Fitted
    n_units: int
    """That have its modality."""
    seconds: float = 0.0
    """That its training took in this run; less where an earlier one had done a part."""
    shuffled: Fitted | None = None
    """The network fitted on shuffled outcomes, for the audit of its maps."""


@dataclass(frozen=True, eq=False)
class TrainedMembers:
    """What became of the members that were planned.

    Attributes
    ----------
    members : tuple of TrainedMember
        In their order; last, the early fusion.
    left_out : mapping of str to str
        Name of each member that was not trained, and why.
    minutes : mapping of str to float
        Most that each network trained by epochs takes, by estimate, where one was asked for.
    """

    members: tuple[TrainedMember, ...]
    left_out: Mapping[str, str]
    minutes: Mapping[str, float]

    @property
    def learned(self) -> dict[str, Learned]:
        """What an audit asks of each member, by name: what it said of units unseen is the mean of several folds."""
        return {
            one.member.name: Learned(
                mean_of_folds(one.folds.test_probability), one.shuffled.state if one.shuffled else None
            )
            for one in self.members
        }


def train_members(
    planned: Sequence[Cases],
    folds: Sequence[OuterFold],
    place: Place,
    progress: Callable[[str], None],
    thrift: Mapping[str, Thrift] = MappingProxyType({}),
) -> TrainedMembers:
    """Each member, then the early fusion, through the folds, then fitted for good; left out where too few have it.

    Those without samples are read here, one after the other. ``thrift`` says how a member of that name uses memory.
    """
    members: list[TrainedMember] = []
    left_out: dict[str, str] = {}
    joinable: dict[str, Cases] = {}
    everybody = np.arange(len(planned[0].cohort.units))
    budget, clock = Budget.of(planned[0].options), Clock([cases.shallow for cases in planned], len(folds))
    rows = roles(folds, len(everybody))["train"]
    for i, bare in enumerate(planned):
        member = bare.member
        if lost := [part for part in member.inputs.get("parts", ()) if part not in joinable]:
            left_out[member.name] = f"as {', '.join(lost)} is"
            progress(f"{member.name}: left out, {left_out[member.name]}")
            continue
        cases = bare if bare.samples else _read(bare, joinable)
        here = place_of_member(replace(place, thrift=thrift.get(member.name, place.thrift)), i)
        if not cases.shallow and (why := budget.holds(cases, folds, here)):
            left_out[member.name] = why
            progress(f"{member.name}: left out: {why}")
            continue
        if member.name in budget.needed:
            progress(f"{member.name}: up to {budget.needed[member.name]:.3g} minutes, by an estimate")
        clock.begin(i)
        run = cross_validate(cases, folds, here, lambda text: progress(clock.after_fold(text)))
        fitted = fit_final(cases, run, here, rows)
        shuffled = fit_shuffled(cases, run, here, rows) if bare.options.audit and kind_of(member) else None
        seconds = clock.end()
        if fitted is None:
            left_out[member.name] = f"too few have {in_words(cases, everybody)}"
            progress(f"{member.name}: left out, {left_out[member.name]}")
        else:
            joinable |= {member.name: cases} if cases.shallow else {}
            members.append(TrainedMember(member, run, fitted, len(cases.having(everybody)), seconds, shuffled))
    return TrainedMembers(tuple(members), left_out, budget.needed)


def people_having(cases: Cases, rows: Rows) -> tuple[int, int]:
    """Participants with a poor and with a good outcome, of these rows, that have what a member reads."""
    if cases.samples:
        there = cases.having(rows)
    else:  # not read yet
        units = cases.cohort.units
        there = np.array([row for row in rows if units[row].unit.features.get(cases.member.modality)], dtype=np.int64)
    return people_of_classes([cases.cohort.participants[row] for row in there], cases.cohort.poor[there])


def in_words(cases: Cases, rows: Rows) -> str:
    """What a member reads, and how many people of these rows have it: ``fa (3 with a poor, 2 with a good outcome)``."""
    what = "all its parts" if cases.member.modality == EARLY else cases.member.modality
    poor, good = people_having(cases, rows)
    return f"{what} ({poor} with a poor, {good} with a good outcome)"


def _read(bare: Cases, joinable: Mapping[str, Cases]) -> Cases:
    member = bare.member
    if member.modality == EARLY:
        return join_cases(member, bare.options, [joinable[part] for part in member.inputs["parts"]])
    return read_cases(member, bare.options, bare.cohort)


def cross_validate(
    cases: Cases, folds: Sequence[OuterFold], place: Place, progress: Callable[[str], None]
) -> MemberFolds:
    """Run a member through all outer folds.

    The number of epochs, the only thing that is chosen, comes from the inner folds: the epoch at which the mean of
    their validation losses is least. The network of the outer fold is then fitted anew for so many epochs. A network
    that is fitted in one go has the steps of its path instead (see shallow_paths.py).
    """
    result = _nothing_yet(len(folds), len(cases.cohort.units))
    for i, outer in enumerate(folds):
        here = place_of_fold(place, i)
        curves = _inner_curves(cases, outer.inner, here)
        if not curves or not _can_fit(cases, outer.split.train):
            there = in_words(cases, outer.split.train)
            progress(f"{cases.member.name}: fold {i + 1}/{len(folds)}: too few to train on have {there}")
            continue
        result.curves.extend(LossCurve(i, inner, curve.losses) for inner, (_, curve) in enumerate(curves))
        epochs = best_epoch([curve for _, curve in curves])
        for valid, curve in curves:
            result.inner_probability[i, valid], result.inner_score[i, valid] = curve.at(epochs)
        fitted = _fit(cases, outer.split.train, epochs, here)
        test = outer.split.test
        result.test_probability[i, test], result.test_score[i, test] = _predict(fitted, cases, test, here)
        result.epochs[i] = epochs
        progress(f"{cases.member.name}: fold {i + 1}/{len(folds)}: " + _chosen_in_words(cases, epochs))
    return result


def _nothing_yet(n_folds: int, n_units: int) -> MemberFolds:
    empty = np.full((n_folds, n_units), np.nan)
    return MemberFolds(empty, empty.copy(), empty.copy(), empty.copy(), np.full(n_folds, np.nan), [])


def fit_final(cases: Cases, folds: MemberFolds, place: Place, rows: Rows) -> Fitted | None:
    """Fit on the rows for the median of the folds' epochs or steps; None where no fold could be fitted.

    The rows are everybody, or the training part of a fixed split.
    """
    chosen = folds.epochs[np.isfinite(folds.epochs)]
    if not len(chosen) or not _can_fit(cases, rows):
        return None
    return _fit(cases, rows, round(float(np.median(chosen))), place)


def fit_shuffled(cases: Cases, folds: MemberFolds, place: Place, rows: Rows) -> Fitted | None:
    """As `fit_final`, with the outcomes shuffled among the people of these rows who have what the member reads."""
    own, taken = cases.having(rows), np.arange(len(cases.samples))
    rng = np.random.default_rng((place.seed, SHUFFLED))
    taken[own] = own[shuffled_rows([cases.cohort.participants[row] for row in own], rng)]
    shuffled = replace(cases, cohort=cases.cohort.with_outcomes_of(taken))
    return fit_final(shuffled, folds, replace(place, seed=place.seed + SHUFFLED), rows)


def _inner_curves(cases: Cases, inner: Sequence[Split], place: Place) -> list[tuple[Rows, Curve]]:
    """Validation rows and curve of each inner fold in which there is enough to train and to validate on."""
    found = []
    for i, split in enumerate(inner):
        valid = cases.having(split.test)
        if len(valid) and _can_fit(cases, split.train):
            found.append((valid, _watch(cases, split.train, valid, replace(place, seed=place.seed + i + 1))))
    return found


def _watch(cases: Cases, train: Rows, valid: Rows, place: Place) -> Curve:
    return shallow_curve(cases, train, valid, place.seed) if cases.shallow else fit_watching(cases, train, valid, place)


def _fit(cases: Cases, rows: Rows, chosen: int, place: Place) -> Fitted:
    return fit_shallow(cases, rows, chosen, place.seed) if cases.shallow else fit(cases, rows, chosen, place)


def _predict(fitted: Fitted, cases: Cases, rows: Rows, place: Place) -> tuple[Array, Array]:
    return predict_shallow(fitted, cases, rows) if cases.shallow else predict_rows(fitted, cases, rows, place)


def _chosen_in_words(cases: Cases, chosen: int) -> str:
    return step_in_words(cases, chosen) if cases.shallow else f"{chosen} epochs"


def _can_fit(cases: Cases, rows: Rows) -> bool:
    poor = cases.cohort.poor[cases.having(rows)]
    return bool(min(poor.sum(), (~poor).sum()) >= MINIMUM_PER_CLASS)


def mean_of_folds(said: Array) -> Array:
    """What was said of each unit, (folds, units) -> (units,): mean of the repeats; NaN where nothing was said."""
    known = np.isfinite(said)
    number = known.sum(axis=0)
    mean = np.where(known, said, 0.0).sum(axis=0) / np.maximum(number, 1)
    return np.where(number > 0, mean, np.nan)


def check_spoken(
    members: Sequence[TrainedMember], wanted: Sequence[Cases], folds: Sequence[OuterFold], training: TrainingSettings
) -> None:
    """DataError, with all numbers, unless some member could be trained in every fold."""
    dumb = [i for i in range(len(folds)) if not any(np.isfinite(entry.folds.epochs[i]) for entry in members)]
    if members and not dumb:
        return
    everybody = np.arange(len(wanted[0].cohort.units))
    single = [cases for cases in wanted if cases.member.modality != EARLY]
    most = max(min(people_having(cases, everybody)) for cases in single)
    have = "; ".join(f"{cases.member.name}: {in_words(cases, everybody)}" for cases in single)
    needed = needed_of_class(training.outer_folds, training.inner_folds)
    need = f"{training.outer_folds} outer and {training.inner_folds} inner folds need {needed} of each class"
    where = f"in fold {dumb[0] + 1} of {len(folds)}" if members else "in any fold"
    raise DataError(
        f"Too few participants: no member could be trained {where}. {have}. {need}.",
        advice(min(most, needed - 1), training),
        "too-few-participants",
    )
