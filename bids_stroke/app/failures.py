"""What went wrong, by its cause: a full disk and too little memory are named as that, whatever library said it."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from bids_stroke.core.errors import BidsStrokeError, DataError, InputError, MemoryShortageError, OutputError
from bids_stroke.core.records import UnitStatus, unit_prefix
from bids_stroke.derivatives.names import DATASET_FILES
from bids_stroke.derivatives.outputs import lacks_space
from bids_stroke.derivatives.status_file import INTERRUPTED, NOT_BEGUN

GB_PER_UNIT = 4.0
"""Memory to expect of one unit at full size (GB)."""
PROCESS_KILLED = "process-killed"
FULL = 2**20
"""A disk with fewer bytes left than this is full."""
_ASKED = re.compile(r"(?:allocate|Tried to allocate|requested)\D{0,20}?([\d.]+) ?(bytes|[KMGT]i?B)", re.IGNORECASE)
_MEMORY = re.compile(
    r"can(?:no|')t allocate memory|cannot allocate memory|CUDA out of memory|failed to allocate memory|"
    r"std::bad_alloc|failed to map segment|bad allocation|not enough memory",
    re.IGNORECASE,
)  # fmt: skip
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def as_ours(error: BaseException, places: Mapping[str, Path]) -> BidsStrokeError:
    """The error that a user can act on.

    Parameters
    ----------
    error : BaseException
        What a stage or a level raised; what caused it counts, too.
    places : mapping of str to Path
        Folders that were being written, by what the user calls them.

    Returns
    -------
    BidsStrokeError
        `MemoryShortageError` or `OutputError` where that is behind it; else the error itself where it is one of
        ours; else an internal error.
    """
    chain = list(_causes(error))
    for cause in chain:
        if _is_of_memory(cause):
            return _memory(cause)
    if isinstance(error, OutputError):
        return error
    for cause in chain:
        if isinstance(cause, OSError) and lacks_space(cause):
            return _no_space(cause, places)
    for name, folder in places.items():
        if (left := _bytes_left(folder)) < FULL:
            said = str(error) or type(error).__name__
            return OutputError(f"{name} {folder} is full ({left} bytes left): {said}", "Make room there.")
    if isinstance(error, BidsStrokeError):
        return error
    remedy = "The log of the unit has the traceback: please report it."
    return BidsStrokeError(f"{type(error).__name__}: {error}.", remedy)


def is_of_data(error: BidsStrokeError) -> bool:
    """Whether it is the data that a step failed on: run again, it would fail again.

    After an error of the app's own, a full disk or want of memory nobody knows what the step would have given: a
    prediction without it would be one by accident.
    """
    return isinstance(error, DataError | InputError) and error.reason != PROCESS_KILLED


def killed() -> DataError:
    """The error of a unit whose process ended without a word."""
    reached = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return DataError(
        "The process of this unit was killed, most likely because memory ran out: the largest process of this run had "
        f"reached {reached:.1f} GB.",
        f"Lower --nprocs or give more memory (a unit may need {GB_PER_UNIT:g} GB), and run again: finished steps are "
        "kept.",
        PROCESS_KILLED,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | MemoryShortageError):
        return True
    return isinstance(error, RuntimeError | OSError | ImportError) and _MEMORY.search(str(error)) is not None


def _memory(error: BaseException) -> MemoryShortageError:
    if isinstance(error, MemoryShortageError):
        return error
    asked = _ASKED.search(str(error))
    wanted = f"{_gigabytes(*asked.groups()):.2f} GB more were" if asked else "more was"
    reached = f"; this process had reached {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB"
    gpu = "CUDA" in str(error)
    return MemoryShortageError(
        f"Out of memory{' of the GPU' if gpu else ''}: {wanted} asked for than there is{'' if gpu else reached}.",
        f"Give more memory (a unit may need {GB_PER_UNIT:g} GB), or lower --nprocs; with a GPU: --device cpu.",
    )


def _gigabytes(number: str, unit: str) -> float:
    return float(number.rstrip(".")) * 1024.0 ** _POWERS[unit[0].lower()] / 1e9


def _no_space(error: OSError, places: Mapping[str, Path]) -> OutputError:
    path = Path(error.filename) if isinstance(error.filename, str) else None
    inside = [f"{name} {folder}" for name, folder in places.items() if path and path.is_relative_to(folder)]
    full = [f"{name} {folder}" for name, folder in places.items() if _bytes_left(folder) < FULL]
    where = (inside or full or [str(path or "a file")])[0]
    why = error.strerror or f"no space left ({error})"
    return OutputError(f"{where} cannot be written: {why}.", "Make room there, or choose another folder.")


def _bytes_left(folder: Path) -> int:
    try:
        state = os.statvfs(folder)
    except OSError:
        return FULL
    free = state.f_bfree if os.geteuid() == 0 else state.f_bavail
    return free * state.f_frsize if state.f_blocks else FULL


MOST_NAMED = 10
"""Units that a sentence names one by one; the table of units has all."""


def lost_units(selected: Collection[str], with_result: Collection[str], statuses: Iterable[UnitStatus]) -> list[str]:
    """Sentences on the units that were selected and of which there is no result; on those that never ended first.

    Parameters
    ----------
    selected, with_result : collection of str
        Units (``sub-01_ses-02``): all that the command was asked for, and those with a current result.
    statuses : iterable of UnitStatus
        From `derivatives.status.read_statuses`.
    """
    known = {unit_prefix(status.subject, status.session): status for status in statuses}
    sentences = []
    for prefix in unended_units(selected, known.values()):
        status = known[prefix]
        sentences.append(f"{prefix} {status.status} ({status.reason}): {status.detail}".rstrip(": "))
    cut = sentences[:MOST_NAMED]
    if more := len(sentences) - len(cut):
        cut.append(f"{more} more units failed or never ended: {DATASET_FILES['status_table']} has them.")
    never = [prefix for prefix in selected if prefix not in known and prefix not in with_result]
    if never:
        names = " ".join(never[:MOST_NAMED]) + (
            f" and {len(never) - MOST_NAMED} more" if len(never) > MOST_NAMED else ""
        )
        cut.append(f"No run of the participant level came to {len(never)} of the selected units: {names}.")
    return cut


def unended_units(selected: Collection[str], statuses: Iterable[UnitStatus]) -> list[str]:
    """Units that were selected and that failed, wait, run, or were killed."""
    prefixes = [unit_prefix(status.subject, status.session) for status in statuses if not status.completed]
    return [prefix for prefix in prefixes if prefix in selected]


def failure_lines(statuses: Iterable[UnitStatus]) -> list[str]:
    """A line for each unit that failed: what and why."""
    return [
        f"{unit_prefix(status.subject, status.session).replace('_', ' ')} failed ({status.reason}): {status.detail}"
        for status in statuses
        if status.status == "failed"
    ]


def others_in_words(statuses: Iterable[UnitStatus], ended: Iterable[UnitStatus]) -> str:
    """How many units of other runs have not ended: their jobs may have died without a word. Empty where all have.

    >>> others_in_words([UnitStatus("1", None, "done"), UnitStatus("2", None, "running", "still-running")], [])
    'Other units in this folder: 1 running.'
    """
    own = {(status.subject, status.session) for status in ended}
    others = [status for status in statuses if (status.subject, status.session) not in own]
    told = [status.reason if status.reason in (INTERRUPTED, NOT_BEGUN) else status.status for status in others]
    counts = {word: told.count(word) for word in ("running", "waiting", INTERRUPTED, NOT_BEGUN)}
    found = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"Other units in this folder: {found}." if found else ""
