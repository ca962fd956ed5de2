"""Tables of biomarkers: of a session, and of a cohort."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.core.errors import DataError
from bids_stroke.derivatives.names import sidecar_of
from bids_stroke.derivatives.outputs import write_json, write_table


def columns_described() -> dict[str, Any]:
    """For the JSON file of a table: what each biomarker is, its unit and its source."""
    return {
        one.name: {
            "LongName": one.words,
            "Description": f"{one.definition} n/a: cannot be computed.",
            **({"Units": one.unit} if one.unit else {}),
            **({"Reference": one.source} if one.source else {}),
        }
        for one in BIOMARKERS.values()
    }


def read_biomarkers(path: Path) -> dict[str, float]:
    """Every biomarker of a session by name, NaN where it is not known.

    Raises
    ------
    DataError
        The table cannot be read, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        return {name: float("nan") if row[name] == "n/a" else float(row[name]) for name in BIOMARKERS}
    except (OSError, ValueError, TypeError, KeyError, StopIteration, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error!r}.", "Run the participant level again for it.") from error


def write_cohort(path: Path, units: Mapping[tuple[str, str | None], Mapping[str, float]]) -> Path:
    """Write a cohort's table, a row for each unit (subject, session), and the JSON file that describes its columns."""
    import pandas as pd

    rows = [
        {"participant_id": f"sub-{subject}", "session_id": f"ses-{session}" if session else None, **values}
        for (subject, session), values in units.items()
    ]
    described = {
        "participant_id": {"Description": "Participant"},
        "session_id": {"Description": "Session, where there are any"},
        **columns_described(),
    }
    write_json(sidecar_of(path), described)
    return write_table(path, pd.DataFrame(rows, columns=["participant_id", "session_id", *BIOMARKERS]))
