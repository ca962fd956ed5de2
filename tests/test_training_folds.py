from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.errors import UsageError
from bids_stroke.settings import TrainingSettings
from bids_stroke.training.folds import Split, nested_folds


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
