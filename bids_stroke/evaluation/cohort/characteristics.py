"""Table 1: who the evaluated people are, by outcome, and of how many it is not known."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bids_stroke.evaluation.cohort.background import People

COLUMNS = (
    "characteristic", "level", "outcome", "n", "n_missing", "count", "share", "median", "lower_quartile",
    "upper_quartile",
)  # fmt: skip
OUTCOMES = ("all", "good", "poor")
IN_ORDER = ("age", "sex", "days_since_stroke", "first_score", "lesion_volume_ml", "lesion_side", "site", "sessions")
MODALITY = "modality"
MOST_LEVELS = 12
"""Levels, as of sites, that have a row of their own; the others are `OTHERS`."""
OTHERS = "others"


def characteristics_table(people: People) -> pd.DataFrame:
    """Describe people by outcome.

    Parameters
    ----------
    people : People
        With ``poor`` (0 or 1) in their table.

    Returns
    -------
    DataFrame
        A row for each characteristic (of words: each level), and outcome (`OUTCOMES`): ``n`` people of this outcome of
        whom it is known, ``n_missing`` of whom it is not; of numbers ``median`` and quartiles in the units of
        `background`, of words and modalities ``count`` and ``share`` of ``n``. Nothing of what is known of nobody.
    """
    poor = people.table["poor"] == 1
    groups = {"all": poor | ~poor, "good": ~poor, "poor": poor}
    rows: list[dict[str, Any]] = []
    for name in IN_ORDER:
        values = people.table[name]
        if values.notna().any():
            numeric = pd.api.types.is_numeric_dtype(values)
            rows += _of_numbers(name, values, groups) if numeric else _of_words(name, values, groups)
    for name, has in people.modalities.items():
        for outcome, who in groups.items():
            rows.append(_head(MODALITY, name, outcome, has[who]) | _count(has[who]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _head(name: str, level: str | None, outcome: str, values: pd.Series) -> dict[str, Any]:
    known = int(values.notna().sum())
    about = {"characteristic": name, "level": level, "outcome": outcome}
    return about | {"n": known, "n_missing": len(values) - known}


def _count(has: pd.Series) -> dict[str, Any]:
    count = int(has.sum())
    return {"count": count, "share": count / len(has) if len(has) else float("nan")}


def _of_numbers(name: str, values: pd.Series, groups: dict[str, pd.Series]) -> list[dict[str, Any]]:
    rows = []
    for outcome, who in groups.items():
        low, middle, high = values[who].quantile([0.25, 0.5, 0.75])
        ends = {"median": middle, "lower_quartile": low, "upper_quartile": high}
        rows.append(_head(name, None, outcome, values[who]) | ends)
    return rows


def _of_words(name: str, values: pd.Series, groups: dict[str, pd.Series]) -> list[dict[str, Any]]:
    few = common_levels(values)
    return [
        _head(name, level, outcome, few[who]) | _count(few[who].dropna() == level)
        for level in levels_of(few) for outcome, who in groups.items()
    ]  # fmt: skip


def common_levels(values: pd.Series) -> pd.Series:
    """The same with the levels that few people have called `OTHERS`, where there are more than MOST_LEVELS."""
    counts = values.value_counts()
    if len(counts) <= MOST_LEVELS:
        return values
    common = counts.sort_index().sort_values(ascending=False, kind="stable").index[: MOST_LEVELS - 1]
    return values.where(values.isin(common) | values.isna(), OTHERS)


def levels_of(values: pd.Series) -> list[str]:
    """Levels in the order of the alphabet, `OTHERS` last."""
    return sorted(values.dropna().unique(), key=lambda level: (level == OTHERS, level))
