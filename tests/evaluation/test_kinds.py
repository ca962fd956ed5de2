"""People of the training cohort and new ones are evaluated apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_stroke.evaluation.evaluate import evaluate, evaluate_apart
from bids_stroke.evaluation.files import evaluation_json, together
from bids_stroke.evaluation.kinds import apart
from tests.helpers.predictions import QUICK, cohort, value


def two_kinds() -> pd.DataFrame:
    """60 people of the training whom the model tells apart, 40 new ones, all more often poor, whom it does not."""
    inside = cohort(60, seed=1).assign(in_training_set=True)
    new = cohort(40, seed=2, signal=0.0).assign(in_training_set=False, p_fa=np.nan)
    new["participant_id"] = "sub-new" + new["participant_id"].str.removeprefix("sub-")
    return pd.concat([inside, new.assign(probability_poor=new["probability_poor"] * 0.3)], ignore_index=True)


def test_each_kind_has_the_numbers_that_it_has_alone() -> None:
    table = two_kinds()
    result = evaluate_apart(table, QUICK)
    assert [part.people for part in result.parts] == ["internal", "external"]
    assert [part.n for part in result.parts] == [60, 40]
    for part, seen in zip(result.parts, (True, False), strict=True):
        alone = evaluate(table[table["in_training_set"] == seen].dropna(axis=1, how="all"), QUICK)
        pd.testing.assert_frame_equal(part.metrics, alone.metrics)
        pd.testing.assert_frame_equal(part.comparisons, alone.comparisons)
        pd.testing.assert_frame_equal(part.patterns, alone.patterns)
        pd.testing.assert_frame_equal(part.validity, alone.validity)
    inside, new = (value(part, "fusion", "auc") for part in result.parts)
    assert inside > 0.75 > 0.65 > new
    pooled = value(evaluate(table, QUICK), "fusion", "auc")
    assert pooled not in (inside, new)


def test_of_one_kind_nothing_changes() -> None:
    table = cohort(40)
    for seen, people in ((True, "internal"), (False, "external"), (None, "unknown")):
        result = evaluate_apart(table.assign(in_training_set=seen), QUICK)
        assert (result.people, result.others) == (people, ())
        pd.testing.assert_frame_equal(result.metrics, evaluate(table, QUICK).metrics)
    assert evaluate_apart(table, QUICK).people == "internal"  # as the table of a training


def test_tables_name_the_kind_in_the_last_column() -> None:
    result = evaluate_apart(two_kinds(), QUICK)
    metrics = together(result, "metrics")
    assert list(metrics)[-1] == "cohort"
    assert len(metrics.query("model == 'fusion' and metric == 'auc'")) == 2
    assert set(metrics.query("model == 'fa'")["cohort"]) == {"internal"}  # it said nothing of new people
    assert set(together(result, "recalibration")["cohort"]) == {"external"}
    content = evaluation_json(result)
    assert {name: one["n"] for name, one in content["cohorts"].items()} == {"internal": 60, "external": 40}
    assert (content["n"], content["permutation_p"]) == (100, None)
    assert content["cohorts"]["internal"]["permutation_p"] == result.permutation_p
    assert {row["cohort"] for row in content["validity"]} <= {"internal", "external"}
    alone = evaluation_json(evaluate(cohort(40), QUICK))
    assert alone["permutation_p"] == alone["cohorts"]["internal"]["permutation_p"] is not None


def test_who_is_not_evaluated_stays_in_the_table() -> None:
    table = two_kinds()
    table.loc[0, ["excluded"]] = "in-training-set"
    stale = {"participant_id": "sub-x", "excluded": "not current: model changed", "poor": 1, "probability_poor": np.nan}
    table = pd.concat([table, pd.DataFrame([stale])], ignore_index=True)
    parts = apart(table.astype({"excluded": object}))
    assert {name: len(rows) for name, rows in parts.items()} == {"internal": 61, "external": 40}
    left_out = [row for part in evaluate_apart(table, QUICK).parts for row in part.left_out["participant_id"]]
    assert sorted(left_out) == ["sub-000", "sub-x"]


@pytest.mark.parametrize("seen", ["True", True, 1, np.True_])
def test_kinds_are_read_from_tables_too(seen: object) -> None:
    table = pd.DataFrame({"poor": [1, 0], "probability_poor": [0.5, 0.5], "in_training_set": [seen, None]})
    assert list(apart(table)) == ["internal", "unknown"]
