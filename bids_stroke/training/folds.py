"""Nested, stratified folds by participant: the only place where people are divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from bids_stroke.errors import UsageError
from bids_stroke.settings import TrainingSettings

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a cohort to train on and to test on.

    Raises
    ------
    UsageError
        A participant is on both sides.
    """

    train: Rows
    test: Rows
    participants: Sequence[str]
    """Participant of every row of the cohort."""

    def __post_init__(self) -> None:
        """Refuse leakage by construction."""
        both = {self.participants[i] for i in self.train} & {self.participants[i] for i in self.test}
        if both:
            raise UsageError(
                f"{', '.join(sorted(both))} would be in training and test at once.", "Keep a person on one side."
            )


@dataclass(frozen=True, eq=False)
class OuterFold:
    """One outer fold with its inner folds, which divide the outer training rows only."""

    repeat: int
    fold: int
    split: Split
    inner: tuple[Split, ...]


def nested_folds(
    participants: Sequence[str], poor: NDArray[np.bool_], settings: TrainingSettings, seed: int
) -> tuple[OuterFold, ...]:
    """Outer folds for each repeat, each with inner folds.

    Parameters
    ----------
    participants : sequence of str
        Participant of each row (a session of a person is a row).
    poor : (n,) bool
        Outcome of each row.
    settings : TrainingSettings
        Numbers of folds and repeats.
    seed : int
        Of the shuffles.

    Raises
    ------
    UsageError
        A class has too few participants for the folds.
    """
    check_classes(participants, poor, settings)
    folds = []
    for repeat in range(settings.repeats):
        shuffle = _seed(seed, repeat)
        for fold, outer in enumerate(split_rows(participants, poor, settings.outer_folds, shuffle)):
            names = [participants[i] for i in outer.train.tolist()]
            inner = tuple(
                Split(outer.train[split.train], outer.train[split.test], participants)
                for split in split_rows(names, poor[outer.train], settings.inner_folds, _seed(seed, repeat, fold))
            )
            folds.append(OuterFold(repeat, fold, outer, inner))
    return tuple(folds)


def split_rows(participants: Sequence[str], poor: NDArray[np.bool_], n_folds: int, seed: int) -> tuple[Split, ...]:
    """Stratified folds in which every participant is tested once."""
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    dummy = np.zeros(len(participants))
    return tuple(Split(train, test, participants) for train, test in folds.split(dummy, poor, list(participants)))


def check_classes(participants: Sequence[str], poor: NDArray[np.bool_], settings: TrainingSettings) -> None:
    """UsageError unless every training part of the nested folds can hold both classes."""
    counts = {
        name: len({participants[i] for i in np.flatnonzero(poor == value).tolist()})
        for name, value in (("poor", True), ("good", False))
    }
    needed = max(settings.outer_folds, settings.inner_folds) + settings.inner_folds
    for name, count in counts.items():
        if count < needed:
            raise UsageError(
                f"Training: {count} participants have a {name} outcome; {settings.outer_folds} outer and "
                f"{settings.inner_folds} inner folds need {needed} of each class.",
                "Add participants, set training.outer_folds and training.inner_folds lower, or another --outcome.",
                "too-few-participants",
            )


def _seed(*parts: int) -> int:
    """An independent seed for scikit-learn from several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
