"""Established numbers of the EEG: symmetry of the hemispheres, slow over fast rhythms, alpha peak, coherence.

All take segments (n_segments, n_channels, n_samples) of one length and give a number whose expectation does not depend
on how many there are, or None where it cannot be told.
"""

from __future__ import annotations

import numpy as np

from bids_stroke.signals.segments import Array
from bids_stroke.signals.spectra import BANDS, coherence, spectra

SYMMETRY_HZ = (1.0, 25.0)
BLOCK = 60
"""Segments of a spectrum of which a symmetry is told: chance alone makes two equal sides differ, the more the fewer."""
ALPHA_HZ = (7.0, 13.0)
_BACKGROUND_HZ = (2.0, 30.0)
_AROUND_ALPHA_HZ = (6.0, 14.0)
_HIGHER = 0.15
"""log10 of power over the background from which a peak stands out (1.4 times as high)."""
_SPREADS = 3.0


def bsi(left: Array, right: Array, rate: float) -> float | None:
    """Brain symmetry index, as revised: of the hemispheres' mean power.

    Parameters
    ----------
    left, right : (n_segments, n_pairs, n_samples) float64
        Mirrored sites, pair by pair.
    rate : float
        Hz.

    Returns
    -------
    index : float or None
        0 (alike) to 1; None for fewer than `BLOCK` segments. Two sides that are alike give about
        ``0.8 / sqrt(2 * BLOCK * n + 1)``, n being the number of sites a side that are independent.

    Notes
    -----
    ``mean_f |R(f) - L(f)| / (R(f) + L(f))`` with ``R(f)`` the mean power of the right sites at f, f from 1 to 25 Hz:
    van Putten 2007, "The revised brain symmetry index". It is taken of blocks of `BLOCK` segments and averaged, because
    the difference has no sign: of spectra of fewer segments it would be larger, by chance alone.
    """
    found = [_unlikeness(a.mean(axis=0), b.mean(axis=0)) for a, b in _blocks(left, right, rate)]
    return float(np.mean(found)) if found else None


def pdbsi(left: Array, right: Array, rate: float) -> float | None:
    """Pairwise derived brain symmetry index: of each pair of mirrored sites.

    Parameters
    ----------
    left, right, rate : array, array, float
        As in `bsi`.

    Returns
    -------
    index : float or None
        0 (alike) to 1; None for fewer than `BLOCK` segments. Two sides that are alike give about
        ``0.8 / sqrt(2 * BLOCK + 1)``: 0.07.

    Notes
    -----
    ``mean_p mean_f |R_p(f) - L_p(f)| / (R_p(f) + L_p(f))``: Sheorajpanday et al. 2009, "Quantitative EEG in ischemic
    stroke: correlation with infarct volume and functional status"; in blocks as `bsi`.
    """
    found = [_unlikeness(a, b) for a, b in _blocks(left, right, rate)]
    return float(np.mean(found)) if found else None


def delta_alpha_ratio(segments: Array, rate: float) -> float | None:
    """Power from 1 to 4 Hz over that from 8 to 13 Hz (lower edges included), mean over sites of relative powers first.

    Notes
    -----
    Finnigan, Wong and Read 2016, "Defining abnormal slow EEG activity in acute ischaemic stroke: delta/alpha ratio as
    an optimal QEEG index". With spectra of 1 Hz these are their bins 1 to 3 and 8 to 12 Hz.
    """
    return _ratio(segments, rate, ("delta",), ("alpha",))


def delta_theta_alpha_beta_ratio(segments: Array, rate: float) -> float | None:
    """Power from 1 to 8 Hz over that from 8 to 30 Hz (lower edges included); source and mean as `delta_alpha_ratio`."""
    return _ratio(segments, rate, ("delta", "theta"), ("alpha", "beta"))


def alpha_peak_hz(segments: Array, rate: float) -> float | None:
    """Frequency of the highest peak over the 1/f background from 7 to 13 Hz.

    Parameters
    ----------
    segments : (n_segments, n_sites, n_samples) float64
        Of 2 s: the frequency between the spectrum's points is that of a parabola through three of them.
    rate : float
        Hz.

    Returns
    -------
    frequency : float or None
        None where no peak stands out: 1.4 times as high as the background, and 3 times as far from it as other points
        are (root mean square).

    Notes
    -----
    Background: the line of log power over log frequency through 2 to 6 and 14 to 30 Hz, in the geometric mean of the
    sites' spectra. Klimesch 1999, "EEG alpha and theta oscillations reflect cognitive and memory performance"; a peak
    apart from the background as Donoghue et al. 2020, "Parameterizing neural power spectra".
    """
    frequencies, power = spectra(segments, rate)
    inside = (frequencies >= _BACKGROUND_HZ[0]) & (frequencies <= _BACKGROUND_HZ[1])
    live = power[(power[:, inside] > 0).all(axis=1)]
    if not len(live):
        return None
    frequencies, height = frequencies[inside], np.log10(live[:, inside]).mean(axis=0)
    around = (frequencies > _AROUND_ALPHA_HZ[0]) & (frequencies < _AROUND_ALPHA_HZ[1])
    line = np.polynomial.Polynomial.fit(np.log10(frequencies[~around]), height[~around], 1)
    above = height - line(np.log10(frequencies))
    spread = float(np.sqrt(np.mean(above[~around] ** 2)))
    allowed = np.flatnonzero((frequencies >= ALPHA_HZ[0]) & (frequencies <= ALPHA_HZ[1]))
    at = int(allowed[above[allowed].argmax()])
    before, here, after = above[at - 1 : at + 2]
    if here < max(_HIGHER, _SPREADS * spread) or not before < here > after:
        return None
    shift = 0.5 * (before - after) / (before - 2 * here + after)
    return float(np.clip(frequencies[at] + shift * (frequencies[1] - frequencies[0]), *ALPHA_HZ))


def band_coherence(first: Array, second: Array, rate: float, band: str) -> Array:
    """Magnitude-squared coherence of all pairs of channels, mean over a band (lower edge included), without its bias.

    Parameters
    ----------
    first, second : (n_segments, n_channels, n_samples) float64
        Two segments at least.
    rate : float
        Hz.
    band : str
        Of `BANDS`.

    Returns
    -------
    (n_first, n_second) float64
        1 for the same signals; 0 in the mean for independent ones, so that it may be a little below.

    Notes
    -----
    Coherence C of n segments of independent signals is 1 / n in the mean; ``(n C - 1) / (n - 1)`` is 0. Carter et al.
    1973, "Estimation of the magnitude-squared coherence function via overlapped fast Fourier transform processing".
    """
    n, frequencies = len(first), np.fft.rfftfreq(first.shape[2], 1 / rate)
    inside = (frequencies >= BANDS[band][0]) & (frequencies < BANDS[band][1])
    return np.asarray((n * coherence(first, second)[..., inside] - 1).mean(axis=2) / (n - 1))


def motor_coherence(left: Array, right: Array, rate: float, band: str) -> float:
    """Coherence (`band_coherence`) of two sites, 0 to 1; (n_segments, n_samples) each."""
    return max(float(band_coherence(left[:, None], right[:, None], rate, band)[0, 0]), 0.0)


def corticomuscular_coherence(eeg: Array, rectified: Array, rate: float) -> float:
    """Coherence of the pair of site and muscle that have most of it, from 13 to 30 Hz.

    Parameters
    ----------
    eeg : (n_segments, n_sites, n_samples) float64
    rectified : (n_segments, n_muscles, n_samples) float64
        Rectified EMG of the same segments, four at least.
    rate : float
        Hz.

    Returns
    -------
    coherence : float
        0 to 1.

    Notes
    -----
    Mean of both ways of finding the pair in one half of the segments (every second) and measuring it in the other: the
    largest of many values would be the larger the shorter the recording, even of independent signals. Rectified as
    Halliday et al. 1995, "A framework for the analysis of mixed time series/point process data".
    """
    halves = [band_coherence(eeg[start::2], rectified[start::2], rate, "beta").ravel() for start in (0, 1)]
    found = [two[one.argmax()] for one, two in (halves, halves[::-1])]
    return max(float(np.mean(found)), 0.0)


def _blocks(left: Array, right: Array, rate: float) -> list[tuple[Array, Array]]:
    """Power (n_pairs, n_frequencies) of left and right in each block, from 1 to 25 Hz."""
    found = []
    for start in range(0, len(left) - BLOCK + 1, BLOCK):
        frequencies, one = spectra(left[start : start + BLOCK], rate)
        _, two = spectra(right[start : start + BLOCK], rate)
        inside = (frequencies >= SYMMETRY_HZ[0]) & (frequencies <= SYMMETRY_HZ[1])
        found.append((one[:, inside], two[:, inside]))
    return found


def _unlikeness(left: Array, right: Array) -> float:
    total = left + right
    return float(np.mean(np.divide(np.abs(right - left), total, out=np.zeros_like(total), where=total > 0)))


def _ratio(segments: Array, rate: float, slow: tuple[str, ...], fast: tuple[str, ...]) -> float | None:
    frequencies, power = spectra(segments, rate)
    whole = power[:, (frequencies >= BANDS["delta"][0]) & (frequencies < BANDS["beta"][1])].sum(axis=1)
    live = whole > 0
    share = {
        band: float((power[live][:, (frequencies >= low) & (frequencies < high)].sum(axis=1) / whole[live]).mean())
        for band, (low, high) in BANDS.items()
        if band in (*slow, *fast) and live.any()
    }
    below = sum(share.get(band, 0.0) for band in fast)
    return sum(share[band] for band in slow) / below if below > 0 else None
