"""Where units run: in this process, or in local spawned processes. One interface for both."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar

import psutil

from bids_stroke.app.failures import GB_PER_UNIT, killed
from bids_stroke.core.processes import cpu_limits, memory_limits
from bids_stroke.core.settings import Execution
from bids_stroke.imaging.side_by_side import AT_ONCE

Task = TypeVar("Task")
Result = TypeVar("Result")

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)  # fmt: skip
"""Read by the numerical libraries when they are first imported."""


PATIENT = MappingProxyType({"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000"})
"""Threads of OpenMP that wait soon leave their core to others, unless the user says anything of either.

By default they spin: on two cores shared with four other programs, a prediction with two threads took 5 times as long.
To leave at once costs a quarter of a prediction on idle cores, because a network is hundreds of short pieces of work.
"""
CACHE_VARIABLES = ("MPLCONFIGDIR", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
"""Where matplotlib, fontconfig and torch would write otherwise."""


class Executor(Protocol):
    """Runs a worker over tasks and yields (task, result or error) as they end."""

    def run(self, tasks: Sequence[Task], worker: Callable[[Task], Result]) -> Iterator[tuple[Task, Result | Exception]]:
        """Run all tasks; closing the iterator starts no further ones."""
        ...


class InProcess:
    """One after the other, here."""

    def run(self, tasks: Sequence[Task], worker: Callable[[Task], Result]) -> Iterator[tuple[Task, Result | Exception]]:
        """See :class:`Executor`."""
        for task in tasks:
            try:
                yield task, worker(task)
            except Exception as error:  # handed on to the caller, who reports it
                yield task, error


class LocalProcesses:
    """Several at a time, each in a spawned process of its own.

    Each slot has a process pool of one, so that a process that is killed (no memory, a crash in a library) takes
    only its own unit with it.
    """

    def __init__(self, nprocs: int) -> None:
        self.nprocs = nprocs

    def run(self, tasks: Sequence[Task], worker: Callable[[Task], Result]) -> Iterator[tuple[Task, Result | Exception]]:
        """See :class:`Executor`."""
        waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[Task, Result | Exception]] = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        stop = threading.Event()
        slots = [
            threading.Thread(target=_slot, args=(waiting, done, worker, stop), daemon=True)
            for _ in range(min(self.nprocs, len(tasks)))
        ]
        for slot in slots:
            slot.start()
        try:
            for _ in tasks:
                yield done.get()
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C, or SIGTERM
            stop.set()
            for worker_process in multiprocessing.active_children():
                worker_process.terminate()
            raise
        finally:
            stop.set()
            for slot in slots:
                slot.join()


def _slot(
    waiting: queue.SimpleQueue[Task],
    done: queue.SimpleQueue[tuple[Task, Result | Exception]],
    worker: Callable[[Task], Result],
    stop: threading.Event,
) -> None:
    pool: ProcessPoolExecutor | None = None
    while not stop.is_set():
        try:
            task = waiting.get_nowait()
        except queue.Empty:
            break
        try:
            pool = pool or _new_pool()
            done.put((task, pool.submit(worker, task).result()))
        except BrokenProcessPool:
            done.put((task, killed()))
            pool = None
        except Exception as error:  # of the worker: handed on to the caller, who reports it
            done.put((task, error))
    if pool is not None:
        pool.shutdown()


def _new_pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=start_worker)


def start_worker() -> None:
    """In a process that was spawned: leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run_again_alone(
    executor: Executor,
    tasks: Sequence[Task],
    worker: Callable[[Task], Result],
    short_of_memory: Callable[[Task, Result | Exception], bool],
) -> Iterator[tuple[Task, Result | Exception]]:
    """Run all tasks; those of which ``short_of_memory`` says so a second time, in the end, each alone.

    Yields
    ------
    tuple
        Task, and its result or error: the second one of those that ran twice.
    """
    again = []
    for task, result in executor.run(tasks, worker):
        if short_of_memory(task, result):
            again.append(task)
        else:
            yield task, result
    yield from LocalProcesses(1).run(again, worker)


def make_executor(nprocs: int, n_tasks: int) -> Executor:
    """Choose this process for one unit at a time, else local processes."""
    return InProcess() if min(nprocs, n_tasks) <= 1 else LocalProcesses(nprocs)


def share(nprocs: int, n_tasks: int, threads: int) -> tuple[int, int]:
    """Let units compute steps and volumes side by side on CPUs that no other unit needs.

    Unlike the number of threads of the numerical libraries, this changes no digit of a result.

    Returns
    -------
    processes, at_once : int
        That a unit may use, and how many volumes at a time.
    """
    processes = max(1, nprocs // n_tasks)
    at_once = threads * processes
    os.environ[AT_ONCE] = str(at_once)
    return processes, at_once


def available_cpus() -> int:
    """CPUs that this process may use: affinity, Slurm's grant and the container's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if granted.isdigit():
        cpus = min(cpus, int(granted))
    return max(1, min([cpus, *(ceil(limit) for limit in cpu_limits())]))


def available_memory_gb() -> float:
    """Memory that this process may use (GB): what is free, the container's limit, Slurm's grant."""
    return min([float(psutil.virtual_memory().available), *_memory_granted()]) / 1e9


def units_at_a_time(execution: Execution) -> int:
    """As many as were asked for, by default as many as there are CPUs for; never more than memory that was given holds.

    Whoever asks for a number without saying how much memory there is knows better than GB_PER_UNIT.
    """
    holds = int((execution.mem_gb or available_memory_gb()) / GB_PER_UNIT)
    if execution.nprocs is None:
        return max(1, min(available_cpus() // execution.omp_nthreads, holds))
    return max(1, min(execution.nprocs, holds)) if execution.mem_gb else execution.nprocs


def memory_left_gb(mem_gb: float | None) -> float:
    """Memory that this process may still take (GB): what is free, and of ``mem_gb`` and what is granted the rest."""
    taken = float(psutil.Process().memory_info().rss)
    limits = _memory_granted() + ([mem_gb * 1e9] if mem_gb else [])
    left = [float(psutil.virtual_memory().available), *(limit - taken for limit in limits)]
    return max(0.0, min(left)) / 1e9


def _memory_granted() -> list[float]:
    """Bytes: the limits of the container, or of the job's group; Slurm's grant."""
    limits = memory_limits()
    for name, times in (("SLURM_MEM_PER_NODE", 1), ("SLURM_MEM_PER_CPU", _slurm_cpus())):
        if (granted := os.environ.get(name, "")).isdigit() and int(granted):  # 0: all of the node
            limits.append(float(granted) * times * 2**20)
    return limits


def _slurm_cpus() -> int:
    """CPUs of this job on this node, by which Slurm multiplies --mem-per-cpu."""
    given = (os.environ.get(name, "") for name in ("SLURM_CPUS_ON_NODE", "SLURM_CPUS_PER_TASK"))
    return next((int(text) for text in given if text.isdigit() and int(text)), 1)


@contextmanager
def environment(threads: int, scratch: Path) -> Iterator[Mapping[str, str]]:
    """Cap threads and keep temporary files and libraries' caches in ``scratch``, for the time of a run.

    To be entered before any numerical library is imported; spawned processes inherit it. HOME may be unusable and
    the system's temporary folder read-only.

    Yields
    ------
    mapping
        Variables as they were before: what runs elsewhere, as a job, is to have.
    """
    before = dict(os.environ), tempfile.tempdir
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    if not os.environ.keys() & PATIENT.keys():
        os.environ |= PATIENT
    os.environ |= {"MNE_DONTWRITE_HOME": "true", "MNE_LOGGING_LEVEL": "ERROR", "TMPDIR": str(scratch)}
    tempfile.tempdir = str(scratch)
    for variable in CACHE_VARIABLES:
        folder = scratch / variable.lower()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[variable] = str(folder)
    try:
        yield before[0]
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        tempfile.tempdir = before[1]
