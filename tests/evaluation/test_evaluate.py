"""Metrics of a cohort with their intervals, comparisons and reasons."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from bids_stroke.core.settings import Settings
from bids_stroke.evaluation.evaluate import evaluate
from bids_stroke.evaluation.files import evaluation_json
from tests.helpers.predictions import QUICK, cohort, value


def test_early_fusion_is_another_fusion_and_no_member() -> None:
    table = cohort().rename(columns={"p_fa": "fusion_early"})
    result = evaluate(table.assign(score=20.0 - table["poor"], s_fusion_early=20.0 - table["poor"]), QUICK)
    metrics = result.metrics
    assert {model: set(own["kind"]) for model, own in metrics.groupby("model")} == {
        "fusion": {"fusion"}, "early": {"other fusion"}, "eegemg": {"member"}, "clinical": {"baseline"},
    }  # fmt: skip
    assert metrics.query("model == 'early' and metric == 'brier'")["value"].isna().all()
    assert value(result, "early", "r2") == pytest.approx(1)
    assert "early" in set(result.comparisons["model"])


def test_every_model_has_every_metric_with_an_interval_around_it() -> None:
    table = cohort()
    result = evaluate(table, QUICK)
    assert set(result.metrics["model"]) == {"fusion", "fa", "eegemg", "clinical"}
    assert set(result.metrics.query("model == 'fa'")["kind"]) == {"member"}
    assert (
        result.metrics.groupby("model").size() == pd.Series({"clinical": 9, "eegemg": 9, "fa": 9, "fusion": 11})
    ).all()
    assert value(result, "fusion", "auc") == pytest.approx(roc_auc_score(table["poor"], table["probability_poor"]))
    filled = result.metrics.dropna(subset=["low", "high"])
    assert len(filled) == len(result.metrics) - 2 * 2  # two members, of which two metrics are not told
    assert ((filled["low"] <= filled["value"]) & (filled["value"] <= filled["high"])).all()
    assert value(result, "eegemg", "auc", "n") == table["p_eegemg"].notna().sum() < len(table)


def test_only_what_is_calibrated_is_judged_by_its_probabilities() -> None:
    table = cohort().assign(fusion_vote=cohort()["p_fa"].round(), fusion_stacking=cohort()["p_fa"])
    result = evaluate(table, QUICK)
    rows = result.metrics[result.metrics["metric"].isin(["brier", "calibration_slope"])].set_index("model")
    told = {"fusion", "clinical", "stacking"}
    assert set(rows.index) - told == {"fa", "eegemg", "vote"}
    assert rows.loc[list(told), "value"].notna().all()
    others = rows.drop(index=list(told))
    assert others[["value", "low", "high"]].isna().all(axis=None)
    assert set(others["reason"]) == {"its probabilities are not calibrated"}
    written = [row for row in evaluation_json(result)["metrics"] if (row["model"], row["metric"]) == ("fa", "brier")]
    assert [(row["value"], row["reason"]) for row in written] == [(None, "its probabilities are not calibrated")]


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """AUC of two unit-variance normals one standard deviation apart is Phi(1 / sqrt(2)) = 0.760."""
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        poor = np.repeat([0, 1], 40)
        probability = 1 / (1 + np.exp(-(poor - 0.5 + rng.normal(size=80))))
        names = [f"sub-{i:02d}" for i in range(80)]
        table = pd.DataFrame({"participant_id": names, "poor": poor, "probability_poor": probability})
        result = evaluate(table, QUICK)
        covered += value(result, "fusion", "auc", "low") <= 0.7602 <= value(result, "fusion", "auc", "high")
    assert 51 <= covered <= 60


def test_planted_signal_is_found_and_noise_is_not() -> None:
    result = evaluate(cohort(), QUICK)
    assert result.permutation_p == pytest.approx(1 / 200)
    against = result.comparisons.set_index(["model", "metric"])
    assert against.loc[("clinical", "auc"), "low"] > 0 and against.loc[("clinical", "auc"), "p_holm"] < 0.001
    null = evaluate(cohort(signal=0.0), QUICK)
    assert value(null, "fusion", "auc", "low") < 0.5 < value(null, "fusion", "auc", "high")
    assert null.permutation_p is not None and null.permutation_p > 0.05


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (lambda t: t[t["poor"] == 1], "only one kind of outcome"),
        (lambda t: t.head(6), "too few participants"),
        (lambda t: pd.concat([t[t["poor"] == 0], t[t["poor"] == 1].head(3)]), "too few of one outcome"),
        (lambda t: t.head(0), "only one kind of outcome"),
    ],
)
def test_too_few_outcomes_give_null_with_a_reason(keep, words: str) -> None:  # type: ignore[no-untyped-def]
    result = evaluate(keep(cohort(40).drop(columns="p_eegemg")), QUICK)
    rows = result.metrics[~result.metrics["metric"].isin(["r2", "mae"])]
    assert rows[["value", "low", "high"]].isna().all(axis=None)
    assert rows["reason"].str.contains(words).all()
    assert result.permutation_p is None
    assert result.comparisons["reason"].str.contains(words).all()


def test_perfect_predictions_do_not_invent_a_slope() -> None:
    table = cohort(40).drop(columns=["p_fa", "p_eegemg", "baseline_clinical"])
    table["probability_poor"] = 0.1 + 0.8 * table["poor"]
    result = evaluate(table, QUICK)
    assert value(result, "fusion", "auc") == 1
    assert np.isnan(value(result, "fusion", "calibration_slope"))
    assert "separate" in str(value(result, "fusion", "calibration_slope", "reason"))


def test_order_of_rows_and_second_run_do_not_matter() -> None:
    table = cohort(50)
    first, second = evaluate(table, QUICK), evaluate(table.sample(frac=1, random_state=3), QUICK)
    pd.testing.assert_frame_equal(first.metrics, second.metrics)
    pd.testing.assert_frame_equal(first.comparisons, second.comparisons)
    other = evaluate(table, QUICK.model_copy(update={"seed": 7}))
    assert not other.metrics["low"].equals(first.metrics["low"])


def test_json_has_null_instead_of_nan() -> None:
    text = json.dumps(evaluation_json(evaluate(cohort(8), QUICK)), allow_nan=False)
    assert json.loads(text)["metrics"][0]["value"] is None
    assert json.loads(text)["positive_class"] == "poor"


def test_two_thousand_draws_of_a_hundred_participants_take_seconds() -> None:
    table = cohort(100)
    for index in range(8):
        table[f"p_extra{index}"] = np.random.default_rng(index).random(100)
    start = time.process_time()
    evaluate(table, Settings())
    assert time.process_time() - start < 20
