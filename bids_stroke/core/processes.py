"""Which process made something, and whether it is gone: names of temporary files and folders carry a mark of it.

Only what a process of this machine left behind can be told from what is still in use. Of another machine, or another
container (whose processes have numbers of their own), nobody can tell: what is theirs stays. What the groups of
processes (cgroups) grant this one. And Python's collector of this process, paused where it has nothing to find.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CLOCK = 60.0
"""Seconds by which the clock may have been set since a process started."""
_MARK = re.compile(r"(?P<place>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})-(?P<start>[0-9]{1,12})")


def process_mark() -> str:
    """What tells this process from others: where it runs, its number, when it started (s).

    >>> process_mark().count("-")
    2
    """
    import psutil

    return f"{_place()}-{os.getpid()}-{psutil.Process().create_time():.0f}"


def is_abandoned(name: str) -> bool:
    """Whether a name carries the mark of a process of this machine that is gone.

    >>> is_abandoned(f"work_{process_mark()}_sub-01"), is_abandoned("work")
    (False, False)
    """
    mark = _MARK.search(name)
    return mark is not None and mark["place"] == _place() and is_gone(int(mark["pid"]), float(mark["start"]))


def is_gone(pid: int, since: float) -> bool:
    """Whether no process of this machine has had this number since then; a later one of the same number is another."""
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(process.status() == psutil.STATUS_ZOMBIE or process.create_time() > since + _CLOCK)
    except psutil.AccessDenied:
        return False
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return True


def pid_namespace() -> str:
    """The numbering of processes: containers have one of their own, even where they share the host's name."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # a system without it
        return ""


def remove_abandoned(folders: Iterable[Path], prefix: str) -> None:
    """Remove files and folders that begin with ``prefix`` and whose process is gone, if they are this user's own."""
    for folder in folders:
        for entry in _entries(folder):
            with suppress(OSError):  # another run may be removing the same
                ours = entry.name.startswith(prefix) and is_abandoned(entry.name)
                if not ours or entry.stat(follow_symlinks=False).st_uid != os.geteuid():
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink()


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from list(entries)
    except OSError:  # not there, or closed to us: then nothing in it is ours
        return


def _place() -> str:
    return hashlib.sha256(f"{socket.gethostname()}\0{pid_namespace()}".encode()).hexdigest()[:8]


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Keep the collector from looking while records of thousands of people are made.

    All of them are kept and none refers back to what refers to it, so that it finds nothing, again and again: a tenth
    of the time. What nobody refers to any more is freed as ever.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def memory_limits(groups: Path = _GROUPS, own: Path = _OWN) -> list[float]:
    """Bytes that the groups of this process may take, of cgroup v1 or v2; the least one counts.

    Slurm and other schedulers limit a group above that of the process itself, so all up to the root are read.

    Source: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the Linux kernel.
    """
    found = _values(groups, own, "memory", ("memory.limit_in_bytes", "memory.max"))
    return [float(words[0]) for words in found if words[0].isdigit()]


def cpu_limits(groups: Path = _GROUPS, own: Path = _OWN) -> list[float]:
    """CPUs that the groups of this process may use at a time, as a quota of their time; the least one counts."""
    found = _values(groups, own, "cpu", ("cpu.cfs_quota_us", "cpu.max"))
    periods = _values(groups, own, "cpu", ("cpu.cfs_period_us", "cpu.max"))
    pairs = [(quota[0], period[-1]) for quota, period in zip(found, periods, strict=False)]
    return [int(quota) / int(period) for quota, period in pairs if quota.isdigit() and period.isdigit() and int(period)]


def _values(groups: Path, own: Path, controller: str, names: tuple[str, str]) -> list[list[str]]:
    """Words of a file in each group of this process; ``names`` are those of v1 and v2."""
    found = []
    for line in _text_of(own).splitlines():
        _, controllers, path = line.split(":", 2)
        second = controllers == ""
        if not second and controller not in controllers.split(","):
            continue
        mounts = (groups, groups / "unified") if second else (groups / controller, groups / controllers)
        for mount in dict.fromkeys(mounts):
            here = mount / path.strip("/")
            folders = [here, *(up for up in here.parents if up.is_relative_to(mount))]
            found += [words for up in folders if (words := _text_of(up / names[second]).split())]
    return found


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
