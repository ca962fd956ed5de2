"""Biomarkers of resting-state BOLD: how alike the motor areas of the two sides are."""

from __future__ import annotations

from collections.abc import Mapping

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine

from bids_stroke.imaging.images import array
from bids_stroke.imaging.motor_areas import MOTOR_AREAS, near

_OF_QUALITY = {
    "hand_connectivity_z": "hand_left_right_z",
    "leg_connectivity_z": "leg_left_right_z",
    "hand_homotopic_z": "hand_homotopic_z",
    "leg_homotopic_z": "leg_homotopic_z",
}
"""Biomarker -> number that the step ``bold`` computes from the cleaned series, mean over runs."""


def bold_numbers(quality: Mapping[str, float], falff: nib.Nifti1Image | None) -> dict[str, float]:
    """Biomarkers of a session's runs, those that can be computed.

    Parameters
    ----------
    quality : mapping of str to float
        Quality numbers of the step ``bold``.
    falff : nib.Nifti1Image or None
        The map of fALFF in standard space, 0 outside the brain.
    """
    found = {name: quality[key] for name, key in _OF_QUALITY.items() if key in quality}
    sides = None if falff is None else _sides(falff)
    return found if sides is None else found | {"motor_falff_asymmetry": abs(sides[0] - sides[1]) / sum(sides)}


def _sides(falff: nib.Nifti1Image) -> tuple[float, float] | None:
    """Mean of the left and of the right motor areas; None where one of them is not in the brain."""
    points = apply_affine(falff.affine, np.argwhere(np.ones(falff.shape[:3], bool))).reshape(*falff.shape[:3], 3)
    data, means = array(falff), []
    for side in "LR":
        areas = [near(points, name) for name in MOTOR_AREAS if name.endswith(side)]
        if not all((data[area] > 0).mean() > 0.5 for area in areas):  # most of an area must be seen
            return None
        values = data[np.any(areas, axis=0)]
        means.append(float(values[values > 0].mean(dtype=np.float64)))
    return means[0], means[1]
