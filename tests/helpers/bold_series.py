"""A BOLD run of noise with one disturbed volume, its tissues and its table of confounds."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd

AFFINE = np.diag([-4.0, 4, 4, 1])
AFFINE[:3, 3] = [90, -126, -72]
SHAPE = (46, 55, 46)
N, TR = 40, 2.0
"""Volumes, and the time between them (s)."""


def noise_series(rng: np.random.Generator) -> nib.Nifti1Image:
    """A box of noise of 0.3 %, with a drift; every voxel is 3 % brighter in volume 20."""
    data = np.zeros((*SHAPE, N), np.float32)
    box = data[8:-8, 8:-8, 8:-8]
    box[:] = 500 + 1.5 * rng.standard_normal(box.shape) + np.linspace(-20, 20, N)
    box[..., 20] += 15
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((4, 4, 4, TR))
    return image


def half_tissues(left: float = 1.0) -> dict[str, nib.Nifti1Image]:
    """Grey matter on one side, white matter on the other, on a grid of another orientation."""
    side = np.zeros((91, 109, 91), np.float32)
    side[45:] = left
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-90, -126, -72]
    return {"grey matter": nib.Nifti1Image(side, affine), "white matter": nib.Nifti1Image(1 - side, affine)}


def confounds_table() -> pd.DataFrame:
    """Framewise displacement and DVARS that are above their limits in volume 20 only."""
    displacement = np.r_[np.nan, np.full(N - 1, 0.1)]
    displacement[20] = 0.9
    outlier = (np.arange(N) == 20).astype(float)
    return pd.DataFrame(
        {"framewise_displacement": displacement, "std_dvars": displacement * 2, "motion_outlier00": outlier}
    )
