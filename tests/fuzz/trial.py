"""One broken input and the command that meets it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Trial:
    """What is run, and what a refusal must name.

    Attributes
    ----------
    arguments : tuple of str
        Of the app, after BIDS_DIR and OUTPUT_DIR: the level and the options. ``{place}`` is the folder of the case.
    names : tuple of str
        One of these must be in what is said where the run or a unit is refused: the broken file, or the option.
    what : str
        What was done, for the table.
    positional : tuple of str
        BIDS_DIR and OUTPUT_DIR.
    """

    arguments: tuple[str, ...]
    names: tuple[str, ...]
    what: str
    positional: tuple[str, str] = ("{place}/raw", "{place}/out")


Mutator = Callable[[Path, Path, Random], Trial]
"""Base datasets, folder of the case, random numbers -> the trial; everything is put into that folder."""

QUICK = ("--skip-bids-validation", "--nprocs", "1", "-w", "{place}/work")


def participant(*options: str, model: str = "none") -> tuple[str, ...]:
    """Arguments of the participant level."""
    return ("participant", *options, "--model", model, *QUICK)


def copy(base: Path, place: Path, *names: str) -> None:
    """Put base datasets into the folder of a case."""
    for name in names:
        shutil.copytree(base / name, place / name, symlinks=True)


def stem_of(path: Path) -> str:
    """``sub-01_task-leg`` of ``sub-01_task-leg_eeg.vhdr``: messages may name a file by the recording that it is of."""
    return path.name.split(".")[0].rsplit("_", 1)[0]
