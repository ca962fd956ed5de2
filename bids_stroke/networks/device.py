"""Where and how tensors are computed: device, precision, reproducibility."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import deterministic

from bids_stroke.core.errors import UsageError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Numbers of glibc's mallopt(3)."""
MAPPINGS = 65536
"""Pieces that glibc may get from the system one by one, and give back so: its own default."""
LARGEST_KEPT = 2**25
"""Bytes of the largest piece of memory that glibc may be told to keep while it gives back larger ones."""
KEPT_BETWEEN_LAYERS = 2**28
"""Bytes that a prediction may keep: what the layers of a network at 91 x 109 x 91 hand on to each other."""


@dataclass(frozen=True)
class Thrift:
    """How a training uses memory.

    Attributes
    ----------
    words : str
        What is done to need less.
    keeps : bool
        Whether the process keeps all that it frees (`keep_memory`).
    sparing : bool
        Whether the network is (`Network.sparing`).
    chunk : int
        Samples that are predicted at once.
    step, prediction : float
        On the CPU, most memory that the process took by that of the tensors alive (benchmarks/training_memory.py).
    """

    words: str
    keeps: bool
    sparing: bool
    chunk: int
    step: float
    prediction: float

    def begin(self) -> None:
        """Let this process keep what it frees, or all but little of it no more."""
        keep_memory(None if self.keeps else KEPT_BETWEEN_LAYERS)


PLENTY = Thrift("", keeps=True, sparing=False, chunk=16, step=2.6, prediction=1.0)
"""The fastest way. What is kept lies in pieces, few of them large enough for the next need: predictions take more."""
GIVING_BACK = Thrift(
    "what is freed is given back at once, which takes longer", keeps=False, sparing=False, chunk=4, step=1.3,
    prediction=1.3,
)  # fmt: skip
"""To the same bits as `PLENTY`, but for what depends on how many samples are predicted at once."""
SPARING = Thrift(
    "and some is computed twice instead of being kept, which takes longer still", keeps=False, sparing=True, chunk=1,
    step=1.3, prediction=1.3,
)  # fmt: skip
"""To the same gradients within 1e-5, as near to those in double precision as without it."""


def resolve_device(device: str) -> torch.device:
    """``auto`` is the first GPU, else the CPU; an explicit GPU never falls back.

    Raises
    ------
    UsageError
        The device is not known, or there is no such GPU.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return torch.device("cuda:0" if count else "cpu")
    if device == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise UsageError(f"Device {device!r} is not known.", "Use auto, cpu, cuda or cuda:N.")
    number = int(match[1] or 0)
    if number >= count:
        raise UsageError(f"Device {device}: there are {count} CUDA devices here.", "Use --device auto or cpu.")
    return torch.device(f"cuda:{number}")


def keep_memory(most: int | None = None) -> bool:
    """Let this process keep memory that it frees, for its next need; whether the C library can (glibc).

    Otherwise glibc gives each large tensor back to the system, which hands out empty pages again one by one: more
    than half of the time of a training step with eight maps, a tenth of a prediction. Called once more, it changes
    nothing.

    Parameters
    ----------
    most : int, optional
        Bytes to keep, in pieces of up to `LARGEST_KEPT`, for a process that prepares one person after another and
        must give memory back. All, if not given.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc
        return False
    if most is None:
        done = mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, -1)
    else:
        done = tuple(map(mallopt, (M_MMAP_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD), (MAPPINGS, LARGEST_KEPT, most)))
    return all(done)


@contextmanager
def reproducible(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch, and on the CPU let only deterministic algorithms run; everything is as before afterwards."""
    devices = [device.index or 0] if device.type == "cuda" else []
    # Not torch.use_deterministic_algorithms: that imports torch's compiler, more than a second for one prediction.
    filling: Any = deterministic
    before = torch.get_deterministic_debug_mode(), filling.fill_uninitialized_memory
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        torch.set_deterministic_debug_mode("error" if device.type == "cpu" else before[0])
        # Nothing here reads memory before it is written; filling it first is a tenth of a prediction.
        filling.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before[0])
            filling.fill_uninitialized_memory = before[1]


@contextmanager
def threads_for(network: object) -> Iterator[None]:
    """One thread for a network, or class of networks, that says so (`Network.one_thread`); then as many as before."""
    before = torch.get_num_threads()
    if getattr(network, "one_thread", False):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def precision_of(device: torch.device, precision: str) -> Iterator[None]:
    """Mixed precision where asked for (``bf16``)."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield
