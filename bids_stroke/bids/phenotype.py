"""participants.tsv, sessions.tsv and phenotype/*.tsv: covariates and outcomes of units."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bids_stroke.bids.columns import covariate_of, in_our_terms
from bids_stroke.bids.labels import strangers, twins
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.json_files import read_json_object

Row = dict[str, float | str]


def check_participants(bids_dir: Path) -> None:
    """InputError where participants.tsv or participants.json is there but cannot be read: it concerns everybody."""
    path = bids_dir / "participants.tsv"
    _rows(path)
    _description(path.with_suffix(".json"))


def unit_covariates(bids_dir: Path, subject: str, session: str | None) -> dict[str, float | str]:
    """Columns of participants.tsv for a subject, with those of sessions.tsv of the session on top; no ``n/a``.

    Age, sex and time since stroke are in years, words and days, as the tables' JSON files tell. Codes of the sex mean
    the same in all tables: where the JSON file of a sessions.tsv has no Levels, those of participants.json hold, and
    without any Levels all tables together show which code it is.

    Raises
    ------
    InputError
        A table or its JSON file cannot be read.
    """
    path = bids_dir / "participants.tsv"
    about = _description(path.with_suffix(".json"))
    values = in_our_terms(_row(path, "participant_id", f"sub-{subject}"), about, partial(_sex_codes, bids_dir))
    if session:
        path = bids_dir / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"
        row = _row(path, "session_id", f"ses-{session}")
        described = _description(bids_dir / "sessions.json") | _description(path.with_suffix(".json"))
        own = in_our_terms(row, _with_levels(bids_dir, described, row, about), partial(_sex_codes, bids_dir))
        told = {covariate_of(column) for column in own} - {""}  # under whichever name
        values = {column: value for column, value in values.items() if covariate_of(column) not in told} | own
    for key in ("participant_id", "session_id"):
        values.pop(key, None)
    return values


def unit_outcome(bids_dir: Path, column: str, subject: str, session: str | None) -> float | None:
    """The outcome of a unit: looked up in sessions.tsv, then phenotype/*.tsv, then participants.tsv.

    Raises
    ------
    InputError
        The value is there but is not a number.
    """
    participant = f"sub-{subject}"
    places = [(path, "participant_id", participant) for path in sorted((bids_dir / "phenotype").glob("*.tsv"))]
    places.append((bids_dir / "participants.tsv", "participant_id", participant))
    if session:
        own = bids_dir / participant / f"{participant}_sessions.tsv"
        places.insert(0, (own, "session_id", f"ses-{session}"))
    for path, key, label in places:
        value = _row(path, key, label, session).get(column)
        if isinstance(value, str):
            raise InputError(f"{path}: {column} of {label} is {value!r}, not a number.", "Correct it or write n/a.")
        if value is not None:
            return value
    return None


def check_outcome_column(bids_dir: Path, column: str) -> None:
    """UsageError if no table of the dataset has the column."""
    tables = [bids_dir / "participants.tsv", *bids_dir.glob("phenotype/*.tsv"), *bids_dir.glob("sub-*/*_sessions.tsv")]
    if not any(column in row for path in tables for row in _rows(path)[:1]):
        raise UsageError(
            f"--outcome: no table of {bids_dir} has a column '{column}'.",
            "It may be in participants.tsv, phenotype/*.tsv or sub-*_sessions.tsv.",
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
        Two folders differ only in case, zeros or ``sub-``; a row is spelled otherwise than the folder, so that its
        values would not be found, or a person would be two; or participants.tsv has a person twice.
    """
    for group in twins(subjects):
        raise UsageError(
            f"{' and '.join(group)} in {bids_dir} differ only in spelling: they would count as different people.",
            "Give one person one label (sessions are for several visits), or leave one out by --participant-label.",
            "label-spelled-twice",
        )
    for path in (bids_dir / "participants.tsv", *sorted((bids_dir / "phenotype").glob("*.tsv"))):
        rows = [row["participant_id"] for row in _rows(path) if row.get("participant_id")]
        if path.name == "participants.tsv" and (twice := sorted(row for row, n in Counter(rows).items() if n > 1)):
            raise UsageError(f"{path} has {', '.join(twice)} twice.", "Keep one row.", "label-spelled-twice")
        for label, subject in strangers([row for row in rows if not (bids_dir / row).is_dir()], subjects):
            raise UsageError(
                f"{path} has {label!r} where the folder is {subject}.", f"Write {subject}.", "label-spelled-twice"
            )


def _with_levels(
    bids_dir: Path, described: Mapping[str, Any], row: Row, participants: Mapping[str, Any]
) -> dict[str, Any]:
    """Description of a sessions.tsv, with the Levels of the sex from participants.json where it has none itself.

    Only where those tell every code of the dataset: with other codes, the sessions use another scheme.
    """
    columns = {column for column in participants if covariate_of(column) == "sex" and _levels(participants, column)}
    lacking = [column for column in row if covariate_of(column) == "sex" and not _levels(described, column)]
    found = dict(described)
    for column in lacking:
        same = column if column in columns else next(iter(sorted(columns)), "")
        known = {_value(str(level)) for level in participants[same]["Levels"]} if same else set()
        codes = {code for code in _sex_codes(bids_dir) if isinstance(code, float)}
        found |= {column: participants[same]} if same and codes <= known else {}
    return found


def _levels(described: Mapping[str, Any], column: str) -> bool:
    about = described.get(column)
    return isinstance(about, Mapping) and bool(about.get("Levels"))


@lru_cache(maxsize=64)
def _sex_codes(bids_dir: Path) -> frozenset[float | str]:
    """Everything that participants.tsv and all sessions.tsv of a dataset have in columns of the sex."""
    found = set()
    for path in (bids_dir / "participants.tsv", *sorted(bids_dir.glob("sub-*/sub-*_sessions.tsv"))):
        try:
            rows = _rows(path)
        except InputError:  # the person whose table it is will be told; others can do without
            continue
        cells = (item for row in rows for item in row.items())
        found |= {_value(text) for column, text in cells if column and text and covariate_of(column) == "sex"}
    return frozenset(found)


@lru_cache(maxsize=64)
def _description(path: Path) -> dict[str, Any]:
    """What a JSON file says of each column; empty where there is none."""
    if not path.is_file():
        return {}
    return read_json_object(path)


def _row(path: Path, key: str, label: str, session: str | None = None) -> dict[str, float | str]:
    """The row of a participant (or session); in a table with rows for each session, that of this session."""
    for row in _rows_of(path, key).get(label, ()):
        if key == "session_id" or row.get("session_id") in (None, f"ses-{session}"):
            values = {column: _value(text) for column, text in row.items() if column and text not in ("n/a", "", None)}
            return {column: value for column, value in values.items() if isinstance(value, str) or math.isfinite(value)}
    return {}


@lru_cache(maxsize=64)
def _rows_of(path: Path, key: str) -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Rows of a table by what they have in a column: a look at 10,000 rows for each of 10,000 people takes minutes."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in _rows(path):
        found.setdefault(row.get(key, ""), []).append(row)
    return found


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@lru_cache(maxsize=64)
def _rows(path: Path) -> tuple[dict[str, str], ...]:
    if not path.is_file():
        return ()
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return tuple(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table: {error}.", "Save it as UTF-8, tab-separated.") from None
