"""When a column was measured, as the tables of a dataset tell: what predicts must not be dated after the outcome."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bids_stroke.bids.columns import in_days
from bids_stroke.bids.phenotype import tables_of
from bids_stroke.bids.rows import Unit, find_rows, is_nothing, one_value
from bids_stroke.bids.scales import CODES, about_column, is_missing
from bids_stroke.bids.tables import Table
from bids_stroke.core.errors import UsageError

DATE, DAYS = ("_date",), ("_days", "_day")
"""What follows the name of a column in that of the column which dates it: with ISO dates, or with days since stroke."""
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})([T ]\S.*)?")
_NAMED = 3
"""People that a message names."""


@dataclass(frozen=True)
class _When:
    """What dates a column of a unit: how it is written, and as a number of days."""

    text: str
    day: float


def check_dates(outcome: str, people: Sequence[tuple[Unit, Collection[str]]]) -> list[str]:
    """Refuse what predicts where it is dated after the outcome: it would be no prediction.

    A column ``C`` is dated by a column ``C_date`` (ISO dates, with or without a time) or by ``C_days`` or ``C_day``
    (days since stroke, or what ``Units`` say) of any table that may hold an outcome. Dates are compared with dates and
    days with days, where both are known of a person; the same day is not after.

    Parameters
    ----------
    outcome : str
        Its column.
    people : sequence of (Unit, collection of str)
        With the columns that are known of each unit and predict.

    Returns
    -------
    list of str
        What should be said of cells that are no dates.

    Raises
    ------
    UsageError
        A column is dated after the outcome of somebody (reason ``dated-after-outcome``).
    """
    later: dict[str, list[str]] = {}
    notes: dict[str, None] = {}
    for unit, columns in people:
        own = {column.casefold() for column in columns} - {outcome.casefold()}
        for ends in (DATE, DAYS):
            told = _told(unit, (outcome, *sorted(own)), ends, notes)
            if (of_outcome := told.get(outcome)) is None:
                continue
            for column in sorted(own & told.keys()):
                if told[column].day > of_outcome.day:
                    label = unit.label("participant_id") + (f"_ses-{unit.session}" if unit.session else "")
                    text = f"{label} ({told[column].text}, outcome {of_outcome.text})"
                    later.setdefault(column, []).append(text)
    for column, who in later.items():
        several = f" and {len(who) - _NAMED} more" if len(who) > _NAMED else ""
        raise UsageError(
            f"The column {column} is dated after the outcome {outcome} in {', '.join(who[:_NAMED])}{several}: what is "
            "learned from it would be no prediction.",
            f"Take {column} out of the tables, write n/a where it came too late, or correct the dates.",
            "dated-after-outcome",
        )
    return list(notes)


def _told(unit: Unit, columns: Sequence[str], ends: Sequence[str], notes: dict[str, None]) -> dict[str, _When]:
    """When these columns were measured, of those that a table dates; adds to ``notes`` what is no date."""
    wanted = {f"{column}{end}".casefold(): column for column in columns for end in ends}
    found: dict[str, _When] = {}
    for table, key, described in tables_of(unit):
        for name in (name for name in table.columns if name.casefold() in wanted):
            column = wanted[name.casefold()]
            if column in found or (text := _cell(table, key, unit, (name, described))) is None:
                continue
            day = _of_date(text) if ends == DATE else _of_days(text, about_column(described, name))
            if day is None:
                what = "no ISO date (YYYY-MM-DD)" if ends == DATE else "no number of days"
                notes[f"{table.name}: {name} is {text!r}, which is {what} and is not compared with the outcome's."] = (
                    None
                )
            else:
                found[column] = _When(f"{name} {text}", day)
    return found


def _cell(table: Table, key: str, unit: Unit, column: tuple[str, Mapping[str, Any]]) -> str | None:
    """What the rows of a unit say in a column, with what is said of its table's columns; None where it is missing."""
    name, described = column
    said = one_value(table, name, find_rows(table, key, unit).rows, unit.label(key))
    if said is None or is_nothing(said[0]) or is_missing(about_column(described, name), said[0]):
        return None
    return said[0]


def _of_date(text: str) -> float | None:
    match = _ISO.fullmatch(text.strip())
    try:
        return float(date.fromisoformat(match[1]).toordinal()) if match else None
    except ValueError:  # the 30th of February
        return None


def _of_days(text: str, about: Mapping[str, Any]) -> float | None:
    number = in_days(text, str(about.get("Units") or ""))
    return None if number in CODES else number
