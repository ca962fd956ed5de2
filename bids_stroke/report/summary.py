"""The evaluation in a few lines, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bids_stroke.report import words
from bids_stroke.report.evaluation import COLUMN, VERSIONS, needed_in_words

if TYPE_CHECKING:
    import pandas as pd

    from bids_stroke.evaluation.evaluate import Evaluation

AGAINST = (
    "ordinary_mean", "parcels_linear", "tract_load", "lesion_volume", "initial_score", "prep2", "twist_2022",
    "twist_2017", "clinical",
)  # fmt: skip
"""Baselines in the order in which they are hard to beat: the first that is there is named."""


def summary_lines(evaluation: Evaluation) -> list[str]:
    """What the fusion is worth, whether it keeps its promises, and what an ordinary model does, each with its interval.

    Parameters
    ----------
    evaluation : Evaluation
        From `evaluate`, or of several kinds of people from `evaluate_apart`: each is told of by itself.
    """
    parts = [part for part in evaluation.parts if part.n]
    if not parts:
        return ["Not evaluated: no outcome is known."]
    return [f"{COLUMN[part.people]}. {text}" if len(parts) > 1 else text for part in parts for text in _lines(part)]


def _lines(evaluation: Evaluation) -> list[str]:
    """What is told of one kind of people."""
    found = [f"Evaluated: {evaluation.n} people, {evaluation.n_poor} of them with a poor outcome."]
    own = evaluation.metrics[evaluation.metrics["model"] == "fusion"].set_index("metric")
    told = [_told(words.METRIC[name], own.loc[name]) for name in ("auc", "r2", "brier") if name in own.index]
    found += [f"Fusion: {', '.join(text for text in told if text) or own['reason'].iloc[0]}."]
    return [*found, *_validity(evaluation.validity), *_against(evaluation.comparisons), *_recalibration(evaluation)]


def _recalibration(evaluation: Evaluation) -> Iterator[str]:
    """Of new people: how well the probabilities fit them, as they are and recalibrated, and how many are needed."""
    table = evaluation.recalibration
    if table.empty:
        return
    rows = {str(row["version"]): row for row in table[table["quantity"] == "brier"].to_dict("records")}
    told = [_told(VERSIONS[name].lower(), row) for name, row in rows.items()]
    if kept := [text for text in told if text]:
        yield f"Brier score {', '.join(kept)} (cross-validated on these people)."
    else:
        yield f"Not recalibrated: {next(iter(rows.values()))['reason']}."
    if needed := needed_in_words(evaluation):
        yield needed


def _told(name: str, row: Any) -> str:
    """``AUC 0.79 (0.76 to 0.83)``; empty without a value."""
    if words.missing(row["value"]):
        return ""
    ends = words.interval(row)
    return f"{name} {words.number(row['value'])}" + (f" ({ends})" if ends else "")


def _validity(table: pd.DataFrame) -> Iterator[str]:
    rows = {str(row["quantity"]): row for row in table.to_dict("records") if row["people"] == "all"}
    names = {
        "decided": "share decided", "error_decided": "wrong among these", "set_coverage": "outcome not contradicted",
        "interval_coverage": "score in its range",
    }  # fmt: skip
    for start, chosen in (
        ("Promises", names),
        ("Calibration", {"calibration_slope": "slope", "calibration_intercept": "intercept", "ici": "ICI"}),
    ):
        told = [_told(name, rows[key]) for key, name in chosen.items() if key in rows]
        if kept := [text for text in told if text]:
            yield f"{start}: {', '.join(kept)}."


def _against(table: pd.DataFrame) -> Iterator[str]:
    by_model = dict(iter(table[table["kind"] == "baseline"].groupby("model")))
    for model in (name for name in AGAINST if name in by_model):
        told = [
            f"{words.METRIC[str(row['metric'])]} {_signed(row['difference'])} ({words.interval(row)}), "
            f"p {words.p_value(row['p_holm'], '=')}"
            for row in by_model[model].to_dict("records")
            if not words.missing(row["difference"])
        ]
        if told:
            yield f"Fusion less the baseline {model}: {'; '.join(told)} (corrected for all comparisons)."
            return


def _signed(value: float) -> str:
    """``+0.05``, ``−0.01``, ``0.00``."""
    rounded = round(value, 2)
    return words.number(abs(rounded)) if rounded == 0 else ("+" if rounded > 0 else "") + words.number(rounded)
