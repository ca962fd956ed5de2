"""A level that Slurm runs: ``participant`` as arrays of units, ``train`` and ``group`` as one job."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from bids_stroke.app.cluster.hand_over import Work, hand_over
from bids_stroke.app.cluster.settle import look, settle
from bids_stroke.app.cluster.units import run_units
from bids_stroke.app.cluster.waiting import Clock, how_to_go_on, jobs_run_on
from bids_stroke.app.participant import run_participant
from bids_stroke.app.request import Request
from bids_stroke.cluster import slurm
from bids_stroke.cluster.record import exit_status, read_jobs
from bids_stroke.cluster.resources import Grant
from bids_stroke.cluster.states import OUT_OF_MEMORY, PROCESS_KILLED, RAN, TIME_LIMIT, Ending, in_words
from bids_stroke.core.errors import BidsStrokeError, OutputError
from bids_stroke.core.records import Session
from bids_stroke.derivatives.names import dataset_file

GRANTS: Mapping[str, Grant] = {"group": Grant(3072, 60), "train": Grant(8192, 24 * 60)}
"""What to ask for, where the settings say nothing: 5,000 predictions need 2 GB, a training what it is given."""
SPARE_MB = 512
"""Beyond ``--mem-gb``: of the job's other processes."""


def run_on_cluster(
    request: Request,
    sessions: Sequence[Session],
    dataset_name: str,
    console: Console,
    environment: Mapping[str, str],
) -> int:
    """Run a level by Slurm; the exit code.

    Raises
    ------
    UsageError
        Slurm refuses the jobs.
    """
    if request.level == "participant":
        return run_participant(request, sessions, dataset_name, console, partial(run_units, environment))
    settings = request.settings.cluster
    most = slurm.limits(settings.partition)
    usual, asked = GRANTS[request.level].within(most.memory_mb, most.minutes), request.execution.mem_gb
    memory = settings.memory_mb or (math.ceil(asked * 1000) + SPARE_MB if asked else usual.memory_mb)
    grant = Grant(memory, settings.minutes or usual.minutes)
    settle(request.output_dir)
    return _one_job(Work(request, [()], grant, environment, _unfinished(request.output_dir)), console)


def _unfinished(root: Path) -> list[str]:
    """Numbers of the jobs of this OUTPUT_DIR that have tasks which have not ended."""
    jobs = read_jobs(root)
    queue = slurm.queue()
    if queue is None:
        return []
    endings = look(root, [name for job in jobs for name in job.names() if name in queue])
    return [job.number for job in jobs if any(name in endings and not endings[name].ended for name in job.names())]


def _one_job(work: Work, console: Console, *, again: bool = False) -> int:
    """Hand a level over as one job; once more with more where it died for want of it."""
    request, root = work.request, work.request.output_dir
    jobs, left = hand_over(work)
    if left:
        raise BidsStrokeError("The queue takes no more jobs of yours now.", "Run the same command later.", "queue-full")
    job = jobs[0]
    task = next(job.names())
    after = f", after {' '.join(work.after)}" if work.after else ""
    console.print(
        f"Job {job.number}: {request.level}, {job.memory_mb} MB and {job.minutes} minutes{after}.", highlight=False
    )
    if not request.wait:
        console.print(how_to_go_on(request, [task]), highlight=False, soft_wrap=True)
        return 0
    with jobs_run_on(request, console):
        clock, ended = Clock(root, console), dict[str, Ending]()
        while not ended:
            ended = clock.ended({task}, 1)
    ending, log = ended[task], dataset_file(root, "job_log", job=task)
    if log.is_file():
        console.print(
            log.read_text(encoding="utf-8", errors="replace").rstrip(), highlight=False, markup=False, soft_wrap=True
        )
    status = exit_status(root, task)
    if ending.reason == RAN:
        return status or 0
    memory, most = ending.reason != TIME_LIMIT, slurm.limits(request.settings.cluster.partition)
    more = Grant(job.memory_mb, job.minutes).more(memory=memory, time=not memory).within(most.memory_mb, most.minutes)
    if ending.reason in (OUT_OF_MEMORY, PROCESS_KILLED, TIME_LIMIT) and not again and more != work.grant:
        console.print(f"{ending.reason}: once more, with more {'memory' if memory else 'time'}.")
        return _one_job(Work(request, work.tasks, more, work.environment), console, again=True)
    console.print(in_words(task, ending, log), highlight=False, soft_wrap=True)
    return status if status not in (None, 0) else OutputError.exit_code
