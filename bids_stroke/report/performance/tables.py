"""Decisions and scores of one kind of people in words: a summary, limits, counts, errors of the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bids_stroke.evaluation.decisions import AT_PROBABILITY, DECIDED_POOR, NOT_DECIDED_GOOD, SHARES, net_benefit
from bids_stroke.report import words

if TYPE_CHECKING:
    from bids_stroke.evaluation.evaluate import Evaluation

Cell = tuple[str, str]
"""A value, and the interval below it."""
OWN_LIMITS = {
    DECIDED_POOR: "the model's limit for “poor”",
    NOT_DECIDED_GOOD: "the model's limit for “good”",
}
RULES = {"at_half": "Called by 50 %", "decisions": "Decided by the model"}
SAID = {"poor": "poor", "abstain": "no decision", "good": "good"}
AGREEMENT = {
    "bias": "Mean difference (bias)",
    "sd": "Standard deviation of the differences",
    "lower_limit": "Lower limit of agreement",
    "upper_limit": "Upper limit of agreement",
}


def in_short(evaluation: Evaluation) -> list[str]:
    """What the fusion is worth in a few sentences for a reader who reads no further; empty without metrics."""
    own = {str(row["metric"]): row for row in evaluation.metrics.to_dict("records") if row["model"] == "fusion"}
    if "auc" not in own or words.missing(own["auc"]["value"]):
        return []
    auc = own["auc"]
    found = [
        f"Of two people with different outcomes the fusion gives the one with the poor outcome the higher probability "
        f"{100 * auc['value']:.0f} times in 100 (AUC {_told(auc)}; by chance it would be 50)."
    ]
    kept = {str(row["quantity"]): row for row in evaluation.validity.to_dict("records") if row["people"] == "all"}
    if (slope := kept.get("calibration_slope")) and not words.missing(slope["value"]):
        found.append(calibration_in_words(slope, kept["calibration_intercept"]))
    if (decided := kept.get("decided")) and not words.missing(decided["value"]):
        wrong = kept["error_decided"]
        of_these = (
            "" if words.missing(wrong["value"]) else f", of whom {words.percent(wrong['value'])} got the wrong one"
        )
        found.append(f"{words.percent(decided['value'])} of the people got a decision{of_these}.")
    return [*found, *against_the_best(evaluation.comparisons)]


def _told(row: Mapping[Any, Any]) -> str:
    ends = words.interval(row)
    return words.number(row["value"]) + (f", {ends}" if ends else "")


def calibration_in_words(slope: Mapping[Any, Any], intercept: Mapping[Any, Any]) -> str:
    """Whether slope and intercept differ from what is ideal, by their intervals."""
    ends = [slope["low"], slope["high"], intercept["low"], intercept["high"]]
    numbers = f"(slope {_told(slope)}; intercept {_told(intercept)})"
    if any(words.missing(end) for end in ends):
        return f"Whether the probabilities mean what they say can hardly be told {numbers}."
    wrong = []
    if slope["high"] < 1:
        wrong.append("too near 0 and 1")
    if slope["low"] > 1:
        wrong.append("too far from 0 and 1")
    if intercept["low"] > 0:
        wrong.append("too low on average")
    if intercept["high"] < 0:
        wrong.append("too high on average")
    if wrong:
        return f"The probabilities are {' and '.join(wrong)} {numbers}."
    return f"The probabilities are not shown to be off {numbers}; ideal are 1 and 0."


def against_the_best(comparisons: pd.DataFrame) -> list[str]:
    """The fusion beside the baseline with the highest AUC of those that it is compared with."""
    rows = comparisons[(comparisons["kind"] == "baseline") & (comparisons["metric"] == "auc")].dropna(
        subset="difference"
    )
    if rows.empty:
        return []
    row = rows.sort_values(["other", "model"], ascending=[False, True]).to_dict("records")[0]
    ends = f"AUC {words.number(row['fusion'])} against {words.number(row['other'])}, difference {_told_difference(row)}"
    if row["low"] > 0 and row["p_holm"] < 0.05:
        return [f"It is better than the best of the ordinary models, {row['model']} ({ends})."]
    if row["high"] < 0 and row["p_holm"] < 0.05:
        return [f"It is worse than the best of the ordinary models, {row['model']} ({ends})."]
    return [f"It is not shown to be better than the best of the ordinary models, {row['model']} ({ends})."]


def _told_difference(row: Mapping[Any, Any]) -> str:
    return f"{words.number(row['difference'])}, {words.interval(row)}, p {words.p_value(row['p_holm'], '=')}"


def calibration_told(validity: pd.DataFrame) -> str:
    """Slope and intercept as lines of the calibration plot; empty where they are not known."""
    rows = {str(row["quantity"]): row for row in validity.to_dict("records") if row["people"] == "all"}
    names = (("calibration_slope", "slope"), ("calibration_intercept", "intercept"))
    return "\n".join(f"{label} {_told(rows[name])}" for name, label in names if name in rows)


def limits_in_words(thresholds: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each limit: what it is, counts of right and wrong calls, shares and net benefit."""
    rows = []
    for row in thresholds.to_dict("records"):
        own = row["rule"] != AT_PROBABILITY
        cells = [_cell(row, name) for name in (*SHARES, "net_benefit")]
        counts = [int(row[name]) for name in ("true_poor", "false_poor", "true_good", "false_good")]
        name = OWN_LIMITS[row["rule"]] if own else words.percent(row["threshold"])
        everybody = "–" if own else words.number(_of_everybody(counts, row["threshold"]), 3)
        rows.append({"name": name, "own": own, "counts": counts, "cells": cells, "everybody": everybody})
    return rows


def _of_everybody(counts: Sequence[int], limit: float) -> float:
    """Net benefit of calling everybody poor, from the counts of right and wrong calls at any limit."""
    poor = np.repeat([1.0, 0.0], [counts[0] + counts[3], counts[1] + counts[2]])
    everybody = np.ones((1, len(poor)))
    return float(net_benefit(poor, everybody.astype(bool), np.array([limit]), everybody)[0, 0])


def _cell(row: Mapping[Any, Any], name: str) -> Cell:
    digits = 3 if name == "net_benefit" else 2
    if words.missing(row[name]):
        return "–", ""
    low, high = (words.number(row[f"{name}_{end}"], digits) for end in ("low", "high"))
    return words.number(row[name], digits), f"{low} to {high}"


def confusion_in_words(confusion: pd.DataFrame) -> list[dict[str, Any]]:
    """A table of counts for each rule: columns what was said, rows what came true."""
    tables = []
    for rule, own in confusion.groupby("rule", sort=False):
        said = list(dict.fromkeys(own["said"]))
        counts = own.set_index(["outcome", "said"])["n"]
        rows = [
            {"name": f"{outcome} outcome", "counts": [int(counts[outcome, word]) for word in said]}
            for outcome in ("poor", "good")
        ]
        tables.append({"title": RULES[str(rule)], "columns": [SAID[word] for word in said], "rows": rows})
    return tables


def scores_in_words(metrics: pd.DataFrame, comparisons: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each model that predicts a score: R², mean absolute error, and the fusion's R² less its own."""
    against = {str(row["model"]): row for row in comparisons[comparisons["metric"] == "r2"].to_dict("records")}
    rows = []
    for (model, kind), own in metrics[metrics["metric"].isin(("r2", "mae"))].groupby(["model", "kind"], sort=False):
        by_name = {str(row["metric"]): row for row in own.to_dict("records")}
        cells = [(words.number(by_name[name]["value"]), words.interval(by_name[name])) for name in ("r2", "mae")]
        other = against.get(str(model), {})
        if words.missing(other.get("difference")):
            difference, p = ("–", ""), "–"
        else:
            difference = (words.number(other["difference"]), words.interval(other))
            p = words.p_value(other["p_holm"])
        row = {"model": model, "kind": kind, "n": by_name["r2"]["n"], "cells": [*cells, difference], "p": p}
        rows.append(row)
    return rows


def agreement_in_words(agreement: pd.DataFrame) -> list[tuple[str, Cell]]:
    """Bias and limits of agreement, where they are known."""
    known = agreement.dropna(subset="value").to_dict("records")
    return [(AGREEMENT[row["quantity"]], (words.number(row["value"], 1), _ends(row))) for row in known]


def _ends(row: Mapping[Any, Any]) -> str:
    return f"{words.number(row['low'], 1)} to {words.number(row['high'], 1)}"
