"""What the status file of a unit tells, whoever wrote it."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bids_stroke.core.processes import is_gone, pid_namespace
from bids_stroke.core.records import UnitStatus
from bids_stroke.derivatives.names import unit_of_log

INTERRUPTED = "interrupted"
"""Reason of a unit whose process ended without saying how the unit did."""
SUBMITTED = "submitted"
"""Reason of a unit that waits in the queue of a cluster."""
NOT_BEGUN = "not-begun"
"""Reason of a unit that a run was to do, and whose turn did not come."""
_LARGEST = 1e15
"""Above any number of seconds, megabytes or processes; NaN is not below it."""


def read_status(path: Path) -> UnitStatus:
    """Status of a unit. Keys that are not known are left alone, and all but the status itself may be absent.

    Raises
    ------
    OSError, ValueError, RecursionError
        The file cannot be read, or is not what any version of the app writes.
    """
    name = unit_of_log(path)
    if name is None:
        raise ValueError("its name is that of no unit")
    text = path.read_text(encoding="utf-8")
    content = json.loads(text) if text.strip() else None
    if not isinstance(content, dict):
        raise ValueError("it is empty" if content is None else "it holds no object of JSON")
    unit = UnitStatus(
        *name,
        status=text_of(content, "status"),
        reason=text_of(content, "reason"),
        detail=text_of(content, "detail"),
        seconds=_number(content, "seconds"),
        peak_memory_mb=_number(content, "peak_memory_mb"),
        model_sha256=text_of(content, "model_sha256"),
        missing=text_of(content, "missing"),
        left_out=text_of(content, "left_out"),
        warnings=text_of(content, "warnings"),
    )
    if not unit.status:
        raise ValueError("it has no 'status'")
    return _of_process(unit, content) if unit.status in ("running", "waiting") else unit


def text_of(content: Mapping[str, Any], key: str) -> str:
    """A text of a status file's content, empty where it has none; ValueError where it is something else."""
    value = content.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"its '{key}' is no text")
    value.encode()  # half of a surrogate pair could not be written again: UnicodeEncodeError is a ValueError
    return value


def _number(content: Mapping[str, Any], key: str) -> float:
    value = content.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        raise ValueError(f"its '{key}' is no number")
    return value


def _of_process(unit: UnitStatus, content: Mapping[str, Any]) -> UnitStatus:
    """The status of a unit whose last word is that it runs, or waits, with what is known of the process."""
    waits = unit.status == "waiting"
    reason = "not-begun-yet" if waits else "still-running"
    since, host, pid = text_of(content, "since"), text_of(content, "host"), int(_number(content, "pid"))
    if waits and since and not host and text_of(content, "job"):
        detail = f"Handed to the cluster {since}."
        return UnitStatus(unit.subject, unit.session, "waiting", SUBMITTED, detail)
    if not (since and host and pid):
        return UnitStatus(unit.subject, unit.session, unit.status, reason)
    step = f", step {step}" if (step := text_of(content, "step")) else ""
    place = f"since {since} on {host}, process {pid}{step}"
    begin = datetime.fromisoformat(since).timestamp()
    here = host == socket.gethostname() and text_of(content, "pid_namespace") == pid_namespace()
    if not (here and is_gone(pid, begin)):
        return UnitStatus(unit.subject, unit.session, unit.status, reason, f"{unit.status.capitalize()} {place}.")
    if waits:
        detail = f"Waited {place}, which ended before it came to this unit. Run it again."
        return UnitStatus(unit.subject, unit.session, "failed", NOT_BEGUN, detail)
    detail = f"Ran {place}, which is gone without a word: it was killed, perhaps for want of memory. Run it again."
    return UnitStatus(unit.subject, unit.session, "failed", INTERRUPTED, detail)
