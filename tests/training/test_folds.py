"""Folds: by person, stratified, and the same for the same seed; the fixed split."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.core.errors import UsageError
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.training.folds import (
    MINIMUM_PER_CLASS,
    Split,
    advice,
    fixed_fold,
    make_folds,
    needed_of_class,
    nested_folds,
    roles,
)


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
    words = "4 participants have a poor and 36 a good outcome"
    words = words if kind == "poor" else "36 participants have a poor and 4 a good outcome"
    with pytest.raises(UsageError, match=f"Training: {words}; 5 outer and 3 inner folds need 5 of each") as caught:
        nested_folds(names, few if kind == "poor" else ~few, TrainingSettings(), seed=0)
    assert caught.value.reason == "too-few-participants"
    assert "training.outer_folds: 4 and training.inner_folds: 3 in --config would do" in caught.value.remedy


@pytest.mark.parametrize(("outer", "inner"), [(5, 3), (3, 2), (2, 2), (4, 3), (2, 3), (10, 5)])
@pytest.mark.parametrize("more", [0, 7])
def test_as_many_as_are_needed_do(outer: int, inner: int, more: int) -> None:
    """Every inner training part has two of each class, whatever the seed; with one person less some part has not."""
    settings = TrainingSettings(outer_folds=outer, inner_folds=inner)
    needed = needed_of_class(outer, inner)
    names = [f"sub-{i}" for i in range(2 * needed + more)]
    poor = np.arange(len(names)) < needed
    for seed in range(5):
        parts = [poor[split.train] for fold in nested_folds(names, poor, settings, seed) for split in fold.inner]
        assert min(min(part.sum(), (~part).sum()) for part in parts) >= MINIMUM_PER_CLASS
    with pytest.raises(UsageError, match=f"need {needed} of each"):
        nested_folds(names[1:], poor[1:], settings, 0)


@pytest.mark.parametrize(
    ("n", "asked", "folds"), [(4, (5, 3), (4, 3)), (5, (6, 3), (5, 3)), (6, (2, 2), (3, 2)), (5, (10, 5), (5, 4))]
)
def test_the_advice_can_be_followed(n: int, asked: tuple[int, int], folds: tuple[int, int]) -> None:
    said = advice(n, TrainingSettings(outer_folds=asked[0], inner_folds=asked[1]))
    assert f"outer_folds: {folds[0]} and training.inner_folds: {folds[1]} in --config would do" in said
    names = [f"sub-{i}" for i in range(2 * n)]
    settings = TrainingSettings(outer_folds=folds[0], inner_folds=folds[1])
    assert len(nested_folds(names, np.arange(2 * n) < n, settings, seed=0)) == folds[0]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_where_no_folds_would_do_that_is_said(n: int) -> None:
    said = advice(n, TrainingSettings())
    assert "No numbers of folds work with fewer than 4 of each class" in said
    assert "would do" not in said


def test_sessions_do_not_count_as_participants() -> None:
    names = [f"sub-{i}" for i in range(30)] + ["sub-0"] * 10
    poor = np.array([i == 0 for i in range(30)] + [True] * 10)
    with pytest.raises(UsageError, match="1 participants have a poor and 29 a good outcome"):
        nested_folds(names, poor, SETTINGS, seed=0)


def test_fixed_split_is_seventy_fifteen_fifteen_by_participant_and_class() -> None:
    names, poor = cohort(100)
    fold = fixed_fold(names, poor, SETTINGS, seed=0)
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
    one, same, other = (fixed_fold(names, poor, SETTINGS, seed).split.test for seed in (0, 0, 1))
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
    with pytest.raises(UsageError, match="9 participants have a poor outcome; a fixed split needs 10") as caught:
        fixed_fold(names, np.arange(40) < 9, SETTINGS, 0)
    assert f"nested, which needs {needed_of_class(4, 3)} of each class" in caught.value.remedy
