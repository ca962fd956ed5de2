"""Established biomarkers for the pages: each in words, with its unit, and how it is defined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import median
from typing import Any

from bids_stroke.core.biomarkers import BIOMARKERS, GROUPS, Biomarker
from bids_stroke.core.modalities import BIOMARKERS as STEP
from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.biomarkers import read_biomarkers
from bids_stroke.report import words


@dataclass(frozen=True)
class Line:
    """One biomarker of a person, as a line of a table on a page."""

    label: str
    value: str
    definition: str
    source: str


def values(steps: Mapping[str, StepReport]) -> dict[str, float]:
    """Biomarkers of a unit by name, NaN where one is not known; empty where there is no table.

    Raises
    ------
    DataError
        The table cannot be read.
    """
    paths = steps[STEP].outputs.get(STEP, ()) if STEP in steps else ()
    return read_biomarkers(paths[0]) if paths else {}


def lines(known: Mapping[str, float]) -> list[tuple[str, list[Line]]]:
    """Those that are known, by what they are made of."""
    found = []
    for group in GROUPS:
        own = [one for one in BIOMARKERS.values() if one.group == group and isfinite(known.get(one.name, nan))]
        if own:
            told = [Line(one.words, shown(known[one.name], one), one.definition, one.source) for one in own]
            found.append((words.step_in_words(group), told))
    return found


def overview(units: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """For each biomarker that anybody has: how many have it, median and range."""
    found = []
    for one in BIOMARKERS.values():
        known = [value for unit in units if isfinite(value := unit.get(one.name, nan))]
        if known:
            ends = {"median": median(known), "low": min(known), "high": max(known)}
            told = {key: shown(value, one) for key, value in ends.items()}
            group = words.step_in_words(one.group)
            found.append({"group": group, "label": one.words, "n": len(known), "definition": one.definition, **told})
    return found


def shown(value: float, one: Biomarker) -> str:
    """A number with its unit.

    >>> shown(0.12345, BIOMARKERS["cst_load"])
    '0.123'
    """
    return f"{words.significant(value, 3)} {one.unit}".strip()
