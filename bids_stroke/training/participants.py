"""Who was what to a model: what the bundle's ledger of participants holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.bids.labels import ledger_hash
from bids_stroke.ensemble.bundle import BundleContents
from bids_stroke.training.cohort import Cohort

Rows = NDArray[np.int64]


def identity(cohort: Cohort, rows: Rows) -> dict[str, Any]:
    """Dataset, participant and session of the rows, as columns."""
    units = [cohort.units[row].unit for row in rows]
    return {
        "dataset": [unit.dataset for unit in units],
        "participant_id": [unit.participant_id for unit in units],
        "session_id": [f"ses-{unit.session}" if unit.session else None for unit in units],
    }


def with_roles(contents: BundleContents, cohort: Cohort, part_of: Mapping[str, Rows]) -> BundleContents:
    """The contents of a fixed split's bundle with everybody's role in it; those of nested folds as they are.

    Parameters
    ----------
    contents : BundleContents
        With everybody as ``train``.
    cohort : Cohort
        Whose rows these are.
    part_of : mapping
        Role -> rows, from `folds.roles`.
    """
    if set(part_of) == {"train"}:
        return contents
    tables = {role: pd.DataFrame(identity(cohort, rows)) for role, rows in part_of.items()}
    people = {role: dict.fromkeys(zip(t["dataset"], t["participant_id"], strict=True)) for role, t in tables.items()}
    return replace(
        contents,
        participants={role: tuple(ledger_hash(contents.salt, *who) for who in own) for role, own in people.items()},
        splits=pd.concat([table.assign(role=role) for role, table in tables.items()], ignore_index=True),
        facts={**contents.facts, "participants_by_role": {role: len(own) for role, own in people.items()}},
    )
