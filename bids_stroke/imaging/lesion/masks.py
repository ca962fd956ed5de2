"""Lesion masks in all encodings and spaces, and maps of the share of each voxel that is lesion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from scipy import ndimage

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import SPACE, BidsFile
from bids_stroke.core.spaces import place_of
from bids_stroke.imaging.images import (
    FloatArray,
    array,
    as_the_person_lies,
    like,
    load_image,
    same_grid,
)
from bids_stroke.imaging.lesion.shares import Mask, above_half, as_share, binarize
from bids_stroke.imaging.standard_space import STANDARD_AFFINE
from bids_stroke.imaging.transforms import Transform, resample

_MOST_POINTS = 4
"""Along each side of a voxel that a finer map is averaged over."""
_MUCH_FINER = 2.01
"""Times finer than the grid, from which on a mask is averaged: its voxels would fall between the grid's points."""
_MANY_POINTS = 60_000_000


def share_warnings(files: Sequence[BidsFile]) -> list[str]:
    """A warning for each mask beside which there are several maps of shares, so that none of them is used."""
    return [
        f"{file.path.name} counts in whole voxels: {_share_names(file)} may each be the map of its shares, so none "
        "is used. Keep one of them in that folder."
        for file in files
        if "share_or_not_0" in file.beside
    ]


def _share_names(file: BidsFile) -> str:
    return " and ".join(path.name for role, path in file.beside.items() if role.startswith("share"))


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
        image = as_the_person_lies(load_image(path, 3, nan_is_0=True), file.metadata)
        data = array(image)
        shares = as_share(data, path.name) if "share" in file.beside else binarize(data, path.name).astype(np.float32)
        if not same_grid(image, grid):
            shares = averaged(like(image, shares), grid)
        largest = np.maximum(largest, shares)
    return largest


def averaged(image: nib.Nifti1Image, grid: nib.Nifti1Image, transforms: Sequence[Transform] = ()) -> FloatArray:
    """An image on a grid: means over the grid's voxels, from points as close as the image's own voxels."""
    n = min(max(int(np.ceil(_times_finer(image, grid) - 1e-3)), 1), _MOST_POINTS)
    where: tuple[slice, ...] = (slice(None),) * 3
    part = grid
    if n**3 * float(np.prod(grid.shape[:3])) > _MANY_POINTS:
        where = _box(image, grid, transforms)
        part = grid.slicer[where]
    inner = np.diag([1 / n, 1 / n, 1 / n, 1.0])
    inner[:3, 3] = (1 / n - 1) / 2
    fine = nib.Nifti1Image(np.zeros([n * side for side in part.shape[:3]], np.uint8), part.affine @ inner)
    values = array(resample(image, fine, transforms)).reshape([size for side in part.shape[:3] for size in (side, n)])
    result = np.zeros(grid.shape[:3], np.float32)
    result[where] = values.mean(axis=(1, 3, 5), dtype=np.float64)
    return result


def _times_finer(image: nib.Nifti1Image, grid: nib.Nifti1Image) -> float:
    return float(voxel_sizes(grid.affine).max() / voxel_sizes(image.affine).min())


def _box(image: nib.Nifti1Image, grid: nib.Nifti1Image, transforms: Sequence[Transform]) -> tuple[slice, ...]:
    """The part of a grid that holds all of an image that is not 0, found by the box around it."""
    filled = np.argwhere(array(image) != 0)
    low, high = (filled.min(axis=0), filled.max(axis=0)) if len(filled) else (np.zeros(3, int), np.zeros(3, int))
    wide = np.ceil(2 * voxel_sizes(grid.affine).max() / voxel_sizes(image.affine)).astype(int)
    box = np.zeros(image.shape[:3], np.float32)
    box[tuple(slice(max(start, 0), end) for start, end in zip(low - wide, high + wide + 1, strict=True))] = 1.0
    found = np.argwhere(array(resample(like(image, box), grid, transforms)) > 0)
    if not len(found):
        return (slice(0, 2),) * 3
    return tuple(
        slice(int(max(start - 1, 0)), int(end + 2))
        for start, end in zip(found.min(axis=0), found.max(axis=0), strict=True)
    )


LARGEST_SHARE = 0.6
"""A lesion that covers more of the brain than this is an inverted mask or a brain mask."""


_SMALLEST_INSIDE = 0.5


_NEAR_MM = 10.0


def in_standard_space(mask: BidsFile) -> bool:
    """Whether the name or sidecar says that a mask is in a standard space that is near enough to ours."""
    return place_of(mask).kind == "standard"


def space_warnings(files: Sequence[BidsFile]) -> list[str]:
    """A warning for each file in another variant of MNI space than ours."""
    spaces = {file: place_of(file).label for file in files if in_standard_space(file)}
    return [
        f"{file.path.name} is in {label}, taken as equal to {SPACE}."
        for file, label in spaces.items()
        if label != SPACE
    ]


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
        image = as_the_person_lies(load_image(file.path, 3, nan_is_0=True), file.metadata)
        mask = binarize(array(image), file.path.name)
        if transforms or not same_grid(image, grid):
            mask = carry_all(like(image, mask.astype(np.float32)), grid, transforms, file.path)
        united |= mask
    return united


def carry_all(mask: nib.Nifti1Image, grid: nib.Nifti1Image, transforms: Sequence[Transform], path: Path) -> Mask:
    """As `carry`, of a mask of a file.

    Raises
    ------
    DataError
        Nothing of it lies on the grid (``mask-outside-image``).
    """
    moved = carry(mask, grid, transforms)
    if array(mask).any() and not moved.any():
        message = f"{path} lies outside the image that it belongs to."
        raise DataError(message, "Check that mask and image share their space.", "mask-outside-image")
    return moved


def carry(mask: nib.Nifti1Image, grid: nib.Nifti1Image, transforms: Sequence[Transform]) -> Mask:
    """Resample a binary mask (linear, above 0.5; above half of the largest value where nothing else would be left).

    One that is much finer than the grid, or that falls between its points, is averaged over the grid's voxels instead.
    """
    if _times_finer(mask, grid) <= _MUCH_FINER and (shares := array(resample(mask, grid, transforms))).any():
        return above_half(shares)
    return above_half(averaged(mask, grid, transforms))


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
