"""The fusion against other models: on the same people, with tests, their number, and models fitted anew."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, ttest_rel
from sklearn.metrics import brier_score_loss, r2_score, roc_auc_score

from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.comparisons import COLUMNS, Compared, comparison_table, holm
from bids_stroke.evaluation.metrics import delong_test

DRAWS = Draws(400, 0)
ORDINARY = Compared("ordinary", "baseline", "baseline_ordinary", "s_baseline_ordinary", True)
MEMBER = Compared("fa", "member", "p_fa", "s_fa", False)


def people(n: int = 150, seed: int = 0, better: float = 0.6) -> pd.DataFrame:
    """A fusion that errs less than an ordinary model, by so much."""
    rng = np.random.default_rng(seed)
    degree = rng.standard_normal(n)
    poor = (degree + rng.standard_normal(n) > 0).astype(float)
    score = 20 - 5 * degree + rng.normal(0, 2, n)

    def said(noise: float) -> np.ndarray:
        return degree + noise * rng.standard_normal(n)

    fusion, other = said(0.4), said(0.4 + better)
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{i:03d}" for i in range(n)], "poor": poor, "score": score,
            "probability_poor": norm.cdf(fusion), "predicted_score": 20 - 5 * fusion,
            "baseline_ordinary": norm.cdf(other), "s_baseline_ordinary": 20 - 5 * other,
            "p_fa": norm.cdf(other), "s_fa": 20 - 5 * other,
        }
    )  # fmt: skip


def in_folds(table: pd.DataFrame, n_folds: int = 5) -> pd.DataFrame:
    return table.assign(fold=np.arange(len(table)) % n_folds, repeat=0)


def compared(table: pd.DataFrame, rows: pd.DataFrame | None = None, *others: Compared) -> pd.DataFrame:
    made = comparison_table(table, table if rows is None else rows, others or (ORDINARY, MEMBER), DRAWS)
    assert tuple(made) == COLUMNS
    return made.set_index(["model", "metric"])


def test_differences_are_those_of_the_libraries_on_the_people_that_both_have() -> None:
    table = people()
    table.loc[:9, ["baseline_ordinary", "s_baseline_ordinary"]] = np.nan
    found, both = compared(table), table.iloc[10:]
    expected = {
        "auc": [roc_auc_score(both["poor"], both[name]) for name in ("probability_poor", "baseline_ordinary")],
        "brier": [brier_score_loss(both["poor"], both[name]) for name in ("probability_poor", "baseline_ordinary")],
        "r2": [r2_score(both["score"], both[name]) for name in ("predicted_score", "s_baseline_ordinary")],
    }
    for metric, (fusion, other) in expected.items():
        row = found.loc[("ordinary", metric)]
        assert row["n"] == 140
        assert row[["fusion", "other", "difference"]].tolist() == pytest.approx([fusion, other, fusion - other])
        assert row["low"] < row["difference"] < row["high"]
    squares = [(both[name] - both["score"]) ** 2 for name in ("predicted_score", "s_baseline_ordinary")]
    assert found.loc[("ordinary", "r2"), "p"] == pytest.approx(ttest_rel(*squares).pvalue)
    pair = [both[name].to_numpy(float) for name in ("poor", "probability_poor", "baseline_ordinary")]
    assert found.loc[("ordinary", "auc"), "p"] == pytest.approx(delong_test(*pair))
    assert found.loc[("fa", "auc"), "n"] == 150


def test_a_model_that_is_not_calibrated_has_no_brier_score() -> None:
    assert [metric for model, metric in compared(people()).index if model == "fa"] == ["auc", "r2"]
    without_scores = compared(people().drop(columns="predicted_score"))
    assert {metric for _, metric in without_scores.index} == {"auc", "brier"}


def test_p_values_are_corrected_for_their_number() -> None:
    found = compared(people(better=0.25))
    raw = found["p"].to_numpy(float)
    np.testing.assert_allclose(found["p_holm"], holm(raw))
    assert (found["p_holm"] >= raw).all() and found["p_holm"].max() <= 1
    assert found["p_holm"].min() == pytest.approx(raw.min() * len(raw))


def test_intervals_over_folds_are_wider_and_only_of_a_cross_validation() -> None:
    table = people()
    assert compared(table)["low_refit"].isna().all()
    found = compared(table, in_folds(table))
    ends = found[["low_refit", "high_refit"]].to_numpy(float)
    assert np.isfinite(ends).all() and (ends[:, 0] < ends[:, 1]).all()
    differences = []
    for _, own in in_folds(table).groupby("fold"):
        pair = [r2_score(own["score"], own[name]) for name in ("predicted_score", "s_baseline_ordinary")]
        differences.append(pair[0] - pair[1])
    half = 2.776 * np.sqrt((1 / 5 + 30 / 120) * np.var(differences, ddof=1))
    expected = [np.mean(differences) - half, np.mean(differences) + half]
    row = found.loc[("ordinary", "r2")]
    assert [row["low_refit"], row["high_refit"]] == pytest.approx(expected, abs=1e-3)
    assert np.isnan(compared(table, in_folds(table, 2)).loc[("ordinary", "r2"), "low_refit"])


def test_repeats_and_sessions_of_a_person_are_one_person_in_a_fold() -> None:
    rows = in_folds(people())
    twice = pd.concat([rows, rows])
    pd.testing.assert_frame_equal(compared(people(), rows), compared(people(), twice))


def test_intervals_over_folds_hold_the_difference_that_new_cohorts_have() -> None:
    truth = compared(people(60_000, seed=99), None, ORDINARY)["difference"]
    covered = []
    for seed in range(60):
        table = people(120, seed=seed)
        row = compared(table, in_folds(table), ORDINARY).loc[("ordinary", "r2")]
        covered.append(row["low_refit"] <= truth[("ordinary", "r2")] <= row["high_refit"])
    assert np.mean(covered) > 0.9


def test_too_few_people_have_their_reason() -> None:
    few = compared(people(6))
    assert few["difference"].isna().all() and few["p_holm"].isna().all()
    assert few["reason"].str.contains("too few participants|only one kind").all()
