"""What an evaluation adds to the facts that a bundle keeps of itself: numbers of groups, never of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bids_stroke.evaluation.bootstrap import MINIMUM_PARTICIPANTS
from bids_stroke.evaluation.evaluate import Evaluation

METRICS = ("auc", "balanced_accuracy", "recall", "precision", "brier", "r2", "mae")
VALIDITY = ("calibration_slope", "calibration_intercept", "ici", "decided", "error_decided", "interval_coverage")
"""Of all people together."""
DIGITS = 4


def performance(evaluation: Evaluation) -> dict[str, Any]:
    """What the fusion was worth, on people whom its parts had not seen.

    Parameters
    ----------
    evaluation : Evaluation
        Of the training's out-of-fold predictions.

    Returns
    -------
    dict
        ``participants``, ``poor``, ``quantities``: name -> value with the ends of its 95 % interval (None where there
        is none); empty of what is not given.
    """
    fusion = evaluation.metrics[evaluation.metrics["model"] == "fusion"]
    rows = {str(row["metric"]): row for row in fusion.to_dict("records")}
    valid = evaluation.validity[evaluation.validity["people"] == "all"] if len(evaluation.validity) else pd.DataFrame()
    rows |= {str(row["quantity"]): row for row in valid.to_dict("records")}
    names = dict.fromkeys((*METRICS, *VALIDITY)) if evaluation.n >= MINIMUM_PARTICIPANTS else {}
    there = {name: _numbers(rows[name]) for name in names if name in rows}
    return {
        "participants": evaluation.n,
        "poor": evaluation.n_poor,
        "quantities": {name: values for name, values in there.items() if values[0] is not None},
    }


def _numbers(row: Mapping[Any, Any]) -> list[float | None]:
    return [None if pd.isna(row[part]) else round(float(row[part]), DIGITS) for part in ("value", "low", "high")]
