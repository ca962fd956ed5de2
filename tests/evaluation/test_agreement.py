"""Bias and limits of agreement of predicted scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_stroke.evaluation.agreement import agreement, agreement_table
from bids_stroke.evaluation.bootstrap import Draws


def test_limits_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(0, 34, 50)
    table = pd.DataFrame({"score": score, "predicted_score": score + 2 + rng.normal(0, 3, 50)})
    table.loc[0, "predicted_score"] = np.nan
    apart = (table["predicted_score"] - table["score"]).dropna()
    found = agreement_table(table, Draws(400, 0)).set_index("quantity")
    mean, sd = apart.mean(), apart.std(ddof=1)
    assert found["value"].tolist() == pytest.approx([mean, sd, mean - 1.96 * sd, mean + 1.96 * sd])
    assert (found["low"] < found["value"]).all() and (found["value"] < found["high"]).all() and set(found["n"]) == {49}


def test_weights_count_people() -> None:
    apart, weights = np.array([-1.0, 0.5, 3.0]), np.array([[2.0, 0.0, 1.0]])
    found = agreement(apart, weights)
    again = np.array([-1.0, -1.0, 3.0])
    assert [found["bias"][0], found["sd"][0]] == pytest.approx([again.mean(), again.std(ddof=1)])


def test_few_people_have_a_reason_and_no_scores_no_rows() -> None:
    few = pd.DataFrame({"score": [1.0, 2.0], "predicted_score": [1.0, 3.0]})
    found = agreement_table(few, Draws(50, 0))
    assert found["value"].isna().all() and found["reason"].str.contains("too few").all()
    assert agreement_table(few[["score"]], Draws(50, 0)).empty
    assert agreement_table(few.assign(score=np.nan), Draws(50, 0)).empty
