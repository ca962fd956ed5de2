"""The work in a process that can be ended.

Python hands a signal to the program when the library that computes returns, which can take minutes; and the first
process of a container is not ended by a signal that it does not answer. So the process that was started only waits: for
the work, its child, and for signals.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf

import click

STOPPED = "Stopped. What is finished is kept; the same command goes on from there."
PATIENCE = 3.0
"""Seconds for the work to end by itself. ``docker stop`` gives 10 before it kills, and there is tidying to do."""
_ASKS = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1
"""Of prctl(2): a signal for this process when its parent is gone."""


def work_in_child(tidy: Callable[[str], None]) -> None:
    """Go on in a child of this process. Returns in the child only; the parent ends when the child has ended, as it did.

    To be called before libraries are imported: threads, and a GPU that was opened, do not come along.

    Parameters
    ----------
    tidy : callable
        Called in the parent when the work was ended, with why, in words: no process of it is left then.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_ASKS, signal.SIGCHLD))
    sys.stdout.flush()
    sys.stderr.flush()
    parent, child = os.getpid(), os.fork()
    if child:
        sys.exit(_wait(child, tidy))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ASKS, signal.SIGCHLD))
    _end_with(parent)


def _end_with(parent: int) -> None:
    """Let this process be killed when its parent is (Linux; elsewhere it goes on alone)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed before we could ask
            os._exit(1)


def _wait(child: int, tidy: Callable[[str], None]) -> int:
    """Exit code of the work; what asks to end is handed on to it, and obeyed here where it does not."""
    asked, deadline, killed, code = 0, inf, False, None
    while code is None:
        got = signal.sigtimedwait((*_ASKS, signal.SIGCHLD), max(0.0, min(1.0, deadline - time.monotonic())))
        if got is not None and got.si_signo in _ASKS:
            asked = asked or got.si_signo
            deadline = min(deadline, time.monotonic() + PATIENCE)
            if got.si_code <= 0:  # of a process; a terminal asks the child as well
                os.kill(child, got.si_signo)
        if time.monotonic() >= deadline and not killed:
            _kill_all(child)
            killed = True
        code = _ended(child)
    if killed:
        click.echo(STOPPED, err=True)
    if asked and (killed or code == -asked):
        code = 128 + asked
    if asked:
        tidy(f"Stopped by {signal.Signals(asked).name}.")
    elif code < 0:
        name = signal.Signals(-code).name
        why = " Perhaps it wanted more memory than there is." if name == "SIGKILL" else ""
        click.echo(f"bids_stroke: the work was ended by {name}.{why}", err=True)
        tidy(f"Ended by {name}.{why}")
    return code if code >= 0 else 128 - code


def _ended(child: int) -> int | None:
    """How a child ended; None while it runs. As the first process of a container this one inherits others as well."""
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return None
            if pid == child:
                return os.waitstatus_to_exitcode(status)
    return 1  # somebody else has waited for it


def _kill_all(child: int) -> None:
    """Kill the work and all processes that it has started."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        work = psutil.Process(child)
        processes = [work, *work.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes[1:], timeout=1)
