"""Recordings with pauses: which samples follow each other, and when each was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
_SAME_JOINT = 2
"""Samples: two marks closer than this are of one joint."""


@dataclass(frozen=True)
class Piece:
    """Samples that were recorded without a pause.

    Attributes
    ----------
    start, stop : int
        First sample, and the one after the last, as they lie in the file or array.
    begin : float
        When the first sample was taken: seconds since the recording began, pauses included.
    """

    start: int
    stop: int
    begin: float

    def end(self, rate: float) -> float:
        """When the last sample's time is over, on the clock of ``begin``."""
        return self.begin + (self.stop - self.start) / rate


@dataclass(frozen=True)
class Joint:
    """A place where samples lie side by side that did not follow each other.

    Attributes
    ----------
    sample : int
        The first one after the pause.
    pause : float
        Seconds; 0 where its length is not known, negative where the pieces do not lie in the order of time.
    """

    sample: int
    pause: float = 0.0


@dataclass(frozen=True)
class Timeline:
    """The pieces of a recording in their order, at a sampling rate in Hz.

    Examples
    --------
    >>> line = Timeline.of(1000, 100.0, [Joint(400, 40.0)])
    >>> [(piece.start, piece.stop, piece.begin) for piece in line.pieces]
    [(0, 400, 0.0), (400, 1000, 44.0)]
    >>> line.in_file([3.0, 20.0, 45.0]).tolist(), line.in_file([20.0], fill=True).tolist()
    ([3.0, nan, 5.0], [4.0])
    >>> line.on_clock([3.0, 5.0]).tolist()
    [3.0, 45.0]
    """

    pieces: tuple[Piece, ...]
    rate: float

    @classmethod
    def of(
        cls, n_samples: int, rate: float, joints: Sequence[Joint] = (), left_out: Sequence[tuple[int, int]] = ()
    ) -> Timeline:
        """Pieces between joints, without the stretches (first sample, one after the last) that are left out."""
        stretches = sorted((max(first, 0), min(last, n_samples)) for first, last in left_out if last > first)
        pause_at = _merged(joints, n_samples)
        edges = [0, *pause_at, n_samples]
        found: list[Piece] = []
        pause = 0.0
        for first, last in pairwise(edges):
            pause += pause_at.get(first, 0.0)
            at = first
            for begin, end in [*stretches, (last, last)]:
                if begin > at:
                    found.append(Piece(at, min(begin, last), at / rate + pause))
                at = min(max(at, end), last)
                if at == last:
                    break
        return cls(tuple(found), rate)

    @property
    def joints(self) -> tuple[int, ...]:
        """First samples of all pieces but the first."""
        return tuple(piece.start for piece in self.pieces[1:])

    @property
    def paused(self) -> bool:
        """Whether the clock and the place in the file ever differ."""
        return any(abs(piece.begin - piece.start / self.rate) > 0.5 / self.rate for piece in self.pieces)

    def in_file(self, seconds: ArrayLike, fill: bool = False) -> Array:
        """Where in the file (s) what happened at some time (s since the recording began) lies; NaN in a pause.

        Parameters
        ----------
        seconds : array_like of float
        fill : bool
            Put what lies in a pause onto the joint, and what lies before or after all pieces onto the ends.
        """
        times = np.asarray(seconds, dtype=np.float64)
        half = 0.5 / self.rate
        place = np.full(times.shape, np.nan)
        before = np.where(np.isnan(times), np.nan, 0.0)
        for piece in sorted(self.pieces, key=lambda item: item.begin):
            end = piece.end(self.rate) - half
            inside = (times >= piece.begin - half) & (times < end)
            place = np.where(inside, times - piece.begin + piece.start / self.rate, place)
            before = np.where(times >= end, piece.stop / self.rate, before)
        return np.where(np.isnan(place), before, place) if fill else place

    def stretches(self, onset: float, duration: float) -> list[tuple[float, float]]:
        """Begin and end in the file (s) of what was recorded of a stretch of time (s), to the sample.

        An event without a duration is one point; of one that lies wholly in a pause nothing is left.
        """
        found = []
        for piece in self.pieces:
            first = round((onset - piece.begin) * self.rate)
            last = round((onset + duration - piece.begin) * self.rate)
            length = piece.stop - piece.start
            if (first < length and last > 0) or first == last == 0:
                ends = (piece.start + min(max(sample, 0), length) for sample in (first, last))
                begin, end = (sample / self.rate for sample in ends)
                found.append((begin, end))
        return found

    def on_clock(self, seconds: ArrayLike) -> Array:
        """When (s since the recording began) what lies at some place in the file (s) happened."""
        place = np.asarray(seconds, dtype=np.float64)
        shift = np.zeros(place.shape)
        for piece in self.pieces:
            shift = np.where(place >= (piece.start - 0.5) / self.rate, piece.begin - piece.start / self.rate, shift)
        return place + shift

    def pauses(self) -> tuple[float, ...]:
        """Seconds between the pieces; 0 where the length is not known."""
        ends = [piece.end(self.rate) for piece in self.pieces]
        return tuple(later.begin - end for end, later in zip(ends, self.pieces[1:], strict=False))


def _merged(joints: Sequence[Joint], n_samples: int) -> dict[int, float]:
    """Sample -> pause (s) of the joints inside a recording, in their order; marks of the same joint are one."""
    found: dict[int, float] = {}
    last = 0
    for joint in sorted(joints, key=lambda item: item.sample):
        if found and joint.sample - last < _SAME_JOINT:
            found[last] = max(found[last], joint.pause, key=abs)
        elif 0 < joint.sample < n_samples:
            last = joint.sample
            found[last] = joint.pause
    return found


def shared_pieces(lines: Sequence[Timeline]) -> list[tuple[Piece, ...]]:
    """What recordings on one clock all have, cut to whole seconds: a piece of each with the same length.

    All have the same whole number of samples a second. Stretches of less than a second are left out.
    """
    rate = lines[0].rate
    common: list[tuple[tuple[Piece, ...], float, float]]
    common = [((piece,), piece.begin, piece.end(rate)) for piece in lines[0].pieces]
    for line in lines[1:]:
        common = [
            ((*pieces, piece), max(begin, piece.begin), min(end, piece.end(rate)))
            for pieces, begin, end in common
            for piece in line.pieces
            if piece.begin < end and piece.end(rate) > begin
        ]
    found: list[tuple[Piece, ...]] = []
    for pieces, begin, end in common:
        n_samples = int(np.floor(end - begin + 1e-9)) * round(rate)
        if n_samples > 0:
            starts = [piece.start + round((begin - piece.begin) * rate) for piece in pieces]
            found.append(tuple(Piece(start, start + n_samples, begin) for start in starts))
    return found
