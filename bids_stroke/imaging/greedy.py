"""Running greedy in memory, silently and reproducibly."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from picsl_greedy import Greedy3D

from bids_stroke.core.errors import DataError


def options(seed: int) -> str:
    """One thread always, because greedy's result depends on their number; a fixed seed, because it draws samples."""
    return f"-threads 1 -seed {seed + 1} -V 0"  # seed 0 means "stochastic" to greedy


def matrix_file(path: Path, matrix: npt.NDArray[np.float64]) -> str:
    """Write a matrix for greedy, which takes none from memory, and give its name, quoted for greedy's parser."""
    np.savetxt(path, matrix, fmt="%.12g")
    return f'"{path}"'


def execute(greedy: Greedy3D, command: str, inputs: dict[str, Any], *outputs: str) -> None:
    """Run greedy silently with named images in memory."""
    text = io.StringIO()
    try:
        with _silent():
            greedy.execute(command, out=text, err=text, **inputs, **dict.fromkeys(outputs))
    except RuntimeError as error:
        remedy = "Check that the image shows a brain (see the report's pictures)."
        raise DataError(f"greedy failed: {error}", remedy, reason="registration-failed") from error


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing on file descriptor 1: the optimiser prints line-search warnings there that say nothing of the result."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 1)
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
