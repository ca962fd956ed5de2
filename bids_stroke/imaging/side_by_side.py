"""Independent pieces of one person's work (volumes, patches) side by side on the CPUs that are free for it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = "BIDS_STROKE_AT_ONCE"
"""Environment variable: pieces at a time. The app sets it for its processes, as it does with OMP_NUM_THREADS."""


def at_once() -> int:
    """Pieces at a time: 1 where nobody says more."""
    return int(os.environ.get(AT_ONCE, "1"))


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results of a function in the order of the items: the same, whatever the number of pieces at a time.

    Parameters
    ----------
    function : callable
        Changes nothing that another call reads; worth a thread where numpy, scipy or LAPACK do the work.
    items : iterable
        No more of them are begun than are computed at a time, and one: results do not pile up in memory.

    >>> list(each(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    n = at_once()
    if n <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > n:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
