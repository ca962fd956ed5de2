"""Cleaning of a resting-state run: drift, confounds and frequencies outside the band leave in one projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.fft import idct

from bids_stroke.preprocess.bold.confounds import MINIMUM_FREE, PARAMETERS, nuisance_columns

Array = npt.NDArray[np.float64]

_WARN_BELOW = 24


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A run's series (t, voxels) after cleaning."""

    band: Array
    """Within the band: for ReHo."""
    broad: Array
    """With all frequencies: for ALFF and fALFF."""
    confounds: tuple[str, ...]
    """Columns that were regressed out."""
    degrees_of_freedom: int
    """Of ``band``."""
    warnings: tuple[str, ...]


def clean(signals: Array, table: pd.DataFrame, repetition_time: float, band: tuple[float, float]) -> Cleaned:
    """Remove mean, linear drift, confounds and the frequencies outside the band.

    Parameters
    ----------
    signals : (t, voxels) float64
        Motion-corrected series of the brain.
    table : DataFrame
        Confounds of the run, t rows; missing values count as 0.
    repetition_time : float
        Seconds.
    band : (float, float)
        Lowest and highest frequency that stays, Hz.

    Returns
    -------
    Cleaned
        With fewer confounds where all of them would leave too few degrees of freedom, and without a band-pass where
        it would not even leave room for the six motion parameters; both are said in ``warnings``.

    Notes
    -----
    Cosines outside the band stand in one design with the confounds: filtering and regressing one after the other would
    bring back what the first had removed (Lindquist et al. 2019, "Modular preprocessing pipelines can reintroduce
    artifacts into fMRI data").
    """
    n_volumes = len(signals)
    trend = np.column_stack([np.ones(n_volumes), np.linspace(-1.0, 1.0, n_volumes)])
    outside = cosines_outside(n_volumes, repetition_time, band)
    free = n_volumes - basis(np.hstack([trend, outside])).shape[1]
    warnings = []
    if free < MINIMUM_FREE + len(PARAMETERS):
        seconds = n_volumes * repetition_time
        warnings.append(
            f"The run is too short for a band-pass ({n_volumes} volumes, {seconds:.0f} s): ReHo is of all frequencies."
        )
        outside = outside[:, :0]
        free = n_volumes - trend.shape[1]
    names = nuisance_columns(table, free)
    if len(names) < _WARN_BELOW:
        removed = f"only {', '.join(names)}" if names else "none"
        warnings.append(f"The run is short ({n_volumes} volumes): of the confounds, {removed} were regressed out.")
    confounds = table[names].fillna(0.0).to_numpy(dtype=np.float64)
    slow = basis(np.hstack([trend, confounds]))
    full = basis(np.hstack([trend, confounds, outside]))
    degrees = n_volumes - full.shape[1]
    return Cleaned(project_out(signals, full), project_out(signals, slow), tuple(names), int(degrees), tuple(warnings))


def cosines_outside(n_volumes: int, repetition_time: float, band: tuple[float, float]) -> Array:
    """The discrete cosines (DCT-II) whose frequencies lie outside a band, without the constant: (t, k)."""
    frequencies = np.arange(n_volumes) / (2.0 * n_volumes * repetition_time)
    outside = (frequencies < band[0] - 1e-9) | (frequencies > band[1] + 1e-9)
    outside[0] = False
    return np.asarray(idct(np.eye(n_volumes), axis=0, norm="ortho")[:, outside])


def basis(design: Array) -> Array:
    """Orthonormal columns that span a design's, (t, rank), whatever the columns' units."""
    lengths = np.linalg.norm(design, axis=0)
    scaled = design[:, lengths > 0] / lengths[lengths > 0]
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    return np.asarray(left[:, values > values[0] * 1e-7])


def project_out(signals: Array, orthonormal: Array) -> Array:
    """What is left of signals (t, voxels) outside the span of orthonormal columns (t, k)."""
    return signals - orthonormal @ (orthonormal.T @ signals)
