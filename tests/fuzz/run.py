"""One case through the real command line, and what is wrong with how it ended."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bids_stroke.cli.app import main
from tests.fuzz import base as datasets
from tests.fuzz.kinds import KINDS, kind_of
from tests.fuzz.stored import EEG_OPTIONS
from tests.fuzz.trial import Trial, participant

DOCUMENTED = frozenset({0, 2, 16, 18, 65, 66, 73})
"""Exit codes of README.md but 1 (internal error) and those of signals."""
BAD_WORDS = ("Traceback (most recent call last)", "internal error", "internal-error", "Please report")
READ_ONLY = "the fuzzer goes no further"
FREE = ("out", "work", "o", "cwd")
"""Folders of a case in which the app may write."""
State = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes
    ----------
    number, seed : int
        They make the case.
    kind, what : str
        Kind of input, and what was broken.
    code : int or None
        Exit code; None where the process died or hung.
    problems : tuple of str
        What must not be.
    said : str
        What the app printed.
    seconds : float
    """

    number: int
    seed: int
    kind: str
    what: str
    code: int | None
    problems: tuple[str, ...]
    said: str
    seconds: float


def prepare(base: Path) -> None:
    """Build the base datasets, and an OUTPUT_DIR of a run that went well."""
    datasets.fresh(base)
    case = base / "first"
    for name in ("raw", "model"):
        shutil.copytree(base / name, case / name)
    shutil.copyfile(base / "config.yml", case / "config.yml")
    trial = Trial(participant(*EEG_OPTIONS, model="{place}/model"), (), "sound")
    code, said = command(trial, case)
    if code != 0:
        raise AssertionError(f"The sound run ended with {code}: {said}")
    (case / "out").rename(base / "out")
    shutil.rmtree(case)


def run_case(base: Path, folder: Path, number: int, seed: int) -> Outcome:
    """Make a case in a new folder, run it, and look at what it left.

    Parameters
    ----------
    base : Path
        From `prepare`.
    folder : Path
        Where the case's own folder is made; it is removed afterwards.
    number, seed : int
        The same make the same case.
    """
    kind = kind_of(number)
    place = folder / f"{kind}-{number}"
    place.mkdir(parents=True)
    start = time.monotonic()
    try:
        trial = KINDS[kind].mutator(base, place, Random(f"{kind} {number} {seed}"))
        before = state(place)
        code, said = command(trial, place)
        problems = [*wrong(code, said, trial), *changes(before, state(place))]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    seconds = time.monotonic() - start
    return Outcome(number, seed, kind, trial.what, code, tuple(problems), said, round(seconds, 2))


def command(trial: Trial, place: Path) -> tuple[int, str]:
    """Exit code and all that is printed."""
    words = [word.replace("{place}", str(place)) for word in (*trial.positional, *trial.arguments)]
    text = io.StringIO()
    with _in_place(place), redirect_stdout(text), redirect_stderr(text):
        try:
            main(words)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
    return code, text.getvalue()


@contextmanager
def _in_place(place: Path) -> Iterator[None]:
    """Working folder and temporary files in the case's folder, and lines that are never broken."""
    before, folder, there = dict(os.environ), tempfile.tempdir, Path.cwd()
    for name in ("tmp", "cwd"):
        (place / name).mkdir(exist_ok=True)
    os.environ |= {"TMPDIR": str(place / "tmp"), "COLUMNS": "100000"}
    tempfile.tempdir = str(place / "tmp")
    os.chdir(place / "cwd")
    try:
        yield
    finally:
        os.chdir(there)
        tempfile.tempdir = folder
        os.environ.clear()
        os.environ.update(before)
        sys.stdout.flush()


def wrong(code: int, said: str, trial: Trial) -> list[str]:
    """What is wrong with an exit code and a message."""
    found = [] if code in DOCUMENTED else [f"exit code {code}"]
    found += [f"says {word!r}" for word in BAD_WORDS if word in said]
    flat = " ".join(said.split())
    read = READ_ONLY in flat  # the fuzzer stopped, not the app
    if code and trial.names and not read and not any(name in flat for name in trial.names):
        found.append(f"none of {', '.join(trial.names)} is named")
    if code and not flat:
        found.append("nothing is said")
    return found


def state(place: Path) -> State:
    """Files and folders of a case outside those in which the app may write."""
    found = {}
    for path in place.rglob("*"):
        within = path.relative_to(place)
        if within.parts[0] not in FREE and within.parts != ("tmp",):
            info = path.lstat()
            found[str(within)] = (info.st_size if path.is_file() else 0, info.st_mtime_ns if path.is_file() else 0)
    return found


def changes(before: State, after: State) -> list[str]:
    """What was made, changed or removed."""
    new = [f"made {name}" for name in after.keys() - before.keys()]
    gone = [f"removed {name}" for name in before.keys() - after.keys()]
    other = [f"changed {name}" for name in before.keys() & after.keys() if before[name] != after[name]]
    return sorted([*new, *gone, *other])[:5]
