"""Cases in a process of their own: one that crashes or hangs is a failure, and the next one starts anew."""

from __future__ import annotations

import faulthandler
import multiprocessing
import resource
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Self

from tests.fuzz.kinds import kind_of
from tests.fuzz.run import Outcome, prepare, run_case

LONGEST_S = 60
"""A case that takes longer hangs."""
_GRACE_S = 30
_CASES_OF_A_PROCESS = 200
_MEMORY_BYTES = 32 << 30
"""Of addresses: what a header asks for must not stop the machine."""


class Pool:
    """One process at a time, in which cases run one after another; a context manager."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz_"))
        self._process: Any = None
        self._pipe: Connection | None = None
        self._served = 0

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and remove its files."""
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, numbers: Iterable[int]) -> Iterator[Outcome]:
        """How each case ends."""
        for number in numbers:
            if self._process is None or self._served >= _CASES_OF_A_PROCESS:
                self._end()
                self._start()
            self._served += 1
            yield self._ask(number)

    def _ask(self, number: int) -> Outcome:
        assert self._pipe is not None
        try:
            self._pipe.send(number)
            if self._pipe.poll(LONGEST_S + _GRACE_S):
                answer: Outcome = self._pipe.recv()
                return answer
            why = f"no answer within {LONGEST_S + _GRACE_S} s"
        except (EOFError, OSError):
            why = f"the process died (a crash, or {LONGEST_S} s were over)"
        self._process.kill()
        self._process = None
        return Outcome(number, self.seed, kind_of(number), "?", None, (why,), "", float(LONGEST_S))

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.folder, self.seed), daemon=True)
        self._process.start()
        theirs.close()
        self._served = 0

    def _end(self) -> None:
        if self._process is not None and self._pipe is not None:
            self._pipe.send(None)
            self._process.join(10)
            self._process.kill()
            self._process = None


def run_cases(numbers: Sequence[int], seed: int, processes: int) -> Iterator[Outcome]:
    """Run cases in several pools at a time, and give how each ended as they end."""
    waiting: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[Outcome] = SimpleQueue()
    for number in numbers:
        waiting.put(number)
    slots = [threading.Thread(target=_slot, args=(seed, waiting, done), daemon=True) for _ in range(processes)]
    for slot in slots:
        slot.start()
    for _ in numbers:
        yield done.get()
    for slot in slots:
        slot.join()


def _slot(seed: int, waiting: SimpleQueue[int], done: SimpleQueue[Outcome]) -> None:
    with Pool(seed) as pool:
        for outcome in pool.run(_taken(waiting)):
            done.put(outcome)


def _taken(waiting: SimpleQueue[int]) -> Iterator[int]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


def _serve(pipe: Connection, folder: Path, seed: int) -> None:
    """Run the cases that are asked for."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from tests.fuzz.reading_only import draw_for, end_after_reading

    base = folder / "base"
    if not base.is_dir():
        prepare(base)
    end_after_reading()
    while (number := pipe.recv()) is not None:
        draw_for(number)
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        outcome = run_case(base, folder / f"cases-{multiprocessing.current_process().pid}", number, seed)
        faulthandler.cancel_dump_traceback_later()
        pipe.send(outcome)
