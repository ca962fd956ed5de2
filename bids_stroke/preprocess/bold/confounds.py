"""Confounds of a BOLD run under fMRIPrep's column names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from nilearn.glm.first_level.design_matrix import create_cosine_drift

from bids_stroke.imaging.motion import framewise_displacement

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
TISSUES = ("csf", "white_matter")
MUCH_MOTION_MM = 0.5
"""Framewise displacement, and below it standardised DVARS, above which fMRIPrep too marks a volume."""
_MUCH_CHANGE = 1.5
_SLOWEST_S = 128.0
"""Slower drifts than this are in the cosines."""


def confound_table(
    series: npt.NDArray[np.float32],
    parameters: Array,
    masks: Mapping[str, Mask],
    repetition_time: float,
    lost: Mask | None = None,
) -> pd.DataFrame:
    """Confounds that nilearn's ``load_confounds`` reads as it reads fMRIPrep's.

    Parameters
    ----------
    series : (x, y, z, t) float32
        Motion-corrected.
    parameters : (t, 6)
        Translations in mm, rotations in radians.
    masks : mapping of str to (x, y, z) bool
        ``brain`` and, where there are any, ``white_matter`` and ``csf``.
    repetition_time : float
        Seconds.
    lost : (t,) bool, optional
        Volumes that others stand in for.

    Returns
    -------
    DataFrame
        t rows: tissue signals and motion with their changes and squares, framewise displacement, DVARS, slow cosines,
        and a column for each volume that moved or changed too much, or is lost.
    """
    brain = series[masks["brain"]].astype(np.float64)
    signals = {"global_signal": brain.mean(axis=0)}
    for name in TISSUES:
        if name in masks:
            signals[name] = series[masks[name]].astype(np.float64).mean(axis=0)
    table = pd.concat([_expanded(pd.DataFrame(signals)), _expanded(pd.DataFrame(parameters, columns=[*PARAMETERS]))],
                      axis=1)  # fmt: skip
    table["framewise_displacement"] = framewise_displacement(parameters)
    table["dvars"], table["std_dvars"] = dvars(brain)
    times = np.arange(len(parameters)) * repetition_time
    cosines = create_cosine_drift(1.0 / _SLOWEST_S, times)[:, :-1]
    table = pd.concat([table, _numbered("cosine", cosines)], axis=1)
    much = (table["framewise_displacement"] > MUCH_MOTION_MM) | (table["std_dvars"] > _MUCH_CHANGE)
    marked = much.to_numpy() if lost is None else much.to_numpy() | lost
    return pd.concat([table, _numbered("motion_outlier", np.eye(len(table))[:, marked])], axis=1)


def _expanded(table: pd.DataFrame) -> pd.DataFrame:
    """With changes from volume to volume, and the squares of both."""
    changes = table.diff().add_suffix("_derivative1")
    return pd.concat([table, changes, (table**2).add_suffix("_power2"), (changes**2).add_suffix("_power2")], axis=1)


def _numbered(name: str, columns: Array) -> pd.DataFrame:
    return pd.DataFrame(columns, columns=[f"{name}{index:02d}" for index in range(columns.shape[1])])


def dvars(brain: Array) -> tuple[Array, Array]:
    """Root mean square of the change from the volume before, plain and standardised; (t,) each, the first NaN.

    Parameters
    ----------
    brain : (voxels, t) float64
        Series of the brain.

    Notes
    -----
    Power et al. 2012. Standardised by what the change would be of noise with each voxel's (robust) spread and
    first-order autocorrelation: Nichols 2017, "Notes on creating a standardized version of DVARS".
    """
    plain = np.sqrt((np.diff(brain, axis=1) ** 2).mean(axis=0))
    quarter, three_quarters = np.percentile(brain, [25, 75], axis=1)
    spread = (three_quarters - quarter) / 1.349
    centred = brain - brain.mean(axis=1, keepdims=True)
    power, shared = (centred**2).sum(axis=1), (centred[:, 1:] * centred[:, :-1]).sum(axis=1)
    repeats = np.divide(shared, power, out=np.zeros_like(power), where=power > 0)
    expected = float(np.mean(np.sqrt(2.0 * (1.0 - np.clip(repeats, -1.0, 1.0))) * spread))
    standardised = plain / expected if expected > 0 else np.zeros_like(plain)
    return np.r_[np.nan, plain], np.r_[np.nan, standardised]


def nuisance_columns(table: pd.DataFrame, free: int) -> list[str]:
    """Columns to regress out: 24 motion columns and tissue signals, or fewer where few degrees of freedom are left.

    Parameters
    ----------
    table : DataFrame
        From `confound_table`.
    free : int
        Degrees of freedom after detrending and the band-pass.
    """
    tissue = [name for name in TISSUES if name in table]
    motion = [str(name) for name in table if str(name).startswith(("trans_", "rot_"))]
    for columns in (motion + tissue, list(PARAMETERS) + tissue, tissue):
        if free - len(columns) >= MINIMUM_FREE:
            return columns
    return []


MINIMUM_FREE = 6
"""Degrees of freedom that must remain for the maps to mean anything."""
