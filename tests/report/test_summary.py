"""The evaluation in a few lines."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.evaluation.evaluate import evaluate, evaluate_apart
from bids_stroke.report.summary import summary_lines
from tests.helpers.predictions import QUICK, cohort


def test_worth_promises_calibration_and_an_ordinary_model_are_told() -> None:
    table = cohort(90)
    table["prediction"] = np.where(table["probability_poor"] > 0.7, "poor", "abstain")
    table["predicted_score_low"], table["predicted_score_high"] = table["predicted_score"] - 6, table["score"] + 6
    table["baseline_ordinary_mean"], table["s_baseline_ordinary_mean"] = 0.5, 17.0
    lines = summary_lines(evaluate(table, QUICK, coverage=0.9))
    assert lines[0] == f"Evaluated: 90 people, {int(table['poor'].sum())} of them with a poor outcome."
    assert lines[1].startswith("Fusion: AUC 0.") and "R² 0." in lines[1] and " to " in lines[1]
    assert lines[2].startswith("Promises: share decided 0.") and "score in its range 0." in lines[2]
    assert lines[3].startswith("Calibration: slope ") and "ICI 0." in lines[3]
    assert lines[4].startswith("Fusion less the baseline ordinary_mean: AUC +0.") and "R² +0." in lines[4]


def test_without_outcomes_or_with_few_it_says_so() -> None:
    assert summary_lines(evaluate(cohort(5).assign(poor=np.nan), QUICK)) == ["Not evaluated: no outcome is known."]
    few = summary_lines(evaluate(cohort(6), QUICK))
    assert "too few participants" in few[1] or "only one kind" in few[1]
    assert len(few) == 2


def test_new_people_are_told_of_by_themselves() -> None:
    both = pd.concat([cohort(50).assign(in_training_set=True), cohort(30, seed=3).assign(in_training_set=False)])
    lines = summary_lines(evaluate_apart(both.reset_index(drop=True), QUICK))
    inside = [text for text in lines if text.startswith("Training cohort, out of fold. ")]
    new = [text for text in lines if text.startswith("New people. ")]
    assert len(inside) + len(new) == len(lines)
    assert "Evaluated: 50 people" in inside[0] and "Evaluated: 30 people" in new[0]
    assert [text for text in new if "Brier score as the model says 0." in text and "(cross-validated" in text]
    assert not [text for text in inside if "as the model says" in text]
    few = summary_lines(evaluate_apart(cohort(12).assign(in_training_set=False), QUICK))
    assert [text for text in few if text.startswith("Not recalibrated: recalibration needs 20 people")]
