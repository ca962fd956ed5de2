"""What the page says of decisions and scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_stroke.evaluation.evaluate import Evaluation, evaluate
from bids_stroke.report.performance import tables
from tests.helpers.predictions import QUICK, cohort, value


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    found = cohort(100)
    probability = found["probability_poor"]
    found["prediction"] = np.where(probability > 0.7, "poor", np.where(probability < 0.3, "good", "abstain"))
    return found.assign(s_baseline_clinical=17.0)


@pytest.fixture(scope="module")
def evaluation(table: pd.DataFrame) -> Evaluation:
    return evaluate(table, QUICK)


def test_the_summary_says_what_the_numbers_say(evaluation: Evaluation) -> None:
    said = tables.in_short(evaluation)
    auc = value(evaluation, "fusion", "auc")
    assert f"{100 * auc:.0f} times in 100 (AUC {auc:.2f}, " in said[0]
    decided = evaluation.validity.query("quantity == 'decided' and people == 'all'")["value"].item()
    assert f"{100 * decided:.0f} % of the people got a decision" in said[2]
    assert said[3].startswith("It is better than the best of the ordinary models, clinical (AUC")
    worse = evaluation.comparisons.assign(low=-0.2, high=-0.1, p_holm=0.01)
    assert "It is worse than" in tables.against_the_best(worse)[0]
    alike = evaluation.comparisons.assign(low=-0.2, high=0.1, p_holm=0.01)
    assert "It is not shown to be better" in tables.against_the_best(alike)[0]


@pytest.mark.parametrize(
    ("slope", "intercept", "words"),
    [
        ((0.5, 0.9), (-0.2, 0.2), "are too near 0 and 1 ("),
        ((1.1, 1.5), (0.2, 0.4), "are too far from 0 and 1 and too low on average"),
        ((0.8, 1.2), (-0.4, -0.2), "are too high on average"),
        ((0.8, 1.2), (-0.4, 0.2), "are not shown to be off"),
        ((0.8, np.nan), (-0.4, 0.2), "can hardly be told"),
    ],
)
def test_calibration_is_judged_by_its_intervals(slope: tuple, intercept: tuple, words: str) -> None:  # type: ignore[type-arg]
    rows = [{"value": 1.0, "low": low, "high": high} for low, high in (slope, intercept)]
    assert words in tables.calibration_in_words(*rows)


def test_limits_and_counts_of_all_people(evaluation: Evaluation, table: pd.DataFrame) -> None:
    rows = tables.limits_in_words(evaluation.thresholds)
    assert [row["name"] for row in rows][::9] == ["10 %", "the model's limit for “poor”"]
    assert all(sum(row["counts"]) == 100 for row in rows)
    half = rows[4]
    share = table["poor"].mean()  # at 50 % a wrong call weighs as much as a right one
    assert float(half["everybody"].replace("−", "-")) == pytest.approx(2 * share - 1, abs=5e-4)
    assert rows[-1]["everybody"] == "–"
    assert half["cells"][0][0] == f"{value(evaluation, 'fusion', 'recall'):.2f}" and rows[-1]["cells"][-1] == ("–", "")
    at_half, decisions = tables.confusion_in_words(evaluation.confusion)
    assert at_half["columns"] == ["poor", "good"] and decisions["columns"] == ["poor", "no decision", "good"]
    assert sum(sum(row["counts"]) for row in decisions["rows"]) == 100
    assert decisions["rows"][0]["counts"][1] == (table.query("poor == 1")["prediction"] == "abstain").sum()


def test_scores_stand_beside_the_difference_of_the_fusion(evaluation: Evaluation) -> None:
    rows = {row["model"]: row for row in tables.scores_in_words(evaluation.metrics, evaluation.comparisons)}
    assert rows["fusion"]["cells"][2] == ("–", "") and rows["fusion"]["p"] == "–"
    difference = value(evaluation, "fusion", "r2") - value(evaluation, "clinical", "r2")
    assert rows["clinical"]["cells"][2][0] == f"{difference:.2f}"
    bias = tables.agreement_in_words(evaluation.agreement)[0]
    assert bias[0] == "Mean difference (bias)" and " to " in bias[1][1]
