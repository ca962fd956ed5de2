"""The import of torch, nearly half of what a first prediction takes."""

from __future__ import annotations

import gc
import sys


def import_torch() -> None:
    """Import torch, once, with the garbage collector paused; it never looks at the library's objects afterwards.

    They stay to the end of the process, but the collector would go through all of them several times in the import
    and again at the end: 2.5 s of CPU, 1.6 without. Call it before anything else that imports torch.
    """
    if "torch" in sys.modules:
        return
    was_on = gc.isenabled()
    gc.collect()  # or what is garbage now would be kept with the library's objects
    gc.disable()
    try:
        import torch  # noqa: F401  wanted in sys.modules only
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
