"""The two places that a NIfTI header can tell, sform and qform: written as one, named where they are two.

nibabel, FSL and SPM read the sform first. ITK (SimpleITK, ANTs, ITK-SNAP, 3D Slicer) reads the sform only where its
code is 1 or there is no qform, and never one that is sheared; otherwise it reads the qform.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from nibabel.spatialimages import HeaderDataError

from bids_stroke.imaging.opened import opened

Affine = npt.NDArray[np.float64]

_SHEAR_MM = 0.1
"""Displacement of a corner from which on a sheared affine is not what a qform can hold."""
_APART_MM = 1.0
"""Between sform and qform; a quaternion in 32 bits alone can be .7 mm off in a large image."""


def set_forms(image: nib.Nifti1Image, affine: Affine, sform: int, qform: int) -> None:
    """Set both forms; an affine with a shear, which a qform cannot hold, is written as sform alone (qform code 0).

    Parameters
    ----------
    image : nib.Nifti1Image
        Its header is changed.
    affine : ndarray (4, 4)
        Voxel to world, mm.
    sform, qform : int
        Codes. With both 0 the image keeps the affine, though its header then tells another: nibabel would read one
        that is flipped in x from it, and the voxels would be mirrored.
    """
    sheared = apart_mm(affine, without_shear(affine), image.shape) > _SHEAR_MM
    known = bool(sform or qform)
    image.set_sform(affine, code=max(sform, qform) if sheared else sform, update_affine=known)
    image.set_qform(affine, code=0 if sheared else qform, update_affine=known)


def without_shear(affine: Affine) -> Affine:
    """The nearest affine without shear, as nibabel writes it into a qform: columns of the same length, orthogonal."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / lengths)
    result = np.array(affine, dtype=np.float64)
    result[:3, :3] = (left @ right) * lengths
    return result


def apart_mm(first: Affine, second: Affine, shape: Sequence[int]) -> float:
    """Largest distance (mm) between the corners of an image under two affines."""
    corners = np.array(list(product(*((0, size - 1) for size in shape[:3]))), dtype=np.float64)
    return float(np.linalg.norm(apply_affine(first, corners) - apply_affine(second, corners), axis=1).max())


def other_form(path: Path) -> Affine | None:
    """The form of a file that we do not read, where it tells another place than the one we read; else None."""
    image = opened(path)
    header = image.header
    if not isinstance(header, nib.Nifti1Header) or not (header["sform_code"] > 0 and header["qform_code"] > 0):
        return None
    try:
        other = np.asarray(header.get_qform(), dtype=np.float64)
    except (HeaderDataError, ValueError):  # quaternions that are none tell no place
        return None
    if not np.isfinite(other).all() or abs(np.linalg.det(other[:3, :3])) < 1e-6:
        return None
    return other if apart_mm(image.affine, other, image.shape) > _APART_MM else None


def form_warnings(paths: Sequence[Path]) -> list[str]:
    """A warning for each file whose sform and qform tell two places, with the one that is used."""
    warnings = []
    for path in paths:
        other = other_form(path)
        if other is not None:
            image = opened(path)
            distance = apart_mm(image.affine, other, image.shape)
            warnings.append(
                f"{path.name}: its sform and qform put it up to {distance:.1f} mm apart; the sform is used. ITK-SNAP, "
                "ANTs and other tools built on ITK may read the qform: what was drawn there does not fit."
            )
    return warnings


def place_known(path: Path) -> bool:
    """Whether a file's header says how its voxels lie in space: whether its sform or qform has a code."""
    header = opened(path).header
    return not isinstance(header, nib.Nifti1Header) or bool(header["sform_code"] > 0 or header["qform_code"] > 0)
