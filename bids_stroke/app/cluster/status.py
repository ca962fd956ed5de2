"""How every unit of an OUTPUT_DIR stands, on a cluster and off it: what ``bids_stroke_tools status`` tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bids_stroke.app.cluster.settle import look, unit_after
from bids_stroke.app.cluster.waiting import in_queue
from bids_stroke.cluster.record import read_jobs
from bids_stroke.cluster.states import CANCELLED, NODE_FAILED, OUT_OF_MEMORY, PREEMPTED, RAN, TIME_LIMIT, Ending
from bids_stroke.core.errors import InputError
from bids_stroke.core.records import UnitStatus, unit_prefix
from bids_stroke.derivatives.status import read_statuses

PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"
KILLED = MappingProxyType({
    OUT_OF_MEMORY: "OUT_OF_MEMORY", TIME_LIMIT: "TIMEOUT", PREEMPTED: "PREEMPTED", CANCELLED: "CANCELLED",
    NODE_FAILED: "NODE_FAIL",
})  # fmt: skip
"""Reason -> Slurm's word for it."""
_RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT")
MOST_ROWS = 40
"""Units that are printed one by one."""


@dataclass(frozen=True)
class Standing:
    """How a unit, or a level that is one job, stands."""

    unit: str
    """``sub-01_ses-02``, or the level."""
    state: str
    """``pending``, ``running``, ``done``, ``failed``, or Slurm's word for how it was killed."""
    task: str = ""
    """Slurm's, of one that waits or runs there."""
    detail: str = ""


def standings(root: Path) -> list[Standing]:
    """Every unit, and levels that are one job and have not ended well; Slurm is asked once, nothing is written.

    Raises
    ------
    InputError
        It is no OUTPUT_DIR of a run.
    """
    statuses, jobs = read_statuses(root).units, read_jobs(root)
    if not statuses and not jobs:
        raise InputError(
            f"{root} holds no run of bids_stroke.", "Give the OUTPUT_DIR of the level participant.", "no-run"
        )
    queued = in_queue(root)
    levels = {job.level: next(job.names()) for job in jobs if job.level != "participant"}  # the last of each
    endings = look(root, {*queued.values(), *levels.values()})
    units = [_of_unit(root, status, queued, endings) for status in statuses]
    return [*units, *(one for level, task in levels.items() if (one := _of_level(level, task, endings[task])))]


def _of_unit(root: Path, status: UnitStatus, queued: dict[str, str], endings: dict[str, Ending]) -> Standing:
    unit = unit_prefix(status.subject, status.session)
    task = queued.get(unit)
    if task is not None:
        ending = endings[task]
        if not ending.ended and (ending.state or status.status != "failed"):
            running = ending.state in _RUNNING or (not ending.state and status.status == "running")
            words = " ".join(filter(None, [ending.place, status.detail]))
            return Standing(unit, RUNNING if running else PENDING, task, words)
        status = unit_after(root, status, task, ending)
    if status.completed:
        return Standing(unit, DONE)
    state = {"running": RUNNING, "waiting": PENDING}.get(status.status, KILLED.get(status.reason, FAILED))
    words = f"{status.reason}: {status.detail}" if state == FAILED else status.detail
    return Standing(unit, state, "", words)


def _of_level(level: str, task: str, ending: Ending) -> Standing | None:
    """How a level stands; None of one that came to its end, whatever it found."""
    if not ending.ended:
        return Standing(level, RUNNING if ending.state in _RUNNING else PENDING, task, ending.place)
    if ending.reason == RAN:
        return None
    return Standing(level, KILLED.get(ending.reason, FAILED), task, ending.reason)


def in_lines(found: Sequence[Standing]) -> list[str]:
    """What is printed: those that are not done, then how many stand how."""
    rows = [one for one in found if one.state != DONE]
    lines = [f"{one.unit}  {one.state}  {one.task}  {one.detail}".replace("    ", "  ").rstrip() for one in rows]
    if (more := len(lines) - MOST_ROWS) > 0:
        lines[MOST_ROWS:] = [f"{more} more: --json has all"]
    counts = Counter(one.state for one in found)
    return [*lines, f"{len(found)} in all: {', '.join(f'{n} {state}' for state, n in counts.most_common())}."]
