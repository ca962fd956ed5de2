"""The import of torch without the garbage collector."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest
import torch  # noqa: F401  is there before the second test

from bids_stroke.networks.torch_import import HUGE_PAGES, import_torch

CODE = """
import gc, sys
if {paused}: gc.disable()
from bids_stroke.networks.torch_import import import_torch
before = gc.get_freeze_count()
import_torch()
assert 'torch' in sys.modules
frozen = gc.get_freeze_count()
import_torch()
assert gc.get_freeze_count() == frozen
print(frozen - before, gc.isenabled())
"""


def run(paused: bool) -> list[str]:
    command = [sys.executable, "-c", CODE.format(paused=paused)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_librarys_objects_are_out_of_the_collectors_sight_and_it_works_on() -> None:
    frozen, works = run(paused=False)
    assert int(frozen) > 10_000
    assert works == "True"


def test_a_collector_that_was_off_stays_off() -> None:
    assert run(paused=True)[1] == "False"


def test_where_torch_is_there_nothing_is_frozen() -> None:
    before = gc.get_freeze_count()
    import_torch()
    assert gc.get_freeze_count() == before
    assert gc.isenabled()


def test_garbage_of_before_is_not_kept() -> None:
    code = """
import gc, weakref
gc.disable()
class Big: pass
big = Big(); big.itself = big; seen = weakref.ref(big); del big
from bids_stroke.networks.torch_import import import_torch
import_torch()
print(seen())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


@pytest.mark.parametrize("chosen", ["0", None])
def test_large_pages_are_asked_for_unless_somebody_chose_otherwise(chosen: str | None) -> None:
    code = "import os, sys; from bids_stroke.networks.torch_import import import_torch as go; go(); "
    code += "print(os.environ[sys.argv[1]])"
    given = {key: value for key, value in os.environ.items() if key != HUGE_PAGES}
    given |= {HUGE_PAGES: chosen} if chosen else {}
    done = subprocess.run(
        [sys.executable, "-c", code, HUGE_PAGES], capture_output=True, text=True, check=True, env=given
    )
    assert done.stdout.strip() == (chosen or "1")
