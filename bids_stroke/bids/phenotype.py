"""Covariates and outcomes of units from participants.tsv, sessions.tsv, phenotype/*.tsv; checks of all tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_stroke.bids.columns import Value
from bids_stroke.bids.labels import has_folder, strangers, twins
from bids_stroke.bids.person import description, known_of, only_of_others, sessions_description, value_of
from bids_stroke.bids.rows import PREFIXES, Unit, find_rows, one_value, with_prefix
from bids_stroke.bids.scales import CODES, SMALL_CODES, about_column, bounds_of, level_of
from bids_stroke.bids.tables import Row, Table, read_table
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.text_files import NOT_FETCHED

NO_COLUMN, NO_ROW, NO_VALUE = "no column", "no row", "no value"
"""Why a unit has no outcome."""


@dataclass(frozen=True)
class Measured:
    """The outcome of a unit.

    Parameters
    ----------
    value : float or None
        None where it is not known.
    why : str
        Then NO_COLUMN (no table for this unit has it), NO_ROW or NO_VALUE.
    notes : tuple of str
        What was forgiven in the tables that have the column, and which of them has no row of the unit.
    """

    value: float | None
    why: str = ""
    notes: tuple[str, ...] = ()


def check_participants(bids_dir: Path) -> None:
    """InputError where participants.tsv or participants.json is there but cannot be read: it concerns everybody.

    One that has not been fetched costs only what needs it.
    """
    path = bids_dir / "participants.tsv"
    try:
        if table := read_table(path):
            table.key("participant_id")
        description(path.with_suffix(".json"))
    except InputError as error:
        if error.reason != NOT_FETCHED:
            raise


def unit_covariates(bids_dir: Path, subject: str, session: str | None) -> dict[str, Value]:
    """Columns of participants.tsv and sessions.tsv for a unit: the values of `person.known_of`."""
    return dict(known_of(Unit(bids_dir, subject, session)).values)


def unit_outcome(bids_dir: Path, column: str, subject: str, session: str | None) -> float | None:
    """The outcome of a unit: the value of :func:`find_outcome`."""
    return find_outcome(bids_dir, column, subject, session).value


def find_outcome(bids_dir: Path, column: str, subject: str, session: str | None) -> Measured:
    """The outcome of a unit: looked up in sessions.tsv, then phenotype/*.tsv, then participants.tsv.

    What a table has for the session (sessions.tsv, or rows with a ``session_id``) comes before what is of the person,
    and may differ from it. Tables that tell of the same must agree. Where a table has the value of other sessions and
    says that there is none of this one, what is of the person does not stand in for it.

    Raises
    ------
    InputError
        A table cannot be read or was not fetched; the value is no number, or none that the column can have; two rows or
        two tables disagree.
    """
    unit = Unit(bids_dir, subject, session)
    of_session: list[_Value] = []
    of_person: list[_Value] = []
    notes: list[str] = []
    others: list[str] = []
    why = NO_COLUMN
    for table, key, described in tables_of(unit):
        name = table.column(column)
        table.key(key)
        if not name:
            continue
        found = find_rows(table, key, unit)
        notes += [note for note in found.notes if note not in notes]
        why = NO_VALUE if found.rows or why == NO_VALUE else NO_ROW
        for rows, values in ((found.session, of_session), (found.person, of_person)):
            values += _value(table, name, rows, unit.label(key), described)
        if only_of_others(found, name, described):
            others.append(f"{table.name} has {column} of other sessions of this person and none of ses-{session}: what "
                          "is not of a session does not count for it.")  # fmt: skip
        if name != column:
            notes.append(f"{table.name}: its column {name!r} is read as {column}.")
    best = _agreed(column, of_session) or (None if others else _agreed(column, of_person))
    if best is None:
        return Measured(None, why, (*notes, *others))
    return Measured(best.value, "", tuple(notes))


@dataclass(frozen=True)
class _Value:
    value: float
    path: Path
    line: int


def _agreed(column: str, values: Sequence[_Value]) -> _Value | None:
    for other in values[1:]:
        first = values[0]
        if other.value != first.value:
            raise InputError(
                f"{column} is {first.value:g} in {first.path} (line {first.line}) and {other.value:g} in {other.path} "
                f"(line {other.line}) for the same person.",
                "Keep one of them, or name the column of the one that is meant otherwise.",
                "tables-disagree",
            )
    return values[0] if values else None


def tables_of(unit: Unit) -> Iterator[tuple[Table, str, Mapping[str, Any]]]:
    """Tables that may hold an outcome, the column of their labels, and what JSON files say of their columns.

    What participants.json says of a column holds for tables that say nothing of it.
    """
    participants = unit.bids_dir / "participants.tsv"
    about = description(participants.with_suffix(".json")).content
    if unit.session and (table := read_table(unit.sessions_table)):
        yield table, "session_id", {**about, **sessions_description(unit)}
    for path in (*sorted((unit.bids_dir / "phenotype").glob("*.tsv")), participants):
        if not path.name.startswith(".") and (table := read_table(path)):
            yield table, "participant_id", {**about, **description(path.with_suffix(".json")).content}


def _value(table: Table, column: str, rows: tuple[Row, ...], label: str, described: Mapping[str, Any]) -> list[_Value]:
    """The number that rows of a unit have in a column, if any.

    Raises
    ------
    InputError
        It is no number, or stands for something else.
    """
    said = one_value(table, column, rows, label)
    value = value_of(said[0], column, described) if said else None
    if said is None or value is None:
        return []
    text, row = said
    about = about_column(described, column)
    where = f"{table.path}: {column} of {label} (line {row.line}) is {text!r}"
    remedy = f"Correct it or write n/a; or explain the code in the Levels of {column}, as {{{text!r}: 'not assessed'}}."
    if isinstance(value, str):
        what = value.removeprefix(text).strip(" ()") or "not a number"
        raise InputError(f"{where}, {what}.", remedy if what != "not a number" else "Correct it or write n/a.",
                         "impossible-value")  # fmt: skip
    if value < 0 and (level := level_of(about, text)):
        raise InputError(f"{where}, which its Levels explain as {level!r}.", "Write n/a if that is no score.",
                         "impossible-value")  # fmt: skip
    low, high = bounds_of(about, column)
    codes = CODES | (SMALL_CODES if value in SMALL_CODES and _lone(table, column) else frozenset())
    if value in codes and not ((low <= value < 0 and low > -float("inf")) or 0 < value <= high < float("inf")):
        limits = f"Write n/a, or give the limits of {column} (Minimum and Maximum) in the JSON file of the table."
        raise InputError(f"{where}, which looks like a code for a missing value.", limits, "impossible-value")
    return [_Value(value, table.path, row.line)]


def _lone(table: Table, column: str) -> bool:
    """Whether a column has no negative numbers but codes."""
    texts = {row.cells[column] for row in table.rows}
    numbers = {value for text in texts if isinstance(value := value_of(text, "", {}), float)}
    return all(value >= 0 or value in CODES | SMALL_CODES for value in numbers) and any(value >= 0 for value in numbers)


def outcome_notes(bids_dir: Path, column: str, units: Iterable[tuple[str, str | None]]) -> list[str]:
    """What should be said of the outcomes of a cohort: who has none and why, and what was forgiven in the tables.

    Parameters
    ----------
    bids_dir : Path
        Root of the dataset.
    column : str
        Of the outcome.
    units : iterable of (str, str or None)
        Labels of subject and session.
    """
    lacking: dict[str, list[str]] = {NO_COLUMN: [], NO_ROW: [], NO_VALUE: []}
    notes: dict[str, str] = {}
    number = 0
    for subject, session in units:
        number += 1
        prefix = f"sub-{subject}" + (f"_ses-{session}" if session else "")
        found = find_outcome(bids_dir, column, subject, session)
        if found.value is None:
            lacking[found.why].append(prefix)
        for note in found.notes:
            notes.setdefault(note, prefix)
    said = {
        NO_COLUMN: f"no table with the column {column}",
        NO_ROW: f"no row in any table with the column {column}",
        NO_VALUE: f"a row, and no value of {column} in it",
    }
    return [
        f"{len(who)} of {number} units have {said[why]}: {', '.join(who[:5])}{', ...' if len(who) > 5 else ''}."
        for why, who in lacking.items()
        if who
    ] + [f"{note} ({who})" if "this person" in note else note for note, who in notes.items()]


def check_outcome_column(bids_dir: Path, column: str) -> None:
    """UsageError if no table of the dataset has the column, InputError if one that may have it has not been fetched."""
    names: dict[str, None] = {}
    for path in (
        bids_dir / "participants.tsv",
        *bids_dir.glob("phenotype/*.tsv"),
        *bids_dir.glob("sub-*/*_sessions.tsv"),
    ):
        table = read_table(path)
        if table is not None and table.column(column):
            return
        names |= dict.fromkeys(table.columns if table else ())
    there = ", ".join(list(names)[:20])
    raise UsageError(
        f"--outcome: no table of {bids_dir} has a column '{column}'.",
        "It may be in participants.tsv, phenotype/*.tsv or sub-*_sessions.tsv."
        + (f" There are: {there}." if there else ""),
    )


def check_labels(bids_dir: Path, subjects: Sequence[str]) -> None:
    """Refuse labels of people that may mean the same person, or that no folder is called.

    Parameters
    ----------
    bids_dir : Path
        Root of the dataset.
    subjects : sequence of str
        ``sub-<label>`` of everybody who takes part.

    Raises
    ------
    UsageError
        Two folders differ only in case, zeros or ``sub-``; or a row differs from a folder in zeros, so that its values
        would not be found. Case and a lacking ``sub-`` are forgiven where a row is looked for.
    InputError
        participants.tsv has rows of one person that disagree.
    """
    for group in twins(subjects):
        raise UsageError(
            f"{' and '.join(group)} in {bids_dir} differ only in spelling: they would count as different people.",
            "Give one person one label (sessions are for several visits), or leave one out by --participant-label.",
            "label-spelled-twice",
        )
    found = {subject.casefold() for subject in subjects}
    for path in (bids_dir / "participants.tsv", *sorted((bids_dir / "phenotype").glob("*.tsv"))):
        table = read_table(path)
        rows = [row.cells[table.key("participant_id")] for row in table.rows] if table else []
        if table and path.name == "participants.tsv":
            _check_agreement(table, bids_dir, subjects)
        unknown = [row for row in rows if row and with_prefix(row, "participant_id").casefold() not in found]
        for label, subject in strangers([row for row in unknown if not has_folder(bids_dir, row)], subjects):
            raise UsageError(
                f"{path} has {label!r} where the folder is {subject}.", f"Write {subject}.", "label-spelled-twice"
            )


def _check_agreement(table: Table, bids_dir: Path, subjects: Sequence[str]) -> None:
    for subject in subjects:
        unit = Unit(bids_dir, subject.removeprefix("sub-"), None)
        rows = find_rows(table, "participant_id", unit).person
        for column in [name for name in table.columns if len(rows) > 1 and name.casefold() not in PREFIXES]:
            one_value(table, column, rows, subject)
