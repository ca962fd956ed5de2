"""What a fusion is fitted on, as a record and as a table of the bundle."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_stroke.fusion.people import People

if TYPE_CHECKING:
    import pandas as pd  # half a second that a prediction of somebody who lacks nothing can do without

Array = NDArray[np.float64]

_OF_MEMBERS = {"probability": "p", "score": "s", "refitted": "r"}
"""Arrays with a column for each member, and the prefix of their columns in the table."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What members said of people on whom they were not trained, with the outcomes: what a fusion is fitted on.

    Attributes
    ----------
    names : tuple of str
        Of the members, and of the early fusion where there is one.
    probability, score : (n, members) float64
        NaN where a member said nothing.
    poor : (n,) bool
        Outcomes.
    outcome : (n,) float64
        Scores that were measured.
    people : People
        Whose rows they are.
    refitted : (n, members) float64
        How far the member's logit would move if it were trained on other people: a draw for each row, the same other
        people for all members; NaN where nothing is known of it.
    """

    names: tuple[str, ...]
    probability: Array
    score: Array
    poor: NDArray[np.bool_]
    outcome: Array
    people: People
    refitted: Array

    def of_members(self, present: Collection[str]) -> OutOfFold:
        """Of some of the members, in the same order."""
        kept = [i for i, name in enumerate(self.names) if name in present]
        names = tuple(self.names[i] for i in kept)
        arrays = {name: getattr(self, name)[:, kept] for name in _OF_MEMBERS}
        return replace(self, names=names, **arrays)

    def of_rows(self, rows: NDArray[np.int64]) -> OutOfFold:
        """Of some of the rows."""
        arrays = {name: getattr(self, name)[rows] for name in (*_OF_MEMBERS, "poor", "outcome")}
        return replace(self, people=self.people.among(rows), **arrays)


def out_of_fold_table(out_of_fold: OutOfFold) -> pd.DataFrame:
    """Columns ``person`` (a number), ``poor``, ``score``, and of each member ``p_``, ``s_`` and ``r_<member>``."""
    import pandas as pd

    columns: dict[str, Any] = {"person": out_of_fold.people.of_row, "poor": out_of_fold.poor.astype(int)}
    columns["score"] = out_of_fold.outcome
    for array, prefix in _OF_MEMBERS.items():
        values = getattr(out_of_fold, array)
        columns |= {f"{prefix}_{name}": values[:, i] for i, name in enumerate(out_of_fold.names)}
    return pd.DataFrame(columns)


def read_out_of_fold(file: Path) -> OutOfFold | None:
    """Read such a table; None where there is none, in a bundle whose fusion was not fitted here."""
    if not file.is_file():
        return None
    import pandas as pd

    table = pd.read_csv(file, sep="\t", na_values="n/a")
    names = tuple(str(name).removeprefix("p_") for name in table if str(name).startswith("p_"))
    arrays = {
        array: table[[f"{prefix}_{name}" for name in names]].to_numpy(np.float64)
        for array, prefix in _OF_MEMBERS.items()
    }
    outcome = table["score"].to_numpy(np.float64)
    return OutOfFold(
        names, poor=table["poor"].to_numpy(bool), outcome=outcome, people=People.of(table["person"]), **arrays
    )
