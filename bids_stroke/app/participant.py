"""The level ``participant``: every unit is brought up to date, then the pages are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

from rich.console import Console

from bids_stroke.app import executors, preflight
from bids_stroke.app.failures import PROCESS_KILLED, failure_lines, others_in_words
from bids_stroke.app.model import Model, with_model
from bids_stroke.app.pages import Predicts, tell_pages, write_pages
from bids_stroke.app.plan import FORCED, NOT_BEFORE, Names, UnitTask, names_once, needed_steps, plan_unit
from bids_stroke.app.progress import (
    UnitProgress,
    files_not_used,
    print_few,
    print_units,
    tell_covariates,
    terminal,
    tracked,
    warn,
)
from bids_stroke.app.request import Request
from bids_stroke.app.unit.run import UnitResult, left_out_in_words, missing_in_words, missing_of, run_unit
from bids_stroke.bids.sessions import find_sessions
from bids_stroke.core.errors import BidsStrokeError, MemoryShortageError, OutputError
from bids_stroke.core.modalities import CLINICAL, EARLY
from bids_stroke.core.records import Session, UnitStatus
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.provenance import write_settings
from bids_stroke.derivatives.status import read_statuses, running_step, write_status, write_status_table, write_waiting
from bids_stroke.derivatives.status_file import NOT_BEGUN
from bids_stroke.ensemble.metadata import bundle_networks
from bids_stroke.networks.torch_import import import_torch
from bids_stroke.report.methods import write_methods

RunUnits = Callable[[Request, Sequence[UnitTask], Console], "list[UnitStatus] | None"]
"""Brings units up to date and says how each ended; None where that is not known yet, because nobody waits for it."""


def run_participant(
    request: Request, sessions: Sequence[Session], dataset_name: str, console: Console, run: RunUnits | None = None
) -> int:
    """Discover, preprocess, predict, report: every unit, one unit's failure never stopping another.

    ``run`` stands in for the processes of this machine.
    """
    request, model = with_model(request)
    execution = request.execution
    assert execution.work_dir is not None, "set before any level runs"
    if model is not None:
        tell_covariates(console, [session.covariates for session in sessions], request.settings.outcome.column)
    write_settings(request.output_dir, request.level, request.settings, request.command)
    tasks = unit_tasks(request, sessions, model, dataset_name, execution.work_dir)
    ended = (run or _run_units)(request, tasks, console)
    if ended is None:
        return 0
    if request.cluster:  # the jobs have written theirs
        write_settings(request.output_dir, request.level, request.settings, request.command)
    statuses = write_unit_table(request.output_dir, ended, console)
    if request.selection.session_labels:  # the page of a subject shows all of its sessions
        subjects = tuple(dict.fromkeys(session.subject for session in sessions))
        sessions = find_sessions(replace(request.selection, session_labels=(), participant_labels=subjects))
    predicts = Predicts.of(model.path if model else None)
    pages = write_pages(request.output_dir, tracked(console, sessions, "Pages"), statuses, predicts)
    _conclude(request, ended, tasks, console)
    tell_pages(console, pages)
    write_methods(request.output_dir, bundle_networks(model.path) if model else (), request.settings)
    if others := others_in_words(statuses, ended):
        console.print(others)
    return 65 if any(status.status == "failed" for status in ended) else 0


def write_unit_table(root: Path, ended: Sequence[UnitStatus], console: Console) -> list[UnitStatus]:
    """Write the table of all units, of this run and of others; name the files that tell nothing."""
    for _ in range(3):  # what a parallel job says between our reading and our writing must not be missing in the end
        found = read_statuses(root)
        statuses = _known(found.units, ended)
        write_status_table(root, statuses)
        if read_statuses(root).units == found.units:
            break
    print_few(console, found.passed_over, "They lie in the same folder.", warning=True)
    return statuses


def _known(written: Sequence[UnitStatus], ended: Sequence[UnitStatus]) -> list[UnitStatus]:
    """How all units stand: what their files say, but for failures of this run that could not be written there."""
    failed = {(status.subject, status.session): status for status in ended if status.status == "failed"}
    return list(({(status.subject, status.session): status for status in written} | failed).values())


def unit_tasks(
    request: Request, sessions: Sequence[Session], model: Model | None, dataset_name: str, work_dir: Path
) -> list[UnitTask]:
    """What there is to do, one task a unit."""
    return [
        UnitTask(
            session,
            output_dir=request.output_dir,
            work_dir=work_dir,
            settings=request.settings,
            model=model,
            dataset=dataset_name,
            device=request.execution.device,
            force=request.execution.force,
        )
        for session in sessions
    ]


def _run_units(request: Request, tasks: Sequence[UnitTask], console: Console) -> list[UnitStatus]:
    statuses = up_to_date(request, tasks, console)
    waiting = [task for task in tasks if task.session.prefix not in statuses]
    if not waiting:
        console.print(f"All {len(tasks)} units are up to date: nothing to do.")
        return list(statuses.values())
    check_before(request, waiting, console)
    nprocs = executors.units_at_a_time(request.execution)
    waiting = _sharing(request.execution.omp_nthreads, nprocs, waiting, len(statuses), console)
    at_a_time = min(nprocs, len(waiting))
    executor = executors.make_executor(nprocs, len(waiting))
    write_waiting(request.output_dir, [(task.session.subject, task.session.session) for task in waiting])
    write_unit_table(
        request.output_dir, list(statuses.values()), console
    )  # a run that is killed leaves a row of everybody
    look = partial(running_step, request.output_dir)
    with UnitProgress(console, [task.session.prefix for task in waiting], at_a_time, look) as progress:

        def short(task: UnitTask, result: object) -> bool:
            """Whether memory was short of what several units at a time take: then it is tried once more alone."""
            if at_a_time == 1 or _reason(result) not in (PROCESS_KILLED, MemoryShortageError.reason):
                return False
            progress.put_off(task.session.prefix, f"{_reason(result)} beside others: once more at the end, alone")
            return True

        for task, result in executors.run_again_alone(executor, waiting, run_unit, short):
            status = result.status if isinstance(result, UnitResult) else _crashed(task, result)
            status = statuses[task.session.prefix] = _written(request.output_dir, status)
            progress.ended(task.session.prefix, _in_words(status, result), status.seconds)
            if status.status == "failed" and request.execution.stop_on_first_crash:
                console.print("Stopped after the first failure, as asked; units that were running have ended.")
                break
    not_begun = BidsStrokeError("The run stopped before its turn came.", "Run it again.", NOT_BEGUN)
    for task in (task for task in waiting if task.session.prefix not in statuses):
        statuses[task.session.prefix] = _written(request.output_dir, _crashed(task, not_begun))
    return [statuses[task.session.prefix] for task in tasks if task.session.prefix in statuses]


def up_to_date(request: Request, tasks: Sequence[UnitTask], console: Console) -> dict[str, UnitStatus]:
    """The status of each unit of which nothing has to be computed, by its name."""
    names_in = names_once()
    current = [_skipped_if_current(task, names_in) for task in tracked(console, tasks, "Checking units")]
    return {
        task.session.prefix: _written(request.output_dir, status)
        for task, status in zip(tasks, current, strict=True)
        if status is not None
    }


def check_before(request: Request, waiting: Sequence[UnitTask], console: Console) -> None:
    """What is looked at before the first unit is computed: the BIDS validator's word, and the model."""
    _validate(request, console)
    if waiting[0].model is not None:
        _check_model(waiting[0].model, waiting)


def _sharing(
    threads: int, nprocs: int, waiting: Sequence[UnitTask], up_to_date: int, console: Console
) -> list[UnitTask]:
    """The units with the CPUs that each may use; it is said how many are computed at a time."""
    processes, at_once = executors.share(nprocs, len(waiting), threads)
    at_a_time = min(nprocs, len(waiting))
    shared = f", {at_once} steps or volumes of a unit at a time" if processes > 1 else ""
    console.print(
        f"{len(waiting)} units to do, {up_to_date} up to date; {at_a_time} at a time with "
        f"{threads} threads each{shared}."
    )
    cpus = executors.available_cpus()
    if at_a_time * threads > cpus:
        warn(
            console,
            f"{at_a_time} units of {threads} threads are {at_a_time * threads} threads on {cpus} CPUs: slower than "
            "one for each. --nprocs counts units here, not threads.",
        )
    return [replace(task, processes=processes) for task in waiting]


def _check_model(model: Model, tasks: Sequence[UnitTask]) -> None:
    """ModelError where a model cannot predict the units: it ends the run here, not every unit later."""
    import_torch()
    from bids_stroke.ensemble.bundle import load_bundle, networks_of
    from bids_stroke.ensemble.weights import check_members

    steps = [step for task in tasks for step in needed_steps(task.session, task.settings)]
    modalities = {CLINICAL, EARLY} | {modality for step in steps for modality in step.modalities}
    check_members(model.path, [entry.member for entry in networks_of(load_bundle(model.path))], modalities)


def _reason(result: object) -> str:
    if isinstance(result, UnitResult):
        return result.status.reason
    return result.reason if isinstance(result, BidsStrokeError) else "internal-error"


def _validate(request: Request, console: Console) -> None:
    """Show what the BIDS validator says of the dataset, before the first unit of the whole of it is computed."""
    if not request.validate_bids or request.selection.participant_labels:
        return
    with console.status("Validating the dataset (--skip-bids-validation leaves it out)"):
        complaints = preflight.validator_complaints(request.selection.bids_dir)
    if complaints is None:
        console.print("bids-validator-deno is not installed: the dataset was not validated.")
    for complaint in (complaints or [])[:10]:
        console.print(f"BIDS validator: {complaint}", highlight=False, markup=False)
    if complaints and len(complaints) > 10:
        console.print(f"BIDS validator: {len(complaints)} errors in all.")


def _written(root: Path, status: UnitStatus) -> UnitStatus:
    """The status as its file says it; a failure of the unit where the file cannot be written."""
    try:
        write_status(root, status)
    except OutputError as error:
        return replace(status, status="failed", reason=error.reason, detail=f"{status.detail} {error}".strip())
    return status


def _skipped_if_current(task: UnitTask, names_in: Names) -> UnitStatus | None:
    """The status of a unit of which nothing has to be computed and something is there; None of any other."""
    stages = plan_unit(task, names_in)
    if not any(stage.step for stage in stages):
        return None
    reports = {}
    for stage in stages:
        report, _ = stage.earlier_report(task)
        if report is None:
            return None
        reports[stage.name] = report
    missing = missing_of(task, reports)
    if set(missing) >= set(task.settings.modalities):
        return None
    return replace(_skipped(task), missing=missing_in_words(missing))


def _skipped(task: UnitTask) -> UnitStatus:
    sha256 = task.model.sha256 if task.model else ""
    unused = left_out_in_words(task.session)
    return UnitStatus(
        task.session.subject, task.session.session, "skipped", "up-to-date", model_sha256=sha256, left_out=unused
    )


def _crashed(task: UnitTask, error: object) -> UnitStatus:
    """A unit whose process died, or that could not even be started."""
    detail = str(error) if isinstance(error, BidsStrokeError) else f"{type(error).__name__}: {error}"
    return replace(_skipped(task), status="failed", reason=_reason(error), detail=detail)


def _in_words(status: UnitStatus, result: object) -> str:
    if status.status == "failed":
        return f"FAILED ({status.reason}): {status.detail}"
    if not isinstance(result, UnitResult):
        return f"done in {status.seconds:.1f} s"
    warned = f"; warnings, in the report: {result.n_warnings}" if result.n_warnings else ""
    return f"done in {status.seconds:.1f} s ({stages_in_words(result)}){warned}"


def stages_in_words(result: UnitResult) -> str:
    """Stages that ran with their seconds, and why: ``anat 30.2, lesion 1.0: code changed; dwi 40.1``.

    Nothing is said of a first run, nor where --force asked for all.
    """
    parts = []
    for why, names in groupby(result.seconds, key=lambda name: result.why.get(name, "")):
        told = "" if why in (NOT_BEFORE, FORCED) else f": {why}"
        parts.append(", ".join(f"{name} {result.seconds[name]:.1f}" for name in names) + told)
    return "; ".join(parts)


def _conclude(request: Request, ended: Sequence[UnitStatus], tasks: Sequence[UnitTask], console: Console) -> None:
    """Say how the units of this run ended, and where everything lies."""
    out = terminal()
    print_units(out, ended)
    print_few(out, failure_lines(ended), "All are in the table of units.")
    for line in files_not_used([task.session for task in tasks]):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"Table of units: {dataset_file(request.output_dir, 'status_table')}", soft_wrap=True)
