"""Maps of resting-state BOLD: amplitude of low-frequency fluctuations and regional homogeneity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def alff(series: npt.NDArray[np.float64], tr: float, band: tuple[float, float]) -> tuple[Volume, Volume]:
    """Amplitude of low-frequency fluctuations and its fraction of the whole spectrum.

    Parameters
    ----------
    series : (t, voxels) float64
        Detrended, not band-passed.
    tr : float
        Seconds.
    band : tuple of float
        Low and high edge (Hz), both included.

    Returns
    -------
    alff, falff : (voxels,) float32
        Mean amplitude of the Fourier components within the band (units of the series), and their share of the sum
        over all frequencies above zero (Zang et al. 2007; Zou et al. 2008).
    """
    n = len(series)
    amplitude = 2 * np.abs(np.fft.rfft(series, axis=0)) / n
    frequency = np.fft.rfftfreq(n, tr)
    inside = (frequency >= band[0]) & (frequency <= band[1])
    low = amplitude[inside]
    whole = amplitude[1:].sum(axis=0)
    fraction = np.divide(low.sum(axis=0), whole, out=np.zeros_like(whole), where=whole > 0)
    return low.mean(axis=0).astype(np.float32), fraction.astype(np.float32)


def reho(series: npt.NDArray[np.floating], mask: Mask) -> Volume:
    """Regional homogeneity: Kendall's W of each voxel with its 26 neighbours within the mask.

    Parameters
    ----------
    series : (x, y, z, t)
        Cleaned.
    mask : (x, y, z) bool
        Brain.

    Returns
    -------
    (x, y, z) float32
        0-1; 0 outside the mask and where fewer than 13 of 26 neighbours are in it (Zang et al. 2004).
    """
    n = series.shape[-1]
    ranks = np.zeros(series.shape, dtype=np.float32)
    ranks[mask] = rankdata(series[mask], axis=-1)
    sums = np.zeros(series.shape, dtype=np.float32)
    count = np.zeros(mask.shape, dtype=np.float32)
    padded = np.pad(ranks, ((1, 1), (1, 1), (1, 1), (0, 0)))
    inside = np.pad(mask.astype(np.float32), 1)
    x, y, z = mask.shape
    for i in range(3):
        for j in range(3):
            for k in range(3):
                sums += padded[i : i + x, j : j + y, k : k + z]
                count += inside[i : i + x, j : j + y, k : k + z]
    usable = mask & (count >= 14)
    total = sums[usable].astype(np.float64)
    members = count[usable].astype(np.float64)
    spread = ((total - total.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    result = np.zeros(mask.shape, dtype=np.float32)
    result[usable] = 12 * spread / (members**2 * (n**3 - n))
    return result
