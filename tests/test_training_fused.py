"""Fusion with an early fusion, and of people who lack a part of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import brier_score_loss, roc_auc_score

from bids_stroke.decision import pool
from bids_stroke.records import EARLY, Member
from bids_stroke.training.cases import Cohort
from bids_stroke.training.crossval import MemberFolds, TrainedMember
from bids_stroke.training.folds import OuterFold, nested_folds
from bids_stroke.training.fused import Fused, fuse_members
from bids_stroke.training.heads import fit_head
from bids_stroke.training.target import Target
from tests.units import tiny_settings

N_NOTHING = 6
NAMES = (EARLY, "big", "small", *(f"nothing{i}" for i in range(N_NOTHING)))


def cohort_of(score: np.ndarray) -> Cohort:
    n = len(score)
    empty = np.empty((n, 0))
    return Cohort((cast(Any, None),) * n, tuple(map(str, range(n))), score <= 0, score, empty, (), empty, "")


def trained(n: int, lacking: np.ndarray, seed: int = 0) -> tuple[list[TrainedMember], Cohort, list[OuterFold]]:
    """An early fusion that knows two causes, members that know one, and some that know nothing; no networks."""
    rng = np.random.default_rng(seed)
    causes = rng.standard_normal((n, 2)) * np.array([1.0, 0.7])
    cohort = cohort_of(-causes.sum(axis=1) - 0.5 * rng.standard_normal(n))
    folds = nested_folds(cohort.participants, cohort.poor, tiny_settings(outer_folds=5, inner_folds=3).training, 0)
    members = []
    for i, name in enumerate(NAMES):
        known = causes.sum(axis=1) if i == 0 else causes[:, i - 1] if i < 3 else np.zeros(n)
        said = np.full((4, len(folds), n), np.nan)
        for k, outer in enumerate(folds):
            for j, rows in ((0, outer.split.train), (2, outer.split.test)):
                value = 0.8 * known[rows] + 0.3 * rng.standard_normal(len(rows))
                said[j, k, rows], said[j + 1, k, rows] = expit(2 * value), -value
        if name == EARLY:
            said[:, :, lacking] = np.nan
        member = Member(name, EARLY if i == 0 else "fa", EARLY if i == 0 else "regions", {}, {})
        outputs = MemberFolds(*said, epochs=np.ones(len(folds)), curves=[])
        members.append(TrainedMember(member, outputs, cast(Any, None), n))
    return members, cohort, folds


def only_tested(fused: Fused) -> np.ndarray:
    """(units,) of the single repeat."""
    return np.asarray(np.nansum(fused.probability, axis=0))


def test_whoever_lacks_the_early_fusion_is_told_what_an_ensemble_without_it_would_say() -> None:
    lacking = np.arange(120) % 3 == 0
    members, cohort, folds = trained(120, lacking)
    fused, late = fuse_members(members, cohort, folds, 0.9)
    without, nothing = fuse_members(members[1:], cohort, folds, 0.9)
    assert nothing is None and late is not None
    assert late.weights == without.kept.weights and late.calibration == without.kept.calibration
    assert late.score_fusion == without.kept.score_fusion
    np.testing.assert_array_equal(fused.probability[:, lacking], without.probability[:, lacking])
    np.testing.assert_array_equal(fused.score[:, lacking], without.score[:, lacking])
    assert (fused.prediction[:, lacking] == without.prediction[:, lacking]).all()
    assert fused.kept.weights[EARLY] > 0.8 and set(late.weights) == set(NAMES[1:])


def test_that_is_better_than_to_renormalise_what_is_left_beside_it() -> None:
    lacking = np.arange(60) % 3 == 0
    area: dict[str, list[float]] = {"ours": [], "renormalised": []}
    error: dict[str, list[float]] = {"ours": [], "renormalised": []}
    for seed in range(10):
        members, cohort, folds = trained(60, lacking, seed)
        said = {"ours": only_tested(fuse_members(members, cohort, folds, 0.9)[0])[lacking]}
        everybody, *_ = fuse_members(members, cohort, folds, 0.9)
        weights = np.array([everybody.kept.weights[name] for name in NAMES])
        probabilities = np.stack([np.nansum(entry.folds.test_probability, axis=0) for entry in members], axis=1)
        probabilities[lacking, 0] = np.nan
        assert everybody.kept.calibration is not None
        said["renormalised"] = everybody.kept.calibration.apply(pool(probabilities[lacking], weights))
        for name, values in said.items():
            area[name].append(roc_auc_score(cohort.poor[lacking], values))
            error[name].append(brier_score_loss(cohort.poor[lacking], values))
    assert np.mean(area["ours"]) > np.mean(area["renormalised"]) + 0.03
    assert np.mean(error["ours"]) < np.mean(error["renormalised"]) - 0.02


def test_people_with_the_early_fusion_are_not_fused_by_those_without() -> None:
    """What members say of people who lack the early fusion moves nothing that is for the others."""
    lacking = np.arange(120) % 3 == 0
    members, cohort, folds = trained(120, lacking)
    spoilt = []
    for entry in members:
        changed = {
            key: np.where(lacking, 1 - getattr(entry.folds, key), getattr(entry.folds, key))
            for key in ("inner_probability", "test_probability")
        }
        spoilt.append(replace(entry, folds=replace(entry.folds, **changed)))
    one, two = (fuse_members(item, cohort, folds, 0.9)[0] for item in (members, spoilt))
    np.testing.assert_array_equal(one.probability[:, ~lacking], two.probability[:, ~lacking])
    assert one.kept == two.kept


@pytest.mark.parametrize("n_with", [1, 15, 120])
def test_outcomes_of_the_outer_fold_change_nothing_that_is_said_of_it(n_with: int) -> None:
    members, cohort, folds = trained(120, np.arange(120) >= n_with)
    test = folds[0].split.test
    score, poor = cohort.score.copy(), cohort.poor.copy()
    score[test], poor[test] = 1e3, ~poor[test]
    spoilt = replace(cohort, score=score, poor=poor)
    one, two = (fuse_members(members, item, folds, 0.9)[0] for item in (cohort, spoilt))
    np.testing.assert_array_equal(one.probability[0, test], two.probability[0, test])
    np.testing.assert_array_equal(one.score[0, test], two.score[0, test])
    assert np.isfinite(one.probability[0, test]).all()


def test_without_an_early_fusion_the_fusion_is_that_of_each_fold() -> None:
    members, cohort, folds = trained(60, np.zeros(60, bool))
    single = members[1:]
    fused, late = fuse_members(single, cohort, folds, 0.9)
    inner = np.stack([entry.folds.inner_probability[0] for entry in single], axis=1)
    said = np.stack([entry.folds.test_probability[0] for entry in single], axis=1)
    test = folds[0].split.test
    expected = fit_head(inner, Target(cohort.poor, cohort.score), 0.9).apply(said)[1][test]
    assert late is None
    np.testing.assert_array_equal(fused.probability[0, test], expected)
