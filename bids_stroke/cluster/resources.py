"""Memory and time to ask for: from the size of what is read, and from units that have ended."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MOST_MINUTES = 7 * 24 * 60
_MB, _MINUTES = 256, 5
"""What is asked for is a multiple of these."""
_LEAST = 1024
"""MB: the program and its libraries alone take half of it."""
_SPARE_MB, _SPARE = 300.0, 1.5
"""Beyond what a unit is expected to need: memory of the job's other processes, and a factor."""
_SLOW = 3.0
"""Nodes differ, and are shared: time is asked for so many times what a unit is expected to take."""
_START = 60.0
"""Seconds: a task begins, and a shared disk may be slow."""


@dataclass(frozen=True)
class Need:
    """What a unit takes."""

    memory_mb: float
    seconds: float


@dataclass(frozen=True, order=True)
class Grant:
    """What is asked of Slurm for a task."""

    memory_mb: int
    minutes: int

    def within(self, memory_mb: float, minutes: float) -> Grant:
        """No more than a cluster has: what asks for more would wait for ever.

        >>> Grant(8192, 600).within(4000, 1440)
        Grant(memory_mb=4000, minutes=600)
        """
        return Grant(int(min(self.memory_mb, memory_mb)), int(min(self.minutes, minutes)))

    def more(self, *, memory: bool, time: bool) -> Grant:
        """Twice the memory, the time, or both.

        >>> Grant(1024, 60).more(memory=True, time=False)
        Grant(memory_mb=2048, minutes=60)
        """
        return Grant(self.memory_mb * (2 if memory else 1), min(self.minutes * (2 if time else 1), MOST_MINUTES))


def expected(voxels: Iterable[float], recording_mb: float) -> Need:
    """What a unit takes, before any has been seen: on the safe side.

    Parameters
    ----------
    voxels : iterable of float
        Numbers in each image, all volumes together.
    recording_mb : float
        Size of the recordings (MB).

    Notes
    -----
    A diffusion series of 59 million numbers with its T1w (17 million) took 6.6 minutes and below 4 GB (docs/speed.md).
    """
    sizes = list(voxels)
    memory = 2000 + 24e-6 * max(sizes, default=0.0) + 10 * recording_mb
    return Need(memory, 30 + 6e-6 * sum(sizes) + 2 * recording_mb)


def learned(need: Need, ended: Iterable[tuple[Need, Need]]) -> Need:
    """The same in the light of units that have ended: what was expected of each, and what it took.

    The worst of them counts. Of what took no time, because little had to be done, nothing is learned.

    >>> learned(Need(2000, 100), [(Need(2000, 100), Need(500, 20)), (Need(4000, 200), Need(2000, 20))])
    Need(memory_mb=1000.0, seconds=20.0)
    """
    known = [(before, after) for before, after in ended if after.seconds > 0 and after.memory_mb > 0]
    if not known:
        return need
    memory = max(after.memory_mb / before.memory_mb for before, after in known)
    seconds = max(after.seconds / before.seconds for before, after in known)
    return Need(need.memory_mb * memory, need.seconds * seconds)


def grant(needs: Iterable[Need], units_per_task: int) -> Grant:
    """What to ask for a task of so many of these units, one after the other.

    >>> grant([Need(2000, 300)], 1)
    Grant(memory_mb=3328, minutes=20)
    """
    needs = list(needs)
    memory = max(need.memory_mb for need in needs) * _SPARE + _SPARE_MB
    minutes = (_SLOW * max(need.seconds for need in needs) + _START) * units_per_task / 60
    return Grant(
        max(_LEAST, math.ceil(memory / _MB) * _MB), min(math.ceil(minutes / _MINUTES) * _MINUTES, MOST_MINUTES)
    )


def units_per_task(seconds: float, n_units: int) -> int:
    """How many units go into a task: as many as take ten minutes, and never so many that a cluster stands idle.

    >>> units_per_task(300, 50), units_per_task(20, 50), units_per_task(20, 3000), units_per_task(600, 3000)
    (2, 1, 30, 1)
    """
    short = max(1, round(600 / max(seconds, 1.0)))
    return max(1, min(short, n_units // 20 if seconds >= 120 else n_units // 100))
