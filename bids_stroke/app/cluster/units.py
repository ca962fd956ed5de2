"""The units of the level ``participant`` as tasks of Slurm: handed over, waited for, where it helps once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from bids_stroke.app.cluster.hand_over import Unit, Work, hand_over
from bids_stroke.app.cluster.needs import WANTS_MEMORY, WANTS_TIME, base_grant, in_light_of, needs_of, raised
from bids_stroke.app.cluster.settle import NOT_REACHED, settle
from bids_stroke.app.cluster.waiting import Clock, how_to_go_on, in_queue, jobs_run_on
from bids_stroke.app.participant import check_before, up_to_date, write_unit_table
from bids_stroke.app.plan import UnitTask
from bids_stroke.app.progress import warn
from bids_stroke.app.request import Request
from bids_stroke.cluster import slurm
from bids_stroke.cluster.record import last_tasks, read_jobs
from bids_stroke.cluster.resources import Grant, Need, units_per_task
from bids_stroke.cluster.states import Ending
from bids_stroke.core.errors import BidsStrokeError, UsageError
from bids_stroke.core.records import UnitStatus, unit_prefix
from bids_stroke.derivatives.status import read_statuses, write_status, write_submitted
from bids_stroke.derivatives.status_file import NOT_BEGUN


def run_units(
    environment: Mapping[str, str], request: Request, tasks: Sequence[UnitTask], console: Console
) -> list[UnitStatus] | None:
    """Have units computed by Slurm that are not up to date.

    Returns
    -------
    list of UnitStatus or None
        How each ended; None where nobody is to wait for it.

    Raises
    ------
    UsageError
        Slurm refuses the jobs.
    """
    root = request.output_dir
    settle(root)
    current = up_to_date(request, tasks, console)
    waiting = [task for task in tasks if task.session.prefix not in current]
    if not waiting:
        console.print(f"All {len(tasks)} units are up to date: nothing to do.")
        return list(current.values())
    active = in_queue(root)
    fresh = [task for task in waiting if task.session.prefix not in active]
    if fresh:
        check_before(request, fresh, console)
    needs = in_light_of(needs_of(task.session for task in tasks), current)
    units = {task.session.prefix: (task.session.subject, task.session.session) for task in waiting}
    array = _Array(request, console, environment, needs, units)
    array.open = {task.session.prefix: active[task.session.prefix] for task in waiting if task not in fresh}
    if array.open:
        console.print(f"{len(array.open)} units are in the queue already, of an earlier command.")
    console.print(f"{len(waiting)} units to do, {len(current)} up to date.")
    try:
        array.submit([units[task.session.prefix] for task in fresh])
    finally:  # everybody has a row, also where Slurm refuses the job
        write_unit_table(root, list(current.values()), console)
    if not request.wait:
        array.give_up_what_is_left()
        console.print(how_to_go_on(request, sorted(set(array.open.values()))), highlight=False, soft_wrap=True)
        return None
    with jobs_run_on(request, console):
        array.wait()
    ended = standing(root, units.values())
    return [current.get(task.session.prefix) or ended[task.session.prefix] for task in tasks]


def standing(root: Path, units: Iterable[Unit]) -> dict[str, UnitStatus]:
    """How units stand, by their names; one whose file tells nothing has failed."""
    told = {unit_prefix(one.subject, one.session): one for one in read_statuses(root).units}
    why = "Its status file was removed, or cannot be read. Run the same command again."
    return {
        unit_prefix(*unit): told.get(unit_prefix(*unit)) or UnitStatus(*unit, "failed", NOT_REACHED, why)
        for unit in units
    }


@dataclass
class _Array:
    """Units that Slurm computes."""

    request: Request
    console: Console
    environment: Mapping[str, str]
    needs: Mapping[str, Need]
    units: Mapping[str, Unit]
    """By name."""
    open: dict[str, str] = field(default_factory=dict)
    """Units that have not ended, and the task of each."""
    left: list[Work] = field(default_factory=list)
    """Of what the queue has no room."""
    again: set[str] = field(default_factory=set)
    """Units that were handed over a second time."""
    n_ended: int = 0
    told: str = ""
    """What was said last of a queue that is full."""

    def submit(self, units: Sequence[Unit]) -> None:
        """Hand units over: those that ask for the same in one array, or in several."""
        root, jobs = self.request.output_dir, last_tasks(read_jobs(self.request.output_dir))
        statuses = {unit_prefix(one.subject, one.session): one for one in read_statuses(root).units}
        by_grant: dict[Grant, list[Unit]] = {}
        if not units:
            return
        settings = self.request.settings.cluster
        needs = [self.needs[unit_prefix(*unit)] for unit in units]
        share = settings.units_per_task or units_per_task(max(need.seconds for need in needs), len(units))
        most = slurm.limits(settings.partition)
        base = base_grant(settings, needs, share, most)
        for unit in units:
            prefix = unit_prefix(*unit)
            last = jobs[prefix][0] if prefix in jobs else None
            wanted = raised(base, statuses.get(prefix), last, most)
            by_grant.setdefault(wanted, []).append(unit)
        for grant, own in sorted(by_grant.items()):
            tasks = [own[first : first + share] for first in range(0, len(own), share)]
            self._hand_over(Work(self.request, tasks, grant, self.environment))

    def _hand_over(self, work: Work) -> None:
        units = [unit for task in work.tasks for unit in task]
        write_submitted(self.request.output_dir, units)
        try:
            jobs, left = hand_over(work)
        except BidsStrokeError as error:
            self._not_begun(units, error.message)
            raise
        for job in jobs:
            self.open |= {unit: name for name, task in zip(job.names(), job.tasks, strict=True) for unit in task}
            self.console.print(
                f"Job {job.number}: tasks: {len(job.tasks)}, units in each: {len(work.tasks[0])}, memory: "
                f"{job.memory_mb} MB, time limit: {job.minutes} min.",
                highlight=False,
            )
        if left:
            self.left.append(replace(work, tasks=left))
            told = f"The queue takes no more jobs of yours now: {sum(map(len, left))} units wait here for room."
            if told != self.told:
                warn(self.console, told)
                self.told = told

    def _not_begun(self, units: Iterable[Unit], why: str) -> None:
        for subject, session in units:
            detail = f"It was not handed over: {why} Run the same command again."
            write_status(self.request.output_dir, UnitStatus(subject, session, "failed", NOT_BEGUN, detail))

    def give_up_what_is_left(self) -> None:
        """Say of units that the queue has no room for that they were not begun: nobody waits to hand them over."""
        for work in self.left:
            self._not_begun((unit for task in work.tasks for unit in task), "the queue took no more jobs.")

    def wait(self) -> None:
        """Wait until every unit has ended; those that died for want of memory or time are handed over once more."""
        clock = Clock(self.request.output_dir, self.console)
        while self.open or self.left:
            endings = clock.ended(set(self.open.values()), len(self.open))
            if endings:
                self._take(endings)
            if self.left and clock.has_asked:
                self._hand_over(self.left.pop(0))

    def _take(self, endings: Mapping[str, Ending]) -> None:
        root = self.request.output_dir
        settle(root, endings)
        ended = [unit for unit, task in self.open.items() if task in endings]
        statuses = standing(root, [self.units[prefix] for prefix in ended])
        again: list[Unit] = []
        for prefix in ended:
            del self.open[prefix]
            status = statuses[prefix]
            if status.status == "failed" and status.reason in (*WANTS_MEMORY, *WANTS_TIME) and prefix not in self.again:
                self.again.add(prefix)
                again.append((status.subject, status.session))
                what = "memory" if status.reason in WANTS_MEMORY else "time"
                self._say(f"{prefix}: {status.reason}: once more, with more {what}")
                continue
            self.n_ended += 1
            words = (
                f"FAILED ({status.reason}): {status.detail}"
                if status.status == "failed"
                else (f"{status.status} in {status.seconds:.1f} s")
            )
            self._say(f"[{self.n_ended}/{self.n_ended + len(self.open) + len(again)}] {prefix}: {words}")
        before = {unit_prefix(*unit): statuses[unit_prefix(*unit)] for unit in again}
        try:
            self.submit(again)
        except UsageError as error:  # no node has as much: how they died is what remains of them
            warn(self.console, f"They are not run once more. {error.message}")
            for prefix, status in before.items():
                write_status(root, status)
                self.open.pop(prefix, None)

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
