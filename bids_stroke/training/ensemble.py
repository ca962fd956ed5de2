"""The whole of training: members through nested folds, fusion and distribution on what they had not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.bids.labels import ledger_hash, participant_hash
from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import Labelled, Member
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.derivatives.outputs import tsv_text
from bids_stroke.ensemble.baselines import Baseline, ordinary_mean
from bids_stroke.ensemble.bundle import Bundle, BundleContents, write_bundle
from bids_stroke.ensemble.explanation.of_training import audited
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.networks.device import resolve_device
from bids_stroke.training.baselines import TrainedBaseline, planned_baselines, train_baselines
from bids_stroke.training.cohort import Cases, Cohort, check_covariates, make_cohort, read_shallow_cases
from bids_stroke.training.cost import Means, plan_memory
from bids_stroke.training.cross_validation import TrainedMember, check_spoken, train_members
from bids_stroke.training.folds import OuterFold, make_folds, roles
from bids_stroke.training.fusion_alternatives import FoldOutputs, alternatives, subset_table
from bids_stroke.training.late_fusion import Fused, apart, fuse_members
from bids_stroke.training.members import planned_members
from bids_stroke.training.participants import LEFT_OUT, cohort_profile, identity, idle_facts, model_facts, with_roles
from bids_stroke.training.trainer import Place

Array = NDArray[np.float64]

VERSION = "1.0.0"


@dataclass(frozen=True, eq=False)
class TrainedEnsemble:
    """A fitted ensemble and what it said of people that it had not seen."""

    contents: BundleContents
    out_of_fold: pd.DataFrame
    """One row per unit and repeat: dataset, participant_id, session_id, fold, repeat, score, poor, probability_poor,
    prediction, predicted_score with ``_low`` and ``_high``, ``p_<member>``, ``fusion_<name>`` (other ways to fuse),
    ``baseline_<name>``; scores as ``s_<member>``, ``s_fusion_early`` and ``s_baseline_<name>``."""
    subsets: pd.DataFrame
    """Every subset of members, from `subset_table`."""
    curves: pd.DataFrame
    """Validation losses: member, outer_fold, inner_fold, epoch (from 1), loss, chosen (this epoch was)."""
    modality_of: Mapping[str, str]
    """Modality of each member of the tables; those that did not earn their weight are in no bundle."""
    not_trained: Mapping[str, str] = field(default_factory=dict)
    """Members that were asked for and not trained, and why."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of each member's training in this run, the early fusion's among them."""
    minutes: Mapping[str, float] = field(default_factory=dict)
    """As in `TrainedMembers`."""


def train_ensemble(
    units: Sequence[Labelled],
    settings: Settings,
    device: str = "auto",
    progress: Callable[[str], None] = print,
    means: Means | None = None,
) -> TrainedEnsemble:
    """Cross-validate every member, fuse and calibrate in each fold, fit the final ensemble on everybody.

    Parameters
    ----------
    units : sequence of Labelled
        Feature files, covariates and outcomes.
    settings : Settings
        Outcome, seed, precision and everything under ``training``.
    device : str
        As in `resolve_device`.
    progress : callable
        Takes one line of text after each fold: member k of n, fold, what was chosen, and minutes left.
    means : Means, optional
        Store and memory.

    Raises
    ------
    UsageError
        Too few participants of a class for the folds, a member that is described wrongly or needs more memory than
        there is, or a covariate that is the outcome.
    DataError
        No member could be trained, or a feature file is broken.

    Notes
    -----
    The outer test rows are touched only to be predicted. The final fusion weights and distribution are fitted on the
    outer out-of-fold predictions of everybody, for which all of that cross-validation takes the place of inner folds;
    of several repeats on the first alone, because the mean of several trainings is better and surer than one, and one
    is kept (with 5 repeats, sets at 90 % that were fitted on the mean covered 81 to 87 % in a simulation).
    In a fixed split they, and the final networks, are those that were tested: no test row is learned from.
    """
    means = means or Means()
    cohort = make_cohort(units, settings.outcome.column)
    check_covariates(cohort)
    folds = make_folds(cohort.participants, cohort.poor, settings.training, settings.seed)
    planned = planned_members(settings, cohort)
    absent = _absent(planned, settings, progress)
    wanted, compared = _read_first(planned, settings, cohort)
    here = Place(resolve_device(device), settings.precision, settings.seed, means.store)
    thrift = {} if means.memory_gb is None else plan_memory(wanted, here.device, means.memory_gb, progress)
    profile = cohort_profile(cohort, [member.modality for member, _ in planned], roles(folds, len(cohort.units)))
    baselines = train_baselines(compared, folds, here, settings.training)
    trained = train_members(wanted, folds, here, progress, thrift)
    check_spoken(trained.members, wanted, folds, settings.training)
    ensemble = _ensemble(folds, trained.members, baselines, cohort, settings)
    _tell_idle(ensemble, progress)
    contents = replace(ensemble.contents, profile=profile)
    if settings.training.audit:
        learned_from = roles(folds, len(cohort.units))["train"]
        contents = audited(contents, cohort.units, learned_from, trained.learned, (here.device, here.seed, progress))
    seconds = {entry.member.name: entry.seconds for entry in trained.members}
    left_out = {**absent, **trained.left_out}
    return replace(ensemble, contents=contents, not_trained=left_out, seconds=seconds, minutes=trained.minutes)


def _tell_idle(ensemble: TrainedEnsemble, progress: Callable[[str], None]) -> None:
    for name, why in ensemble.contents.facts.get(LEFT_OUT, {}).items():
        progress(f"{name}: left out, {why}; without it (training.members) training takes less time")


def _absent(
    planned: Sequence[tuple[Member, TrainingSettings]], settings: Settings, progress: Callable[[str], None]
) -> dict[str, str]:
    """Members that are described and left out before anything is trained, and why."""
    found = {
        name: f"nobody has {settings.training.members[name]['modality']}"
        for name in sorted(set(settings.training.members) - {member.name for member, _ in planned})
    }
    if settings.training.early_fusion not in (True, False) and planned[-1][0].modality != EARLY:
        found[EARLY] = "fewer than two of its parts are there"
    for name, why in found.items():
        progress(f"{name}: left out, {why}")
    return found


def _read_first(
    planned: Sequence[tuple[Member, TrainingSettings]], settings: Settings, cohort: Cohort
) -> tuple[list[Cases], list[Cases]]:
    """Members and baselines; those that are fitted in one go with their numbers, each file read once for all.

    First, because a file that cannot be read should not be met after hours of training.
    """
    wanted = [Cases(member, options, (), cohort) for member, options in planned]
    compared = planned_baselines(settings, cohort, [member for member, _ in planned])
    direct = [i for i, own in enumerate(wanted) if own.shallow and own.member.modality != EARLY]
    read = read_shallow_cases([*(wanted[i] for i in direct), *compared])
    for i, own in zip(direct, read, strict=False):
        wanted[i] = own
    return wanted, read[len(direct) :]


def _ensemble(
    folds: Sequence[OuterFold],
    members: Sequence[TrainedMember],
    baselines: Sequence[TrainedBaseline],
    cohort: Cohort,
    settings: Settings,
) -> TrainedEnsemble:
    """Fusion of the trained members, in each fold and of the ensemble that is kept."""
    fused = fuse_members(members, cohort, folds, settings.training.coverage)
    table = _out_of_fold(cohort, folds, members, baselines, fused)
    contents = _with_baselines(_contents(cohort, members, fused, table, settings), baselines)
    contents = with_roles(contents, cohort, roles(folds, len(cohort.units)))
    single, _ = apart(members)
    outputs = [_outputs(cohort, single, i, outer) for i, outer in enumerate(folds)]
    outcomes = [cohort.poor[outer.split.test] for outer in folds]
    subsets = subset_table([entry.member.name for entry in single], outputs, outcomes)
    modality_of = {entry.member.name: entry.member.modality for entry in single}
    return TrainedEnsemble(contents, table, subsets, _curves(members), modality_of)


def write_trained(models: Path, ensemble: TrainedEnsemble, settings: Settings) -> Bundle:
    """Write the bundle ``models/<training.name>``."""
    return write_bundle(models / settings.training.name, ensemble.contents)


def _out_of_fold(
    cohort: Cohort,
    folds: Sequence[OuterFold],
    members: Sequence[TrainedMember],
    baselines: Sequence[TrainedBaseline],
    fused: Fused,
) -> pd.DataFrame:
    tables = []
    single, early = apart(members)
    for i, outer in enumerate(folds):
        test = outer.split.test
        columns = identity(cohort, test) | {"fold": outer.fold, "repeat": outer.repeat}
        columns |= {"score": cohort.score[test], "poor": cohort.poor[test].astype(int)}
        columns["probability_poor"] = fused.probability[i, test]
        columns["prediction"] = list(fused.prediction[i, test])
        columns["predicted_score"] = fused.score[i, test]
        columns["predicted_score_low"], columns["predicted_score_high"] = fused.interval[:, i, test]
        columns |= {f"p_{entry.member.name}": entry.folds.test_probability[i, test] for entry in single}
        columns |= {f"s_{entry.member.name}": entry.folds.test_score[i, test] for entry in single}
        if early:
            columns |= {"fusion_early": early.folds.test_probability[i, test]}
            columns |= {"s_fusion_early": early.folds.test_score[i, test]}
        columns |= {f"fusion_{name}": p for name, p in alternatives(_outputs(cohort, single, i, outer)).items()}
        said = {one.name: (one.fused.probability[i, test], one.fused.score[i, test]) for one in baselines}
        for name, (chances, expected) in (said | ordinary_mean(said)).items():
            columns |= {f"baseline_{name}": chances, f"s_baseline_{name}": expected}
        tables.append(pd.DataFrame(columns).sort_values(["participant_id", "session_id"]))
    table = pd.concat(tables, ignore_index=True)
    known: pd.DataFrame = table[np.isfinite(table["probability_poor"])].reset_index(drop=True)
    return known


def _outputs(cohort: Cohort, members: Sequence[TrainedMember], fold: int, outer: OuterFold) -> FoldOutputs:
    """Members' probabilities of one outer fold: of its training rows from the inner folds, and of its test rows."""
    train, test = outer.validated, outer.split.test
    inner = np.stack([entry.folds.inner_probability[fold] for entry in members], axis=1)
    said = np.stack([entry.folds.test_probability[fold] for entry in members], axis=1)
    return FoldOutputs(inner[train], cohort.poor[train], said[test])


def _curves(members: Sequence[TrainedMember]) -> pd.DataFrame:
    rows = [
        (entry.member.name, curve.fold, curve.inner, epoch, float(loss), epoch == entry.folds.epochs[curve.fold])
        for entry in members
        for curve in entry.folds.curves
        for epoch, loss in enumerate(curve.losses, start=1)
    ]
    return pd.DataFrame(rows, columns=["member", "outer_fold", "inner_fold", "epoch", "loss", "chosen"])


def _contents(
    cohort: Cohort, members: Sequence[TrainedMember], fused: Fused, table: pd.DataFrame, settings: Settings
) -> BundleContents:
    single, early = apart([entry for entry in members if entry.member.name not in fused.left_out])
    kept = [*single, *([early] if early else [])]
    everybody = identity(cohort, np.arange(len(cohort.units)))
    salt = participant_hash(tsv_text(pd.DataFrame(everybody)), settings.training.name, str(settings.seed))
    people = dict.fromkeys(zip(everybody["dataset"], everybody["participant_id"], strict=True))
    return BundleContents(
        name=settings.training.name,
        version=VERSION,
        outcome=str(settings.outcome),
        demonstration=settings.training.demonstration,
        members=tuple(_bundle_member(entry) for entry in single),
        early=_bundle_member(early) if early else None,
        states={entry.member.name: entry.fitted.state for entry in kept},
        fusion=fused.kept,
        evidence=fused.evidence,
        salt=salt,
        participants={"train": tuple(ledger_hash(salt, *person) for person in people)},
        splits=table[["dataset", "participant_id", "session_id", "repeat", "fold"]],
        out_of_fold=table.drop(columns=[f"{kind}_{name}" for name in fused.left_out for kind in "ps"]),
        facts=model_facts(cohort, kept, settings) | idle_facts(members, fused),
    )


def _with_baselines(contents: BundleContents, baselines: Sequence[TrainedBaseline]) -> BundleContents:
    """The contents with what the fusion is held against, and its states."""
    kept = tuple(Baseline(_bundle_member(one.entry), one.fused.kept, one.needs) for one in baselines)
    states = {one.entry.member.name: one.entry.fitted.state for one in baselines}
    return replace(contents, baselines=kept, states={**contents.states, **states})


def _bundle_member(entry: TrainedMember) -> BundleMember:
    member, fitted = entry.member, entry.fitted
    complete = Member(member.name, member.modality, fitted.network, fitted.arguments, member.inputs)
    return BundleMember(complete, fitted.scaler, fitted.score_mean, fitted.score_sd)
