"""Whether the fusion keeps what it promises: decisions, sets and score intervals, in all people and in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


def validity_table(rows: pd.DataFrame, coverage: float, draws: Draws) -> pd.DataFrame:
    """Shares of people of whom what was said was true, with 95 % intervals.

    Parameters
    ----------
    rows : DataFrame
        A row per unit (and repeat): ``participant_id``, ``poor`` (0 or 1), ``prediction`` (``poor``, ``good`` or
        ``abstain``), and where there are any ``dataset``, ``score``, ``predicted_score``, ``predicted_score_low``,
        ``predicted_score_high``. Rows that do not count are not among them.
    coverage : float
        What the conformal sets promise.
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


def _of_decisions(rows: pd.DataFrame, coverage: float, draws: Draws) -> Iterator[dict[str, Any]]:
    poor = rows["poor"].astype(float).eq(1)
    decided = rows["prediction"].isin(DECIDED)
    wrong = decided & (rows["prediction"].eq("poor") != poor)
    people = _by_person(rows, {"decided": decided, "wrong": wrong, "poor": poor})
    of_class = {EVERYBODY: np.ones(len(people), bool), "poor": people["poor"] >= 0.5, "good": people["poor"] < 0.5}
    for who, which in of_class.items():
        own = people[which]
        share, error = own["decided"].to_numpy(), own["wrong"].to_numpy()
        yield _row("decided", who, len(own), _mean(share), None, draws)
        yield _row("error_decided", who, len(own), _ratio(error, share), None, draws)
        yield _row("set_coverage", who, len(own), _mean(1 - error), coverage, draws)


def _of_scores(rows: pd.DataFrame, draws: Draws) -> Iterator[dict[str, Any]]:
    inside = rows["score"].between(rows["predicted_score_low"], rows["predicted_score_high"])
    width = rows["predicted_score_high"] - rows["predicted_score_low"]
    people = _by_person(rows, {"inside": inside, "width": width, "predicted": rows["predicted_score"]})
    third = np.minimum(people["predicted"].rank(method="first").to_numpy() * 3 / (len(people) + 1), 2.999).astype(int)
    groups = {EVERYBODY: np.ones(len(people), bool)} | {name: third == i for i, name in enumerate(THIRDS)}
    for who, which in groups.items():
        own = people[which]
        yield _row("interval_coverage", who, len(own), _mean(own["inside"].to_numpy()), INTERVAL_COVERAGE, draws)
        yield _row("interval_width", who, len(own), _mean(own["width"].to_numpy()), None, draws)


def _by_person(rows: pd.DataFrame, columns: Mapping[str, pd.Series[Any]]) -> pd.DataFrame:
    """Means of columns over each person's rows."""
    keys = [rows[name] for name in ("dataset", "participant_id") if name in rows]
    return pd.DataFrame(columns).astype(float).groupby(keys, sort=True, dropna=False).mean()


def _mean(values: Array) -> Callable[[Array], Array]:
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=1))


def _ratio(part: Array, whole: Array) -> Callable[[Array], Array]:
    def ratio(weights: Array) -> Array:
        total = weights @ whole
        return np.asarray(np.divide(weights @ part, total, out=np.full(len(weights), np.nan), where=total > 0))

    return ratio


def _row(
    quantity: str, who: str, n: int, compute: Callable[[Array], Array], promised: float | None, draws: Draws
) -> dict[str, Any]:
    if n < MINIMUM_PER_CLASS:
        values = undefined(f"too few participants ({n} of at least {MINIMUM_PER_CLASS})")
    else:
        values = with_intervals(lambda weights: {quantity: compute(weights)}, n, draws)[quantity]
    return {"quantity": quantity, "people": who, "n": n, **values, "promised": promised}
