"""Folds: by person, stratified, and the same for the same seed; the fixed split."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.core.errors import UsageError
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.training.folds import Split, fixed_fold, make_folds, nested_folds, roles


def cohort(n: int = 40, sessions: int = 2) -> tuple[list[str], np.ndarray]:
    """Every third person has a poor outcome; every fourth has several sessions."""
    names, poor = [], []
    for i in range(n):
        for _ in range(sessions if i % 4 == 0 else 1):
            names.append(f"sub-{i:02d}")
            poor.append(i % 3 == 0)
    return names, np.array(poor)


SETTINGS = TrainingSettings(outer_folds=4, inner_folds=3, repeats=2)


def test_every_row_is_tested_once_in_each_repeat() -> None:
    names, poor = cohort()
    folds = nested_folds(names, poor, SETTINGS, seed=0)
    assert [(outer.repeat, outer.fold) for outer in folds] == [(r, f) for r in range(2) for f in range(4)]
    for repeat in range(2):
        tested = np.concatenate([outer.split.test for outer in folds if outer.repeat == repeat])
        assert sorted(tested) == list(range(len(names)))


def test_a_person_is_on_one_side_only_outside_and_inside() -> None:
    names, poor = cohort()
    for outer in nested_folds(names, poor, SETTINGS, seed=1):
        for split in (outer.split, *outer.inner):
            assert not {names[i] for i in split.train} & {names[i] for i in split.test}


def test_inner_folds_divide_the_outer_training_rows() -> None:
    names, poor = cohort()
    for outer in nested_folds(names, poor, SETTINGS, seed=0):
        for split in outer.inner:
            assert sorted([*split.train, *split.test]) == sorted(outer.split.train)
        assert sorted(np.concatenate([split.test for split in outer.inner])) == sorted(outer.split.train)


def test_folds_are_stratified() -> None:
    names, poor = cohort(60, sessions=1)
    for outer in nested_folds(names, poor, SETTINGS, seed=3):
        assert abs(poor[outer.split.test].mean() - poor.mean()) < 0.08


def test_seed_decides_the_folds_and_repeats_differ() -> None:
    names, poor = cohort()
    tests = {
        seed: [tuple(outer.split.test) for outer in nested_folds(names, poor, SETTINGS, seed=seed)] for seed in (0, 1)
    }
    assert tests[0] == [tuple(outer.split.test) for outer in nested_folds(names, poor, SETTINGS, seed=0)]
    assert tests[0] != tests[1]
    assert tests[0][:4] != tests[0][4:]


def test_a_leaky_split_is_refused() -> None:
    with pytest.raises(UsageError, match="sub-1 would be in training and test"):
        Split(np.array([0, 1]), np.array([2]), ["sub-1", "sub-2", "sub-1"])


@pytest.mark.parametrize("kind", ["poor", "good"])
def test_too_few_of_a_class_is_said_with_the_number_needed(kind: str) -> None:
    names = [f"sub-{i}" for i in range(40)]
    few = np.arange(40) < 4
    with pytest.raises(UsageError, match=f"4 participants have a {kind} outcome.* need 7") as caught:
        nested_folds(names, few if kind == "poor" else ~few, SETTINGS, seed=0)
    assert caught.value.reason == "too-few-participants"


def test_sessions_do_not_count_as_participants() -> None:
    names = [f"sub-{i}" for i in range(30)] + ["sub-0"] * 10
    poor = np.array([i == 0 for i in range(30)] + [True] * 10)
    with pytest.raises(UsageError, match="1 participants have a poor outcome"):
        nested_folds(names, poor, SETTINGS, seed=0)


def test_fixed_split_is_seventy_fifteen_fifteen_by_participant_and_class() -> None:
    names, poor = cohort(100)
    fold = fixed_fold(names, poor, seed=0)
    parts = roles((fold,), len(names))
    assert list(parts) == ["train", "validation", "test"]
    people = {role: {names[row] for row in rows} for role, rows in parts.items()}
    assert [len(own) for own in people.values()] == [70, 15, 15]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(names)))
    assert not people["train"] & people["validation"] and not people["validation"] & people["test"]
    for rows in parts.values():
        first_rows = {names[row]: poor[row] for row in rows}
        assert np.mean(list(first_rows.values())) == pytest.approx(0.34, abs=0.02)
    assert sorted(fold.learned) == sorted([*parts["train"], *parts["validation"]])
    assert list(fold.validated) == list(parts["validation"])


def test_fixed_split_follows_the_seed_and_the_setting() -> None:
    names, poor = cohort(60)
    one, same, other = (fixed_fold(names, poor, seed).split.test for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    asked = make_folds(names, poor, TrainingSettings(split="fixed", repeats=3), 0)
    assert len(asked) == 1 and np.array_equal(asked[0].split.test, one)
    assert len(make_folds(names, poor, SETTINGS, 0)) == 8


def test_nested_folds_learn_from_their_training_rows_and_keep_everybody() -> None:
    names, poor = cohort()
    folds = nested_folds(names, poor, SETTINGS, seed=0)
    assert not folds[0].fixed
    assert np.array_equal(folds[0].learned, folds[0].split.train)
    assert list(roles(folds, len(names))) == ["train"]


def test_fixed_split_of_too_few_is_refused() -> None:
    names = [f"sub-{i}" for i in range(40)]
    with pytest.raises(UsageError, match="9 participants have a poor outcome; a fixed split needs 10"):
        fixed_fold(names, np.arange(40) < 9, 0)
