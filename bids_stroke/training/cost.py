"""What the training of a member costs, known before it is paid."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from bids_stroke.core.errors import UsageError
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.networks.device import GIVING_BACK, PLENTY, SPARING, Thrift, reproducible, threads_for
from bids_stroke.training.checkpoint import Store
from bids_stroke.training.cohort import Cases, first_samples
from bids_stroke.training.folds import OuterFold
from bids_stroke.training.trainer import Place, Trainer

Rows = NDArray[np.int64]

FORWARD = 1 / 3
"""Share of a training step that a prediction takes: a rule of thumb, as going back costs twice going forward."""
BATCHES = 2
"""So many are timed, after as many to warm up."""
LIBRARIES = 0.3
"""GB that the libraries take besides tensors: code that is loaded late, buffers of their own."""


@dataclass(frozen=True)
class Means:
    """What a training may use besides its device.

    Attributes
    ----------
    store : Store or None
        Where unfinished and finished fits are kept: a training that was killed goes on from there.
    memory_gb : float or None
        GB that this process may still take, by which each member's way of training is chosen; None: as if enough.
    """

    store: Store | None = None
    memory_gb: float | None = None


@dataclass
class Budget:
    """Minutes that networks trained by epochs may take, by their estimates; None for no end.

    Attributes
    ----------
    minutes : float or None
        What is left.
    estimates : bool
        Whether minutes are estimated where there is no end, too.
    needed : dict of str to float
        Of each member that was estimated and is trained.
    """

    minutes: float | None
    estimates: bool = False
    needed: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, training: TrainingSettings) -> Budget:
        """As the settings of a training have it: who asks for many trainings is told what one takes."""
        return cls(training.max_minutes, training.retrain_permutations > 0)

    def holds(self, cases: Cases, folds: Sequence[OuterFold], place: Place) -> str:
        """Take the member's minutes from the budget; if they are not there, nothing is taken and this says so."""
        if self.minutes is None and not self.estimates:
            return ""
        needed = estimated_minutes(cases, folds, place)
        if self.minutes is not None:
            if needed > self.minutes:
                return f"it takes up to {needed:.3g} minutes, and training.max_minutes has {self.minutes:.3g} left"
            self.minutes -= needed
        self.needed[cases.member.name] = needed
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

    def end(self) -> float:
        """The member is done; seconds that it took."""
        seconds = self._now() - self._begin
        self._took[self._shallow[self._member]].append(seconds)
        return seconds


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
    fixed = folds[0].fixed
    last = folds[0].split.train if fixed else np.arange(len(cases.samples))
    fits = (not fixed) + options.audit  # the audit's is on shuffled outcomes; that of a fixed split is done
    trained += fits * _n_samples(cases, last, options.samples_per_epoch) * options.epochs
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
    trainer = Trainer(cases, rows, place)
    with reproducible(place.device, place.seed), threads_for(trainer.spec.network):
        trainer.start({})
        trainer.epoch()
        begin = time.perf_counter()
        trainer.epoch()
        seconds = time.perf_counter() - begin
    return seconds / _n_samples(cases, rows, cases.options.samples_per_epoch)


@dataclass(frozen=True)
class Need:
    """Memory (GB) that the training of a member takes, by the most that its tensors take at once."""

    samples: float
    """All of the member's, which are read once."""
    step: float
    prediction: float

    def by(self, thrift: Thrift, device: torch.device) -> float:
        """Most memory of the process, or of the GPU, where the samples are not; libraries included."""
        if device.type == "cuda":  # torch's own memory there, which is kept in a better order than the C library's
            return LIBRARIES + max(GIVING_BACK.step * self.step, GIVING_BACK.prediction * self.prediction)
        both = thrift.step * self.step, thrift.prediction * self.prediction
        return LIBRARIES + self.samples + (sum(both) if thrift.keeps else max(both))


def plan_memory(
    planned: Sequence[Cases], device: torch.device, there: float, progress: Callable[[str], None]
) -> dict[str, Thrift]:
    """Choose how each member that is trained by epochs uses memory: the fastest way that there is enough for.

    Parameters
    ----------
    planned : sequence of Cases
        With or without samples.
    device : torch.device
        Of the training.
    there : float
        GB that this process may still take; on a GPU the GPU's free memory counts.
    progress : callable
        Takes a line of text for each member.

    Raises
    ------
    UsageError
        A member does not fit even where memory is spared most.
    """
    if device.type == "cuda":
        there = torch.cuda.mem_get_info(device)[0] / 1e9
    chosen = {}
    for cases in planned:
        found = None if cases.shallow else first_samples(cases)
        if found is None:
            continue
        needs = {}
        for thrift in (PLENTY, GIVING_BACK, SPARING):
            needs[thrift] = needed_memory(cases, found, thrift).by(thrift, device)
            if needs[thrift] <= there:
                break
        if needs[thrift] > there:
            raise UsageError(
                f"{cases.member.name}: training takes {needs[thrift]:.1f} GB of memory even where it is spared, and "
                f"there are {there:.1f} (--mem-gb, or what the machine has, less what is taken).",
                "Lower the member's training.batch_size, read its maps smaller (inputs.shrink) or its recordings at "
                "a lower inputs.rate, raise --mem-gb, or take a larger machine.",
                "too-little-memory",
            )
        chosen[cases.member.name] = thrift
        progress(f"{cases.member.name}: {_in_words(needs, thrift, there)}")
    return chosen


def _in_words(needs: dict[Thrift, float], thrift: Thrift, there: float) -> str:
    text = f"up to {needs[thrift]:.1f} of {there:.1f} GB of memory"
    if thrift is PLENTY:
        return text
    how = GIVING_BACK.words if thrift is GIVING_BACK else f"{GIVING_BACK.words}, {SPARING.words}"
    return f"{text} (otherwise {needs[PLENTY]:.1f}): {how}"


def needed_memory(cases: Cases, samples: torch.Tensor, thrift: Thrift) -> Need:
    """Estimate what a member's tensors need, from the samples of one unit; nothing is computed.

    Parameters
    ----------
    cases : Cases
        Of a network that is trained by epochs.
    samples : Tensor
        Of one unit, as typical of all.
    thrift : Thrift
        How memory is used.
    """
    from bids_stroke.networks.live_memory import Load, prediction_bytes, step_bytes  # a second to import

    member = cases.member
    units = sum(bool(labelled.unit.features.get(member.modality)) for labelled in cases.cohort.units) or len(
        cases.cohort.units
    )
    batch = min(cases.options.batch_size, max(2, units * min(len(samples), cases.options.samples_per_epoch)))
    shape = tuple(samples.shape[1:])
    step = step_bytes(Load(member.network, member.arguments, shape, max(2, batch)), sparing=thrift.sparing)
    chunk = min(thrift.chunk, units * len(samples))
    prediction = prediction_bytes(Load(member.network, member.arguments, shape, chunk))
    return Need(units * samples.nbytes / 1e9, step / 1e9, prediction / 1e9)
