"""EEG and EMG as plain arrays in volts: filters, mains hum, broken channels, windows. No files, no positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import mne
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.signal import resample, welch

Array = NDArray[np.float64]

FLAT_VOLTS = 1e-8
"""Peak-to-peak (0.01 uV) under which a signal is constant: less than the step of any amplifier."""
_OUTLYING_HIGH, _OUTLYING_LOW = 5.0, 0.1
_LARGE_SHARE = 0.2
_NYQUIST_SHARE = 0.9
_EQUAL_RATES = 1e-8
_DENSER = 4
_PADDED_SAMPLES = 1000


@dataclass(frozen=True)
class Band:
    """Pass band in Hz."""

    low: float
    high: float


def usable_band(wanted: Band, rate: float) -> Band | None:
    """The wanted band, cut at 0.9 of the Nyquist frequency; None if nothing is left of it.

    Examples
    --------
    >>> usable_band(Band(0.5, 150.0), 250.0)
    Band(low=0.5, high=112.5)
    """
    high = min(wanted.high, _NYQUIST_SHARE * rate / 2)
    return Band(wanted.low, high) if high > 2 * wanted.low else None


def mains_frequencies(mains: float | None, band: Band, rate: float) -> tuple[float, ...]:
    """Mains frequency and harmonics (Hz) that the band-pass lets through, its upper transition included."""
    if not mains:
        return ()
    end = min(1.25 * band.high, rate / 2 - 2)
    return tuple(float(f) for f in np.arange(mains, end, mains))


def clean_band(
    data: Array, rate: float, band: Band, notches: Sequence[float] = (), joints: Sequence[int] = ()
) -> Array:
    """Band-pass and notch with zero-phase FIR filters (Hamming; 1 Hz wide notches), each piece on its own.

    Parameters
    ----------
    data : (n_channels, n_samples) float64
    rate : float
        Hz.
    band : Band
    notches : sequence of float
        Hz.
    joints : sequence of int
        First samples after pauses: no filter runs across.
    """
    if len(joints):
        parts = np.split(data, joints, axis=1)
        return np.concatenate([clean_band(np.ascontiguousarray(part), rate, band, notches) for part in parts], axis=1)
    filtered: Array = mne.filter.filter_data(data, rate, band.low, band.high, copy=True, verbose="error")
    if notches:
        filtered = mne.filter.notch_filter(filtered, rate, np.asarray(notches), notch_widths=1.0, verbose="error")
    return filtered


def resampled(data: Array, ratio: float) -> Array:
    """Signals at ``ratio`` times as many samples a second; sample k lies at the time of sample ``k / ratio``.

    By Fourier transform. Padded so that start and length are whole numbers at both rates: where they are not (as in
    ``mne.filter.resample``), signals are shifted and stretched by up to half a sample.

    Parameters
    ----------
    data : (n_channels, n_samples) float64
    ratio : float
        One that is no fraction of small numbers (a clock that drifts) is met by a spline through samples four times as
        dense.

    Examples
    --------
    >>> resampled(np.ones((1, 10)), 0.4).shape
    (1, 4)
    """
    near = Fraction(ratio).limit_denominator(10000)
    found = _by_fourier(data, near)
    if abs(near / Fraction(ratio) - 1) < _EQUAL_RATES:
        return found
    dense = _by_fourier(found, Fraction(_DENSER))
    where = np.arange(int(np.ceil(data.shape[1] * ratio))) * (_DENSER * float(near) / ratio)
    spline = make_interp_spline(np.arange(dense.shape[1]), dense, k=5, axis=1)
    return np.ascontiguousarray(spline(np.minimum(where, dense.shape[1] - 1)))


def _by_fourier(data: Array, exact: Fraction) -> Array:
    step, n_samples = exact.denominator, data.shape[1]
    before = step * -(-_PADDED_SAMPLES // step)
    after = step * -(-(n_samples + _PADDED_SAMPLES) // step) - n_samples
    padded = np.pad(data, ((0, 0), (before, after)), mode="reflect", reflect_type="odd")
    whole = resample(padded, int(padded.shape[1] * exact), axis=1)
    start = int(before * exact)
    kept: Array = whole[:, start : start + int(np.ceil(n_samples * exact))]
    return np.ascontiguousarray(kept)


def power_spectrum(data: Array, rate: float, n_segment: int, joints: Sequence[int] = ()) -> tuple[Array, Array]:
    """Frequencies (n,) in Hz and power densities (n_channels, n) by Welch's method; no segment runs across a joint.

    Segments have ``n_segment`` samples, or fewer where the shortest piece has no more; pieces count by their length.
    """
    parts = np.split(data, joints, axis=1) if len(joints) else [data]
    n_segment = min(n_segment, *(part.shape[1] for part in parts))
    found = [welch(part, rate, nperseg=n_segment) for part in parts]
    frequencies: Array = found[0][0]
    weights = np.array([part.shape[1] for part in parts]) / data.shape[1]
    power: Array = np.sum([weight * each for weight, (_, each) in zip(weights, found, strict=True)], axis=0)
    return frequencies, power


def mains_ratio_db(data: Array, rate: float, mains: float, joints: Sequence[int] = ()) -> float:
    """Power within 0.5 Hz of the mains frequency over that 2 to 5 Hz away, dB, median over channels."""
    frequencies, power = power_spectrum(data, rate, int(4 * rate), joints)
    distance = np.abs(frequencies - mains)
    hum = power[:, distance <= 0.5].mean(axis=1)
    around = power[:, (distance >= 2) & (distance <= 5)].mean(axis=1)
    tiny = np.finfo(np.float64).tiny
    return float(np.median(10 * np.log10((hum + tiny) / (around + tiny))))


def constant_channels(data: Array) -> NDArray[np.bool_]:
    """Channels (n_channels,) that are constant or have values that are not finite."""
    finite = np.asarray(np.isfinite(data).all(axis=1))
    spread = np.ptp(np.where(finite[:, None], data, 0.0), axis=1)
    flat: NDArray[np.bool_] = ~finite | (spread < FLAT_VOLTS)
    return flat


def outlying_channels(data: Array) -> NDArray[np.bool_]:
    """EEG channels (n_channels,) far louder or quieter than the rest.

    The interquartile range of a filtered channel, which blinks hardly touch, is compared with the median over
    channels: more than 5 times or less than a tenth of it is a bad contact or a broken lead. Fewer than four
    channels have no majority to compare with.
    """
    if len(data) < 4:
        return np.zeros(len(data), dtype=bool)
    spread = np.subtract(*np.percentile(data, [75, 25], axis=1))
    ratio: Array = spread / max(float(np.median(spread)), FLAT_VOLTS)
    return (ratio > _OUTLYING_HIGH) | (ratio < _OUTLYING_LOW)


def window_starts(n_total: int, n_samples: int, joints: Sequence[int] = ()) -> list[int]:
    """First samples of the windows: they follow each other from the start of each piece; none runs across a joint.

    Examples
    --------
    >>> window_starts(1000, 300), window_starts(1000, 300, [400])
    ([0, 300, 600], [0, 400, 700])
    """
    edges = [0, *joints, n_total]
    return [start for first, last in pairwise(edges) for start in range(first, last - n_samples + 1, n_samples)]


def split_windows(data: Array, n_samples: int, joints: Sequence[int] = ()) -> Array:
    """Cut (n_channels, n) into (n_windows, n_channels, n_samples); what remains at a piece's end is left."""
    starts = window_starts(data.shape[1], n_samples, joints)
    if not starts:
        return np.zeros((0, len(data), n_samples))
    return np.stack([data[:, start : start + n_samples] for start in starts])


def flat_windows(data: Array, n_samples: int, joints: Sequence[int] = ()) -> NDArray[np.bool_]:
    """Windows (n_windows,) of the unfiltered signal in which any channel is constant: the signal was lost there."""
    spread = np.asarray(np.ptp(split_windows(data, n_samples, joints), axis=2))
    return np.asarray((spread < FLAT_VOLTS).any(axis=1))


def large_windows(data: Array, n_samples: int, limit: float, joints: Sequence[int] = ()) -> NDArray[np.bool_]:
    """Windows (n_windows,) in which more than a fifth of the channels exceed a peak-to-peak amplitude in volts."""
    if not len(data):
        return np.zeros(len(window_starts(data.shape[1], n_samples, joints)), dtype=bool)
    large = np.asarray(np.ptp(split_windows(data, n_samples, joints), axis=2)) > limit
    return np.asarray(large.mean(axis=1) > _LARGE_SHARE)


def marked_windows(intervals: Sequence[tuple[float, float]], seconds: float, begin: Array) -> NDArray[np.bool_]:
    """Windows of a length in seconds, beginning at (n_windows,) seconds, that touch an interval (onset, duration)."""
    marked = np.zeros(len(begin), dtype=bool)
    for onset, duration in intervals:
        marked |= (onset < begin + seconds) & (onset + duration > begin)
    return marked
