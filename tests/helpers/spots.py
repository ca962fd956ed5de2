"""Images with one bright spot, stored in any order of axes, and rigid matrices."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import array

LEFT_FRONT_TOP = np.array([-24.0, 40.0, 30.0])
"""World (RAS, mm) of the only bright spot."""


def spot(affine: np.ndarray, shape: tuple[int, int, int], centre: np.ndarray = LEFT_FRONT_TOP) -> nib.Nifti1Image:
    """A Gaussian spot of 6 mm around a point of the world."""
    world = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    return nib.Nifti1Image(np.exp(-((world - centre) ** 2).sum(-1) / 72.0).astype(np.float32), affine)


def centre(image: nib.Nifti1Image) -> np.ndarray:
    """World coordinates of the spot."""
    data = array(image).astype(float)
    voxel = (np.indices(data.shape).reshape(3, -1) * data.ravel()).sum(1) / data.sum()
    return nib.affines.apply_affine(image.affine, voxel)


def stored_as(image: nib.Nifti1Image, axes: str) -> nib.Nifti1Image:
    """The same image with its voxels stored in another order."""
    ours, theirs = nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(axes)
    return image.as_reoriented(nib.orientations.ornt_transform(ours, theirs))


def rigid(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def small_ras() -> nib.Nifti1Image:
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-90, -120, -75]
    return spot(affine, (60, 70, 60))
