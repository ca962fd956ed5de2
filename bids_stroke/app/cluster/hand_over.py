"""Hand work to Slurm: arrays of tasks, their script and the record of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bids_stroke.app.request import Request
from bids_stroke.cluster import slurm
from bids_stroke.cluster.record import Job, forget_earlier, write_job
from bids_stroke.cluster.resources import Grant
from bids_stroke.cluster.script import job_script, sbatch_options, task_words, words_for_job
from bids_stroke.core.processes import process_mark
from bids_stroke.core.records import unit_prefix
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_text

Unit = tuple[str, str | None]


@dataclass(frozen=True)
class Work:
    """What is handed over at once: tasks that ask for the same."""

    request: Request
    tasks: Sequence[Sequence[Unit]]
    """The units of each; one task without any is the whole level."""
    grant: Grant
    environment: Mapping[str, str]
    """Variables that the jobs get."""
    after: Sequence[str] = ()
    """Numbers of jobs that have to end before."""


def hand_over(work: Work) -> tuple[list[Job], Sequence[Sequence[Unit]]]:
    """Submit arrays, as many as the largest array of this cluster makes of the tasks.

    Returns
    -------
    jobs, left : list of Job, sequence
        Those that Slurm took, and tasks that its queue has no room for now.

    Raises
    ------
    UsageError
        Slurm refuses a job.
    """
    jobs: list[Job] = []
    largest = slurm.largest_array() if len(work.tasks) > 1 else 1
    for part in slurm.split_array(len(work.tasks), largest):
        tasks = [work.tasks[index] for index in part]
        before = time.time()
        number = slurm.submit(*_script_and_options(work, tasks, len(jobs)), work.environment)
        if number is None:
            return jobs, work.tasks[part.start :]
        units = tuple(tuple(unit_prefix(*unit) for unit in task) for task in tasks)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        job = Job(number, work.request.level, units, work.grant.memory_mb, work.grant.minutes, now)
        forget_earlier(work.request.output_dir, job, before)
        write_job(work.request.output_dir, job)
        jobs.append(job)
    return jobs, ()


def _script_and_options(work: Work, tasks: Sequence[Sequence[Unit]], part: int) -> tuple[Path, list[str]]:
    request, settings = work.request, work.request.settings.cluster
    root, cpus = request.output_dir, request.execution.omp_nthreads
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    path = dataset_file(root, "job_script", job=f"{request.level}_{stamp}_{process_mark()}_{part}")
    own = ["--cluster", "none", "--skip-bids-validation", "--nprocs", "1", "--omp-nthreads", str(cpus)]
    commands = [[[*words, *own] for words in task_words(task)] if task else [own] for task in tasks]
    write_text(path, job_script(root, settings, words_for_job(request.command), commands))
    throttle = f"%{settings.at_a_time}" if settings.at_a_time else ""
    uses_gpu = settings.gres and request.level != "group" and request.execution.device != "cpu"
    options = [
        *sbatch_options(root, settings, f"bids_stroke-{request.level}", cpus),
        f"--array=0-{len(tasks) - 1}{throttle}",
        f"--mem={work.grant.memory_mb}M",
        f"--time={work.grant.minutes}",
        *([f"--gres={settings.gres}"] if uses_gpu else []),
        *([f"--dependency=afterany:{':'.join(work.after)}"] if work.after else []),
    ]
    return path, options
