"""Whose row it is: labels of people and sessions as tables write them, and what is said where a row is not found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bids_stroke.bids.labels import has_folder, same_person
from bids_stroke.bids.tables import Row, Table
from bids_stroke.core.errors import InputError

PREFIXES: Mapping[str, str] = {"participant_id": "sub-", "session_id": "ses-"}
"""Column -> how its labels begin."""


@dataclass(frozen=True)
class Unit:
    """Whose values are asked for."""

    bids_dir: Path
    subject: str
    session: str | None

    @property
    def folder(self) -> Path:
        """Of the subject."""
        return self.bids_dir / f"sub-{self.subject}"

    @property
    def sessions_table(self) -> Path:
        """The subject's sessions.tsv, there or not."""
        return self.folder / f"sub-{self.subject}_sessions.tsv"

    def label(self, key: str) -> str:
        """``sub-01`` or ``ses-01``."""
        return f"sub-{self.subject}" if key == "participant_id" else f"ses-{self.session}"

    def place(self, key: str) -> Path:
        """The folder in which folders are called by these labels."""
        return self.bids_dir if key == "participant_id" else self.folder


@dataclass(frozen=True)
class Found:
    """Rows of a unit in a table.

    Parameters
    ----------
    session, person : tuple of Row
        Of the unit's session, and of the person whatever the session.
    notes : tuple of str
        What was forgiven in the labels; where there is no row, that, and what the first row of the table looks like.
    others : tuple of Row
        Of the person's other sessions, where a row of this one is there or may be meant.
    """

    session: tuple[Row, ...] = ()
    person: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    others: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that count: those of the session, else those of the person."""
        return self.session or self.person


@dataclass(frozen=True, eq=False)
class _Index:
    """Rows by label: a look at 10,000 rows for each of 10,000 people takes minutes."""

    rows: Mapping[str, tuple[tuple[Row, str], ...]]
    """With the label of each, whatever the case of the one that they are found by."""
    alike: Mapping[str, Row]
    """The first row of each label without zeros."""
    notes: tuple[str, ...]


def with_prefix(text: str, key: str) -> str:
    """A label as folders are called: ``02`` and ``SUB-02`` are ``sub-02``; zeros are part of it.

    >>> with_prefix("02", "participant_id"), with_prefix("SES-1", "session_id")
    ('sub-02', 'ses-1')
    """
    prefix = PREFIXES[key]
    return prefix + (text[len(prefix) :] if text.casefold().startswith(prefix) else text)


def is_nothing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.casefold() in ("", "n/a")


def find_rows(table: Table, key: str, unit: Unit) -> Found:
    """The rows of a unit in a table with a column ``participant_id`` or ``session_id``.

    Raises
    ------
    InputError
        The table has no such column.
    """
    index = _index(table, key)
    label = unit.label(key)
    named = index.rows.get(label.casefold(), ())
    mine = [row for row, name in named if name == label or not has_folder(unit.place(key), name)]
    capitals = [row for row, name in named if name != label and row in mine]
    notes = [*index.notes, *(f"{table.name}: {row.cells[table.key(key)]!r} in line {row.line} is taken for {label}."
                             for row in capitals)]  # fmt: skip
    if not mine:
        meant = key == "session_id" and _bare(label, key) in index.alike
        return Found(notes=(*notes, _no_row(table, key, label)), others=table.rows if meant else ())
    if key == "session_id":
        return Found(tuple(mine), (), tuple(notes), tuple(row for row in table.rows if row not in mine))
    if not table.column("session_id"):
        return Found(person=tuple(mine), notes=tuple(notes))
    return _of_session(table, mine, unit, notes)


def _of_session(table: Table, mine: list[Row], unit: Unit, notes: list[str]) -> Found:
    """Rows of a person in a table with rows for sessions: those of the unit's session, and those of none."""
    column = table.column("session_id")
    told = [row for row in mine if not is_nothing(row.cells[column])]
    label = unit.label("session_id").casefold()
    session = tuple(row for row in told if with_prefix(row.cells[column], "session_id").casefold() == label)
    meant = {_bare(with_prefix(row.cells[column], "session_id"), "session_id") for row in told}
    others = tuple(row for row in told if row not in session) if _bare(label, "session_id") in meant else ()
    person = tuple(row for row in mine if is_nothing(row.cells[column]))
    if any(not row.cells[column].startswith("ses-") for row in session):
        cell, line = session[0].cells[column], session[0].line
        notes = [*notes, f"{table.name}: the session_id {cell!r} in line {line} is read as beginning with 'ses-'."]
    if not session and not person:
        which = f"of {unit.label('session_id')}" if unit.session else "without a session_id"
        what = f"{table.name} has rows of this person, but none {which}"
        return Found(notes=(*notes, f"{what}; the first of them is {told[0]} (line {told[0].line})."), others=others)
    return Found(session, person, tuple(notes), others)


@lru_cache(maxsize=64)
def _index(table: Table, key: str) -> _Index:
    column, notes = table.key(key), list(table.notes)
    if column != key:
        notes.append(f"{table.name}: its column {column!r} is read as {key}.")
    rows: dict[str, list[tuple[Row, str]]] = {}
    alike: dict[str, Row] = {}
    bare = ""
    for row in table.rows:
        if is_nothing(cell := row.cells[column]):
            notes.append(f"{table.name}: line {row.line} has no {key} and is nobody's.")
            continue
        label = with_prefix(cell, key)
        rows.setdefault(label.casefold(), []).append((row, label))
        alike.setdefault(_bare(label, key), row)
        if not cell.startswith(PREFIXES[key]):
            bare = (
                bare or f"labels that do not begin with {PREFIXES[key]!r} ({cell!r} in line {row.line}) are read as if"
            )
    notes += [f"{table.name}: {bare} they did."] if bare else []
    return _Index({label: tuple(own) for label, own in rows.items()}, alike, tuple(notes))


def _no_row(table: Table, key: str, label: str) -> str:
    """What is said where nobody is called so; a label that differs in zeros only may be a misspelling, or another's."""
    who = "this person" if key == "participant_id" else label
    text = f"{table.name} has no row of {who}"
    if like := _index(table, key).alike.get(_bare(label, key)):
        return f"{text}; {like.cells[table.key(key)]!r} in line {like.line} may be meant: write {label}."
    if not table.rows:
        return f"{text}: it has no rows."
    return f"{text}; its first row is {table.rows[0]}."


def _bare(label: str, key: str) -> str:
    """A label without what people type differently."""
    return same_person(label.removeprefix(PREFIXES[key]))


def same_value(one: str, other: str) -> bool:
    """Whether two cells say the same: as text, or as numbers."""
    try:
        return one == other or float(one) == float(other)
    except ValueError:
        return False


def one_value(table: Table, column: str, rows: tuple[Row, ...], whose: str) -> tuple[str, Row] | None:
    """What the rows of one unit say in a column, and in which row; None where they say nothing.

    Raises
    ------
    InputError
        Two rows disagree.
    """
    said = [(row.cells[column], row) for row in rows if not is_nothing(row.cells.get(column, ""))]
    for text, row in said[1:]:
        if not same_value(text, said[0][0]):
            raise InputError(
                f"{table.path}: {column} of {whose} is {said[0][0]!r} in line {said[0][1].line} and {text!r} in line "
                f"{row.line}.",
                "Keep one row, or tell the rows apart by session_id.",
                "rows-disagree",
            )
    return said[0] if said else None
