"""Executors: order, errors, and a process that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from bids_stroke.app import executors
from bids_stroke.app.executors import InProcess, LocalProcesses, make_executor, run_again_alone, units_at_a_time
from bids_stroke.core.errors import DataError
from bids_stroke.core.settings import Execution
from bids_stroke.imaging.side_by_side import AT_ONCE
from tests.conftest import ROOT


def work(task: str) -> str:
    """Runs in a spawned process: the task says what happens."""
    if task.startswith("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if task.startswith("fail"):
        raise DataError(f"{task} is broken.", "Mend it.", "broken")
    if task.startswith("slow"):
        time.sleep(1)
    return f"{task} done in {os.getpid()}"


def sleep_and_tell(task: str) -> None:
    """Tell the process's number in a file, then stay busy."""
    temporary = Path(task + ".tmp")
    temporary.write_text(str(os.getpid()))
    temporary.rename(task)
    time.sleep(60)


def tell_and_rest(task: str) -> None:
    """Leave a file, then take a while."""
    Path(task).touch()
    time.sleep(0.2)


@pytest.mark.parametrize("executor", [InProcess(), LocalProcesses(2)])
def test_results_and_errors_come_back_with_their_task(executor: executors.Executor) -> None:
    results = dict(executor.run(["a", "fail b", "c"], work))
    assert set(results) == {"a", "fail b", "c"}
    assert str(results["a"]).startswith("a done")
    error = results["fail b"]
    assert isinstance(error, DataError)
    assert (error.message, error.remedy, error.reason) == ("fail b is broken.", "Mend it.", "broken")


def test_a_killed_process_takes_only_its_own_unit() -> None:
    results = dict(LocalProcesses(2).run(["a", "die", "b", "c"], work))
    assert isinstance(results["die"], DataError)
    assert results["die"].reason == "process-killed"
    assert all(isinstance(results[name], str) for name in "abc")


def crowded(task: str) -> str:
    """Needs memory that is there for one at a time only: killed where another one runs."""
    name, folder = task.split("@")
    if name.startswith("needs"):
        try:
            (Path(folder) / name).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        except FileExistsError:
            return f"{name} alone"
    return name


@pytest.mark.inputs(
    "A unit that was killed, or ran out of memory, beside others is tried once more, alone, at the end."
)
def test_what_was_killed_for_memory_runs_once_more_alone(tmp_path: Path) -> None:
    def short(_: str, result: object) -> bool:
        return isinstance(result, DataError)

    tasks = [f"{name}@{tmp_path}" for name in ("needs much", "b", "needs more", "c")]
    results = [
        (task.split("@")[0], result) for task, result in run_again_alone(LocalProcesses(2), tasks, crowded, short)
    ]
    assert sorted(results[:2]) == [("b", "b"), ("c", "c")]
    assert sorted(results[2:]) == [("needs more", "needs more alone"), ("needs much", "needs much alone")]


def test_what_is_killed_alone_too_has_its_reason() -> None:
    ((task, result),) = run_again_alone(
        LocalProcesses(2), ["die"], work, lambda _, result: isinstance(result, DataError)
    )
    assert (task, result.reason) == ("die", "process-killed")
    assert "had reached" in result.message and "GB" in result.message


def test_units_run_in_other_processes_and_at_the_same_time() -> None:
    begin = time.monotonic()
    pids = {str(result).split()[-1] for _, result in LocalProcesses(2).run(["slow a", "slow b"], work)}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids
    assert time.monotonic() - begin < 60


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
from bids_stroke.app.executors import LocalProcesses
from tests.app.test_executors import sleep_and_tell
if __name__ == "__main__":
    list(LocalProcesses(2).run([{str(tmp_path)!r} + "/a", {str(tmp_path)!r} + "/b"], sleep_and_tell))
"""
    script = tmp_path / "main.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    main = subprocess.Popen([sys.executable, script], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("[ab]"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    pids = [int((tmp_path / name).read_text()) for name in "ab"]
    main.kill()
    main.wait()
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_closing_starts_no_further_units(tmp_path: Path) -> None:
    tasks = [str(tmp_path / str(index)) for index in range(100)]
    run = LocalProcesses(1).run(tasks, tell_and_rest)
    task, _ = next(run)
    run.close()
    assert task == tasks[0]
    assert len(list(tmp_path.iterdir())) < len(tasks)  # the first, and those that ran until it was closed


def test_one_unit_or_one_process_stays_here() -> None:
    assert isinstance(make_executor(4, 1), InProcess)
    assert isinstance(make_executor(1, 9), InProcess)
    assert isinstance(make_executor(2, 9), LocalProcesses)


def test_cpus_and_memory_respect_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= executors.available_cpus() <= (os.cpu_count() or 1)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1000")
    assert executors.available_cpus() == 1
    assert executors.available_memory_gb() == pytest.approx(1000 * 2**20 / 1e9)


def test_memory_for_each_cpu_counts_for_all_cpus_of_the_job_on_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "250")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "3")
    assert executors.available_memory_gb() == pytest.approx(750 * 2**20 / 1e9)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
    assert executors.available_memory_gb() == pytest.approx(500 * 2**20 / 1e9)
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "0")  # --mem=0: all that the node has
    assert executors.available_memory_gb() > 0


def test_what_a_training_may_still_take_is_the_rest_of_the_least_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = psutil.Process().memory_info().rss / 1e9
    free = executors.memory_left_gb(None)
    assert free > 0
    assert executors.memory_left_gb(taken + 0.5 * free) == pytest.approx(0.5 * free, rel=0.2)
    assert executors.memory_left_gb(1e6) <= free * 1.2
    assert executors.memory_left_gb(taken / 2) == 0
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    assert executors.memory_left_gb(1e6) == 0


def test_waiting_threads_soon_leave_their_core_unless_the_user_wants_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in executors.PATIENT:
        monkeypatch.delenv(variable, raising=False)
    with executors.environment(2, tmp_path):
        assert {variable: os.environ[variable] for variable in executors.PATIENT} == executors.PATIENT
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with executors.environment(2, tmp_path):
        assert os.environ["OMP_WAIT_POLICY"] == "active"
        assert "GOMP_SPINCOUNT" not in os.environ


def test_threads_are_capped_and_temporary_files_stay_in_the_work_folder_and_all_is_undone(tmp_path: Path) -> None:
    before = dict(os.environ), tempfile.gettempdir()
    with executors.environment(2, tmp_path):
        assert {os.environ[variable] for variable in executors.THREAD_VARIABLES} == {"2"}
        assert tempfile.gettempdir() == str(tmp_path)
        for variable in executors.CACHE_VARIABLES:
            assert Path(os.environ[variable]).is_dir()
            assert Path(os.environ[variable]).is_relative_to(tmp_path)
    assert (dict(os.environ), tempfile.gettempdir()) == before


@pytest.mark.parametrize(
    ("nprocs", "n_units", "threads", "at_once"),
    [(1, 1, 1, 1), (2, 1, 1, 2), (8, 3, 1, 2), (8, 3, 2, 4), (2, 5, 1, 1), (1, 1, 4, 4)],
)
def test_cpus_that_no_other_unit_needs_compute_volumes(
    tmp_path: Path, nprocs: int, n_units: int, threads: int, at_once: int
) -> None:
    before = os.environ.get(AT_ONCE)
    with executors.environment(threads, tmp_path):
        assert executors.share(nprocs, n_units, threads) == (at_once // threads, at_once)
        assert os.environ[AT_ONCE] == str(at_once)
        assert os.environ["OMP_NUM_THREADS"] == str(threads)
    assert os.environ.get(AT_ONCE) == before


@pytest.mark.parametrize(("nprocs", "mem_gb", "expected"), [(8, None, 8), (8, 9.0, 2), (1, 64.0, 1), (8, 1.0, 1)])
def test_units_at_a_time_are_as_many_as_asked_within_the_memory_given(
    nprocs: int, mem_gb: float | None, expected: int
) -> None:
    assert units_at_a_time(Execution(nprocs=nprocs, mem_gb=mem_gb)) == expected


def test_without_a_number_units_at_a_time_go_by_cpus_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "available_cpus", lambda: 8)
    monkeypatch.setattr(executors, "available_memory_gb", lambda: 20.5)
    assert units_at_a_time(Execution()) == 5
    assert units_at_a_time(Execution(omp_nthreads=4)) == 2
    assert units_at_a_time(Execution(mem_gb=8)) == 2
    assert units_at_a_time(Execution(omp_nthreads=16)) == 1
