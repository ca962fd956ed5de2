"""Kinds of people that are never pooled: those of the training cohort, out of fold, and those whom it never saw."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bids_stroke.evaluation.participants import counted

INTERNAL, EXTERNAL, UNKNOWN = "internal", "external", "unknown"
KINDS = (INTERNAL, EXTERNAL, UNKNOWN)
"""Were in training, and count with what models said that had not seen them; were not; nobody knows."""
_OF_MODELS = ("p_", "s_", "fusion_", "baseline_")


def apart(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each kind of people of whom any is evaluated, in the order of KINDS.

    Parameters
    ----------
    table : DataFrame
        As for `evaluate`; ``in_training_set`` (true, false, or nothing where nobody knows) tells the kind. Without
        that column everybody is internal, as in the table of a training.

    Returns
    -------
    dict of str to DataFrame
        One entry at least. Rows that are not evaluated stand with their own kind or, where nobody of it is, with the
        first one. Columns of models that said nothing of a kind are left out of it.

    Examples
    --------
    >>> rows = {"poor": [1, 0, 1], "probability_poor": [0.5, 0.5, 0.5], "in_training_set": [True, False, None]}
    >>> list(apart(pd.DataFrame(rows)))
    ['internal', 'external', 'unknown']
    """
    kind = table["in_training_set"].map(_kind) if "in_training_set" in table else pd.Series(INTERNAL, table.index)
    evaluated = kind[counted(table).index]
    present = [name for name in KINDS if (evaluated == name).any()]
    if len(present) < 2:
        first = present or [name for name in KINDS if (kind == name).any()] or [INTERNAL]
        return {first[0]: table}
    kind = kind.where(kind.isin(present), present[0])
    return {name: _without_silent(table[kind == name]) for name in present}


def _kind(seen: Any) -> str:
    if seen is None or pd.isna(seen):
        return UNKNOWN
    return INTERNAL if seen in (True, 1, "True", "true", "1") else EXTERNAL


def _without_silent(rows: pd.DataFrame) -> pd.DataFrame:
    silent = [name for name in rows if str(name).startswith(_OF_MODELS) and rows[name].isna().all()]
    return rows.drop(columns=silent)
