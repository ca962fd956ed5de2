"""Cases in processes of their own: one that crashes or hangs is a failure, and the next one starts anew."""

from __future__ import annotations

import faulthandler
import multiprocessing
import resource
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue

from tests.fuzz.kinds import kind_of
from tests.fuzz.run import Outcome, prepare, run_case

LONGEST_S = 60
"""A case that takes longer hangs."""
_GRACE_S = 30
_CASES_OF_A_PROCESS = 200
_MEMORY_BYTES = 32 << 30
"""Of addresses: what a header asks for must not stop the machine."""


def run_cases(numbers: Sequence[int], seed: int, processes: int) -> Iterator[Outcome]:
    """Run cases, several at a time, and give how each ended as they end."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz_"))
    waiting: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[Outcome] = SimpleQueue()
    for number in numbers:
        waiting.put(number)
    _with_process(_prepare, folder / "base")
    slots = [threading.Thread(target=_slot, args=(folder, seed, waiting, done), daemon=True) for _ in range(processes)]
    for slot in slots:
        slot.start()
    try:
        for _ in numbers:
            yield done.get()
    finally:
        while not waiting.empty():
            waiting.get_nowait()
        for slot in slots:
            slot.join()
        shutil.rmtree(folder, ignore_errors=True)


def _with_process(target: object, *arguments: object) -> None:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{target} ended with {process.exitcode}")


def _prepare(base: Path) -> None:
    prepare(base)


def _slot(folder: Path, seed: int, waiting: SimpleQueue[int], done: SimpleQueue[Outcome]) -> None:
    """Take numbers until there are none; a process serves many."""
    process, pipe, served = None, None, 0
    while True:
        try:
            number = waiting.get_nowait()
        except Empty:
            break
        if process is None or served >= _CASES_OF_A_PROCESS:
            _end(process, pipe)
            process, pipe, served = *_start(folder, seed), 0
        served += 1
        outcome = _ask(pipe, number, seed)
        if outcome.code is None:
            process.kill()
            process = None
        done.put(outcome)
    _end(process, pipe)


def _ask(pipe: Connection | None, number: int, seed: int) -> Outcome:
    assert pipe is not None
    try:
        pipe.send(number)
        if pipe.poll(LONGEST_S + _GRACE_S):
            answer: Outcome = pipe.recv()
            return answer
        why = f"no answer within {LONGEST_S + _GRACE_S} s"
    except (EOFError, OSError):
        why = f"the process died (a crash, or {LONGEST_S} s were over)"
    return Outcome(number, seed, kind_of(number), "?", None, (why,), "", float(LONGEST_S))


def _start(folder: Path, seed: int) -> tuple[multiprocessing.Process, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, folder, seed), daemon=True)
    process.start()
    theirs.close()
    return process, ours  # type: ignore[return-value]


def _end(process: multiprocessing.Process | None, pipe: Connection | None) -> None:
    if process is not None and pipe is not None:
        pipe.send(None)
        process.join(10)
        process.kill()


def _serve(pipe: Connection, folder: Path, seed: int) -> None:
    """Run the cases that are asked for."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from tests.fuzz.reading_only import end_after_reading

    end_after_reading()
    while (number := pipe.recv()) is not None:
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        outcome = run_case(folder / "base", folder / f"cases-{multiprocessing.current_process().pid}", number, seed)
        faulthandler.cancel_dump_traceback_later()
        pipe.send(outcome)
