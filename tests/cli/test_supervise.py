"""The work runs in a child of the process that was started, and can be ended whatever a library is at."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bids_stroke.cli.supervise import PATIENCE, STOPPED
from tests.helpers.waiting import wait_for

IN_A_LIBRARY = "sum(itertools.repeat(1, 10**11))"
"""A call that keeps Python's lock: no thread of Python runs before it returns, and no handler of a signal."""
ENDS_BY_ITSELF = "time.sleep(60)"


def start(tmp_path: Path, work: str) -> subprocess.Popen[str]:
    """A process that lets a child of it work, with half a second of patience; what `tidy` was told is in a file."""
    code = (
        "import itertools, os, pathlib, signal, sys, time\n"
        "from bids_stroke.cli import supervise\n"
        "supervise.PATIENCE = 0.5\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"supervise.work_in_child(pathlib.Path({str(tmp_path / 'why')!r}).write_text)\n"
        f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n{work}\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (tmp_path / "begun").exists() or process.poll() is not None)
    time.sleep(0.1)  # into the call
    return process


@pytest.mark.parametrize("work", [IN_A_LIBRARY, ENDS_BY_ITSELF])
def test_asked_to_end_it_ends_whatever_the_work_is_at(tmp_path: Path, work: str) -> None:
    process = start(tmp_path, work)
    (child,) = psutil.Process(process.pid).children()
    begin = time.monotonic()
    process.terminate()
    _, said = process.communicate(timeout=10)
    assert process.returncode == 143
    assert time.monotonic() - begin < 5
    assert (STOPPED in said) == (work == IN_A_LIBRARY)  # else the work says it itself
    assert (tmp_path / "why").read_text() == "Stopped by SIGTERM."
    assert not child.is_running()
    assert PATIENCE <= 5, "docker stop kills after ten seconds, and there is tidying to do"


def test_processes_that_the_work_started_end_with_it(tmp_path: Path) -> None:
    begin = f"import subprocess; subprocess.Popen(['sleep', '61']); {IN_A_LIBRARY}"
    process = start(tmp_path, begin)
    below = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.communicate(timeout=10)
    assert len(below) == 2
    assert not psutil.wait_procs(below, timeout=5)[1]


def test_work_that_is_killed_is_told_of_and_tidied(tmp_path: Path) -> None:
    process = start(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    _, said = process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGKILL
    assert "ended by SIGKILL. Perhaps it wanted more memory" in said
    assert "Ended by SIGKILL" in (tmp_path / "why").read_text()


@pytest.mark.parametrize("code", [0, 65])
def test_work_that_ends_ends_as_it_did(tmp_path: Path, code: int) -> None:
    process = start(tmp_path, f"sys.exit({code})")
    process.communicate(timeout=10)
    assert process.returncode == code
    assert not (tmp_path / "why").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is of Linux")
def test_the_work_does_not_outlive_who_waits_for_it(tmp_path: Path) -> None:
    process = start(tmp_path, IN_A_LIBRARY)
    (child,) = psutil.Process(process.pid).children()
    process.kill()
    process.communicate(timeout=10)
    assert not psutil.wait_procs([child], timeout=5)[1]
