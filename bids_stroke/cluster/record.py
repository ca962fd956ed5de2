"""The jobs that were handed over, kept in ``logs/slurm/``: which unit is which task, and what each task left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_json

_CLOCKS = 300.0
"""Seconds by which clocks of machines may differ."""


@dataclass(frozen=True)
class Job:
    """An array."""

    number: str
    """Slurm's."""
    level: str
    tasks: tuple[tuple[str, ...], ...]
    """Units (``sub-01_ses-02``) of each task, by its index; none of levels that are no unit's."""
    memory_mb: int
    minutes: int
    submitted: str
    """When, in UTC."""

    def names(self) -> Iterator[str]:
        """Its tasks as Slurm calls them: ``12_0``, ``12_1``."""
        return (f"{self.number}_{index}" for index in range(len(self.tasks)))


def write_job(root: Path, job: Job) -> None:
    """Keep what was handed over."""
    write_json(dataset_file(root, "job", job=job.number), asdict(job))


def read_jobs(root: Path) -> list[Job]:
    """All that were ever handed over into this OUTPUT_DIR, in their order.

    Numbers begin again where a cluster is set up anew. What is no record of a job is passed over.
    """
    found = [_read(path) for path in dataset_file(root, "job", job="*").parent.glob("[0-9]*.json")]
    jobs = [job for job in found if job is not None]
    return sorted(jobs, key=lambda job: (job.submitted, int(job.number)))


def _read(path: Path) -> Job | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tasks = tuple(tuple(str(unit) for unit in task) for task in content["tasks"])
        numbers = int(content["memory_mb"]), int(content["minutes"])
        return Job(str(int(content["number"])), str(content["level"]), tasks, *numbers, str(content["submitted"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget_earlier(root: Path, job: Job, since: float) -> None:
    """Remove what tasks of another job have left that had the same number, before ``since`` (s).

    Numbers begin again where a cluster is set up anew, or OUTPUT_DIR is taken to another one.
    """
    for task in job.names():
        path = dataset_file(root, "job_end", job=task)
        with suppress(OSError):  # none is there
            if path.stat().st_mtime < since - _CLOCKS:
                path.unlink()


def last_tasks(jobs: list[Job]) -> dict[str, tuple[Job, str]]:
    """Unit -> the job and the task that it was handed over with last."""
    return {unit: (job, name) for job in jobs for name, units in zip(job.names(), job.tasks, strict=True)
            for unit in units}  # fmt: skip


def exit_status(root: Path, task: str) -> int | None:
    """What a task's script left when it ended; None where it has not, or was killed with everything."""
    try:
        return int(dataset_file(root, "job_end", job=task).read_text())
    except (OSError, ValueError):
        return None


def ended_tasks(root: Path) -> set[str]:
    """Tasks whose scripts have ended, by one look into the folder."""
    return {path.stem for path in dataset_file(root, "job_end", job="*").parent.glob("*.end")}
