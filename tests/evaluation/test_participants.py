"""One row per participant: means over sessions and repeats, and who is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from bids_stroke.core.errors import InputError
from bids_stroke.evaluation.evaluate import evaluate
from tests.helpers.predictions import QUICK, cohort, value


def test_sessions_and_repeats_count_once() -> None:
    table = cohort(40)
    again = table.assign(session_id="ses-02", probability_poor=1 - table["probability_poor"])
    result = evaluate(pd.concat([table, again]), QUICK)
    assert result.n == 40
    assert result.participants["probability_poor"].to_numpy() == pytest.approx(np.full(40, 0.5))
    assert any("once per participant" in note for note in result.notes)


def test_single_repeats_are_told_beside_their_mean() -> None:
    rng = np.random.default_rng(0)
    repeats = [
        cohort(40).assign(repeat=i, probability_poor=lambda t: (t["probability_poor"] + rng.uniform(0, 2, 40)) / 3)
        for i in range(3)
    ]
    result = evaluate(pd.concat(repeats, ignore_index=True), QUICK)
    areas = [roc_auc_score(own["poor"], own["probability_poor"]) for own in repeats]
    [note] = [note for note in result.notes if "repeat alone" in note]
    assert (
        f"mean of 3 repeats of the training; in each repeat alone the AUC of the fusion is {min(areas):.2f} to" in note
    )
    assert f"{max(areas):.2f} (mean {np.mean(areas):.2f})" in note
    assert value(result, "fusion", "auc") > np.mean(areas)
    assert not any("repeat alone" in note for note in evaluate(repeats[0], QUICK).notes)


def test_the_same_label_in_two_datasets_is_two_people() -> None:
    first, second = cohort(40, seed=1).assign(dataset="a"), cohort(40, seed=2).assign(dataset="b")
    second.loc[0, "probability_poor"] = first.loc[1, "probability_poor"] = np.nan
    both = evaluate(pd.concat([first, second], ignore_index=True), QUICK)
    assert both.n == 78 and both.notes == ()
    assert sorted(both.participants["poor"]) == sorted([*first.drop(1)["poor"], *second.drop(0)["poor"]])
    left_out = both.left_out[["dataset", "participant_id"]].to_dict("records")
    assert left_out == [
        {"dataset": "a", "participant_id": "sub-001"},
        {"dataset": "b", "participant_id": "sub-000"},
    ]
    named = evaluate(first, QUICK)
    pd.testing.assert_frame_equal(named.metrics, evaluate(first.drop(columns="dataset"), QUICK).metrics)


def test_outcome_that_differs_between_sessions_follows_the_mean_score() -> None:
    table = cohort(40)
    first = table.iloc[[0]].assign(score=10.0, poor=1, participant_id="sub-x")
    second = table.iloc[[0]].assign(score=30.0, poor=0, participant_id="sub-x", session_id="ses-02")
    result = evaluate(pd.concat([table, first, second]), QUICK)
    person = result.participants.set_index("participant_id").loc["sub-x"]
    assert person["score"] == 20 and person["poor"] == 0  # 20 > 17
    assert any("sub-x" in note for note in result.notes)


def test_rows_without_outcome_prediction_or_independence_are_named() -> None:
    table = cohort(40).astype({"poor": float})
    table.loc[0, ["poor", "score"]] = np.nan
    table.loc[1, "probability_poor"] = np.nan
    table["excluded"] = None
    table.loc[2, "excluded"] = "in-training-set"
    result = evaluate(table, QUICK)
    assert result.n == 37
    reasons = dict(zip(result.left_out["participant_id"], result.left_out["reason"], strict=True))
    assert reasons == {"sub-000": "no-outcome", "sub-001": "no-prediction", "sub-002": "in-training-set"}


@pytest.mark.parametrize(
    ("change", "words"),
    [({"probability_poor": 1.5}, "not between 0 and 1"), ({"p_fa": -0.1}, "Column p_fa")],
)
def test_wrong_probability_is_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        evaluate(cohort(20).assign(**change), QUICK)


def test_missing_column_is_named() -> None:
    with pytest.raises(InputError, match="probability_poor"):
        evaluate(cohort(20).drop(columns="probability_poor"), QUICK)
