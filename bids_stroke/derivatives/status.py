"""How each unit stands: one file a unit, written when it starts and when it ends, and the table of all.

Jobs that share OUTPUT_DIR read each other's files and write only those of their own units. Whatever else lies among
them, from another version, a full disk or an editor, is named and passed over: it says nothing of the other units.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bids_stroke.core.errors import OutputError
from bids_stroke.core.processes import pid_namespace
from bids_stroke.core.records import UnitStatus, unit_prefix
from bids_stroke.derivatives.names import DATASET_FILES, dataset_file
from bids_stroke.derivatives.outputs import write_json, write_table
from bids_stroke.derivatives.status_file import INTERRUPTED, NOT_BEGUN, read_status, text_of

STATUS_COLUMNS = (
    "subject", "session", "status", "reason", "seconds", "peak_memory_mb", "model_sha256", "missing", "left_out",
    "warnings", "detail",
)  # fmt: skip
_ANY_JOB = "submitted"
"""In the place of a task's number, which is not known before Slurm has taken it."""


@dataclass(frozen=True)
class Statuses:
    """What the status files of an OUTPUT_DIR tell."""

    units: tuple[UnitStatus, ...] = ()
    """By name of the unit."""
    passed_over: tuple[str, ...] = ()
    """A sentence for each file that tells nothing: its path, and why."""


@dataclass(frozen=True)
class RunningStep:
    """What a unit that runs is at."""

    step: str
    """In words; empty before its first one."""
    seconds: float
    """Since the unit began."""


def write_running(root: Path, subject: str, session: str | None, step: str = "", since: datetime | None = None) -> None:
    """Say that a unit runs in this process until :func:`write_status` says how it ended: since when, and at what step.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    subject, session : str
        The unit.
    step : str
        In words; empty at the begin.
    since : datetime, optional
        When the unit began; now, unless it is given.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    _write(_path(root, subject, session), _here(subject, session, "running", since) | {"step": step})


def write_waiting(root: Path, units: Iterable[tuple[str, str | None]]) -> None:
    """Say of units that this process will come to them: whoever reads it knows of them from the start.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    units : iterable of (str, str or None)
        Subject and session. Where a file cannot be written the unit fails for that when its turn comes.
    """
    for subject, session in units:
        with suppress(OutputError):
            _write(_path(root, subject, session), _here(subject, session, "waiting", None))


def write_submitted(root: Path, units: Iterable[tuple[str, str | None]]) -> None:
    """Say of units that they are handed to a cluster, of whose processes this one knows nothing.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    since = datetime.now(UTC).isoformat(timespec="seconds")
    for subject, session in units:
        content = {"subject": subject, "session": session, "status": "waiting", "since": since, "job": _ANY_JOB}
        _write(_path(root, subject, session), content)


def job_of(root: Path, prefix: str) -> str | None:
    """The cluster's task that a unit waits or runs in, or died in: empty for the last one that it was handed over with.

    None where its last word is of no job: another run computed it, or it has ended by itself.
    """
    try:
        content = json.loads(dataset_file(root, "status", unit=prefix).read_text(encoding="utf-8"))
        if content.get("status") not in ("running", "waiting"):
            return None
        job = content.get("job")
        return None if job is None else str(job).replace(_ANY_JOB, "")
    except (OSError, ValueError, RecursionError, AttributeError):
        return None


def _this_job(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The task of a cluster that this process belongs to; nothing where it belongs to none."""
    job, index = (environment.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    return {"job": f"{job}_{index}"} if job and index else {}


def _here(subject: str, session: str | None, status: str, since: datetime | None) -> dict[str, Any]:
    """A status that holds as long as this process lives."""
    return {
        "subject": subject,
        "session": session,
        "status": status,
        "since": (since or datetime.now(UTC)).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pid_namespace": pid_namespace(),
        **_this_job(),
    }


def running_step(root: Path, prefix: str) -> RunningStep | None:
    """What a unit is at, as its status file says; None where it does not run, or its process is gone."""
    path = dataset_file(root, "status", unit=prefix)
    try:
        if read_status(path).status != "running":
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        since = datetime.fromisoformat(text_of(content, "since"))
        return RunningStep(text_of(content, "step"), max((datetime.now(UTC) - since).total_seconds(), 0.0))
    except (OSError, ValueError, RecursionError):  # it ended between the two looks, say
        return None


def write_status(root: Path, status: UnitStatus) -> None:
    """Say how a unit ended, in a file of its own, so that parallel jobs do not touch each other's.

    A unit that was up to date keeps the numbers of the run that made it, where they can still be read.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    path = _path(root, status.subject, status.session)
    earlier = _ended(path) if status.status == "skipped" else None
    if earlier is not None:
        status = replace(earlier, missing=status.missing, left_out=status.left_out)
        if status == earlier:
            return
    _write(path, asdict(status))


def write_status_table(root: Path, units: Iterable[UnitStatus]) -> Path:
    """Write the table of all units: those of this and of earlier or parallel runs, from :func:`read_statuses`."""
    import pandas as pd

    rows = [asdict(status) for status in units]
    return write_table(dataset_file(root, "status_table"), pd.DataFrame(rows, columns=list(STATUS_COLUMNS)))


def write_stopped(root: Path, why: str) -> list[UnitStatus]:
    """Let the files of units that say they run, or wait, and whose process is gone from this machine say so themselves.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR; it need not be there.
    why : str
        A sentence.

    Returns
    -------
    list of UnitStatus
        These units. Where a file cannot be written it still tells a reader on this machine as much.
    """
    stopped = []
    for unit in read_statuses(root).units:
        path = _path(root, unit.subject, unit.session)
        if unit.reason in (INTERRUPTED, NOT_BEGUN) and json.loads(path.read_text())["status"] in ("running", "waiting"):
            turn = "" if unit.reason == INTERRUPTED else " Its turn had not come."
            stopped.append(replace(unit, detail=f"{why}{turn} Run it again."))
            with suppress(OutputError):
                _write(path, asdict(stopped[-1]))
    return stopped


def read_statuses(root: Path) -> Statuses:
    """Read how each unit stands, of all runs into this folder.

    A unit whose process is gone from this machine without having said how it ended counts as failed
    (``interrupted``; ``not-begun`` where it had been waiting). Of a process on another machine nobody can tell: it
    counts as running, or waiting.
    """
    units, passed_over = [], []
    for path in sorted(root.glob(DATASET_FILES["status"].format(unit="*"))):
        if path.name.startswith(
            (".", "sub-")
        ):  # half a file, of a job that is just writing it; or an earlier version's
            continue
        try:
            units.append(read_status(path))
        except (OSError, ValueError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            passed_over.append(f"{path} is no status of a unit and is passed over: {why}.")
    return Statuses(tuple(units), tuple(passed_over))


def _path(root: Path, subject: str, session: str | None) -> Path:
    return dataset_file(root, "status", unit=unit_prefix(subject, session))


def _write(path: Path, content: Mapping[str, Any]) -> None:
    try:
        write_json(path, content)
    except OSError as error:  # what is there is no file, for example
        raise OutputError(f"{path} cannot be written: {error.strerror}.", "Remove what is there.") from error


def _ended(path: Path) -> UnitStatus | None:
    """How a status file says that its unit was completed; None where it does not."""
    try:
        status = read_status(path) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    return status if status is not None and status.completed else None
