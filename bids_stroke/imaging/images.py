"""Reading images so that a broken file is named once, and the bridge between nibabel and SimpleITK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.affines import check_affine
from bids_stroke.imaging.forms import set_forms
from bids_stroke.imaging.nifti import read_volumes, read_voxels
from bids_stroke.imaging.opened import opened, readable

FloatArray = npt.NDArray[np.float32]

CANONICAL = "RAS"
"""Voxel order in which images are processed."""
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TIME_BITS, _SECONDS = 0x38, {16: 1e-3, 24: 1e-6}
"""Of ``xyzt_units``: milliseconds and microseconds in seconds; a unit that is none counts as seconds."""
_RIGHT_FILE = "Check that the right file has this name."


def load_image(path: Path, ndim: int, *, nan_is_0: bool = False) -> nib.Nifti1Image:
    """Read an image and check it once, so that no later step has to.

    Parameters
    ----------
    path : Path
        NIfTI file.
    ndim : {3, 4}
        Dimensions wanted. A trailing axis of length 1 is dropped, or added for ``ndim=4``.
    nan_is_0 : bool
        Whether NaN is 0: SPM writes it into masks and maps where there is nothing.

    Returns
    -------
    nib.Nifti1Image
        float32 data in memory, scaled as the header says, in RAS+ voxel order (see `reorient`), with a header that
        holds only what is right: affine, voxel sizes (from the affine), units, orientation codes and TR.

    Raises
    ------
    DataError
        Unreadable or truncated file, wrong number of dimensions, colour or complex values, NaN or infinite voxels,
        an affine that holds NaN or is singular. The message names the file and the remedy.
    """
    with readable(path):
        source = opened(path)
        data = read_voxels(path, source)
    data = _with_dimensions(path, data, ndim)
    data = np.nan_to_num(data, nan=0.0, posinf=np.inf, neginf=-np.inf) if nan_is_0 else data
    _require_finite(path, sum(map(_not_finite, data.T)), data.size)  # by volume: in the cache
    check_affine(path, source.affine)
    return _clean(data, source)


def load_reference(path: Path) -> nib.Nifti1Image:
    """A 3D image, or the first volume of a series, as `load_image` gives it; raises what that raises."""
    with readable(path):
        source = opened(path)
        if len(source.shape) < 4 or source.shape[3] == 1:
            return load_image(path, 3)
        data = np.array(next(read_volumes(path, source)), order="F")
    _require_finite(path, _not_finite(data), data.size)
    return _clean(data, source)


def load_signals(path: Path, mask: nib.Nifti1Image) -> FloatArray:
    """Signals of a mask's voxels of a series in a file, which is never in memory as a whole.

    Parameters
    ----------
    path : Path
        4D NIfTI file.
    mask : nib.Nifti1Image
        3D, on the series' grid, in RAS+ voxel order as `load_image` gives it; above 0.5 is inside.

    Returns
    -------
    (n, volumes) float32
        ``voxel_signals(load_image(path, 4), mask)``: voxels in the mask's order, each volume together in memory.

    Raises
    ------
    DataError
        As `load_image`, and for a mask on another grid (``another-grid``).
    """
    with readable(path):
        source = opened(path)
        shape = source.shape
        if len(shape) != 4:
            raise DataError(f"{path} has shape {shape}: a 4D image is needed.", _RIGHT_FILE, reason="wrong-dimensions")
        number = np.arange(np.prod(shape[:3])).reshape(shape[:3], order="F")
        turned = reorient(nib.Nifti1Image(number, source.affine, dtype=np.int64), CANONICAL)
        if not same_grid(turned, mask):
            message = f"The mask (shape {mask.shape}) is not on the grid of {path} (shape {turned.shape})."
            raise DataError(message, "Give the mask that was made with this series.", reason="another-grid")
        where = np.asanyarray(turned.dataobj)[array(mask) > 0.5]
        signals = np.empty((shape[3], len(where)), dtype=np.float32)
        bad = 0
        for row, volume in zip(signals, read_volumes(path, source), strict=True):
            bad += _not_finite(volume)
            np.take(volume.ravel(order="F"), where, out=row, mode="clip")
    _require_finite(path, bad, int(np.prod(shape)))
    return signals.T


def _not_finite(data: npt.NDArray[np.floating[Any]]) -> int:
    return int(data.size - np.count_nonzero(np.isfinite(data)))


def _require_finite(path: Path, bad: int, size: int) -> None:
    if bad:
        message = f"{path} holds {bad} of {size} voxels that are NaN or infinite."
        raise DataError(message, "Repair the image or leave this subject out.", reason="not-finite")


def stored_orientation(path: Path) -> str:
    """Voxel order of a file that `load_image` has read, as the ends of its axes: ``"LAS"``."""
    return "".join(nib.aff2axcodes(opened(path).affine))


def canonical_axis(path: Path, direction: str) -> tuple[int, int]:
    """A direction of a file's voxel axes, ``i j k i- j- k-`` as in BIDS, in RAS+ voxel order: axis and sign."""
    axes = nib.io_orientation(opened(path).affine)
    axis, sign = axes["ijk".index(direction[0])]
    return int(axis), int(sign) * (-1 if direction.endswith("-") else 1)


def reorient(image: nib.Nifti1Image, orientation: str) -> nib.Nifti1Image:
    """Flip and swap voxel axes, so that they point as nearly as they can to the directions named; nothing is resampled.

    Images are processed in RAS+ order, so that results do not depend on how they are stored (sampling, patches and
    ties follow the voxel order), and written in the order of the file that they come from.

    Parameters
    ----------
    image : nib.Nifti1Image
        3D or 4D; its TR is kept.
    orientation : str
        Ends of the axes, ``"RAS"``, ``"PSL"`` ...

    Returns
    -------
    nib.Nifti1Image
        Each voxel at the same place in space.
    """
    wanted = nib.orientations.axcodes2ornt(orientation)
    change = nib.orientations.ornt_transform(nib.io_orientation(image.affine), wanted)
    if np.array_equal(change, [[0, 1], [1, 1], [2, 1]]):
        return image
    turned = image.as_reoriented(change)
    data = np.asfortranarray(turned.dataobj)  # as nibabel reads it: sums do not depend on the file's order
    result = nib.Nifti1Image(data, turned.affine, turned.header)
    set_forms(result, turned.affine, int(image.header["sform_code"]), int(image.header["qform_code"]))
    return result


def _with_dimensions(path: Path, data: FloatArray, ndim: int) -> FloatArray:
    while data.ndim > ndim and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim == 3 and ndim == 4:
        data = data[..., None]
    if data.ndim != ndim or min(data.shape) < 1 or min(data.shape[:3]) < 2:
        message = f"{path} has shape {data.shape}: a {ndim}D image is needed, of 2 slices and more."
        raise DataError(message, _RIGHT_FILE, "wrong-dimensions")
    return data


def _clean(data: FloatArray, source: nib.Nifti1Image) -> nib.Nifti1Image:
    """A new image whose header does not carry the old one's oddities (NaN pixdims occur in the wild)."""
    turned = reorient(nib.Nifti1Image(data, source.affine), CANONICAL)
    # a header holds 32-bit numbers: what they leave open depends on the voxel order, and optimisers would feel it
    affine = np.round(turned.affine, 5)
    affine[:3, 3] = np.round(affine[:3, 3], 3)
    image = nib.Nifti1Image(np.asanyarray(turned.dataobj), affine)
    header = source.header
    if not isinstance(header, nib.Nifti1Header):
        return image
    image.header.set_xyzt_units("mm", "sec" if data.ndim == 4 else None)
    codes = [int(header["sform_code"]), int(header["qform_code"])]
    set_forms(image, affine, codes[0] or codes[1], codes[1] or codes[0])
    zooms = header.get_zooms()
    if data.ndim == 4 and len(zooms) > 3 and np.isfinite(zooms[3]):
        seconds = float(zooms[3]) * _SECONDS.get(int(header["xyzt_units"]) & _TIME_BITS, 1.0)
        image.header.set_zooms((*image.header.get_zooms()[:3], seconds))
    return image


def orientation_known(image: nib.Nifti1Image) -> bool:
    """Whether the header says how the voxels lie in space (without sform and qform, left and right are a guess)."""
    return bool(image.header["sform_code"] > 0 or image.header["qform_code"] > 0)


def array(image: nib.Nifti1Image) -> FloatArray:
    """Voxels as float32, without a copy where they already are."""
    return np.asarray(image.dataobj, dtype=np.float32)


def as_the_person_lies(image: nib.Nifti1Image, metadata: Mapping[str, object]) -> nib.Nifti1Image:
    """An image in standard space; one that an earlier run mirrored (sidecar: ``Mirrored``) is mirrored back."""
    if metadata.get("Mirrored") is not True:
        return image
    return nib.Nifti1Image(np.asfortranarray(array(image)[::-1]), image.affine, image.header)


def voxel_signals(image: nib.Nifti1Image, mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Series of the voxels of a mask: ``array(image)[mask]``, (n, volumes), quicker; in memory volume after volume."""
    data = array(image)
    where = np.ravel_multi_index(np.nonzero(mask), mask.shape, order="F")
    result = np.empty((data.shape[3], len(where)), dtype=np.float32)
    for volume, row in enumerate(result):
        np.take(data[..., volume].ravel(order="F"), where, out=row, mode="clip")
    return result.T


def same_grid(first: nib.Nifti1Image, second: nib.Nifti1Image, tolerance_mm: float = 1e-2) -> bool:
    """Whether two images share their spatial shape and affine."""
    close = np.allclose(first.affine, second.affine, atol=tolerance_mm)
    return bool(first.shape[:3] == second.shape[:3] and close)


def voxel_ml(image: nib.Nifti1Image) -> float:
    """Volume of a voxel in millilitres."""
    return float(abs(np.linalg.det(image.affine[:3, :3]))) / 1000.0


def like(image: nib.Nifti1Image, data: npt.NDArray[Any]) -> nib.Nifti1Image:
    """New data on an image's grid, with its affine and orientation codes."""
    result = nib.Nifti1Image(data, image.affine)
    result.header.set_xyzt_units("mm", "sec" if data.ndim == 4 else None)
    code = max(int(image.header["sform_code"]), int(image.header["qform_code"]))
    set_forms(result, image.affine, code, code)
    return result


def to_sitk(image: nib.Nifti1Image) -> sitk.Image:
    """3D float32 image for SimpleITK, with the same place in space (ITK's world is LPS, nibabel's RAS)."""
    return array_to_sitk(array(image), image.affine)


def array_to_sitk(
    data: npt.NDArray[np.floating[Any]], affine: npt.NDArray[np.float64], *, vector: bool = False
) -> sitk.Image:
    """Array (x, y, z) or, for vectors, (x, y, z, components) with its RAS affine -> SimpleITK image."""
    axes = (2, 1, 0, 3) if vector else (2, 1, 0)
    result = sitk.GetImageFromArray(np.ascontiguousarray(np.transpose(data, axes)), isVector=vector)
    lps = _LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    result.SetSpacing([float(value) for value in spacing])
    result.SetOrigin([float(value) for value in lps[:3, 3]])
    result.SetDirection([float(value) for value in (lps[:3, :3] / spacing).ravel()])
    return result


def sitk_array(image: sitk.Image) -> FloatArray:
    """SimpleITK image -> array (x, y, z[, components]), float32."""
    data = sitk.GetArrayFromImage(image)
    axes = (2, 1, 0, 3) if data.ndim == 4 else (2, 1, 0)
    return np.ascontiguousarray(np.transpose(data, axes), dtype=np.float32)


def sitk_affine(image: sitk.Image) -> npt.NDArray[np.float64]:
    """RAS affine of a SimpleITK image."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.asarray(_LPS @ affine)
