"""Power and coherence of segments of EEG and EMG."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bids_stroke.signals.segments import Array

BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
)
"""Hz, the lower edge included."""


def spectra(segments: Array, rate: float) -> tuple[Array, Array]:
    """Frequencies (Hz), and power of each channel (n_channels, n_frequencies), mean over segments."""
    frequencies = np.asarray(np.fft.rfftfreq(segments.shape[2], 1 / rate), dtype=np.float64)
    return frequencies, np.asarray((np.abs(_transform(segments)) ** 2).mean(axis=0))


def coherence(first: Array, second: Array) -> Array:
    """Magnitude-squared coherence over independent segments.

    Parameters
    ----------
    first, second : (n_segments, n_channels, n_samples) float64

    Returns
    -------
    (n_first, n_second, n_frequencies) float64
        0 to 1.
    """
    one, two = _transform(first), _transform(second)
    cross = np.einsum("saf,sbf->abf", one, two.conj())
    powers = (np.abs(one) ** 2).sum(axis=0)[:, None] * (np.abs(two) ** 2).sum(axis=0)[None]
    return np.asarray(np.divide(np.abs(cross) ** 2, powers, out=np.zeros(cross.shape), where=powers > 0))


def _transform(segments: Array) -> NDArray[np.complex128]:
    """Fourier transform of the segments (Hann window, mean taken off)."""
    centred = segments - segments.mean(axis=2, keepdims=True)
    return np.asarray(np.fft.rfft(centred * np.hanning(segments.shape[2] + 1)[:-1], axis=2))
