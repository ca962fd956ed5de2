"""Established numbers of the muscles: co-contraction, median frequency, when and how long they are active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_stroke.signals import muscles
from bids_stroke.signals.segments import Array
from bids_stroke.signals.spectra import spectra

SMOOTH_S = 0.05
"""Length of the mean that smooths the rectified EMG, and the shortest activity."""
_SHARE = 1 / 3
_LOW, _HIGH = 10.0, 95.0
_CONTRAST = 3.0
"""Times that the active level must be above the quiet one; noise without bursts gives about 2."""
FEWEST_EVENTS = 3


@dataclass(frozen=True)
class Bursts:
    """Activity in the events of a phase.

    Attributes
    ----------
    delay_s : float or None
        From the event's onset to the first activity, in seconds; None where fewer than three events have some.
    share : float
        Of the events' time in which a muscle is active, 0 to 1.
    """

    delay_s: float | None
    share: float


def co_contraction(rectified: Array, pairs: Sequence[tuple[int, int]]) -> float | None:
    """Twice the common area of two muscles' activity over the sum of their areas, mean over pairs of antagonists.

    Parameters
    ----------
    rectified : (n_segments, n_muscles, n_samples) float64
    pairs : sequence of (int, int)
        Rows of a flexor and an extensor of one joint of one leg.

    Returns
    -------
    share : float or None
        0 to 1; None without a pair.

    Notes
    -----
    Falconer and Winter 1985, "Quantitative assessment of co-contraction at the ankle joint in walking", of means over
    tenths of a segment, each muscle scaled to its own largest one.
    """
    if not pairs:
        return None
    shared = muscles.co_contraction(rectified)
    return float(np.mean([shared[pair] for pair in pairs]))


def median_frequency_hz(segments: Array, rate: float) -> float | None:
    """Frequency that halves the power of a muscle's spectrum, mean over muscles that have any power.

    Parameters
    ----------
    segments : (n_segments, n_muscles, n_samples) float64
    rate : float
        Hz.

    Notes
    -----
    Stulen and De Luca 1981, "Frequency parameters of the myoelectric signal as a measure of muscle conduction
    velocity". A point of the spectrum stands for the frequencies half a step around it.
    """
    frequencies, power = spectra(segments, rate)
    edges = frequencies + 0.5 * (frequencies[1] - frequencies[0])
    found = []
    for spectrum in power[power.sum(axis=1) > 0]:
        reached = np.cumsum(spectrum)
        found.append(np.interp(0.5 * reached[-1], reached, edges))
    return float(np.mean(found)) if found else None


def activity(runs: Sequence[Array], rate: float) -> list[NDArray[np.bool_]] | None:
    """When a muscle is active: its rectified, smoothed EMG is above a threshold between its quiet and active level.

    Parameters
    ----------
    runs : sequence of (n_samples,) float64
        EMG of one muscle, each without a pause inside.
    rate : float
        Hz.

    Returns
    -------
    active : list of (n_samples,) bool, or None
        Of each run. None where the muscle has no bursts to tell from quiet: its 95th percentile is less than three
        times its 10th one.

    Notes
    -----
    Threshold: a third of the way from the 10th to the 95th percentile. Onset of EMG by a threshold: Hodges and Bui
    1996, "A comparison of computer-based methods for the determination of onset of muscle contraction".
    """
    smooth = [_smoothed(np.abs(run), max(round(SMOOTH_S * rate), 1)) for run in runs]
    quiet, high = np.percentile(np.concatenate(smooth), [_LOW, _HIGH])
    if high <= 0 or high < _CONTRAST * quiet:
        return None
    return [run > quiet + _SHARE * (high - quiet) for run in smooth]


def bursts(active: Sequence[NDArray[np.bool_]], rate: float) -> Bursts | None:
    """Delay and share of activity in the events of one phase, of one muscle.

    Parameters
    ----------
    active : sequence of (n_samples,) bool
        From the onset to the end of each event.
    rate : float
        Hz.

    Returns
    -------
    bursts : Bursts or None
        None for fewer than three events. A muscle that is active already when the event begins has a delay of 0.
    """
    if len(active) < FEWEST_EVENTS:
        return None
    least = max(round(SMOOTH_S * rate), 1)
    begins = [begin for event in active if (begin := _first_run(event, least)) is not None]
    delay = float(np.mean(begins)) / rate if len(begins) >= FEWEST_EVENTS else None
    return Bursts(delay, float(np.mean([event.mean() for event in active])))


def _smoothed(rectified: Array, n: int) -> Array:
    """Mean over n samples around each; at the ends over those that are there."""
    kernel = np.ones(n)
    total = np.convolve(rectified, kernel, mode="full")
    count = np.convolve(np.ones(len(rectified)), kernel, mode="full")
    start = (n - 1) // 2
    return np.asarray((total / count)[start : start + len(rectified)])


def _first_run(active: NDArray[np.bool_], least: int) -> int | None:
    """First sample of the first run of ``least`` active samples or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    long = [begin for begin, end in zip(edges[::2], edges[1::2], strict=True) if end - begin >= least]
    return int(long[0]) if long else None
