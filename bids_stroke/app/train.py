"""The level ``train``: from the features and outcomes of a cohort to a bundle and its evaluation."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bids_stroke.app.copied import copied_people
from bids_stroke.app.currency import Currency, not_current
from bids_stroke.app.executors import memory_left_gb
from bids_stroke.app.failures import lost_units, unended_units
from bids_stroke.app.plan import known_before, merge_features, recipe
from bids_stroke.app.progress import tell_covariates
from bids_stroke.app.request import Request
from bids_stroke.bids.dates import check_dates
from bids_stroke.bids.phenotype import check_labels, check_outcome_column, outcome_notes, unit_outcome
from bids_stroke.bids.rows import Unit
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.records import Labelled, Session, UnitFeatures, unit_prefix
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_table, write_text
from bids_stroke.derivatives.provenance import write_settings
from bids_stroke.derivatives.recipes import recipe_changes
from bids_stroke.derivatives.status import read_statuses
from bids_stroke.evaluation.files import write_evaluation
from bids_stroke.preprocess.registry import STEPS

if TYPE_CHECKING:
    from bids_stroke.training.checkpoint import Store
    from bids_stroke.training.cost import Means
    from bids_stroke.training.ensemble import TrainedEnsemble

FEW = 10
"""Participants of either outcome, with fewer of whom a training is warned of."""


def run_train(request: Request, sessions: Sequence[Session], dataset_name: str, console: Console) -> int:
    """Read features and outcomes, nested cross-validation, fit the final ensemble, write the bundle and evaluation."""
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    cohort = labelled_cohort(request, sessions, dataset_name, say)  # before the imports: it may end here
    from bids_stroke.app.trained.page import not_used
    from bids_stroke.training.checkpoint import Store
    from bids_stroke.training.cost import Means
    from bids_stroke.training.ensemble import train_ensemble

    _tell_cohort(request, sessions, cohort, console)
    store = Store(dataset_file(request.output_dir, "unfinished", name=request.settings.training.name))
    if request.execution.force:
        shutil.rmtree(store.folder, ignore_errors=True)
    if there := store.names():
        say("Fits of an earlier run, or of --train-part, are there: they are used where nothing has changed.")
    if n := request.settings.training.retrain_permutations:
        say(f"After the training its cross-validation is run {n} times more (training.retrain_permutations).")
    means = Means(store, memory_left_gb(request.execution.mem_gb))
    begin = time.monotonic()
    ensemble = train_ensemble(cohort, request.settings, request.execution.device, say, means)
    _tell_taken(store, there, say)
    done = Done(cohort, ensemble, time.monotonic() - begin, not_used(request, sessions, cohort))
    path = _write_all(request, done, means, say)
    shutil.rmtree(store.folder, ignore_errors=True)  # last: until all is written, the next run can start from it
    console.print(f"Model: {path}", soft_wrap=True)
    return tell_of_lost(request, sessions, cohort, say)


def _tell_taken(store: Store, there: set[str], say: Callable[[str], object]) -> None:
    """Say what became of the fits that were there before; those that are not asked for go with their folder."""
    if not there:
        return
    strange = {name for name in there - set(store.asked) if not name.startswith("permutation-")}
    more = f"; {len(there & set(store.asked) - store.finished)} more went on where they were"
    say(
        f"{len(there & store.finished)} finished fits were taken as they were{more}. {len(strange)} that were there "
        "are not of this training (other people, features, settings, code, threads or memory) and are removed."
    )


@dataclass(frozen=True, eq=False)
class Done:
    """A training that has ended."""

    cohort: Sequence[Labelled]
    ensemble: TrainedEnsemble
    seconds: float
    absent: dict[str, int]
    """Why examinations were not trained on, and how many."""


def _tell_cohort(request: Request, sessions: Sequence[Session], cohort: Sequence[Labelled], console: Console) -> None:
    """Say who is trained on, and what should be known of them."""
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    for text in copied_people(request.output_dir, [item.unit for item in cohort]):
        say(f"Warning: {text}")
    people = {kind: {item.unit.subject for item in cohort if item.poor == kind} for kind in (True, False)}
    console.print(
        f"{len(cohort)} units with features and an outcome ({request.settings.outcome}), of {len(people[True])} "
        f"participants with a poor and {len(people[False])} with a good one.",
        soft_wrap=True,
    )
    if min(len(own) for own in people.values()) < FEW:
        say(f"Warning: fewer than {FEW} with either outcome: what such an ensemble is worth can hardly be told.")
    column = request.settings.outcome.column
    for text in outcome_notes(request.selection.bids_dir, column, [(item.subject, item.session) for item in sessions]):
        console.print(f"Outcomes: {text}", highlight=False, markup=False, soft_wrap=True)
    tell_covariates(console, [item.unit.covariates for item in cohort], column)


def _write_all(request: Request, done: Done, means: Means, say: Callable[[str], object]) -> Path:
    """Evaluate; write the bundle, which keeps the figures, the evaluation, tables and page; the bundle's path."""
    from bids_stroke.app.trained.facts import performance
    from bids_stroke.app.trained.page import page_content
    from bids_stroke.ensemble.metadata import bundle_networks
    from bids_stroke.evaluation.evaluate import evaluate
    from bids_stroke.report.methods import write_methods
    from bids_stroke.report.plots import curves_plot
    from bids_stroke.report.summary import summary_lines
    from bids_stroke.report.train import write_train_report
    from bids_stroke.training.ensemble import write_trained

    settings, ensemble = request.settings, done.ensemble
    path = partial(dataset_file, request.output_dir, name=settings.training.name)
    evaluation = evaluate(ensemble.out_of_fold, settings, ensemble.modality_of, settings.training.coverage)
    facts = {**ensemble.contents.facts, "performance": performance(evaluation)}
    ensemble = replace(ensemble, contents=replace(ensemble.contents, facts=facts))
    bundle = write_trained(path("models"), ensemble, settings)
    write_evaluation(bundle.path.parent, bundle.path.name, evaluation)
    write_table(path("subsets"), ensemble.subsets)
    write_table(path("curves"), ensemble.curves)
    write_text(path("curves_plot"), curves_plot(ensemble.curves))
    write_settings(request.output_dir, request.level, settings, request.command)
    write_methods(request.output_dir, bundle_networks(bundle.path), settings)
    content = page_content(request, ensemble, bundle.path, done.absent, done.seconds)
    page = write_train_report(request.output_dir, evaluation, content)
    if n := settings.training.retrain_permutations:  # last, as it may take days: all else is there before
        tested = _against_chance(request, done, means, say)
        evaluation = replace(evaluation, procedure={**evaluation.procedure, "retrained": tested})
        write_evaluation(bundle.path.parent, bundle.path.name, evaluation)
        write_train_report(request.output_dir, evaluation, content)
        say(f"Against chance, trained anew {n} times: p = {tested['p']:.3g}.")
    for text in summary_lines(evaluation):
        say(text)
    say(f"Report: {page}")
    return bundle.path


def _against_chance(request: Request, done: Done, means: Means, say: Callable[[str], object]) -> dict[str, Any]:
    from bids_stroke.app.trained.permutations import Retraining, permutation_test

    settings = request.settings
    retraining = replace(Retraining.of(done.cohort, done.ensemble, settings, means), device=request.execution.device)
    most = max(done.seconds, 60 * sum(done.ensemble.minutes.values()))  # of one that went on, little was done now
    return permutation_test(retraining, done.ensemble, settings.training.retrain_permutations, most, say)


def tell_of_lost(
    request: Request, sessions: Sequence[Session], cohort: Sequence[Labelled], say: Callable[[str], object]
) -> int:
    """Name the selected units without features, and return the exit code: 65 where any failed or never ended."""
    selected = {item.prefix: None for item in sessions}
    statuses = read_statuses(request.output_dir).units
    trained_on = {unit_prefix(item.unit.subject, item.unit.session) for item in cohort}
    for sentence in lost_units(selected, trained_on, statuses):
        say(f"Warning: {sentence}")
    return 65 if unended_units(selected, statuses) else 0


def labelled_cohort(
    request: Request, sessions: Sequence[Session], dataset_name: str, say: Callable[[str], object] = print
) -> list[Labelled]:
    """Units that have both features (from the participant level) and an outcome; ``say`` names those not current.

    Raises
    ------
    UsageError
        No table has the outcome's column, a person has two labels, features were made with other settings or
        another version, or a column that predicts is dated after the outcome.
    InputError
        No unit has features and an outcome.
    """
    outcome = request.settings.outcome
    check_outcome_column(request.selection.bids_dir, outcome.column)
    check_labels(request.selection.bids_dir, sorted({f"sub-{session.subject}" for session in sessions}))
    currency = Currency.of(request, dataset_name)
    cohort = []
    for session in sessions:
        score = unit_outcome(request.selection.bids_dir, outcome.column, session.subject, session.session)
        found = currency.look(session, prediction=False)
        features, missing = merge_features(found.reports, session, request.settings)
        if score is None:
            continue
        if why := found.why_no_features(request.settings.modalities):
            say(f"Warning: {not_current(session.prefix, why)}")
        elif features:
            check_same_recipe(request.output_dir, session.prefix, request.settings)
            known = known_before(session, outcome.column)
            unit = UnitFeatures(session.subject, session.session, features, missing, known, dataset_name)
            cohort.append(Labelled(unit, score, outcome.is_poor(score)))
    if not cohort:
        raise InputError(
            f"No unit in {request.output_dir} has both features and a value of '{outcome.column}'.",
            "Run the participant level on this dataset first, into the same OUTPUT_DIR.",
            "no-features",
        )
    _check_dates(request, cohort, say)
    return cohort


def _check_dates(request: Request, cohort: Sequence[Labelled], say: Callable[[str], object]) -> None:
    from bids_stroke.features.clinical_rules import baseline_columns  # here, because it needs numpy

    bids_dir, column = request.selection.bids_dir, request.settings.outcome.column
    wanted = baseline_columns(column)
    people = [
        (Unit(bids_dir, unit.subject, unit.session), wanted & unit.covariates.keys())
        for unit in (item.unit for item in cohort)
    ]
    for text in check_dates(column, people):
        say(f"Warning: {text}")


def check_same_recipe(root: Path, prefix: str, settings: Settings) -> None:
    """UsageError where features were made with other settings, another seed or another version than this run's.

    A model is known by the settings of its training: features of several kinds must not meet in it.
    """
    for step in STEPS.values():
        done = manifest.read_manifest(manifest.manifest_path(root, prefix, step.name), root)
        if done is None or not done.report.outputs:
            continue
        now = recipe(step, settings)
        if words := recipe_changes({part: value for part, value in done.recipe.items() if part in now}, now):
            raise UsageError(
                f"{prefix}: the features of the step {step.name} were made with other settings, or by another version "
                f"of bids_stroke or of a library, than this run has: {', '.join(words)}.",
                "Give the same --config as at the participant level, or run that level again.",
            )
