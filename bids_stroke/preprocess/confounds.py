"""Confounds of a BOLD run under fMRIPrep's column names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_stroke.preprocess.motion import framewise_displacement

Array = npt.NDArray[np.float64]

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def confound_table(
    series: npt.NDArray[np.float32], parameters: Array, masks: Mapping[str, npt.NDArray[np.bool_]]
) -> pd.DataFrame:
    """Motion (24 columns), framewise displacement, DVARS and mean signals.

    Parameters
    ----------
    series : (x, y, z, t) float32
        Motion-corrected.
    parameters : (t, 6)
        Translations in mm, rotations in radians.
    masks : mapping of str to (x, y, z) bool
        ``brain`` and, where there are any, ``white_matter`` and ``csf``.
    """
    table = pd.DataFrame(parameters, columns=list(PARAMETERS))
    changes = table.diff().add_suffix("_derivative1")
    table = pd.concat([table, changes, (table**2).add_suffix("_power2"), (changes**2).add_suffix("_power2")], axis=1)
    table["framewise_displacement"] = framewise_displacement(parameters)
    brain = series[masks["brain"]].astype(np.float64)
    table["dvars"] = np.concatenate([[np.nan], np.sqrt((np.diff(brain, axis=1) ** 2).mean(axis=0))])
    table["global_signal"] = brain.mean(axis=0)
    for name in ("csf", "white_matter"):
        if name in masks:
            table[name] = series[masks[name]].astype(np.float64).mean(axis=0)
    return table


def nuisance_columns(table: pd.DataFrame, free: int) -> list[str]:
    """Columns to regress out: 24 motion columns and tissue signals, or fewer where few degrees of freedom are left.

    Parameters
    ----------
    table : DataFrame
        From `confound_table`.
    free : int
        Degrees of freedom after detrending and the band-pass.
    """
    tissue = [name for name in ("csf", "white_matter") if name in table]
    motion = [str(name) for name in table if str(name).startswith(("trans_", "rot_"))]
    for columns in (motion + tissue, list(PARAMETERS) + tissue, tissue):
        if free - len(columns) >= MINIMUM_FREE:
            return columns
    return []


MINIMUM_FREE = 6
"""Degrees of freedom that must remain for the maps to mean anything."""
