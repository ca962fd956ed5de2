"""Python's collector of objects that refer to each other in a circle, and when it looks for nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
