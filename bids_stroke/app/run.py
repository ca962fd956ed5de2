"""The levels as recipes: the only module that composes the stages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bids_stroke.app import executors, group_tables, preflight
from bids_stroke.app.dry_run import print_plan
from bids_stroke.app.plan import Model, UnitTask, plan_unit
from bids_stroke.app.progress import UnitProgress, status_table
from bids_stroke.app.request import Run
from bids_stroke.app.unit import UnitResult, run_unit
from bids_stroke.bids import sessions as dataset
from bids_stroke.core.errors import BidsStrokeError, UsageError
from bids_stroke.core.records import Session, UnitStatus
from bids_stroke.core.settings import Execution, Outcome
from bids_stroke.derivatives import status as gather
from bids_stroke.derivatives.outputs import write_dataset_files, write_table, write_text
from bids_stroke.ensemble.metadata import bundle_digest, bundle_lesion_side, bundle_modalities, bundle_outcome
from bids_stroke.networks.torch_import import import_torch

DEMONSTRATION = Path(__file__).parents[1] / "data" / "demonstration"
FEATURES_ONLY = Path("none")
"""``--model none``: no prediction."""
GB_PER_UNIT = 4.0
"""Memory to expect of one unit at full size (GB)."""


def run(run: Run) -> int:
    """Run one level; the exit code."""
    console = Console(stderr=True, quiet=run.execution.verbosity < 0)
    description = dataset.read_description(run.selection.bids_dir)
    sessions = dataset.find_sessions(run.selection)
    for sentence in dataset.unneeded_options(run.selection) + dataset.unused_derivatives(run.selection, sessions):
        console.print(f"[yellow]Warning[/]: {escape(sentence)}")
    if run.dry_run:
        preflight.check_device(run.execution.device)
        if run.level == "participant":
            _with_model(run)  # what is wrong with it is better known now
        print_plan(Console(), sessions, run.settings)
        return 0
    preflight.prepare_output(run.selection.bids_dir, run.output_dir)
    work_dir = preflight.prepare_work(run.execution.work_dir)
    try:
        return _run_level(run, sessions, str(description["Name"]), console, work_dir)
    finally:
        if run.execution.work_dir is None:
            shutil.rmtree(work_dir, ignore_errors=True)


def _run_level(run: Run, sessions: Sequence[Session], name: str, console: Console, work_dir: Path) -> int:
    run = replace(run, execution=run.execution.model_copy(update={"work_dir": work_dir}))
    with executors.environment(run.execution.omp_nthreads, work_dir):
        preflight.check_device(run.execution.device)
        _validate(run, console)
        source = os.path.relpath(run.selection.bids_dir, run.output_dir)
        write_dataset_files(run.output_dir, source, run.selection.derivatives)
        levels = {"participant": run_participant, "train": run_train, "group": run_group}
        return levels[run.level](run, sessions, name, console)


def run_participant(run: Run, sessions: Sequence[Session], dataset_name: str, console: Console) -> int:
    """Discover, preprocess, predict, report: every unit, one unit's failure never stopping another."""
    run, model = _with_model(run)
    execution = run.execution
    assert execution.work_dir is not None, "set before any level runs"
    tasks = [
        UnitTask(
            session,
            output_dir=run.output_dir,
            work_dir=execution.work_dir,
            settings=run.settings,
            model=model,
            dataset=dataset_name,
            device=execution.device,
            force=execution.force,
        )
        for session in sessions
    ]
    statuses = _run_units(run, tasks, console)
    modalities = bundle_modalities(model.path) if model else {}
    gather.write_status_table(run.output_dir)
    if run.selection.session_labels:  # the page of a subject shows all of its sessions
        sessions = dataset.find_sessions(replace(run.selection, session_labels=()))
    reports = gather.write_participant_reports(run.output_dir, sessions, modalities)
    return _conclude(run, statuses, reports, console)


def _with_model(run: Run) -> tuple[Run, Model | None]:
    """The model (None for features only), and the settings with the outcome that it predicts."""
    if run.model == FEATURES_ONLY:
        return run, None
    path = run.model or DEMONSTRATION
    model = Model(path.resolve(), bundle_digest(path))
    outcome = Outcome.parse(bundle_outcome(path))
    group_tables.check_asked_outcome(run, outcome)
    check_lesion_side(path, run.settings.lesion_side)
    return replace(run, settings=run.settings.model_copy(update={"outcome": outcome})), model


def check_lesion_side(model: Path, wanted: str) -> None:
    """UsageError where the model knows maps that are mirrored and this run does not make them so, or the reverse."""
    known = bundle_lesion_side(model)
    if known != wanted:
        raise UsageError(
            f"Setting lesion_side is {wanted}, but the model {model} was trained on maps made with {known}.",
            f"Set lesion_side: {known} in --config, or give a model trained with {wanted} (or --model none).",
        )


def _run_units(run: Run, tasks: Sequence[UnitTask], console: Console) -> list[UnitStatus]:
    current = [task for task in tasks if _is_current(task)]
    statuses = {task.session.prefix: _skipped(task) for task in current}
    for status in statuses.values():
        gather.write_status(run.output_dir, status)
    waiting = [task for task in tasks if task.session.prefix not in statuses]
    if not waiting:
        console.print(f"All {len(tasks)} units are up to date: nothing to do.")
        return list(statuses.values())
    nprocs = units_at_a_time(run.execution)
    if waiting[0].model is not None:
        import_torch()
        from bids_stroke.ensemble.bundle import load_bundle

        load_bundle(waiting[0].model.path)  # a corrupt model ends the run here, not in every unit
    console.print(
        f"{len(waiting)} units to do, {len(current)} up to date; {min(nprocs, len(waiting))} at a time with "
        f"{run.execution.omp_nthreads} threads each."
    )
    executor = executors.make_executor(nprocs, len(waiting))
    with UnitProgress(console, len(waiting)) as progress:
        for task, result in executor.run(waiting, run_unit):
            status = result.status if isinstance(result, UnitResult) else _crashed(task, result)
            statuses[task.session.prefix] = status
            gather.write_status(run.output_dir, status)
            progress.ended(task.session.prefix, _in_words(status, result))
            if status.status == "failed" and run.execution.stop_on_first_crash:
                console.print("Stopped after the first failure, as asked; units that were running have ended.")
                break
    return [statuses[task.session.prefix] for task in tasks if task.session.prefix in statuses]


def _is_current(task: UnitTask) -> bool:
    stages = plan_unit(task)
    return any(stage.step for stage in stages) and all(stage.current_report(task) for stage in stages)


def units_at_a_time(execution: Execution) -> int:
    """As many as were asked for, by default as many as there are CPUs for; never more than memory that was given holds.

    Whoever asks for a number without saying how much memory there is knows better than GB_PER_UNIT.
    """
    holds = int((execution.mem_gb or executors.available_memory_gb()) / GB_PER_UNIT)
    if execution.nprocs is None:
        return max(1, min(executors.available_cpus() // execution.omp_nthreads, holds))
    return max(1, min(execution.nprocs, holds)) if execution.mem_gb else execution.nprocs


def _skipped(task: UnitTask) -> UnitStatus:
    sha256 = task.model.sha256 if task.model else ""
    return UnitStatus(task.session.subject, task.session.session, "skipped", "up-to-date", "", 0, 0, sha256)


def _crashed(task: UnitTask, error: object) -> UnitStatus:
    """A unit whose process died, or that could not even be started."""
    reason = error.reason if isinstance(error, BidsStrokeError) else "internal-error"
    detail = str(error) if isinstance(error, BidsStrokeError) else f"{type(error).__name__}: {error}"
    return replace(_skipped(task), status="failed", reason=reason, detail=detail)


def _in_words(status: UnitStatus, result: object) -> str:
    if status.status == "failed":
        return f"FAILED ({status.reason}): {status.detail}"
    stages = result.seconds if isinstance(result, UnitResult) else {}
    return f"done in {status.seconds:.1f} s (" + ", ".join(f"{name} {s:.1f}" for name, s in stages.items()) + ")"


def _conclude(run: Run, statuses: Sequence[UnitStatus], reports: Sequence[Path], console: Console) -> int:
    failed = [status for status in statuses if status.status == "failed"]
    out = Console(stderr=True)
    out.print(status_table(statuses))
    for status in failed:
        unit = f"sub-{status.subject}" + (f" ses-{status.session}" if status.session else "")
        out.print(f"{unit} failed ({status.reason}): {status.detail}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Table of units: {run.output_dir / 'logs' / 'status.tsv'}", soft_wrap=True)
    for path in reports:
        console.print(f"Report: {path}", soft_wrap=True)
    return 65 if failed else 0


def run_train(run: Run, sessions: Sequence[Session], dataset_name: str, console: Console) -> int:
    """Read features and outcomes, nested cross-validation, fit the final ensemble, write the bundle and evaluation."""
    from bids_stroke.evaluation.evaluate import evaluate
    from bids_stroke.features.covariates import cohort_notes, covariate_names
    from bids_stroke.report.plots import curves_plot
    from bids_stroke.training.checkpoint import Store
    from bids_stroke.training.ensemble import train_ensemble, write_trained

    cohort = gather.labelled_cohort(run, sessions, dataset_name)
    poor = sum(item.poor for item in cohort)
    console.print(f"{len(cohort)} units with features and an outcome ({run.settings.outcome}): {poor} poor.")
    names = covariate_names(run.settings.outcome.column)
    for text in cohort_notes([item.unit.covariates for item in cohort], names):
        console.print(f"Covariates: {text}", highlight=False, markup=False, soft_wrap=True)
    models = run.output_dir / "models"
    store = Store(models / f"{run.settings.training.name}.unfinished")
    if run.execution.force:
        shutil.rmtree(store.folder, ignore_errors=True)
    if store.folder.is_dir():
        console.print("An earlier training was interrupted: what it had finished is used where nothing has changed.")
    ensemble = train_ensemble(cohort, run.settings, run.execution.device, console.print, store)
    bundle = write_trained(models, ensemble, run.settings)
    modality_of = {entry.member.name: entry.member.modality for entry in ensemble.contents.members}
    evaluation = evaluate(ensemble.out_of_fold, run.settings, modality_of)
    group_tables.write_evaluation(bundle.path.parent, bundle.path.name, evaluation)
    for name, table in (("subsets", ensemble.subsets), ("curves", ensemble.curves)):
        write_table(models / f"{run.settings.training.name}_{name}.tsv", table)
    write_text(models / f"{run.settings.training.name}_curves.svg", curves_plot(ensemble.curves))
    shutil.rmtree(store.folder, ignore_errors=True)  # last: until all is written, the next run can start from it
    console.print(f"Model: {bundle.path}", soft_wrap=True)
    return 0


def run_group(run: Run, sessions: Sequence[Session], dataset_name: str, console: Console) -> int:
    """Gather predictions, join outcomes where there are any, evaluate, report."""
    from bids_stroke.evaluation.evaluate import evaluate
    from bids_stroke.report.group import GroupDetails, write_group_report

    quality = gather.write_group_quality(run.output_dir, sessions)  # also where there are features only
    console.print(f"Quality of all units: {quality}", soft_wrap=True)
    predictions = gather.read_predictions(run.output_dir, sessions)
    outcome = group_tables.the_outcome(run, predictions)
    table = group_tables.prediction_table(run, sessions, outcome)
    modality_of = {name: member.modality for item in predictions.values() for name, member in item.members.items()}
    evaluation = evaluate(table, run.settings.model_copy(update={"outcome": outcome}), modality_of)
    group_tables.write_group_tables(run.output_dir, table, evaluation)
    steps = {session.prefix: gather.step_reports(run.output_dir, session.prefix) for session in sessions}
    details = GroupDetails(statuses=gather.read_statuses(run.output_dir), steps=steps)
    page = write_group_report(run.output_dir, evaluation, table, details)
    console.print(f"Report: {page}", soft_wrap=True)
    return 0


def _validate(run: Run, console: Console) -> None:
    if not run.validate_bids or run.selection.participant_labels or run.level != "participant":
        return
    complaints = preflight.validator_complaints(run.selection.bids_dir)
    if complaints is None:
        console.print("bids-validator-deno is not installed: the dataset was not validated.")
    for complaint in (complaints or [])[:10]:
        console.print(f"BIDS validator: {complaint}", highlight=False, markup=False)
    if complaints and len(complaints) > 10:
        console.print(f"BIDS validator: {len(complaints)} errors in all.")
