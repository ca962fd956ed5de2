"""The page of the group: who was predicted what, and what the predictions are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bids_stroke.core.records import StepReport, UnitStatus
from bids_stroke.derivatives.names import DATASET_FILES, dataset_file
from bids_stroke.derivatives.outputs import write_text
from bids_stroke.report import plots, quality, words

if TYPE_CHECKING:
    from bids_stroke.evaluation.evaluate import Evaluation

TABLES = (
    ("recall", "f1", "precision"),
    ("average_precision", "brier", "calibration_slope"),
)
"""Metrics of the two wide tables, after accuracy with AUC, and balanced accuracy: a line must fit on paper."""
PATTERN_METRICS = ("auc", "balanced_accuracy", "brier")
_TRUE = (True, 1, "1", "True", "true")


@dataclass(frozen=True)
class GroupDetails:
    """What the page of the group may show besides predictions and their evaluation."""

    statuses: Sequence[UnitStatus] = ()
    steps: Mapping[str, Mapping[str, StepReport]] = field(default_factory=dict)
    """Reports by unit and step, for the quality overview."""
    how: str = ""
    """How the predictions that were evaluated came about; told from the table of predictions if empty."""


def write_group_report(
    root: Path, evaluation: Evaluation | None, predictions: pd.DataFrame, details: GroupDetails | None = None
) -> Path:
    """Write the page of the group, one file in OUTPUT_DIR with its pictures inside.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    evaluation : Evaluation or None
        None (or one without participants) where no outcome is known.
    predictions : DataFrame
        A row per unit: ``participant_id``, ``probability_poor``, ``prediction``, and where there are any
        ``session_id``, ``probability_poor_low`` and ``_high``, ``predicted_score``, ``score``, ``poor``,
        ``excluded``, ``missing``, ``in_training_set``, ``out_of_fold`` (models that had not seen the person made
        the prediction, during training), ``demonstration``.
    details : GroupDetails, optional
        Failed units, quality numbers, origin of the predictions.
    """
    details = details or GroupDetails()
    evaluated = evaluation if evaluation is not None and evaluation.n else None
    page = words.render(
        "group.html",
        demonstration="demonstration" in predictions and predictions["demonstration"].isin(_TRUE).any(),
        rows=[_row(row) for row in predictions.to_dict("records")],
        has_sessions="session_id" in predictions and not predictions["session_id"].map(words.missing).all(),
        has_scores="predicted_score" in predictions and predictions["predicted_score"].notna().any(),
        has_outcomes="poor" in predictions and predictions["poor"].notna().any(),
        counts=_counts(predictions),
        failed=[status for status in details.statuses if not status.completed],
        unit_name=words.unit_name,
        how=details.how or origin_in_words(predictions),
        quality=quality.overview(details.steps),
        flagged=quality.flagged_units(details.steps),
        quality_file=DATASET_FILES["group_quality"],
        histogram=_histogram(predictions),
        **_evaluated(evaluated),
        left_out=evaluation.left_out.to_dict("records") if evaluation is not None else [],
    )
    return write_text(dataset_file(root, "group_report"), page)


def _counts(predictions: pd.DataFrame) -> dict[str, int]:
    said = predictions["prediction"] if "prediction" in predictions else pd.Series(dtype=object)
    counts = {word: int((said == word).sum()) for word in ("poor", "good", "abstain")}
    counts["left_out"] = int((said == "left-out").sum())
    return counts | {"people": predictions["participant_id"].nunique(), "units": len(predictions)}


def origin_in_words(predictions: pd.DataFrame) -> str:
    """Say of how many people the model had seen the data in training.

    Parameters
    ----------
    predictions : DataFrame
        A row per unit: ``participant_id``, ``in_training_set`` (true, false, or NaN where nobody knows), and where
        there is one ``out_of_fold``.

    Returns
    -------
    str
        Sentences with counts of participants; empty without the column ``in_training_set``.
    """
    if "in_training_set" not in predictions:
        return ""
    seen = predictions["in_training_set"].isin(_TRUE)
    unknown = predictions["in_training_set"].isna()
    unfolded = predictions["out_of_fold"].isin(_TRUE) if "out_of_fold" in predictions else seen & False
    kinds = (
        (unknown, "People of whom nobody knows whether they were in the model's training data: {}."),
        (~seen & ~unknown, "People who were not in the model's training data: {}."),
        (
            seen & unfolded,
            "People who were in the model's training data, counted with what models that had not seen them predicted "
            "(out of fold): {}.",
        ),
        (
            seen & ~unfolded,
            "People who were in the model's training data, without an out-of-fold prediction, and so are not "
            "evaluated: {}.",
        ),
    )
    counts = [(predictions.loc[which, "participant_id"].nunique(), text) for which, text in kinds]
    return " ".join(text.format(count) for count, text in counts if count)


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A line of the table of predictions, in words."""
    low, high = row.get("probability_poor_low"), row.get("probability_poor_high")
    poor = row.get("poor")
    notes = []
    if not words.missing(row.get("excluded")) and isinstance(row.get("excluded"), str):
        notes.append("not evaluated: " + words.reason_in_words(row["excluded"]))
    elif row.get("out_of_fold") in _TRUE:
        notes.append("was in the training data: out-of-fold prediction")
    elif row.get("in_training_set") in _TRUE:
        notes.append(words.reason_in_words("in-training-set"))
    if not words.missing(row.get("missing")):
        notes.append(f"missing: {row['missing']}")
    session = row.get("session_id")
    return {
        "participant": row["participant_id"],
        "session": "–" if words.missing(session) else str(session).removeprefix("ses-"),
        "probability": row["probability_poor"],
        "interval": ""
        if words.missing(low) or words.missing(high)
        else f"{words.percent(low)} to {words.percent(high)}",
        "prediction": _SHORT.get(str(row.get("prediction")), "–"),
        "predicted_score": row.get("predicted_score"),
        "score": row.get("score"),
        "outcome": "–" if words.missing(poor) else ("poor" if float(poor) == 1 else "good"),  # type: ignore[arg-type]
        "notes": "; ".join(notes),
    }


_SHORT = {"poor": "poor", "good": "good", "abstain": "no decision"}


def _histogram(predictions: pd.DataFrame) -> str:
    known = pd.to_numeric(predictions["poor"]) if "poor" in predictions else None
    if predictions["probability_poor"].isna().all():
        return ""
    if known is None or known.isna().all():
        return plots.histogram_plot(predictions["probability_poor"], None)
    return plots.histogram_plot(predictions["probability_poor"], known)


def _evaluated(evaluation: Evaluation | None) -> dict[str, Any]:
    """The part of the page that needs outcomes; empty values without."""
    if evaluation is None:
        return {
            "evaluation": None,
            "tables": [],
            "comparisons": {"rows": []},
            "patterns": [],
            "validity": [],
            "plots": [],
            "scores": [],
            "reasons": [],
            "why": "",
        }
    metrics = evaluation.metrics
    wide = [("accuracy", *TABLES[0], "auc"), ("balanced_accuracy", *TABLES[1])]
    given = metrics["value"].notna()
    drawn = []
    if evaluation.permutation_p is not None:
        drawn = [
            (plots.roc_plot(evaluation.participants), "ROC curve",
             "The further a curve lies above the diagonal, the better it tells poor from good outcomes."),
            (plots.calibration_plot(evaluation.participants), "Calibration",
             "Bins of participants of equal size (number beside the dot) with 95 % intervals. Dots on the line: the "
             "probabilities mean what they say. Dots above it: outcomes were worse than predicted."),
        ]  # fmt: skip
    return {
        "evaluation": evaluation,
        "tables": [_wide(metrics, columns) for columns in wide if given.any()],
        "comparisons": comparisons_in_words(evaluation.comparisons),
        "patterns": [_pattern(row) for row in evaluation.patterns.to_dict("records")] if given.any() else [],
        "validity": validity_tables(evaluation.validity) if given.any() else [],
        "plots": drawn,
        "scores": [
            (f"{words.METRIC[str(row['metric'])]}, {row['model']}" + _of_baseline(row), row)
            for row in metrics[metrics["metric"].isin(("r2", "mae"))].to_dict("records")
        ],
        "reasons": _reasons(metrics),
        "why": metrics[metrics["model"] == "fusion"]["reason"].iloc[0],
    }


def _of_baseline(row: Mapping[Any, Any]) -> str:
    return " (baseline)" if row["kind"] == "baseline" else ""


def _pattern(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A line of the table of missing modalities."""
    who = {"pattern": "exactly {}", "with": "all with {}", "without": "all without {}"}[str(row["kind"])]
    ends = [{"low": row[f"{name}_low"], "high": row[f"{name}_high"]} for name in PATTERN_METRICS]
    cells = [(words.number(row[name]), words.interval(end)) for name, end in zip(PATTERN_METRICS, ends, strict=True)]
    return {
        "who": who.format(str(row["modalities"])),
        "kind": row["kind"],
        "n": row["n"],
        "n_poor": row["n_poor"],
        "cells": cells,
    }


def comparisons_in_words(comparisons: pd.DataFrame) -> dict[str, Any]:
    """A row for each model, a column for each metric, each with its lines below the difference."""
    metrics = [name for name in ("auc", "brier", "r2") if (comparisons["metric"] == name).any()]
    rows = []
    for (model, kind), own in comparisons.groupby(["model", "kind"], sort=False):
        by_metric = {str(row["metric"]): row for row in own.to_dict("records")}
        first = by_metric["auc"]
        cells = [_difference(by_metric.get(name, {})) for name in metrics]
        rows.append({"model": model, "kind": kind, "n": first["n"], "n_poor": first["n_poor"], "cells": cells})
    return {
        "columns": [words.METRIC[name] for name in metrics],
        "rows": rows,
        "refitted": bool(comparisons["low_refit"].notna().any()),
        "n_tests": int(comparisons["p_holm"].notna().sum()),
    }


def _difference(row: Mapping[Any, Any]) -> dict[str, Any]:
    if words.missing(row.get("difference")):
        return {"difference": "–", "lines": []}
    refit = {"low": row["low_refit"], "high": row["high_refit"]}
    lines = [words.interval(row), *([words.interval(refit)] if not words.missing(row["low_refit"]) else [])]
    return {"difference": words.number(row["difference"]), "lines": [*lines, f"p {words.p_value(row['p_holm'], '=')}"]}


def validity_tables(validity: pd.DataFrame) -> list[dict[str, Any]]:
    """A table of decisions and one of score intervals: a column for each group of people, a row for each quantity."""
    tables = []
    for quantities in (("decided", "error_decided", "set_coverage"), ("interval_coverage", "interval_width")):
        part = validity[validity["quantity"].isin(quantities)]
        if part.empty:
            continue
        rows = []
        for quantity, own in part.groupby("quantity", sort=False):
            cells = [(words.number(row["value"]), words.interval(row)) for row in own.to_dict("records")]
            promised = own["promised"].iloc[0]
            kept = "–" if words.missing(promised) else f"{words.number(promised)} or more"
            rows.append({"name": words.VALIDITY[str(quantity)], "promised": kept, "cells": cells})
        groups = part.drop_duplicates("people")
        columns = [f"{words.PEOPLE[who]} ({n})" for who, n in zip(groups["people"], groups["n"], strict=True)]
        tables.append({"columns": columns, "rows": rows})
    return tables


def _wide(metrics: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """A row per model, a column per metric, each with its interval."""
    rows = []
    for (model, kind), part in metrics.groupby(["model", "kind"], sort=False):
        cells = {str(row["metric"]): row for row in part.to_dict("records") if row["metric"] in columns}
        any_cell = next(iter(cells.values()))
        shown = [(words.number(cells[name]["value"]), words.interval(cells[name])) for name in columns]
        rows.append({"model": model, "kind": kind, "n": any_cell["n"], "n_poor": any_cell["n_poor"], "cells": shown})
    return {"columns": [words.METRIC[name] for name in columns], "rows": rows}


def _reasons(metrics: pd.DataFrame) -> list[str]:
    """Why some cells are empty, each reason once with the metrics and models that it concerns."""
    found: dict[tuple[str, str], list[str]] = {}
    lacking = metrics[metrics["reason"] != ""]
    for (model, reason), part in lacking.groupby(["model", "reason"], sort=False):
        names = " and ".join(words.METRIC[str(name)] for name in part["metric"])
        found.setdefault(("all metrics" if len(part) >= 9 else names, str(reason)), []).append(str(model))
    return [f"{names} of {', '.join(models)}: {reason}." for (names, reason), models in found.items()]
