"""Whether the fusion keeps what it promises: decisions, sets and score intervals, in all people and in groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.evaluation.bootstrap import MINIMUM_PER_CLASS, Draws, undefined, with_intervals
from bids_stroke.evaluation.metrics import Array

INTERVAL_COVERAGE = 0.9
"""What the interval of a predicted score promises."""
COLUMNS = ("quantity", "people", "n", "value", "low", "high", "promised", "reason")
DECIDED = ("poor", "good")
"""Predictions that are decisions: sets of one class."""
EVERYBODY, THIRDS = "all", ("lowest", "middle", "highest")
Mask = NDArray[np.bool_]


def validity_table(rows: pd.DataFrame, coverage: float | None, draws: Draws) -> pd.DataFrame:
    """Shares of people of whom what was said was true, with 95 % intervals.

    Parameters
    ----------
    rows : DataFrame
        A row per unit (and repeat): ``participant_id``, ``poor`` (0 or 1), ``prediction`` (``poor``, ``good`` or
        ``abstain``), and where there are any ``dataset``, ``score``, ``predicted_score``, ``predicted_score_low``,
        ``predicted_score_high``. Rows that do not count are not among them.
    coverage : float or None
        What the conformal sets promise; None where nobody knows.
    draws : Draws
        Number and seed of the bootstrap draws.

    Returns
    -------
    DataFrame
        ``quantity``: ``decided`` (share of people with a decision), ``error_decided`` (share of the decided whose
        outcome was the other one), ``set_coverage`` (the set of outcomes that are held possible has the true one),
        ``interval_coverage`` and ``interval_width`` (of the predicted score, in the outcome's units). ``people``:
        ``all``, those with a ``poor`` or a ``good`` outcome, and of scores the ``lowest``, ``middle`` and ``highest``
        third by what was predicted. ``promised`` where something was, ``reason`` where a value or its interval is NaN.
        Empty without decisions.

    Notes
    -----
    Each person counts once, by the mean over sessions and repeats. Where nothing was decided both outcomes are held
    possible, so that a set misses the truth only by a wrong decision.
    """
    if "prediction" not in rows:
        return pd.DataFrame(columns=list(COLUMNS))
    said = rows["prediction"].isin((*DECIDED, "abstain"))
    classes = rows[said & rows["poor"].isin((0, 1))]
    found = list(_of_decisions(classes, coverage, draws)) if len(classes) else []
    needed = ["score", "predicted_score", "predicted_score_low", "predicted_score_high"]
    if set(needed) <= set(rows):
        scores = rows.assign(**{name: pd.to_numeric(rows[name]) for name in needed}).dropna(subset=needed)
        found += list(_of_scores(scores, draws)) if len(scores) else []
    return pd.DataFrame(found, columns=list(COLUMNS))


def _of_decisions(rows: pd.DataFrame, coverage: float | None, draws: Draws) -> Iterator[dict[str, Any]]:
    poor = rows["poor"].astype(float).eq(1)
    decided = rows["prediction"].isin(DECIDED)
    wrong = decided & (rows["prediction"].eq("poor") != poor)
    people = _by_person(rows, {"decided": decided, "wrong": wrong, "poor": poor})
    of_class = {EVERYBODY: np.ones(len(people), bool), "poor": people["poor"] >= 0.5, "good": people["poor"] < 0.5}
    for who, which in of_class.items():
        own = people[which]
        share, error, everybody = own["decided"].to_numpy(), own["wrong"].to_numpy(), np.ones(len(own))
        yield _row(("decided", who), share, everybody, draws)
        yield _row(("error_decided", who), error, share, draws)
        yield _row(("set_coverage", who), 1 - error, everybody, draws) | {"promised": coverage}


def _of_scores(rows: pd.DataFrame, draws: Draws) -> Iterator[dict[str, Any]]:
    low, high = rows["predicted_score_low"], rows["predicted_score_high"]
    columns = {"inside": rows["score"].between(low, high), "width": high - low, "predicted": rows["predicted_score"]}
    people = _by_person(rows, columns)
    third = np.minimum(people["predicted"].rank(method="first").to_numpy() * 3 / (len(people) + 1), 2.999).astype(int)
    groups = {EVERYBODY: np.ones(len(people), bool)} | {name: third == i for i, name in enumerate(THIRDS)}
    for who, which in groups.items():
        own = people[which]
        inside, width, everybody = own["inside"].to_numpy(), own["width"].to_numpy(), np.ones(len(own))
        yield _row(("interval_coverage", who), inside, everybody, draws) | {"promised": INTERVAL_COVERAGE}
        yield _row(("interval_width", who), width, everybody, draws)


def _by_person(rows: pd.DataFrame, columns: Mapping[str, pd.Series[Any]]) -> pd.DataFrame:
    """Means of columns over each person's rows."""
    keys = [rows[name] for name in ("dataset", "participant_id") if name in rows]
    return pd.DataFrame(columns).astype(float).groupby(keys, sort=True, dropna=False).mean()


def _row(about: tuple[str, str], part: Array, whole: Array, draws: Draws) -> dict[str, Any]:
    """A quantity of some people: the sum of ``part`` over that of ``whole``."""

    def ratio(weights: Array) -> dict[str, Array]:
        total = weights @ whole
        return {"": np.divide(weights @ part, total, out=np.full(len(weights), np.nan), where=total > 0)}

    n = len(whole)
    few = f"too few participants ({n} of at least {MINIMUM_PER_CLASS})"
    values = undefined(few) if n < MINIMUM_PER_CLASS else with_intervals(ratio, n, draws)[""]
    return {"quantity": about[0], "people": about[1], "n": n, **values}
