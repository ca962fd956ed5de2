"""The part of the group's page that needs outcomes: what the predictions are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bids_stroke.evaluation.bootstrap import MINIMUM_PARTICIPANTS
from bids_stroke.evaluation.kinds import EXTERNAL, INTERNAL, UNKNOWN
from bids_stroke.evaluation.recalibration import WIDTH
from bids_stroke.report import plots, words
from bids_stroke.report.performance import curves, people, tables

if TYPE_CHECKING:
    from bids_stroke.evaluation.evaluate import Evaluation

TABLES = (
    ("recall", "f1", "precision"),
    ("average_precision", "brier", "calibration_slope"),
)
"""Metrics of the two wide tables, after AUC with accuracy, and balanced accuracy: a line must fit on paper."""
PATTERN_METRICS = ("auc", "balanced_accuracy", "brier")
VALIDITY_TABLES = (
    ("Decisions and sets of outcomes: share of people", ("decided", "error_decided", "set_coverage")),
    ("Calibration of the probabilities", ("calibration_slope", "calibration_intercept", "ici")),
    ("Intervals of the predicted score: share of people", ("interval_coverage", "interval_width")),
)
"""Title and quantities, a row each."""
BY_MODALITY = ("decided", "error_decided", "set_coverage", "calibration_slope", "interval_coverage")
"""Columns of the table by modality."""
KINDS = {
    INTERNAL: "People of the training cohort, out of fold (internal)",
    EXTERNAL: "New people, who were not in the training data (external)",
    UNKNOWN: "People of whom nobody knows whether they were in the training data",
}
"""Titles of the sections where there are several."""
COLUMN = {INTERNAL: "Training cohort, out of fold", EXTERNAL: "New people", UNKNOWN: "Not known which"}
SIDE_BY_SIDE = (
    "auc", "balanced_accuracy", "brier", "calibration_slope", "calibration_intercept", "ici", "r2", "mae", "decided",
    "error_decided", "set_coverage", "interval_coverage",
)  # fmt: skip
"""Rows of the overview."""
VERSIONS = {
    "original": "As the model says",
    "in_the_large": "With a new intercept",
    "intercept_and_slope": "With a new intercept and slope",
}
RECALIBRATED = {"brier": "Brier score (0 is perfect)", **{name: words.VALIDITY[name] for name in VALIDITY_TABLES[1][1]}}


def evaluated_parts(evaluation: Evaluation | None) -> dict[str, Any]:
    """The part of the page that needs outcomes: a section for each kind of people, and where there are several, an
    overview that has them side by side; without an evaluation there is no section.
    """
    parts = evaluation.parts if evaluation is not None else ()
    shown = [part for part in parts if part.n]
    return {
        "evaluation": shown[0] if shown else None,
        "sections": [_section(part) for part in shown],
        "side_by_side": side_by_side(shown) if len(shown) > 1 else None,
        "notes": list(dict.fromkeys(note for part in shown for note in part.notes)),
        "left_out": [row for part in parts for row in part.left_out.to_dict("records")],
        "table_one": people.table_one(shown, COLUMN),
        "flow": people.flow_in_words(evaluation.flow) if evaluation is not None else [],
        "separation": evaluation.separation if evaluation is not None else (),
    }


def _section(evaluation: Evaluation) -> dict[str, Any]:
    """What is told of one kind of people."""
    metrics = evaluation.metrics
    wide = [("auc", "accuracy", *TABLES[0]), ("balanced_accuracy", *TABLES[1])]
    given = metrics["value"].notna()
    return {
        "title": KINDS[evaluation.people],
        "short": COLUMN[evaluation.people],
        "evaluation": evaluation,
        "in_short": tables.in_short(evaluation),
        "tables": [_wide(metrics, columns) for columns in wide if given.any()],
        "comparisons": comparisons_in_words(evaluation.comparisons),
        "patterns": [_pattern(row) for row in evaluation.patterns.to_dict("records")] if given.any() else [],
        "validity": validity_tables(evaluation.validity) if given.any() else [],
        "recalibration": recalibration_in_words(evaluation),
        "plots": _main_plots(evaluation) if evaluation.permutation_p is not None else [],
        "limits": tables.limits_in_words(evaluation.thresholds),
        "confusion": tables.confusion_in_words(evaluation.confusion) if len(evaluation.thresholds) else [],
        "precision_recall": _precision_recall(evaluation) if evaluation.permutation_p is not None else [],
        "scores": tables.scores_in_words(metrics, evaluation.comparisons),
        "agreement": tables.agreement_in_words(evaluation.agreement),
        "score_plots": _score_plots(evaluation),
        "subgroups": people.subgroups_in_words(evaluation.subgroups, evaluation.outcome) if given.any() else [],
        "worst": people.worst_in_words(evaluation.worst) if given.any() else [],
        "reasons": _reasons(metrics),
        "why": metrics[metrics["model"] == "fusion"]["reason"].iloc[0],
    }


def _main_plots(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Address, heading and text of what tells most."""
    found = [
        (plots.roc_plot(evaluation.participants), "ROC curve",
         "The further a curve lies above the diagonal, the better it tells poor from good outcomes."),
        (plots.calibration_plot(evaluation.participants, tables.calibration_told(evaluation.validity)), "Calibration",
         "Bins of participants of equal size (number beside the dot) with 95 % intervals, and a smooth curve. On the "
         "diagonal the probabilities mean what they say. Above it outcomes were worse than predicted."),
    ]  # fmt: skip
    if len(evaluation.decision_curve):
        n = evaluation.decision_curve["n"].iloc[0]
        text = (
            f"Worth of acting on the {n} people above a threshold: needed actions a person, less needless ones as the "
            "threshold weighs them. The model is of use where its line is above those of acting on everybody and on "
            "nobody. Grey: 95 % interval of the fusion. Names: the strongest ordinary models."
        )
        found.append((curves.decision_curve_plot(evaluation.decision_curve), "Decision curve", text))
    return found


def _precision_recall(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    text = "How many of the calls “poor” come true, and how many poor outcomes they find, from limit to limit."
    return [(curves.precision_recall_plot(evaluation.participants), "Precision and recall", text)]


def _score_plots(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    known = evaluation.agreement.dropna(subset="value") if len(evaluation.agreement) else evaluation.agreement
    if known.empty:
        return []
    given = evaluation.participants.dropna(subset=["score", "predicted_score"])
    limits = dict(zip(known["quantity"], known["value"], strict=True))
    return [
        (curves.score_plot(given), "Predicted and true score", "A dot a person. On the diagonal the two are the same."),
        (curves.agreement_plot(given, limits), "Difference and mean (Bland and Altman)",
         "Above 0 more was predicted than came. Between the dashed lines are about 95 of 100 people. Predictions are "
         "nearer to the middle than scores are, so that a slope is no fault by itself."),
    ]  # fmt: skip


def side_by_side(parts: Sequence[Evaluation]) -> dict[str, Any]:
    """The fusion in each kind of people, a column each; dashes where there are fewer people than metrics need."""
    columns, known = [], []
    for part in parts:
        columns.append((COLUMN[part.people], f"{part.n} people, {part.n_poor} poor"))
        own = {str(row["metric"]): row for row in part.metrics.to_dict("records") if row["model"] == "fusion"}
        own |= {str(row["quantity"]): row for row in part.validity.to_dict("records") if row["people"] == "all"}
        known.append({name: row for name, row in own.items() if row["n"] >= MINIMUM_PARTICIPANTS})
    named = {**words.METRIC, **words.VALIDITY}
    there = [name for name in SIDE_BY_SIDE if any(name in own for own in known)]
    cells = {name: [_cell(own[name]) if name in own else ("–", "") for own in known] for name in there}
    return {
        "columns": columns,
        "rows": [{"name": named[name], "cells": cells[name]} for name in there],
        "promise_and_proof": {INTERNAL, EXTERNAL} <= {part.people for part in parts},
    }


def recalibration_in_words(evaluation: Evaluation) -> dict[str, Any] | None:
    """A row for each quantity, a column for each version, how many people are needed; None but for new people."""
    table = evaluation.recalibration
    if table.empty:
        return None
    rows = []
    for quantity, own in table.groupby("quantity", sort=False):
        rows.append({"name": RECALIBRATED[str(quantity)], "cells": [_cell(row) for row in own.to_dict("records")]})
    reasons = [str(reason) for reason in dict.fromkeys(table["reason"]) if reason]
    too_few = bool(table["value"].isna().all())
    return {
        "columns": [VERSIONS[str(version)] for version in dict.fromkeys(table["version"])],
        "rows": [] if too_few else rows,
        "why": "; ".join(reasons),
        "needed": needed_in_words(evaluation),
    }


def needed_in_words(evaluation: Evaluation) -> str:
    """How many new people would tell calibration well, and how well these do; empty where it cannot be told."""
    known = evaluation.needed
    if not known:
        return ""
    oe, slope = (words.number(known[f"width_{what}"]) for what in ("oe", "slope"))
    return (
        f"For 95 % intervals {WIDTH:g} wide, {known['people_for_oe']:.0f} people are needed to tell the observed over "
        f"the expected number of poor outcomes, and {known['people_for_slope']:.0f} to tell the calibration slope. "
        f"With these {evaluation.n} the intervals are about {oe} and {slope} wide."
    )


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
    """Tables of decisions, calibration and score intervals, a row for each quantity; and one by modality."""
    by_modality = validity["people"].astype(str).str.startswith(("with ", "without "))
    tables = []
    for title, quantities in VALIDITY_TABLES:
        part = validity[validity["quantity"].isin(quantities) & ~by_modality]
        if part.empty:
            continue
        rows = []
        for quantity, own in part.groupby("quantity", sort=False):
            promised = own["promised"].iloc[0]
            kept = "–" if words.missing(promised) else f"{words.number(promised)} or more"
            name = words.VALIDITY[str(quantity)]
            rows.append({"name": name, "cells": [*(_cell(row) for row in own.to_dict("records")), (kept, "")]})
        groups = part.drop_duplicates("people")
        columns = [f"{words.PEOPLE[who]} ({n})" for who, n in zip(groups["people"], groups["n"], strict=True)]
        tables.append({"title": title, "columns": [*columns, "Promised"], "rows": rows})
    return [*tables, *([_by_modality(validity[by_modality])] if by_modality.any() else [])]


def _by_modality(validity: pd.DataFrame) -> dict[str, Any]:
    """A row for each group of people, a column for each quantity."""
    rows = []
    for who, own in validity.groupby("people", sort=False):
        cells = {str(row["quantity"]): _cell(row) for row in own.to_dict("records")}
        name = f"{who} ({own['n'].iloc[0]})"
        rows.append({"name": name, "cells": [cells.get(quantity, ("–", "")) for quantity in BY_MODALITY]})
    columns = [words.VALIDITY[quantity] for quantity in BY_MODALITY]
    return {"title": "The same in people with and without a modality", "columns": columns, "rows": rows}


def _cell(row: Mapping[Any, Any]) -> tuple[str, str]:
    return words.number(row["value"]), words.interval(row)


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
