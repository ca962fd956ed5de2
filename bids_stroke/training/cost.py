"""What the training of a member costs, known before it is paid."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_stroke.networks.device import reproducible
from bids_stroke.training.cohort import Cases
from bids_stroke.training.folds import OuterFold
from bids_stroke.training.trainer import Place, Trainer

Rows = NDArray[np.int64]

FORWARD = 1 / 3
"""Share of a training step that a prediction takes: a rule of thumb, as going back costs twice going forward."""
BATCHES = 2
"""So many are timed, after as many to warm up."""


@dataclass
class Budget:
    """Minutes that networks trained by epochs may take, by their estimates; None for no end.

    Attributes
    ----------
    minutes : float or None
        What is left.
    """

    minutes: float | None

    def holds(self, cases: Cases, folds: Sequence[OuterFold], place: Place) -> str:
        """Take the member's minutes from the budget; if they are not there, nothing is taken and this says so."""
        if self.minutes is None:
            return ""
        needed = estimated_minutes(cases, folds, place)
        if needed > self.minutes:
            return f"it takes up to {needed:.3g} minutes, and training.max_minutes has {self.minutes:.3g} left"
        self.minutes -= needed
        return ""


class Clock:
    """What a training says of how far it is: member, fold, and minutes left, from what has been done.

    Parameters
    ----------
    shallow : sequence of bool
        Of each member, whether it is fitted directly: those take seconds, the others minutes to hours.
    n_folds : int
        Outer folds; the fit on everybody counts as one more.
    now : callable
        Seconds of a clock.
    """

    def __init__(self, shallow: Sequence[bool], n_folds: int, now: Callable[[], float] = time.monotonic) -> None:
        self._shallow, self._n_folds, self._now = shallow, n_folds, now
        self._member, self._done, self._begin, self._last = 0, 0, 0.0, 0.0
        self._took: dict[bool, list[float]] = {True: [], False: []}
        """Seconds of whole members, by kind."""

    def begin(self, member: int) -> None:
        """Member number so and so, from 0, begins."""
        self._member, self._done = member, 0
        self._begin = self._last = self._now()

    def after_fold(self, text: str) -> str:
        """The text on a fold that has just been done, with where that is in the whole, and what is left."""
        now = self._now()
        took, self._last = now - self._last, now  # the last fold: earlier ones may come from a training that was killed
        self._done += 1
        own = took * (self._n_folds + 1 - self._done)
        later = [self._took[kind] for kind in self._shallow[self._member + 1 :]]
        known = all(later)
        seconds = own + sum(sum(times) / len(times) for times in later) if known else own
        left = f"; about {seconds / 60:.0f} minutes left{'' if known else ' for it'}" if seconds >= 90 else ""
        return f"[{self._member + 1}/{len(self._shallow)}] {text}{left}"

    def end(self) -> None:
        """The member is done."""
        self._took[self._shallow[self._member]].append(self._now() - self._begin)


def estimated_minutes(cases: Cases, folds: Sequence[OuterFold], place: Place) -> float:
    """Minutes of a member's training through all folds and for good, if no fit stops early.

    Parameters
    ----------
    cases : Cases
        With samples; of a network that is trained by epochs.
    folds : sequence of OuterFold
        Those of the training.
    place : Place
        Device, precision and seed.

    Notes
    -----
    A few batches are trained here and now, and their time taken for that of all others of the same size.
    """
    options = cases.options
    trained, predicted = 0, 0
    for outer in folds:
        for inner in outer.inner:
            trained += _n_samples(cases, inner.train, options.samples_per_epoch) * options.epochs
            predicted += _n_samples(cases, inner.test, None) * options.epochs
        trained += _n_samples(cases, outer.split.train, options.samples_per_epoch) * options.epochs
    if not folds[0].fixed:
        everybody = np.arange(len(cases.samples))
        trained += _n_samples(cases, everybody, options.samples_per_epoch) * options.epochs
    return _seconds_per_sample(cases, place) * (trained + FORWARD * predicted) / 60


def _n_samples(cases: Cases, rows: Rows, most: int | None) -> int:
    counts = [len(cases.of(row)) for row in cases.having(rows)]
    return sum(counts if most is None else [min(count, most) for count in counts])


def _seconds_per_sample(cases: Cases, place: Place) -> float:
    """Seconds of a training step by samples; 0 where there are not both outcomes, and so nothing will be trained."""
    there = cases.having(np.arange(len(cases.samples)))
    poor = cases.cohort.poor[there]
    each = max(1, BATCHES * cases.options.batch_size // 2)
    rows = np.concatenate([there[poor][:each], there[~poor][:each]])
    if poor.all() or not poor.any():
        return 0.0
    with reproducible(place.device, place.seed):
        trainer = Trainer(cases, rows, place)
        trainer.start({})
        trainer.epoch()
        begin = time.perf_counter()
        trainer.epoch()
        seconds = time.perf_counter() - begin
    return seconds / _n_samples(cases, rows, cases.options.samples_per_epoch)
