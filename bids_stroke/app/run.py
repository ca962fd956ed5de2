"""One run of the app: what is asked for is checked and found, then the level runs.

Nothing that takes long to import is imported before the checks: a refusal comes at once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bids_stroke.app import preflight
from bids_stroke.app.belonging import check_belonging, claim
from bids_stroke.app.model import check_model
from bids_stroke.app.request import Request
from bids_stroke.bids.choice.unread import folders_not_read
from bids_stroke.bids.phenotype import check_outcome_column
from bids_stroke.bids.sessions import (
    find_sessions,
    notes_in_short,
    read_description,
    unneeded_options,
    unused_derivatives,
)
from bids_stroke.core.records import Session
from bids_stroke.derivatives.names import folders_of_dataset
from bids_stroke.derivatives.outputs import remove_temporary, write_dataset_files
from bids_stroke.training.descriptions import member_descriptions

if TYPE_CHECKING:
    from rich.console import Console


def run(request: Request) -> int:
    """Run one level; the exit code.

    Raises
    ------
    BidsStrokeError
        The level cannot be run: the subclass tells why.
    """
    description = read_description(request.selection.bids_dir)
    check_model(request)
    if request.level == "train":
        check_outcome_column(request.selection.bids_dir, request.settings.outcome.column)
        member_descriptions(request.settings)  # refuses those that cannot be
    from bids_stroke.app.progress import terminal, warn  # here and below: what words that are refused do without

    console = terminal(quiet=request.execution.verbosity < 0)
    with console.status("Listing files"):  # on a terminal: 10,000 people take a while
        sessions = find_sessions(request.selection)
    sentences = unneeded_options(request.selection) + folders_not_read(request.selection.bids_dir)
    sentences += [*unused_derivatives(request.selection, sessions), *notes_in_short(sessions)]
    for sentence in sentences:
        warn(console, sentence)
    check_belonging(request.output_dir, request.selection.bids_dir, str(description["Name"]))
    if request.dry_run:
        return _dry_run(request, sessions, str(description["Name"]))
    preflight.prepare_output(request.selection.bids_dir, request.output_dir)
    work_dir = preflight.prepare_work(request.execution.work_dir)
    try:
        return _run_level(request, sessions, str(description["Name"]), console, work_dir)
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)


def _dry_run(request: Request, sessions: Sequence[Session], name: str) -> int:
    from rich.console import Console

    from bids_stroke.app.dry_run import print_plan, print_reruns

    preflight.check_device_with_torch(request.execution.device)
    print_plan(Console(), sessions, request.settings)
    if request.level == "participant" and request.output_dir.is_dir():  # units may have run into it before
        from bids_stroke.app.model import with_model
        from bids_stroke.app.participant import unit_tasks

        request, model = with_model(request)
        print_reruns(Console(), unit_tasks(request, sessions, model, name, Path()))
    return 0


def _run_level(request: Request, sessions: Sequence[Session], name: str, console: Console, work_dir: Path) -> int:
    from bids_stroke.app import executors
    from bids_stroke.app.group import run_group
    from bids_stroke.app.participant import run_participant
    from bids_stroke.app.reports import run_reports
    from bids_stroke.app.train import run_train
    from bids_stroke.app.trained.part import run_part

    request = replace(request, execution=request.execution.model_copy(update={"work_dir": work_dir}))
    with executors.environment(request.execution.omp_nthreads, work_dir) as outside:
        if not request.cluster:
            preflight.check_device_with_torch(request.execution.device)
        source = os.path.relpath(request.selection.bids_dir, request.output_dir)
        if request.level == "participant":
            claim(request.output_dir, request.selection.bids_dir, name)
        remove_temporary(folders_of_dataset(request.output_dir))
        write_dataset_files(request.output_dir, source, request.selection.derivatives)
        if request.cluster:
            from bids_stroke.app.cluster.levels import run_on_cluster

            return run_on_cluster(request, sessions, name, console, outside)
        if request.level != "participant":
            from bids_stroke.app.cluster.settle import settle

            settle(request.output_dir)
        levels = {
            "participant": run_reports if request.reports_only else run_participant,
            "train": run_part if request.train_part else run_train,
            "group": run_group,
        }
        return levels[request.level](request, sessions, name, console)
