"""What participants.tsv and sessions.tsv tell of a unit, and what they lack."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bids_stroke.bids.columns import Value, covariate_of, in_our_terms, number_of
from bids_stroke.bids.rows import PREFIXES, Found, Unit, find_rows, is_nothing, one_value
from bids_stroke.bids.scales import about_column, is_missing, why_impossible
from bids_stroke.bids.tables import Row, Table, read_table
from bids_stroke.core.errors import InputError
from bids_stroke.core.json_files import JsonObject, read_json
from bids_stroke.core.text_files import NOT_FETCHED

Described = Mapping[str, Any]
"""What a JSON file says of each column."""
_UNKNOWN = "age, sex and time since stroke are not known from it"


@dataclass(frozen=True)
class Known:
    """What the tables tell of a unit.

    Parameters
    ----------
    values : mapping
        Column, in small letters -> value, in our terms (`columns.in_our_terms`).
    notes : tuple of str
        Which table has no row of it, or is not here, and what was forgiven in those that have one.
    """

    values: Mapping[str, Value]
    notes: tuple[str, ...] = ()


def known_of(unit: Unit) -> Known:
    """Columns of participants.tsv for a subject, with those of sessions.tsv of the session on top; no ``n/a``.

    Age, sex and time since stroke are in years, words and days, as the tables' JSON files tell. Codes of the sex mean
    the same in all tables: where the JSON file of a sessions.tsv has no Levels, those of participants.json hold, and
    without any Levels all tables together show which code it is.

    Raises
    ------
    InputError
        A table or its JSON file cannot be read, or two rows of the unit disagree.
    """
    codes = partial(_sex_codes, unit.bids_dir)
    path = _people_of(unit.bids_dir)
    try:
        about = description(_json_of(path))
        cells, notes = _cells(path, "participant_id", unit, about.content)
    except InputError as error:
        cells, notes, about = {}, _lost(error, path), JsonObject({}, "")
    if not notes and not cells and read_table(path) is None:
        notes = (_no_table(unit.bids_dir),)
    values = in_our_terms(cells, about.content, codes)
    if unit.session:
        cells, more, described, elsewhere = _of_session(unit, about.content)
        own = in_our_terms(cells, _with_levels(unit.bids_dir, described or {}, cells, about.content), codes)
        told = {covariate_of(column) for column in own} - {""}  # under whichever name
        if described is None or elsewhere:
            told.add("days_since_stroke")  # that of another session says nothing of this one
        values = {column: value for column, value in values.items() if covariate_of(column) not in told} | own
        notes += tuple(note for note in more if note not in notes)
    return Known({column.lower(): value for column, value in values.items()}, notes)


def _of_session(
    unit: Unit, about: Described
) -> tuple[dict[str, Value], tuple[str, ...], Described | None, tuple[str, ...]]:
    """Values of the row in sessions.tsv, what should be said of it, and what its JSON files say.

    The third is None where the table or one of them has not been fetched. The last are columns of the time since stroke
    that have it of other sessions only.
    """
    path = unit.sessions_table
    try:
        described = sessions_description(unit)
        cells, notes = _cells(path, "session_id", unit, {**about, **described})
    except InputError as error:
        return {}, _lost(error, path), None, ()
    table = read_table(path)
    if table is None:
        said = f"There is no {path.name}: participants.tsv tells of all sessions of this person."
        return cells, (said,) if _several(unit.folder) else notes, described, ()
    found = find_rows(table, "session_id", unit)
    times = [column for column in table.columns if covariate_of(column) == "days_since_stroke"]
    elsewhere = tuple(column for column in times if only_of_others(found, column, {**about, **described}))
    but = f", but for {', '.join(elsewhere)}, which {path.name} has of other sessions" if elsewhere else ""
    if not found.rows:
        notes = (*notes[:-1], f"{notes[-1]} What participants.tsv has counts for this session, too{but}.")
    elif elsewhere:
        said = f"{path.name} has {' and '.join(elsewhere)} of other sessions and none of ses-{unit.session}"
        notes = (*notes, f"{said}: that of participants.tsv does not count for it.")
    return cells, notes, described, elsewhere


def only_of_others(found: Found, column: str, described: Described) -> bool:
    """Whether a table has a value in a column for other sessions of a person, and says of this one that it has none."""
    own, others = (
        any(value_of(row.cells[column], column, described) is not None for row in rows)
        for rows in (found.session + found.person, found.others)
    )
    return others and not own


def _lost(error: InputError, path: Path) -> tuple[str, ...]:
    """What is said where a table, or what explains its codes and units, has not been fetched: it is not used."""
    if error.reason != NOT_FETCHED:
        raise error
    return (f"{error.message} {path.name} is not used: {_UNKNOWN}.",)


def _several(folder: Path) -> bool:
    return sum(item.name.startswith("ses-") for item in folder.glob("ses-*")) > 1


def _no_table(bids_dir: Path) -> str:
    """What is said where there is no participants.tsv, with a file beside it that may be meant."""
    like = [item.name for item in bids_dir.glob("[Pp]articipant*") if item.suffix.lower() in _TABLES and item.is_file()]
    other = f" There is {sorted(like)[0]}: BIDS asks for participants.tsv, tab-separated." if like else ""
    return f"There is no participants.tsv: age, sex and time since stroke are not known.{other}"


_TABLES = (".tsv", ".csv", ".txt", ".xlsx", ".xls", ".ods")


def _cells(path: Path, key: str, unit: Unit, described: Described) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Values of a unit in a table as they are, without those that are missing; and what should be said of its row."""
    table = read_table(path)
    if table is None:
        return {}, ()
    found = find_rows(table, key, unit)
    columns = [column for column in table.columns if column.casefold() not in PREFIXES]
    texts = {column: one_value(table, column, found.rows, unit.label(key)) for column in columns}
    values = {column: value_of(said[0], column, described) for column, said in texts.items() if said is not None}
    note = description(_json_of(path)).note
    notes = (*found.notes, *([note] if note and found.rows else []))
    return {column: value for column, value in values.items() if value is not None}, notes


def value_of(text: str, column: str, described: Described) -> Value | None:
    """A cell as a number or a text; None where it is missing, or a code that the JSON file explains as missing.

    A number that the column cannot have becomes a text that says so, for the reader to refuse.
    """
    about = about_column(described, column)
    if is_nothing(text) or is_missing(about, text):
        return None
    try:
        number = float(text)
    except ValueError:
        number = found if (found := number_of(text)) is not None else math.nan
        why = why_impossible(about, column, number) if math.isfinite(number) else ""
        return f"{text} ({why})" if why else text
    if not math.isfinite(number):
        return None
    why = why_impossible(about, column, number)
    return f"{text} ({why})" if why else number


@lru_cache(maxsize=64)
def _people_of(bids_dir: Path) -> Path:
    """participants.tsv of a dataset; one object for all of its people: to make and hash a path takes 10 us."""
    return bids_dir / "participants.tsv"


@lru_cache(maxsize=64)
def _json_of(table: Path) -> Path:
    return table.with_suffix(".json")


@lru_cache(maxsize=64)
def description(path: Path) -> JsonObject:
    """What a JSON file says of each column, and how it was read; nothing where there is none.

    Raises
    ------
    InputError
        It cannot be read, or was not fetched.
    """
    if not path.is_file() and not path.is_symlink():
        return JsonObject({}, "")
    return read_json(path)


def sessions_description(unit: Unit) -> dict[str, Any]:
    """What is said of the columns of a sessions.tsv, at the root of the dataset and beside the table.

    Raises
    ------
    InputError
        As :func:`description`.
    """
    own = description(unit.sessions_table.with_suffix(".json")).content
    return description(unit.bids_dir / "sessions.json").content | own


def _with_levels(bids_dir: Path, described: Described, row: Mapping[str, Value], about: Described) -> dict[str, Any]:
    """Description of a sessions.tsv, with the Levels of the sex from participants.json where it has none itself.

    Only where those tell every code of the dataset: with other codes, the sessions use another scheme.
    """
    columns = {column for column in about if covariate_of(column) == "sex" and _levels(about, column)}
    lacking = [column for column in row if covariate_of(column) == "sex" and not _levels(described, column)]
    found = dict(described)
    for column in lacking:
        same = column if column in columns else next(iter(sorted(columns)), "")
        known = {value_of(str(level), "", {}) for level in about[same]["Levels"]} if same else set()
        codes = {code for code in _sex_codes(bids_dir) if isinstance(code, float)}
        found |= {column: about[same]} if same and codes <= known else {}
    return found


def _levels(described: Described, column: str) -> bool:
    return bool(about_column(described, column).get("Levels"))


@lru_cache(maxsize=64)
def _sex_codes(bids_dir: Path) -> frozenset[Value]:
    """Everything that participants.tsv and all sessions.tsv of a dataset have in columns of the sex."""
    found: set[Value | None] = set()
    for path in (bids_dir / "participants.tsv", *sorted(bids_dir.glob("sub-*/sub-*_sessions.tsv"))):
        try:
            table = read_table(path)
            above = {} if path.parent == bids_dir else description(bids_dir / "sessions.json").content
            described = {**above, **description(path.with_suffix(".json")).content}
        except InputError:  # the person whose table it is will be told; others can do without
            continue
        found |= {value_of(row.cells[column], column, described) for row, column in _of_sex(table)}
    return frozenset(value for value in found if value is not None)


def _of_sex(table: Table | None) -> list[tuple[Row, str]]:
    columns = [column for column in table.columns if covariate_of(column) == "sex"] if table else []
    return [(row, column) for row in (table.rows if table else ()) for column in columns]
