"""The import of torch, nearly half of what a first prediction takes."""

from __future__ import annotations

import gc
import os
import sys

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""torch reads it with its first tensor: whether it asks the system for large tensors in pages of 2 MB."""


def import_torch() -> None:
    """Import torch, once, with the garbage collector paused; it never looks at the library's objects afterwards.

    They stay to the end of the process, but the collector would go through all of them several times in the import
    and again at the end: 2.5 s of CPU, 1.6 without. Large tensors get large pages, where the system has them: handing
    out small ones is a tenth of a first prediction. Call it before anything else that imports torch.
    """
    if "torch" in sys.modules:
        return
    os.environ.setdefault(HUGE_PAGES, "1")
    was_on = gc.isenabled()
    gc.collect()  # or what is garbage now would be kept with the library's objects
    gc.disable()
    try:
        import torch  # noqa: F401  wanted in sys.modules only
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
