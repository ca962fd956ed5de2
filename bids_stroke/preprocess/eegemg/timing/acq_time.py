"""When a recording began, by acq_time in scans.tsv."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from bids_stroke.core.errors import DataError, InputError
from bids_stroke.core.text_files import NOT_THERE, read_text


def acquired(path: Path) -> datetime | None:
    """The time, without its zone; None where no table has it.

    Raises
    ------
    DataError
        It is no date and time (``bad-acq-time``), or the table cannot be read.
    """
    folder = path.parent.parent
    found = re.match(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?", path.name)
    table = folder / f"{found[0] if found else ''}_scans.tsv"
    try:
        lines = read_text(table).text.splitlines()
    except InputError as error:
        if error.reason == NOT_THERE:
            return None
        raise DataError(error.message, error.remedy, error.reason) from error
    rows = [[cell.strip(' "') for cell in line.split("\t")] for line in lines if line.strip()]
    header = [cell.casefold() for cell in rows[0]] if rows else []
    for cells in rows[1:]:
        row = dict(zip(header, cells, strict=False))
        if row.get("filename") == f"{path.parent.name}/{path.name}":
            return _time(row.get("acq_time") or "n/a", table)
    return None


def _time(text: str, table: Path) -> datetime | None:
    if text.casefold() == "n/a":
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        remedy = "Write it as 2000-01-31T12:00:00, or n/a."
        raise DataError(f"{table}: acq_time {text!r} is not a date and time.", remedy, "bad-acq-time") from error
