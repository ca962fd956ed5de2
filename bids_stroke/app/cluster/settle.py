"""How tasks and their units stand: what Slurm, the scripts and the units' own files say, put together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from bids_stroke.cluster import slurm
from bids_stroke.cluster.record import Job, exit_status, last_tasks, read_jobs
from bids_stroke.cluster.states import CANCELLED, LOST, RAN, Ending, in_words, judge, tail
from bids_stroke.core.records import UnitStatus, unit_prefix
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.status import job_of, read_statuses, write_status

NOT_REACHED = "not-reached"
"""Reason of a unit whose task came to its end without a word on it."""


def look(root: Path, tasks: Collection[str]) -> dict[str, Ending]:
    """How tasks stand; Slurm is asked once.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    tasks : collection of str
        As Slurm calls them: ``12_3``. One of which nobody can tell anything, because Slurm does not answer here, counts
        as not ended.
    """
    if not tasks:
        return {}
    queue = slurm.queue()
    endings = {task: _judged(root, task, queue or {}) for task in tasks}
    unknown = [task for task, ending in endings.items() if ending is None]
    if unknown and queue is not None:
        kept = slurm.accounting({task.partition("_")[0] for task in unknown})
        endings |= {task: _judged(root, task, kept) or _forgotten(root, task) for task in unknown}
    return {task: ending or Ending(ended=False) for task, ending in endings.items()}


def _forgotten(root: Path, task: str) -> Ending:
    """Of a task that is unknown to Slurm: one without a log was taken from the queue before it began."""
    return Ending(ended=True, reason=LOST if dataset_file(root, "job_log", job=task).exists() else CANCELLED)


def ended_by_itself(root: Path, task: str) -> Ending | None:
    """How a task stands whose script has left its exit status, without a question to Slurm; None where it has not."""
    return _judged(root, task, {}) if exit_status(root, task) is not None else None


def _judged(root: Path, task: str, told: Mapping[str, slurm.TaskState]) -> Ending | None:
    log = tail(dataset_file(root, "job_log", job=task))
    return judge(told.get(task), exit_status(root, task), log)


def unit_after(root: Path, status: UnitStatus, task: str, ending: Ending) -> UnitStatus:
    """How a unit stands whose task stands like this: as it says itself, unless it died without a word."""
    prefix = unit_prefix(status.subject, status.session)
    job = job_of(root, prefix)
    if not ending.ended or job is None or job not in ("", task):
        return status
    reason = ending.reason or NOT_REACHED
    log = dataset_file(root, "job_log", job=task)
    detail = (
        in_words(task, ending, log)
        if ending.reason != RAN
        else (
            f"Slurm's task {task} ended without having come to this unit. Its log: {log}. Run the same command again."
        )
    )
    return replace(status, status="failed", reason=reason, detail=detail)


def settle(root: Path, endings: Mapping[str, Ending] | None = None) -> list[UnitStatus]:
    """Write of units whose tasks died without a word that they failed, and why, as far as anybody can tell.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    endings : mapping, optional
        Of the tasks that count; without it all are looked at whose units have not ended.

    Returns
    -------
    list of UnitStatus
        Those that were written.
    """
    last = last_tasks(read_jobs(root)) if endings is None or endings else {}
    if not last:
        return []
    standing = {unit_prefix(one.subject, one.session): one for one in read_statuses(root).units}
    open_units = {prefix: last[prefix][1] for prefix in standing if prefix in last and _is_open(root, prefix, last)}
    known = look(root, set(open_units.values())) if endings is None else endings
    settled = []
    for prefix, task in open_units.items():
        if task in known:
            after = unit_after(root, standing[prefix], task, known[task])
            if after is not standing[prefix]:
                write_status(root, after)
                settled.append(after)
    return settled


def _is_open(root: Path, prefix: str, last: Mapping[str, tuple[Job, str]]) -> bool:
    """Whether a unit's last word is of the task that it was handed over with last."""
    job = job_of(root, prefix)
    return job is not None and job in ("", last[prefix][1])
