"""EEG and EMG as plain arrays in volts: filters, mains hum, broken channels, windows. No files, no positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

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


def clean_band(data: Array, rate: float, band: Band, notches: Sequence[float] = ()) -> Array:
    """Band-pass and notch with zero-phase FIR filters (Hamming; 1 Hz wide notches).

    Parameters
    ----------
    data : (n_channels, n_samples) float64
    rate : float
        Hz.
    band : Band
    notches : sequence of float
        Hz.
    """
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


def mains_ratio_db(data: Array, rate: float, mains: float) -> float:
    """Power within 0.5 Hz of the mains frequency over that 2 to 5 Hz away, dB, median over channels."""
    frequencies, power = welch(data, rate, nperseg=min(data.shape[1], int(4 * rate)))
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


def split_windows(data: Array, n_samples: int) -> Array:
    """Cut (n_channels, n) into (n_windows, n_channels, n_samples) from the start; what remains at the end is left."""
    n_windows = data.shape[1] // n_samples
    whole = data[:, : n_windows * n_samples].reshape(len(data), n_windows, n_samples)
    return whole.transpose(1, 0, 2)


def flat_windows(data: Array, n_samples: int) -> NDArray[np.bool_]:
    """Windows (n_windows,) of the unfiltered signal in which any channel is constant: the signal was lost there."""
    spread = np.asarray(np.ptp(split_windows(data, n_samples), axis=2))
    return np.asarray((spread < FLAT_VOLTS).any(axis=1))


def large_windows(data: Array, n_samples: int, limit: float) -> NDArray[np.bool_]:
    """Windows (n_windows,) in which more than a fifth of the channels exceed a peak-to-peak amplitude in volts."""
    if not len(data):
        return np.zeros(data.shape[1] // n_samples, dtype=bool)
    large = np.asarray(np.ptp(split_windows(data, n_samples), axis=2)) > limit
    return np.asarray(large.mean(axis=1) > _LARGE_SHARE)


def marked_windows(intervals: Sequence[tuple[float, float]], seconds: float, n_windows: int) -> NDArray[np.bool_]:
    """Windows (n_windows,) of a length in seconds that touch one of the intervals (onset, duration)."""
    begin = seconds * np.arange(n_windows)
    marked = np.zeros(n_windows, dtype=bool)
    for onset, duration in intervals:
        marked |= (onset < begin + seconds) & (onset + duration > begin)
    return marked
