"""Nested, stratified folds by participant: the only place where people are divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from bids_stroke.core.errors import UsageError
from bids_stroke.core.settings_training import TrainingSettings

Rows = NDArray[np.int64]

MINIMUM_PER_CLASS = 2
"""Units of each class that a network needs to be fitted at all."""
FIXED_SHARE = 0.15
"""Of the participants of each class in the validation part, and again in the test part, of a fixed split."""
FIXED_PER_CLASS = 10
"""Participants of each class that a fixed split needs: two or more of each in validation and test."""


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

    @property
    def fixed(self) -> bool:
        """Whether this is a fixed split: then the networks that are tested are those that are kept."""
        return len(self.inner) == 1

    @property
    def validated(self) -> Rows:
        """Rows that an inner fold predicts: what fusion weights and distribution are fitted on."""
        return np.sort(np.concatenate([split.test for split in self.inner]))

    @property
    def learned(self) -> Rows:
        """All rows from which anything is learned: the outer training rows, and the validation part beside them."""
        return np.union1d(self.split.train, self.validated)


def roles(folds: Sequence[OuterFold], n_rows: int) -> dict[str, Rows]:
    """What each row is to the ensemble that is kept: ``train``, and in a fixed split ``validation`` and ``test``."""
    if not folds[0].fixed:
        return {"train": np.arange(n_rows)}
    return {"train": folds[0].split.train, "validation": folds[0].validated, "test": folds[0].split.test}


def make_folds(
    participants: Sequence[str], poor: NDArray[np.bool_], settings: TrainingSettings, seed: int
) -> tuple[OuterFold, ...]:
    """The folds that ``training.split`` asks for: `nested_folds`, or `fixed_fold` alone."""
    if settings.split == "fixed":
        return (fixed_fold(participants, poor, settings, seed),)
    return nested_folds(participants, poor, settings, seed)


def fixed_fold(
    participants: Sequence[str], poor: NDArray[np.bool_], settings: TrainingSettings, seed: int
) -> OuterFold:
    """One division into train, validation and test (70, 15, 15 %), stratified, by participant.

    Parameters
    ----------
    participants : sequence of str
        Participant of each row.
    poor : (n,) bool
        Outcome of each row; a participant with several rows counts as poor from half of them on.
    settings : TrainingSettings
        Tells what nested folds would need instead.
    seed : int
        Of the shuffle.

    Returns
    -------
    OuterFold
        ``split``: train and test; its only inner fold: train and validation. The test rows are in neither part of
        the inner fold, so that nothing is chosen or fitted on them.

    Raises
    ------
    UsageError
        A class has too few participants.
    """
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(participants):
        rows_of.setdefault(name, []).append(row)
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    rng = np.random.default_rng([seed, len(rows_of)])
    for kind in (True, False):
        names = [name for name in sorted(rows_of) if (poor[rows_of[name]].mean() >= 0.5) == kind]
        if len(names) < FIXED_PER_CLASS:
            needed = needed_of_class(settings.outer_folds, settings.inner_folds)
            raise UsageError(
                f"Training: {len(names)} participants have a {'poor' if kind else 'good'} outcome; a fixed split needs "
                f"{FIXED_PER_CLASS} of each class.",
                f"Set training.split: nested, which needs {needed} of each class with the folds that are set, or add "
                "participants."
                if len(names) >= needed
                else f"Add participants: nested folds, as they are set, need {needed} of each class.",
                "too-few-participants",
            )
        order = [names[i] for i in rng.permutation(len(names))]
        n = round(FIXED_SHARE * len(order))
        for part, own in (("test", order[:n]), ("validation", order[n : 2 * n]), ("train", order[2 * n :])):
            parts[part] += [row for name in own for row in rows_of[name]]
    train, validation, test = (np.array(sorted(rows), dtype=np.int64) for rows in parts.values())
    inner = Split(train, validation, participants)
    return OuterFold(0, 0, Split(train, test, participants), (inner,))


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
    n_poor, n_good = people_of_classes(participants, poor)
    needed = needed_of_class(settings.outer_folds, settings.inner_folds)
    if min(n_poor, n_good) < needed:
        raise UsageError(
            f"Training: {n_poor} participants have a poor and {n_good} a good outcome; {settings.outer_folds} outer "
            f"and {settings.inner_folds} inner folds need {needed} of each class.",
            advice(min(n_poor, n_good), settings),
            "too-few-participants",
        )


def people_of_classes(participants: Sequence[str], poor: NDArray[np.bool_]) -> tuple[int, int]:
    """Participants with a poor outcome, and with a good one; who has both in several sessions counts in both."""
    n_poor, n_good = (len({participants[i] for i in np.flatnonzero(poor == value).tolist()}) for value in (True, False))
    return n_poor, n_good


def needed_of_class(outer_folds: int, inner_folds: int) -> int:
    """Participants of a class that nested folds need: then `MINIMUM_PER_CLASS` are in every inner training part.

    >>> needed_of_class(5, 3), needed_of_class(3, 2), needed_of_class(2, 2), needed_of_class(4, 3)
    (5, 6, 8, 4)
    """
    n = max(outer_folds, inner_folds)
    while True:
        outer = n - -(-n // outer_folds)
        if inner_folds <= outer and outer - -(-outer // inner_folds) >= MINIMUM_PER_CLASS:
            return n
        n += 1


def advice(n: int, settings: TrainingSettings) -> str:
    """What to change where the smaller class has ``n`` participants: the nearest numbers of folds that need no more."""
    asked = (settings.outer_folds, settings.inner_folds)
    possible = [(o, i) for o in range(2, n + 1) for i in range(2, n) if needed_of_class(o, i) <= n]
    if not possible:
        least = min(needed_of_class(o, i) for o in range(2, 6) for i in range(2, 6))
        return (
            f"No numbers of folds work with fewer than {least} of each class: add participants, or take another "
            "--outcome."
        )
    outer, inner = min(possible, key=lambda own: (abs(own[0] - asked[0]) + abs(own[1] - asked[1]), -own[0]))
    return (
        f"Add participants. With those that there are, training.outer_folds: {outer} and training.inner_folds: {inner} "
        "in --config would do, but an evaluation on so few tells next to nothing."
    )


def _seed(*parts: int) -> int:
    """An independent seed for scikit-learn from several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
