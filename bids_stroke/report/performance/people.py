"""Who was evaluated, in words: from the units selected to the people, Table 1, subgroups, the worst errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bids_stroke.evaluation.cohort import flow as stages
from bids_stroke.evaluation.cohort.subgroups import METRICS
from bids_stroke.report import words

if TYPE_CHECKING:
    from bids_stroke.evaluation.evaluate import Evaluation

CHARACTERISTIC = {
    "age": "Age, years",
    "sex": "Sex",
    "days_since_stroke": "Days since stroke",
    "lesion_volume_ml": "Lesion, ml",
    "lesion_side": "Side of the lesion",
    "site": "Site",
    "sessions": "Examinations a person",
    "modality": "Data that are there",
}
SUBGROUP = {**CHARACTERISTIC, "age": "Age, years", "days_since_stroke": "Time since stroke"}
STAGE = {
    stages.SELECTED: "Selected",
    stages.NOT_PREDICTED: "without a current prediction",
    stages.PREDICTED: "With a current prediction",
    stages.LEFT_OUT: "not evaluated",
    stages.EVALUATED: "Evaluated",
}
KIND = {
    "internal": "training cohort, out of fold",
    "external": "new people",
    "unknown": "not known whether in training",
}
WHY = {
    stages.NOT_CURRENT: "its data, settings or model have changed since",
    stages.NOT_RUN: "the level participant was never run on it",
    "features-only": "only features were made, without a model",
    "running": "still running, or stopped without a word",
}
OUTCOMES = ("good", "poor", "all")
SHOWN_OUTCOME = {"good": "good outcome", "poor": "poor outcome", "all": "all"}


def flow_in_words(flow: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each stage and reason; those that are lost are marked as such."""
    rows = []
    for row in flow.to_dict("records"):
        lost = row["stage"] in (stages.NOT_PREDICTED, stages.LEFT_OUT)
        reason = KIND.get(row["reason"], "") if row["stage"] == stages.EVALUATED else _why(row["reason"])
        text = STAGE[row["stage"]] + (f": {reason}" if reason else "")
        rows.append({"text": text, "lost": lost, "units": row["units"], "people": row["people"]})
    return rows


def _why(code: str) -> str:
    return WHY.get(code) or words.reason_in_words(code)


def table_one(parts: Sequence[Evaluation], shorts: Mapping[str, str]) -> dict[str, Any] | None:
    """Characteristics by outcome, a block of columns for each kind of people; None where nothing is known of them.

    Parameters
    ----------
    parts : sequence of Evaluation
        Each of one kind of people.
    shorts : mapping
        Kind -> heading of its columns.
    """
    known = [part for part in parts if len(part.characteristics)]
    if not known:
        return None
    keys = dict.fromkeys(
        (row["characteristic"], _level(row)) for part in known for row in part.characteristics.to_dict("records")
    )
    by_part = [
        {(row["characteristic"], _level(row), row["outcome"]): row for row in part.characteristics.to_dict("records")}
        for part in known
    ]
    order = list(dict.fromkeys(name for name, _ in keys))
    rows = []
    for name, level in sorted(keys, key=lambda key: order.index(key[0])):
        cells = [
            {
                "cells": [_characteristic(own.get((name, level, outcome))) for outcome in OUTCOMES],
                "missing": _missing(own, name, level),
            }
            for own in by_part
        ]
        title = _characteristic_name(name, parts[0].outcome)
        rows.append({"name": f"{title}: {_shown(name, level)}" if level else title, "blocks": cells})
    blocks = [
        {
            "title": shorts[part.people],
            "columns": [(SHOWN_OUTCOME[outcome], _number_of(part, outcome)) for outcome in OUTCOMES],
        }
        for part in known
    ]
    return {"blocks": blocks, "rows": rows, "width": len(OUTCOMES) + 1}


def _number_of(part: Evaluation, outcome: str) -> int:
    return {"good": part.n - part.n_poor, "poor": part.n_poor, "all": part.n}[outcome]


def _level(row: Mapping[Any, Any]) -> str:
    return "" if words.missing(row["level"]) else str(row["level"])


def _characteristic_name(name: str, outcome: str) -> str:
    return f"First {words.score_scale(outcome)[0]}" if name == "first_score" else CHARACTERISTIC[name]


def _shown(name: str, level: str) -> str:
    return words.modality_in_words(level) if name == "modality" else level


def _characteristic(row: Mapping[Any, Any] | None) -> str:
    """``66 (57 to 74)`` of a number, ``12 (40 %)`` of a level; a dash where nothing is known."""
    if row is None or row["n"] == 0:
        return "–"
    if words.missing(row["median"]):
        return f"{int(row['count'])} ({words.percent(row['share'])})"
    middle, low, high = (words.significant(row[name], 3) for name in ("median", "lower_quartile", "upper_quartile"))
    return f"{middle} ({low} to {high})"


def _missing(own: Mapping[tuple[str, str, str], Mapping[Any, Any]], name: str, level: str) -> str:
    row = own.get((name, level, "all"))
    return "–" if row is None else str(row["n_missing"])


def subgroups_in_words(subgroups: pd.DataFrame, outcome: str) -> list[dict[str, Any]]:
    """A row for each group; the test's p stands with the first group of what people are divided by."""
    rows, before = [], ""
    for row in subgroups.to_dict("records"):
        first = row["subgroup"] != before
        before = row["subgroup"]
        name = f"First {words.score_scale(outcome)[0]}" if before == "first_score" else SUBGROUP[before]
        cells = [
            (words.number(row[metric]), words.interval({"low": row[f"{metric}_low"], "high": row[f"{metric}_high"]}))
            for metric in METRICS
        ]
        told = {"title": name if first else "", "level": row["level"], "n": row["n"], "n_poor": row["n_poor"]}
        rows.append({**told, "cells": cells, "p": words.p_value(row["p_holm"]) if first else ""})
    return rows


def worst_in_words(worst: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each person, the largest error first."""
    return [
        {
            "participant": row["participant_id"],
            "outcome": "poor" if row["poor"] == 1 else "good",
            "probability": words.percent(row["probability_poor"]),
            "decided": {"poor": "poor", "good": "good", "abstain": "no decision"}.get(row["decided"], "–"),
            "score": words.number(row["score"], 1),
            "predicted_score": words.number(row["predicted_score"], 1),
            "score_error": words.number(row["score_error"], 1),
            "missing": ", ".join(words.modality_in_words(name) for name in str(row["missing"]).split()) or "nothing",
        }
        for row in worst.to_dict("records")
    ]
