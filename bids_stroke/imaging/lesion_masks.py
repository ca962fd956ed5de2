"""Lesion masks in all encodings and spaces, and maps of the share of each voxel that is lesion."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import voxel_sizes
from scipy import ndimage

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import SPACE, BidsFile
from bids_stroke.imaging.images import (
    FloatArray,
    array,
    as_the_person_lies,
    like,
    load_image,
    same_grid,
)
from bids_stroke.imaging.standard_space import STANDARD_AFFINE
from bids_stroke.imaging.transforms import Transform, resample

Mask = npt.NDArray[np.bool_]
_MAX_LABELS = 20
_ROUNDING = 1.5
"""Largest value of a share, with what interpolation adds to 1; above it a map is in percent."""
_MOST_POINTS = 4
"""Along each side of a voxel that a finer map is averaged over."""


def binarize(data: FloatArray, name: str) -> Mask:
    """Binary mask from what people store as one.

    Parameters
    ----------
    data : ndarray
        0/1, probability (above 0.5 is lesion), percent (above 50), one other value (255), or labels 1 to 20 (any).
    name : str
        File name, for the message.

    Raises
    ------
    DataError
        Negative values, or values that none of these explain.
    """
    values = np.unique(data[data != 0])
    if values.size == 0:
        return np.zeros(data.shape, bool)
    if values[0] < 0:
        message = f"{name} has negative values ({values[0]:g}): not a mask."
        raise DataError(message, "Give a mask with 0 outside and 1 inside the lesion.", "not-a-mask")
    whole = bool(np.all(values == np.round(values)))
    top = float(values[-1])
    if top <= 1.0 or (whole and values.size <= _MAX_LABELS and top <= _MAX_LABELS):
        threshold = 0.5
    elif values.size == 1:
        threshold = 0.5 * top
    elif top <= 100.0:
        threshold = 50.0
    else:
        message = f"{name} has {values.size} values up to {top:g}: not a mask, a probability or percent."
        raise DataError(message, "Give a mask with 0 outside and 1 inside the lesion.", "not-a-mask")
    return np.asarray(data > threshold)


def above_half(shares: FloatArray) -> Mask:
    """Where the share of lesion is above 0.5; above half of the largest share where nothing else would be left."""
    mask = np.asarray(shares > 0.5)
    return mask if mask.any() else np.asarray(shares > 0.5 * float(shares.max()))


def share_warnings(files: Sequence[BidsFile]) -> list[str]:
    """A warning for each mask beside which there are several maps of shares, so that none of them is used."""
    return [
        f"{file.path.name} counts in whole voxels: {' and '.join(path.name for path in file.beside.values())} may "
        "each be the map of its shares, so none is used. Keep one of them in that folder."
        for file in files
        if "share_or_not_0" in file.beside
    ]


def lesion_on(grid: nib.Nifti1Image, files: Sequence[BidsFile], united: Mask) -> tuple[Mask, FloatArray | None]:
    """The united masks, or where they hold no voxel what the maps of shares beside them say; and the shares."""
    shares = shares_on(grid, files)
    return (united if shares is None or united.any() else above_half(shares)), shares


def shares_on(grid: nib.Nifti1Image, files: Sequence[BidsFile]) -> FloatArray | None:
    """Largest share of lesion (0-1) in each voxel of a grid, from the maps of shares beside the masks.

    A finer map is averaged, so that the volume stays.

    Parameters
    ----------
    grid : nib.Nifti1Image
        Target grid, in the files' space.
    files : sequence of BidsFile
        Masks; one without a map of shares counts as 0 and 1.

    Returns
    -------
    ndarray of float32, or None
        None where no mask has such a map.

    Raises
    ------
    DataError
        A map with values below 0 or above 100 (``not-a-mask``).
    """
    if not any("share" in file.beside for file in files):
        return None
    largest = np.zeros(grid.shape[:3], np.float32)
    for file in files:
        path = file.beside.get("share", file.path)
        image = as_the_person_lies(load_image(path, 3), file.metadata)
        data = array(image)
        shares = as_share(data, path.name) if "share" in file.beside else binarize(data, path.name).astype(np.float32)
        if not same_grid(image, grid):
            shares = _averaged(like(image, shares), grid)
        largest = np.maximum(largest, shares)
    return largest


def _averaged(image: nib.Nifti1Image, grid: nib.Nifti1Image) -> FloatArray:
    """An image on a grid: means over the grid's voxels, from points as close as the image's own voxels."""
    ratio = voxel_sizes(grid.affine).max() / voxel_sizes(image.affine).min()
    n = min(max(int(np.ceil(ratio - 1e-3)), 1), _MOST_POINTS)
    inner = np.diag([1 / n, 1 / n, 1 / n, 1.0])
    inner[:3, 3] = (1 / n - 1) / 2
    fine = nib.Nifti1Image(np.zeros([n * side for side in grid.shape[:3]], np.uint8), grid.affine @ inner)
    values = array(resample(image, fine)).reshape([part for side in grid.shape[:3] for part in (side, n)])
    return np.asarray(values.mean(axis=(1, 3, 5), dtype=np.float64), dtype=np.float32)


def as_share(data: FloatArray, name: str) -> FloatArray:
    """Shares from 0 to 1, from shares or percent.

    Raises
    ------
    DataError
        Values below 0 or above 100.
    """
    low, top = float(data.min()), float(data.max())
    if low < 0 or top > 100.5:
        message = f"{name} has values from {low:g} to {top:g}: not the share of lesion in a voxel."
        raise DataError(message, "Give shares from 0 to 1, or percent.", "not-a-mask")
    shares: FloatArray = np.clip(data / np.float32(100.0 if top > _ROUNDING else 1.0), 0.0, 1.0)
    return shares


LARGEST_SHARE = 0.6
"""A lesion that covers more of the brain than this is an inverted mask or a brain mask."""


_SMALLEST_INSIDE = 0.5


_NEAR_MM = 10.0


def in_standard_space(mask: BidsFile) -> bool:
    """Whether the name says that a mask is in a standard space (``space-MNI...``)."""
    return mask.entities.get("space", "").startswith("MNI")


def space_warnings(files: Sequence[BidsFile]) -> list[str]:
    """A warning for each file in another variant of MNI space than ours."""
    others = [file for file in files if in_standard_space(file) and file.entities["space"] != SPACE]
    return [f"{file.path.name} is in {file.entities['space']}, taken as equal to {SPACE}." for file in others]


def source_warnings(files: Sequence[BidsFile]) -> list[str]:
    """A warning where masks of several datasets are united."""
    datasets = {file.uri.split(":")[1] for file in files if file.uri.count(":") >= 2}
    if len(datasets) < 2:
        return []
    return [f"Lesion masks of several datasets are united: {', '.join(file.uri for file in files)}."]


def union_on(grid: nib.Nifti1Image, files: Sequence[BidsFile], transforms: Sequence[Transform] = ()) -> Mask:
    """Load masks, binarize, bring onto a grid (linear, above 0.5) and unite.

    Parameters
    ----------
    grid : nib.Nifti1Image
        Target grid.
    files : sequence of BidsFile
        Masks in one space, each on its own grid.
    transforms : sequence of Transform
        From the masks' space to the grid's.

    Raises
    ------
    DataError
        A file that is not a mask, or a mask of which nothing lies on the grid (``mask-outside-image``).
    """
    united = np.zeros(grid.shape[:3], bool)
    for file in files:
        image = as_the_person_lies(load_image(file.path, 3), file.metadata)
        mask = binarize(array(image), file.path.name)
        if transforms or not same_grid(image, grid):
            whole, mask = mask, carry(like(image, mask.astype(np.float32)), grid, transforms)
            if whole.any() and not mask.any():
                message = f"{file.path} lies outside the image that it belongs to."
                raise DataError(message, "Check that mask and image share their space.", "mask-outside-image")
        united |= mask
    return united


def carry(mask: nib.Nifti1Image, grid: nib.Nifti1Image, transforms: Sequence[Transform]) -> Mask:
    """Resample a binary mask (linear, above 0.5; above half of the largest value where nothing else would be left)."""
    return above_half(array(resample(mask, grid, transforms)))


def check_plausible(lesion: Mask, brain: Mask, spacing_mm: Sequence[float], files: Sequence[BidsFile]) -> None:
    """Refuse a mask that cannot be a lesion of this brain.

    Raises
    ------
    DataError
        It covers more than 60 % of the brain, or more than half of it lies further than 10 mm outside the brain.
    """
    if not lesion.any():
        return
    names = ", ".join(file.path.name for file in files)
    share = float((lesion & brain).sum() / max(brain.sum(), 1))
    if share > LARGEST_SHARE:
        message = f"The lesion mask {names} covers {100 * share:.0f} % of the brain."
        raise DataError(message, "Check that it is not inverted and not a brain mask.", "lesion-too-large")
    near = ndimage.distance_transform_edt(~brain, sampling=list(spacing_mm)) <= _NEAR_MM
    inside = float(near[lesion].mean())
    if inside < _SMALLEST_INSIDE:
        message = f"Of the lesion mask {names} only {100 * inside:.0f} % lies in the brain."
        raise DataError(message, "Check that mask and T1w share their space.", "lesion-outside-brain")


def describe(lesion: Mask, shares: FloatArray | None = None) -> dict[str, float]:
    """Volume (ml) and share on the left (0-1) of a lesion on the 2 mm standard grid; x = 0 counts half to each.

    The volume is the sum of ``shares`` where they are known.
    """
    where = np.argwhere(lesion)
    voxels = float(len(where)) if shares is None else float(shares.sum(dtype=np.float64))
    volume = voxels * abs(float(np.linalg.det(STANDARD_AFFINE[:3, :3]))) / 1000.0
    x = STANDARD_AFFINE[0, 0] * where[:, 0] + STANDARD_AFFINE[0, 3]
    left = float(np.mean((1.0 - np.sign(x)) / 2.0))
    return {"lesion_volume_ml": volume, "lesion_side_left_fraction": left}
