"""Whether the affine of a file can be that of a head."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import voxel_sizes

from bids_stroke.core.errors import DataError

_SMALLEST_MM, _LARGEST_MM = 1e-3, 1e3
_SINGULAR = 1e-6
"""Volume of a voxel (mm^3) below which its axes do not span space."""


def check_affine(path: Path, affine: npt.NDArray[np.float64] | None) -> None:
    """Refuse an affine that gives voxels no place or no size.

    Parameters
    ----------
    path : Path
        For the message.
    affine : (4, 4) float64, or None
        Voxels to mm, as the reader gives it.

    Raises
    ------
    DataError
        It holds NaN, is singular, or gives sides of a voxel below 1 um or above 1 m (``bad-affine``).
    """
    remedy = "Repair the header's sform or qform."
    if affine is None or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < _SINGULAR:
        message = f"{path}: the affine (sform/qform) holds NaN or is singular."
        raise DataError(message, remedy, reason="bad-affine")
    sizes, known = voxel_sizes(affine), not np.isnan(nib.io_orientation(affine)).any()
    if not known or sizes.min() < _SMALLEST_MM or sizes.max() > _LARGEST_MM:
        message = f"{path}: by its affine (sform/qform) voxels are smaller than 1 um, larger than 1 m, or flat."
        raise DataError(message, remedy, reason="bad-affine")
