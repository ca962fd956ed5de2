"""Fusion with an early fusion, and of people who lack a part of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, roc_auc_score

from bids_stroke.core.modalities import EARLY
from bids_stroke.fusion.fit import fit_rows
from bids_stroke.fusion.fitted import Fusion
from bids_stroke.fusion.subset import fusion_among
from bids_stroke.fusion.target import Target
from bids_stroke.training.cross_validation import TrainedMember
from bids_stroke.training.late_fusion import EARNED, Fused, fuse_members, idle_members
from tests.helpers.members import NAMES, trained
from tests.helpers.outcomes import out_of_fold


def only_tested(fused: Fused) -> np.ndarray:
    """(units,) of the single repeat."""
    return np.asarray(np.nansum(fused.probability, axis=0))


def renormalised(kept: Fusion, members: list[TrainedMember], rows: np.ndarray) -> np.ndarray:
    """What the fusion of all members says of people who lack the first one."""
    outputs = []
    for what in ("test_probability", "test_score"):
        said = np.stack([np.nansum(getattr(entry.folds, what), axis=0) for entry in members], axis=1)[rows]
        said[:, 0] = np.nan
        outputs.append(said)
    assert kept.distribution is not None
    return kept.distribution.probability(kept.index(*outputs))


def without(name: str, members: list[TrainedMember], lacking: np.ndarray) -> list[TrainedMember]:
    """The same members, one of which says nothing of some people."""
    found = []
    for entry in members:
        said = {
            field: np.where(lacking, np.nan, getattr(entry.folds, field))
            for field in ("inner_probability", "inner_score", "test_probability", "test_score")
        }
        found.append(replace(entry, folds=replace(entry.folds, **said)) if entry.member.name == name else entry)
    return found


@pytest.mark.parametrize("name", [EARLY, "big", "nothing0"])
def test_whoever_lacks_a_member_is_told_what_an_ensemble_without_it_would_say(name: str) -> None:
    lacking = np.arange(120) % 3 == 0
    members, cohort, folds = trained(120, np.zeros(120, bool))
    fused = fuse_members(without(name, members, lacking), cohort, folds, 0.9)
    rest = [entry for entry in members if entry.member.name != name]
    other = fuse_members(rest, cohort, folds, 0.9)
    np.testing.assert_array_equal(fused.probability[:, lacking], other.probability[:, lacking])
    np.testing.assert_array_equal(fused.score[:, lacking], other.score[:, lacking])
    assert (fused.prediction[:, lacking] == other.prediction[:, lacking]).all()
    own = fusion_among(fused.evidence, [entry.member.name for entry in rest], fused.kept)
    assert own == other.kept and set(own.weights) == set(NAMES) - {name}
    assert fused.kept.weights[EARLY] > 0.8


def test_that_is_better_than_to_renormalise_what_is_left_beside_it() -> None:
    lacking = np.arange(60) % 3 == 0
    area: dict[str, list[float]] = {"ours": [], "renormalised": []}
    error: dict[str, list[float]] = {"ours": [], "renormalised": []}
    for seed in range(10):
        members, cohort, folds = trained(60, lacking, seed)
        everybody = fuse_members(members, cohort, folds, 0.9)
        said = {"ours": only_tested(everybody)[lacking]}
        said["renormalised"] = renormalised(everybody.kept, members, lacking)
        for name, values in said.items():
            area[name].append(roc_auc_score(cohort.poor[lacking], values))
            error[name].append(brier_score_loss(cohort.poor[lacking], values))
    assert np.mean(area["ours"]) > np.mean(area["renormalised"]) + 0.03
    assert np.mean(error["ours"]) < np.mean(error["renormalised"]) - 0.02


def test_members_that_told_the_same_take_the_place_of_one_that_is_missing() -> None:
    """Beside one member another that tells the same, less well, has little weight; without it, it should have more."""
    error: dict[str, list[float]] = {"ours": [], "renormalised": []}
    for seed in range(10):
        members, cohort, folds = trained(60, np.ones(60, bool), seed)
        by_name = {entry.member.name: entry for entry in members}
        big, rng = by_name["big"], np.random.default_rng(seed)
        noise = rng.standard_normal(big.folds.inner_probability.shape)
        worse = {
            field: expit(logit(getattr(big.folds, field)) + noise)
            for field in ("inner_probability", "test_probability")
        }
        worse |= {field: getattr(big.folds, field) - noise / 2 for field in ("inner_score", "test_score")}
        twin = replace(big, member=replace(big.member, name="twin"), folds=replace(big.folds, **worse))
        both = [big, twin, by_name["small"]]
        whole = fuse_members(both, cohort, folds, 0.9)
        lacks = fuse_members(without("big", both, np.arange(60) % 2 == 0), cohort, folds, 0.9)
        rows = np.arange(60) % 2 == 0
        plain = renormalised(whole.kept, both, rows)
        for name, values in (("ours", only_tested(lacks)[rows]), ("renormalised", plain)):
            error[name].append(brier_score_loss(cohort.poor[rows], values))
    assert np.mean(error["ours"]) < np.mean(error["renormalised"]) - 0.03


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
    one, two = (fuse_members(item, cohort, folds, 0.9) for item in (members, spoilt))
    np.testing.assert_array_equal(one.probability[:, ~lacking], two.probability[:, ~lacking])
    assert one.kept == two.kept


@pytest.mark.parametrize(("n_with", "alike"), [(1, ()), (15, ()), (120, ()), (120, NAMES[1:])])
def test_outcomes_of_the_outer_fold_change_nothing_that_is_said_of_it(n_with: int, alike: tuple[str, ...]) -> None:
    """Nor which members earn their weight, where they are on one modality."""
    members, cohort, folds = trained(120, np.arange(120) >= n_with)
    members = as_one_modality(members, *alike)
    test = folds[0].split.test
    score, poor = cohort.score.copy(), cohort.poor.copy()
    score[test], poor[test] = 1e3, ~poor[test]
    spoilt = replace(cohort, score=score, poor=poor)
    one, two = (fuse_members(members, item, folds, 0.9) for item in (cohort, spoilt))
    np.testing.assert_array_equal(one.probability[0, test], two.probability[0, test])
    np.testing.assert_array_equal(one.score[0, test], two.score[0, test])
    np.testing.assert_array_equal(one.interval[:, 0, test], two.interval[:, 0, test])
    assert (one.interval[0, 0, test] < one.interval[1, 0, test]).all()
    assert np.isfinite(one.probability[0, test]).all()


def test_without_an_early_fusion_the_fusion_is_that_of_each_fold() -> None:
    members, cohort, folds = trained(60, np.zeros(60, bool))
    single = members[1:]
    fused = fuse_members(single, cohort, folds, 0.9)
    inner, scores, said, scores_said = (
        np.stack([getattr(entry.folds, f"{part}_{what}")[0] for entry in single], axis=1)
        for part in ("inner", "test")
        for what in ("probability", "score")
    )
    learned, test = folds[0].learned, folds[0].split.test
    evidence = out_of_fold(inner, Target.of_people(cohort.poor, cohort.score), scores)
    expected = fit_rows(evidence.of_rows(learned), 0.9)
    index = expected.index(said, scores_said)[test]
    assert expected.distribution is not None
    np.testing.assert_array_equal(fused.probability[0, test], expected.distribution.probability(index))
    np.testing.assert_array_equal(fused.score[0, test], expected.distribution.score(index))


def test_how_far_other_trainings_move_a_member_is_learned_from_the_folds() -> None:
    """Here each fold's members err by a deviation of 0.6 logits of their own; with half of the people kept as many."""
    members, cohort, folds = trained(300, np.zeros(300, bool))
    fused = fuse_members(members, cohort, folds, 0.9)
    kept = (4 / 5) * (2 / 3)
    moved = fused.evidence.refitted
    assert np.isfinite(moved).all()
    np.testing.assert_allclose(moved.std(axis=0), 0.6 * np.sqrt(kept / (1 - kept)), rtol=0.15)
    assert fused.kept.distribution is not None and fused.kept.distribution.refitting > 0
    assert np.isnan(fuse_members(members, cohort, folds[:1], 0.9).evidence.refitted).all()


def as_one_modality(members: list[TrainedMember], *names: str) -> list[TrainedMember]:
    """The same members, of which these are on one modality."""
    return [
        replace(entry, member=replace(entry.member, modality="fa")) if entry.member.name in names else entry
        for entry in members
    ]


def test_a_member_that_earned_nothing_beside_another_on_its_modality_is_left_out() -> None:
    members, cohort, folds = trained(120, np.zeros(120, bool))
    members = as_one_modality(members[1:], "big", "nothing0", "nothing1")
    fused = fuse_members(members, cohort, folds, 0.9)
    assert set(fused.left_out) == {"nothing0", "nothing1"} and all(0 < w < EARNED for w in fused.left_out.values())
    rest = [entry for entry in members if entry.member.name not in fused.left_out]
    other = fuse_members(rest, cohort, folds, 0.9)
    assert fused.kept == other.kept and set(fused.kept.weights) == {entry.member.name for entry in rest}
    assert fused.evidence.names == other.evidence.names and not other.left_out
    assert min(fused.kept.weights.values()) < EARNED  # alone on its modality a member stays
    same = (np.nan_to_num(fused.probability) == np.nan_to_num(other.probability)).all(axis=1)
    assert same.sum() >= 3  # in most folds their own people show it, too
    assert np.isfinite(fused.probability).sum(axis=0).tolist() == [1] * 120


def test_nobody_loses_what_is_said_of_him_for_an_idle_member() -> None:
    """Two members on one modality may read other channels: some have the idle one alone."""
    lacking = np.arange(120) % 10 == 0
    members, cohort, folds = trained(120, np.zeros(120, bool))
    pair = [entry for entry in members if entry.member.name in ("big", "nothing0")]
    pair = as_one_modality(pair, "big", "nothing0")
    assert set(fuse_members(pair, cohort, folds, 0.9).left_out) == {"nothing0"}
    fused = fuse_members(without("big", pair, lacking), cohort, folds, 0.9)
    assert not fused.left_out and fused.kept.weights["nothing0"] < EARNED
    assert np.isfinite(only_tested(fused)).all() and np.isfinite(fused.probability[:, lacking]).any(axis=0).all()
    idle_lacks = fuse_members(without("nothing0", pair, lacking), cohort, folds, 0.9)
    assert set(idle_lacks.left_out) == {"nothing0"}  # the other is there for all of them


def test_idle_is_what_has_no_weight_beside_others_on_its_modality_and_is_no_part() -> None:
    members, *_ = trained(120, np.zeros(120, bool))
    target = Target.of_people(np.arange(4) > 1, np.arange(4.0))
    kinds = {"cnn": "lesion", "trees": "lesion", "lstm": "eegemg", "regions": "lesion"}
    said = replace(out_of_fold(np.full((4, 4), 0.5), target), names=tuple(kinds))
    named = [replace(members[1].member, name=name, modality=kind) for name, kind in kinds.items()]
    early = replace(members[0].member, inputs={"parts": ["regions"]})
    weights = {"cnn": 0.004, "trees": 0.9, "lstm": 0.001, "regions": 0.002}
    assert idle_members(weights, named, said) == ["cnn", "regions"]
    assert idle_members({**weights, EARLY: 0.1}, [*named, early], said) == ["cnn"]
    assert idle_members({**weights, "trees": EARNED - 1e-9}, named, said) == []
    assert idle_members({**weights, "cnn": EARNED}, named, said) == ["regions"]
