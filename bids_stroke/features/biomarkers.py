"""From a table of biomarkers to the row that a network reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.biomarkers import BIOMARKERS, GROUPS, Group, of_group
from bids_stroke.core.errors import MissingModalityError, ModelError
from bids_stroke.core.modalities import given_by
from bids_stroke.derivatives.biomarkers import read_biomarkers

LEAST_KNOWN = 0.5
"""Share of its columns that a member needs to know of a person."""


def read_row(paths: Sequence[Path], inputs: Mapping[str, Any]) -> NDArray[np.float32]:
    """Values of ``inputs["columns"]`` in the table of a unit: (1, columns), NaN where one is not known.

    Raises
    ------
    ModelError
        A column is none of `BIOMARKERS`.
    DataError
        The table cannot be read, or lacks a column.
    MissingModalityError
        Fewer than half of the columns are known of this person.
    """
    columns = list(inputs["columns"])
    if unknown := [name for name in columns if name not in BIOMARKERS]:
        raise ModelError(
            f"There is no biomarker {', '.join(unknown)} (inputs.columns).",
            f"There are {', '.join((*GROUPS, *BIOMARKERS))}.",
        )
    of_name = read_biomarkers(paths[0])
    values = np.array([of_name[name] for name in columns], np.float32)
    known = np.isfinite(values)
    if known.sum() < max(1.0, LEAST_KNOWN * len(columns)):
        lacking = [name for name, there in zip(columns, known, strict=True) if not there]
        raise MissingModalityError(f"{paths[0]} has no {', '.join(lacking)}.", reason="biomarkers-missing")
    return values[None]


def expanded(columns: Sequence[str]) -> list[str]:
    """Names of biomarkers, where that of a group stands for all of it; others stay as they are.

    >>> expanded(["cst_load", "bold"])[:2]
    ['cst_load', 'hand_connectivity_z']
    """
    found = [name for given in columns for name in (of_group(given) if given in GROUPS else (given,))]
    return list(dict.fromkeys(found))


def groups_of(columns: Collection[str]) -> tuple[Group, ...]:
    """What the biomarkers of some columns are made of.

    >>> groups_of(["cst_load", "alpha_peak_hz"])
    ('lesion', 'eegemg')
    """
    return tuple(group for group in GROUPS if any(BIOMARKERS[name].group == group for name in columns))


def can_have(columns: Collection[str], features: Collection[str]) -> bool:
    """Whether a unit with these modalities can have biomarkers of every group of these columns.

    >>> can_have(["cst_load", "plic_fa_left"], ["fa"])
    False
    """
    return all(set(given_by(group)) & set(features) for group in groups_of(columns))
