"""Other ways to fuse, and the price of choosing among members."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bids_stroke.training.fusion_alternatives import (
    MOST_MEMBERS,
    MOST_TOGETHER,
    FoldOutputs,
    alternatives,
    auc,
    best_subset,
    mean,
    stack,
    subset_table,
    subsets,
    vote,
)


def outputs(rng: np.random.Generator, strengths: tuple[float, ...], n: int = 60) -> tuple[FoldOutputs, np.ndarray]:
    """Members that know the outcome by so much, with some missing; and the outcomes of the test rows."""
    poor = rng.random(2 * n) < 0.5
    logits = np.array(strengths) * (2.0 * poor[:, None] - 1) + rng.standard_normal((2 * n, len(strengths)))
    found = 1 / (1 + np.exp(-logits))
    found[rng.random(found.shape) < 0.1] = np.nan
    return FoldOutputs(found[:n], poor[:n], found[n:]), poor[n:]


def test_mean_and_vote_count_who_is_there() -> None:
    probabilities = np.array([[0.2, 0.6, np.nan], [np.nan, np.nan, np.nan], [0.9, 0.5, 0.1]])
    np.testing.assert_allclose(mean(probabilities), [0.4, np.nan, 0.5])
    np.testing.assert_allclose(vote(probabilities), [0.5, np.nan, 2 / 3])


def test_the_area_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    poor, probability = rng.random(50) < 0.4, rng.random(50).round(1)
    assert auc(poor, probability) == pytest.approx(roc_auc_score(poor, probability))
    assert auc(np.ones(3, bool), np.array([0.1, 0.5, 0.9])) == 0.5
    assert auc(poor, np.full(50, np.nan)) == 0.5


def test_stacking_weighs_members_and_survives_missing_ones() -> None:
    fold, truth = outputs(np.random.default_rng(1), (2.0, 0.0, 0.0, -1.0))
    stacked = stack(fold)
    assert np.isfinite(stacked).all() == np.isfinite(fold.test).any(axis=1).all()
    assert auc(truth, stacked) > auc(truth, mean(fold.test)) + 0.1  # the last member is wrong as a rule
    one_class = FoldOutputs(fold.inner, np.zeros(60, bool), fold.test)
    assert np.isnan(stack(one_class)).all()
    nobody = FoldOutputs(fold.inner, fold.poor, np.full((3, 4), np.nan))
    assert np.isnan(stack(nobody)).all()


def test_the_subset_is_chosen_on_inner_rows_alone() -> None:
    fold, _ = outputs(np.random.default_rng(2), (2.0, 0.0, 0.0))
    assert best_subset(fold) == (0,)
    garbage = FoldOutputs(fold.inner, fold.poor, np.random.default_rng(3).random(fold.test.shape))
    assert best_subset(garbage) == (0,)
    np.testing.assert_array_equal(alternatives(garbage)["best_subset"], garbage.test[:, 0])
    assert set(alternatives(fold)) == {"mean", "vote", "stacking", "best_subset"}


def test_choosing_among_members_that_know_nothing_gains_nothing() -> None:
    rng = np.random.default_rng(4)
    tables = []
    for _ in range(40):
        folds = [outputs(rng, (0.0,) * 5, n=30) for _ in range(3)]
        tables.append(subset_table("abcde", [fold for fold, _ in folds], [truth for _, truth in folds]))
    nested = np.mean([table["auc_test"][0] for table in tables])
    largest = np.mean([table["auc_test"][1:].max() for table in tables])
    assert abs(nested - 0.5) < 0.03
    assert largest > 0.57  # what looking for the best subset on the test rows pretends


def test_the_table_has_every_subset_once() -> None:
    folds = [outputs(np.random.default_rng(seed), (1.0, 0.5, 0.0)) for seed in range(3)]
    table = subset_table(("fa", "md", "gm"), [fold for fold, _ in folds], [truth for _, truth in folds])
    assert len(table) == 1 + 7
    assert table["members"][0] == "nested choice"
    assert "fa+md+gm" in set(table["members"]) and table["members"].is_unique
    assert table["times_chosen"][1:].sum() == 3
    assert list(table["auc_test"][1:]) == sorted(table["auc_test"][1:], reverse=True)


def test_of_many_members_the_small_sets_and_all_are_tried() -> None:
    found = subsets(MOST_MEMBERS + 1)
    assert {len(members) for members in found} == {*range(1, MOST_TOGETHER + 1), MOST_MEMBERS + 1}
    assert len(set(found)) == len(found) == 11 + 55 + 165 + 330 + 1
