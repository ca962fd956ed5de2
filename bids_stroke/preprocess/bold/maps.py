"""Maps of a resting-state run: amplitude of its slow fluctuations (ALFF, fALFF) and regional homogeneity (ReHo)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate1d
from scipy.stats import rankdata

from bids_stroke.core.errors import MissingModalityError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FEWEST_NEIGHBOURS = 7
"""Voxels of the 3x3x3 cube that must be in the brain, the centre included; Kendall's W of one series is always 1."""


def amplitudes(signals: Array, repetition_time: float, band: tuple[float, float]) -> tuple[Array, Array]:
    """ALFF and fALFF.

    Parameters
    ----------
    signals : (t, voxels) float64
        Detrended and without confounds, but not band-passed.
    repetition_time : float
        Seconds.
    band : (float, float)
        Lowest and highest frequency, Hz, both included.

    Returns
    -------
    alff : (voxels,)
        Mean amplitude of the frequencies in the band, in the units of ``signals``. A sine wave of amplitude A at one of
        the run's k frequencies in the band gives A / k.
    falff : (voxels,)
        Sum of the amplitudes in the band as a share of those of all frequencies but zero; 0 where there is no signal.

    Raises
    ------
    MissingModalityError
        No frequency of the run lies in the band (``run-too-short``).

    Notes
    -----
    Zang et al. 2007, "Altered baseline brain activity in children with ADHD revealed by resting-state functional MRI";
    Zou et al. 2008, "An improved approach to detection of amplitude of low-frequency fluctuation (ALFF)".
    """
    n_volumes = len(signals)
    frequencies = np.fft.rfftfreq(n_volumes, repetition_time)
    inside = (frequencies >= band[0] - 1e-9) & (frequencies <= band[1] + 1e-9) & (frequencies > 0)
    if not inside.any():
        message = f"No frequency of a run of {n_volumes * repetition_time:.0f} s lies from {band[0]} to {band[1]} Hz."
        remedy = "Check RepetitionTime and the settings bold.high_pass and bold.low_pass."
        raise MissingModalityError(message, remedy, "run-too-short")
    spectrum = np.abs(np.fft.rfft(signals, axis=0)) * (2.0 / n_volumes)
    slow = spectrum[inside]
    total = spectrum[1:].sum(axis=0)
    share = np.divide(slow.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    return slow.mean(axis=0), share


def regional_homogeneity(signals: Array, mask: Mask) -> Array:
    """Kendall's W of each voxel's series and those of its 26 neighbours, as far as they are in the mask.

    Parameters
    ----------
    signals : (t, voxels) float64
        Cleaned series of the mask's voxels, in the order of ``series[mask]``.
    mask : (x, y, z) bool
        The brain.

    Returns
    -------
    (voxels,) float64
        0 to 1; 0 where fewer than 7 voxels of the cube are in the mask. Under the null the mean is 1 / (number of
        voxels), so values at the edge of the brain are somewhat higher.

    Notes
    -----
    Zang et al. 2004, "Regional homogeneity approach to fMRI data analysis". Ties get their mean rank, without the
    correction for them: series of floating-point numbers hardly have any.
    """
    n_volumes = len(signals)
    squares = np.zeros(mask.shape, np.float64)
    # ranks are centred, so that their sum over the cube is the deviation from its mean
    ranks = (rankdata(signals, axis=0) - (n_volumes + 1) / 2).astype(np.float32)
    volume = np.zeros(mask.shape, np.float32)
    for rank in ranks:
        volume[mask] = rank
        squares += _cube_sum(volume).astype(np.float64) ** 2
    count = np.round(_cube_sum(mask.astype(np.float32)))[mask]
    coefficient = 12.0 * squares[mask] / (count.astype(np.float64) ** 2 * (n_volumes**3 - n_volumes))
    return np.where(count >= FEWEST_NEIGHBOURS, np.minimum(coefficient, 1.0), 0.0)


def _cube_sum(volume: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    for axis in range(3):
        volume = correlate1d(volume, [1.0, 1.0, 1.0], axis=axis, mode="constant")
    return volume
