"""Steps begun in processes of their own while those that they build on still run: one person on several CPUs."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import threading
import time
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from bids_stroke.app.executors import start_worker
from bids_stroke.app.failures import as_ours
from bids_stroke.app.plan import Stage, UnitTask
from bids_stroke.app.unit.log import unit_log
from bids_stroke.app.unit.step import places, run_step
from bids_stroke.core.errors import BidsStrokeError
from bids_stroke.core.records import StepReport
from bids_stroke.imaging.side_by_side import AT_ONCE, at_once
from bids_stroke.preprocess.registry import STEPS, Step


@dataclass(frozen=True)
class Ended:
    """What came of a step in a process of its own."""

    report: StepReport
    written: tuple[Path, ...]
    seconds: float
    """Without those that it waited."""
    peak_mb: float
    """Largest memory of the process (MiB)."""


class Earlier(Mapping[str, StepReport]):
    """Reports of the steps that a step builds on: who asks for one waits until all of them have ended."""

    def __init__(self, reports: Future[Mapping[str, StepReport]]) -> None:
        self._future = reports
        self.waited = 0.0
        """Seconds."""

    @property
    def _reports(self) -> Mapping[str, StepReport]:
        begin = time.monotonic()
        reports = self._future.result()
        self.waited += time.monotonic() - begin
        return reports

    def __getitem__(self, step: str) -> StepReport:
        return self._reports[step]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reports)

    def __len__(self) -> int:
        return len(self._reports)


@dataclass(frozen=True, eq=False)
class _Begun:
    """A step in a process of its own."""

    step: Step
    process: SpawnProcess
    connection: Connection

    @classmethod
    def start(cls, task: UnitTask, step: Step) -> _Begun:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(task, step.name, theirs))
        process.start()
        theirs.close()  # or the end of the process would not be seen
        return cls(step, process, ours)


class BegunSteps:
    """The steps of a unit that have begun in processes of their own."""

    def __init__(self, begun: Sequence[_Begun], cpus: int, log: logging.Logger) -> None:
        self._begun = {one.step.name: one for one in begun}
        self._waiting = dict(self._begun)
        self._cpus, self._log = cpus, log
        self.peak_mb = 0.0
        """Memory of those that have ended, largest of each, added up (MiB)."""

    def __contains__(self, name: object) -> bool:
        return name in self._begun

    @property
    def running(self) -> tuple[str, ...]:
        """Those whose processes have not ended."""
        return tuple(name for name, one in self._begun.items() if one.process.is_alive())

    def tell(self, task: UnitTask, reports: Mapping[str, StepReport], to_come: Collection[str]) -> None:
        """Hand on reports to the steps that build on none of those to come."""
        for name, one in list(self._waiting.items()):
            builds_on = one.step.builds_on(task.settings)
            if not {*builds_on} & {*to_come}:
                del self._waiting[name]
                known = {name: reports[name] for name in builds_on if name in reports}
                with suppress(OSError):  # it has ended already, without asking
                    one.connection.send((known, self._cpus))

    def take(self, name: str) -> Ended | None:
        """Wait for a step's end; None where it was not begun, or its process was killed: then it is to run here.

        Raises
        ------
        BidsStrokeError
            The step's, with its traceback as a note.
        """
        one = self._begun.get(name)
        if one is None:
            return None
        try:
            ended: Ended | BidsStrokeError = one.connection.recv()
        except (EOFError, OSError):
            self._log.warning("%s: its process was killed, most likely for want of memory; once more, alone", name)
            return None
        finally:
            one.process.join()
        if isinstance(ended, BidsStrokeError):
            raise ended
        self.peak_mb += ended.peak_mb
        return ended

    def stop(self) -> None:
        """End what still runs: nobody asks for it."""
        for one in self._begun.values():
            one.process.terminate()
            one.process.join()
            one.connection.close()


def can_begin(task: UnitTask, stages: Sequence[Stage]) -> list[Step]:
    """Steps to begin in processes of their own: which have to run in any case, and on which no other step waits.

    This process keeps the steps that others wait for or, where none of those has to run, the first one.
    """
    if task.processes <= 1:
        return []
    steps = [stage.step for stage in stages if stage.step is not None and not stage.step.gathers]
    waited_for = {name for step in steps for name in step.builds_on(task.settings)}
    due = [stage.step for stage in stages if stage.step in steps and stage.is_due(task)]
    last = [step for step in due if step.name not in waited_for]
    others = last if len(last) < len(due) else last[1:]
    return others[: task.processes - 1]


@contextmanager
def begin_steps(task: UnitTask, stages: Sequence[Stage], log: logging.Logger) -> Iterator[BegunSteps]:
    """Begin what can begin; at the end no process is left, and this one may use all CPUs again."""
    steps, cpus = can_begin(task, stages), at_once()
    if not steps:
        yield BegunSteps((), cpus, log)
        return
    os.environ[AT_ONCE] = str(max(1, cpus // (len(steps) + 1)))
    begun = BegunSteps([_Begun.start(task, step) for step in steps], max(1, cpus // len(steps)), log)
    try:
        yield begun
    finally:
        begun.stop()
        os.environ[AT_ONCE] = str(cpus)


def _work(task: UnitTask, name: str, connection: Connection) -> None:
    """Be the process of a step."""
    start_worker()
    begin = time.monotonic()

    reports: Future[Mapping[str, StepReport]] = Future()

    def listen() -> None:  # beside the step: CPUs that the other process is done with are to be used at once
        try:
            known, cpus = connection.recv()
        except (EOFError, OSError) as error:
            reports.set_exception(error)
            return
        os.environ[AT_ONCE] = str(cpus)
        reports.set_result(known)

    threading.Thread(target=listen, daemon=True).start()
    earlier, outputs = Earlier(reports), task.outputs
    ended: Ended | BidsStrokeError
    with unit_log(task.output_dir, task.session.prefix):
        try:
            report = run_step(task, STEPS[name], earlier, outputs)
            seconds = time.monotonic() - begin - earlier.waited
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            ended = Ended(report, tuple(outputs.written), seconds, peak)
        except Exception as error:  # handed on to the other process, which logs it and goes on with the unit
            ended = as_ours(error, places(task))
            ended.add_note(traceback.format_exc())
    connection.send(ended)
