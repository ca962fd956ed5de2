"""Whether the fusion keeps what it promises: decisions, sets and score intervals, in all people and in groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.evaluation.bootstrap import MINIMUM_PER_CLASS, Draws, too_few, undefined, with_intervals
from bids_stroke.evaluation.calibration import calibration_intercept, integrated_calibration_index
from bids_stroke.evaluation.metrics import Array, calibration_slope
from bids_stroke.evaluation.missing_modalities import modalities_of

INTERVAL_COVERAGE = 0.9
"""What the interval of a predicted score promises."""
COLUMNS = ("quantity", "people", "n", "value", "low", "high", "promised", "reason")
DECIDED = ("poor", "good")
"""Predictions that are decisions: sets of one class."""
CALIBRATION = ("calibration_slope", "calibration_intercept", "ici")
_SCORES = ("score", "predicted_score", "predicted_score_low", "predicted_score_high")
EVERYBODY, THIRDS = "all", ("lowest", "middle", "highest")
Mask = NDArray[np.bool_]


def validity_table(
    rows: pd.DataFrame, coverage: float | None, draws: Draws, modality_of: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """Shares of people of whom what was said was true, with 95 % intervals.

    Parameters
    ----------
    rows : DataFrame
        A row per unit (and repeat): ``participant_id``, ``poor`` (0 or 1), ``probability_poor``, ``prediction``
        (``poor``, ``good`` or ``abstain``), and where there are any ``dataset``, ``p_<member>``, ``score``,
        ``predicted_score`` with ``_low`` and ``_high``. Rows that do not count are not among them.
    coverage : float or None
        What the conformal sets promise; None where nobody knows.
    draws : Draws
        Number and seed of the bootstrap draws.
    modality_of : mapping
        Member -> modality; a member that is not named stands for itself.

    Returns
    -------
    DataFrame
        ``quantity``: ``decided`` (share of people with a decision), ``error_decided`` (share of the decided whose
        outcome was the other one), ``set_coverage`` (the set of outcomes that are held possible has the true one),
        ``calibration_slope``, ``calibration_intercept`` (in the large) and ``ici`` of the probability,
        ``interval_coverage`` and ``interval_width`` (of the predicted score, in the outcome's units). ``people``:
        ``all``; where that is a question those with a ``poor`` or a ``good`` outcome, and of scores the ``lowest``,
        ``middle`` and ``highest`` third by what was predicted; ``with`` and ``without <modality>`` where some lack it.
        ``promised`` where something was, ``reason`` where a value or its interval is NaN. Empty without decisions.

    Notes
    -----
    Each person counts once, by the mean over sessions and repeats. Where nothing was decided both outcomes are held
    possible, so that a set misses the truth only by a wrong decision.
    """
    if "prediction" not in rows:
        return pd.DataFrame(columns=list(COLUMNS))
    said = rows["prediction"].isin((*DECIDED, "abstain"))
    classes = rows[said & rows["poor"].isin((0, 1))].reset_index(drop=True)
    numbers = [name for name in _SCORES if name in rows]
    scores = rows.assign(**{name: pd.to_numeric(rows[name]) for name in numbers})
    scores = scores.dropna(subset=numbers).reset_index(drop=True) if set(_SCORES) <= set(rows) else scores.head(0)
    found: list[dict[str, Any]] = []
    if len(classes):
        found += [*_of_decisions(classes, coverage, draws), *_of_calibration(EVERYBODY, classes, draws)]
    if len(scores):
        found += _of_scores(scores, draws)
    for who, which in _by_modality(classes, modality_of):
        found += _of_decided(who, _decisions(classes[which]), coverage, draws)
        found += _of_calibration(who, classes[which], draws)
    for who, which in _by_modality(scores, modality_of):
        found += _of_interval(who, _intervals(scores[which]), draws)
    return pd.DataFrame(found, columns=list(COLUMNS))


def _by_modality(rows: pd.DataFrame, modality_of: Mapping[str, str]) -> Iterator[tuple[str, Mask]]:
    """Rows with and rows without each modality that some lack."""
    for name, there in modalities_of(rows, modality_of).items():
        if there.any() and not there.all():
            yield f"with {name}", there
            yield f"without {name}", ~there


def _of_decisions(rows: pd.DataFrame, coverage: float | None, draws: Draws) -> list[dict[str, Any]]:
    people = _decisions(rows)
    poor = people["poor"] >= 0.5
    groups = ((EVERYBODY, people), ("poor", people[poor]), ("good", people[~poor]))
    return [row for who, own in groups for row in _of_decided(who, own, coverage, draws)]


def _decisions(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each person: the shares of rows with a decision and with a wrong one, and the outcome."""
    poor = rows["poor"].astype(float).eq(1)
    decided = rows["prediction"].isin(DECIDED)
    wrong = decided & (rows["prediction"].eq("poor") != poor)
    return _by_person(rows, {"decided": decided, "wrong": wrong, "poor": poor})


def _of_decided(who: str, people: pd.DataFrame, coverage: float | None, draws: Draws) -> list[dict[str, Any]]:
    share, error, everybody = people["decided"].to_numpy(), people["wrong"].to_numpy(), np.ones(len(people))
    return [
        _row(("decided", who), share, everybody, draws),
        _row(("error_decided", who), error, share, draws),
        _row(("set_coverage", who), 1 - error, everybody, draws) | {"promised": coverage},
    ]


def _of_calibration(who: str, rows: pd.DataFrame, draws: Draws) -> list[dict[str, Any]]:
    columns = {"poor": rows["poor"].astype(float), "probability": pd.to_numeric(rows["probability_poor"])}
    people = _by_person(rows, columns)
    poor, probability = (people["poor"].to_numpy() >= 0.5).astype(float), people["probability"].to_numpy()
    if reason := too_few(poor):
        values = dict.fromkeys(CALIBRATION, undefined(reason))
    else:
        index = integrated_calibration_index(poor, probability)
        values = with_intervals(
            lambda weights: {
                "calibration_slope": calibration_slope(poor, probability, weights),
                "calibration_intercept": calibration_intercept(poor, probability, weights),
                "ici": index(weights),
            },
            len(poor),
            draws,
        )
    return [{"quantity": name, "people": who, "n": len(poor), **values[name]} for name in CALIBRATION]


def _of_scores(rows: pd.DataFrame, draws: Draws) -> list[dict[str, Any]]:
    people = _intervals(rows)
    third = np.minimum(people["predicted"].rank(method="first").to_numpy() * 3 / (len(people) + 1), 2.999).astype(int)
    groups = ((EVERYBODY, people), *((name, people[third == i]) for i, name in enumerate(THIRDS)))
    return [row for who, own in groups for row in _of_interval(who, own, draws)]


def _intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each person: the share of rows whose score lies in its interval, the interval's width, what was predicted."""
    low, high = rows["predicted_score_low"], rows["predicted_score_high"]
    columns = {"inside": rows["score"].between(low, high), "width": high - low, "predicted": rows["predicted_score"]}
    return _by_person(rows, columns)


def _of_interval(who: str, people: pd.DataFrame, draws: Draws) -> list[dict[str, Any]]:
    inside, width, everybody = people["inside"].to_numpy(), people["width"].to_numpy(), np.ones(len(people))
    return [
        _row(("interval_coverage", who), inside, everybody, draws) | {"promised": INTERVAL_COVERAGE},
        _row(("interval_width", who), width, everybody, draws),
    ]


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
