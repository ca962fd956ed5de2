"""Transforms as files, and resampling through chains of them in one interpolation.

Transforms follow ITK and BIDS: the file ``from-A_to-B`` resamples an image of A onto B's grid, so it maps *points*
from B to A, in ITK's LPS millimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from bids_stroke.imaging.images import array, array_to_sitk, like, sitk_array

Matrix = npt.NDArray[np.float64]
Transform: TypeAlias = Path | Matrix | nib.Nifti1Image
"""A transform file, a 4x4 RAS matrix (grid's world -> image's world), or an ITK displacement field."""

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def save_warp(path: Path, field: nib.Nifti1Image) -> None:
    """Write a displacement field (``.nii.gz``) that ITK and ANTs read."""
    field.to_filename(path)


def save_rigid(path: Path, matrix: Matrix) -> None:
    """Write a 4x4 RAS matrix (grid's world -> image's world) as ITK text (``.txt``), in ITK's LPS."""
    sitk.WriteTransform(_affine_transform(matrix), str(path))


def _affine_transform(matrix: Matrix) -> sitk.Transform:
    lps = _LPS @ matrix @ _LPS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix([float(value) for value in lps[:3, :3].ravel()])
    transform.SetTranslation([float(value) for value in lps[:3, 3]])
    return transform


def read_transform(source: Transform | sitk.Image) -> sitk.Transform:
    """A transform file (ITK text or displacement field), a RAS matrix or a field -> SimpleITK transform."""
    if isinstance(source, np.ndarray):
        return _affine_transform(source)
    if isinstance(source, sitk.Image):
        return sitk.DisplacementFieldTransform(sitk.Image(source))  # a copy, because the transform takes its image away
    if isinstance(source, Path) and not source.name.endswith((".nii.gz", ".nii")):
        return sitk.ReadTransform(str(source))
    image = cast(nib.Nifti1Image, nib.load(source)) if isinstance(source, Path) else source
    data = np.asarray(image.dataobj, dtype=np.float64)[:, :, :, 0, :]
    return sitk.DisplacementFieldTransform(array_to_sitk(data, image.affine, vector=True))


def displacements(transforms: Sequence[Transform | sitk.Image], grid: nib.Nifti1Image) -> sitk.Image:
    """A chain of transforms (as `resample` takes them) as one: how far it moves each voxel of a grid (LPS, mm)."""
    reference = array_to_sitk(np.zeros(grid.shape[:3], np.float32), grid.affine)
    where = reference.GetSize(), reference.GetOrigin(), reference.GetSpacing(), reference.GetDirection()
    return sitk.TransformToDisplacementField(_chain(transforms), sitk.sitkVectorFloat64, *where)


def _chain(transforms: Sequence[Transform | sitk.Image]) -> sitk.CompositeTransform:
    # a composite applies the transform added last first, and points go from the grid back to the image
    chain = sitk.CompositeTransform(3)
    for source in transforms:
        chain.AddTransform(read_transform(source))
    return chain


def resample(
    image: nib.Nifti1Image,
    grid: nib.Nifti1Image,
    transforms: Sequence[Transform] = (),
    interpolation: Literal["linear", "nearest", "cubic"] = "linear",
) -> nib.Nifti1Image:
    """Resample an image onto a grid through a chain of transforms, in one interpolation.

    Parameters
    ----------
    image : nib.Nifti1Image
        3D, or 4D (each volume alike).
    grid : nib.Nifti1Image
        Gives shape and affine.
    transforms : sequence of Transform
        In the order in which a point of the image travels to the grid: ``[dwi_to_T1w, T1w_to_S]``. Empty: by the
        headers alone.
    interpolation : {"linear", "nearest", "cubic"}
        Cubic B-spline can overshoot: clip where that matters.

    Returns
    -------
    nib.Nifti1Image
        float32 on the grid; 0 outside the image. A 4D image keeps its TR.
    """
    method = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor, "cubic": sitk.sitkBSpline}[interpolation]
    chain = _chain(transforms)
    shape = grid.shape[:3]
    reference = array_to_sitk(np.zeros(shape, np.float32), grid.affine)
    data = array(image)
    volumes = data[..., None] if data.ndim == 3 else data
    result = np.empty((*shape, volumes.shape[3]), np.float32, order="F")
    for index in range(volumes.shape[3]):
        volume = array_to_sitk(volumes[..., index], image.affine)
        result[..., index] = sitk_array(sitk.Resample(volume, reference, chain, method, 0.0, sitk.sitkFloat32))
    moved_image = like(grid, result[..., 0] if data.ndim == 3 else result)
    if data.ndim == 4:
        moved_image.header.set_zooms((*moved_image.header.get_zooms()[:3], image.header.get_zooms()[3]))
    return moved_image
