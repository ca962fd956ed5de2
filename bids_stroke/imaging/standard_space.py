"""The standard space: its grid and its templates."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_template
from nilearn.datasets import load_mni152_wm_template as load_wm_template

from bids_stroke.imaging.images import array, sitk_affine, sitk_array, to_sitk
from bids_stroke.imaging.transforms import Matrix, resample

STANDARD_SHAPE = (91, 109, 91)


STANDARD_AFFINE: Matrix = np.array(
    [[-2.0, 0.0, 0.0, 90.0], [0.0, 2.0, 0.0, -126.0], [0.0, 0.0, 2.0, -72.0], [0.0, 0.0, 0.0, 1.0]]
)


_MNI_CODE = 4


def standard_grid(resolution_mm: float = 2.0) -> nib.Nifti1Image:
    """Empty uint8 image on a grid of the standard space: the box of the 91x109x91 grid at another voxel size (LAS).

    Parameters
    ----------
    resolution_mm : float
        Isotropic voxel size; the box's outer faces stay where they are, to within one voxel at the far side, or half a
        voxel at both in x: every grid is symmetric about the midline.
    """
    box = np.array(STANDARD_SHAPE) * 2.0
    shape = tuple(int(value) for value in np.ceil(box / resolution_mm - 1e-6))
    affine = STANDARD_AFFINE.copy()
    affine[:3, :3] *= resolution_mm / 2.0
    corner = STANDARD_AFFINE @ [-0.5, -0.5, -0.5, 1.0]
    affine[:3, 3] = (corner - affine @ [-0.5, -0.5, -0.5, 0.0])[:3]
    affine[0, 3] = resolution_mm * (shape[0] - 1) / 2.0
    return _standard(np.zeros(shape, np.uint8), affine)


def _standard(data: npt.NDArray[Any], affine: Matrix) -> nib.Nifti1Image:
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=_MNI_CODE)
    image.set_qform(affine, code=_MNI_CODE)
    return image


@cache
def template(kind: Literal["T1w", "GM", "WM", "mask"]) -> nib.Nifti1Image:
    """A template of the standard space on the 2 mm grid: skull-stripped T1w (0-1), tissue probability, brain mask.

    Returns
    -------
    nib.Nifti1Image
        float32, 91x109x91; from nilearn's bundled ICBM 152 2009a symmetric files (1 mm, averaged down to 2 mm).
    """
    load = {
        "T1w": load_mni152_template, "GM": load_mni152_gm_template,
        "WM": load_wm_template, "mask": load_mni152_brain_mask,
    }[kind]  # fmt: skip
    source = load(resolution=1)
    fine = sitk.DiscreteGaussian(to_sitk(source), variance=0.72)  # full width at half maximum 2 mm: no aliasing
    smooth = nib.Nifti1Image(sitk_array(fine), sitk_affine(fine))
    image = resample(smooth, standard_grid(), [])
    data = array(image)
    if kind == "mask":
        data = (data > 0.5).astype(np.float32)
    return _standard(np.clip(data, 0.0, 1.0), STANDARD_AFFINE)
