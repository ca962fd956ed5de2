"""Images that show a part of the brain: where it is cut off, and their registration to another image of the person.

A metric that is summed over a whole brain takes the cut for the brain's edge and pulls it there. So the part is what
stays fixed, cropped to the cut: the metric ends where the image ends, and the other image moves behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from picsl_greedy import Greedy3D
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.greedy import execute, matrix_file, options
from bids_stroke.imaging.images import array, like, to_sitk
from bids_stroke.imaging.other_image import shared_information
from bids_stroke.imaging.registration import about_2_mm, register_rigid, thick_enough
from bids_stroke.imaging.transforms import Matrix, resample

Mask = npt.NDArray[np.bool_]

_FLAT = 0.5
"""Share of its largest cross-section with which a brain ends that is cut off there. Whole brains end with up to 0.43
(real: brain stem and cerebellum), and at 0.4 to 0.65 both ways of registering are equally right (0.1 degrees)."""
_NEAR = 2
"""Voxels from the end of the image within which a mask ends at it: nilearn's lacks the outermost ones."""
_LEVELS = ("100x50x20", "50x20", "50")
"""Iterations from coarse to fine. The coarsest grid of a thin part shows nothing; without it far ones are not found."""
_AGREED_MM = 2.0
_MOST_OUTSIDE = 0.5
_SHIFTS_MM = (-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0)
"""Of the part's middle from the other brain's, along the axis that is cut."""


@dataclass(frozen=True, eq=False)
class Part:
    """An image that ends within the brain.

    Attributes
    ----------
    image : nib.Nifti1Image
        3D, cropped to where the brain is cut off.
    inside : (x, y, z) bool
        The brain.
    across : (3,) float64
        Axis (unit vector, RAS) along which it is cut.
    """

    image: nib.Nifti1Image
    inside: Mask
    across: npt.NDArray[np.float64]

    @classmethod
    def of(cls, image: nib.Nifti1Image, mask: Mask) -> Part | None:
        """The part that an image shows; None where it shows the whole brain."""
        ends = cut_ends(image, mask)
        if not ends:
            return None
        box = [slice(0, size) for size in mask.shape]
        for axis, last in ends:
            found = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
            low, high = box[axis].start, box[axis].stop
            box[axis] = slice(low, int(found[-1]) + 1) if last else slice(int(found[0]), high)
        direction = image.affine[:3, ends[0][0]]
        return cls(image.slicer[tuple(box)], mask[tuple(box)], direction / np.linalg.norm(direction))


def cut_ends(image: nib.Nifti1Image, mask: Mask) -> list[tuple[int, bool]]:
    """Where the image ends within the brain: (axis, whether at its last voxel), the broadest cut first.

    Parameters
    ----------
    image : nib.Nifti1Image
        3D; planes that are 0 are no part of it.
    mask : (x, y, z) bool
        The brain, roughly.
    """
    ends = []
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        shown = np.flatnonzero((array(image) != 0).any(axis=others))
        area = mask.sum(axis=others)
        found = np.flatnonzero(area)
        if not len(found) or not len(shown):
            return []
        gaps = {False: found[0] - shown[0], True: shown[-1] - found[-1]}
        ends += [
            (area[found[-1 if last else 0]] / area.max(), axis, last) for last, gap in gaps.items() if gap <= _NEAR
        ]
    return [(axis, last) for share, axis, last in sorted(ends, reverse=True) if share >= _FLAT]


def register_in_session(image: nib.Nifti1Image, mask: Mask, whole: nib.Nifti1Image, work: Path, seed: int) -> Matrix:
    """Rigid registration of an image, which may be cut off, to a brain that is whole (the T1w's).

    Parameters
    ----------
    image : nib.Nifti1Image
        3D.
    mask : (x, y, z) bool
        Its brain, roughly.
    whole : nib.Nifti1Image
        Brain-extracted; about 2 mm of it are used.
    work : Path
        Folder for greedy's matrix files.
    seed : int
        Same seed, same bytes.

    Returns
    -------
    (4, 4) float64
        RAS matrix, world of ``whole`` -> world of ``image``.
    """
    brain, whole = like(image, array(image) * mask), about_2_mm(whole)
    part = Part.of(brain, mask)
    if part is None:
        return register_rigid(brain, whole, work, seed=seed)
    return np.asarray(np.linalg.inv(register_part(part, whole, work, seed)))


def register_part(part: Part, other: nib.Nifti1Image, work: Path, seed: int, *, near: bool = False) -> Matrix:
    """Rigid registration of another image to a part: the best by mutual information of several searches.

    Parameters
    ----------
    part : Part
        Stays fixed.
    other : nib.Nifti1Image
        Moves; brain-extracted unless ``near``.
    work, seed
        As for `register_in_session`.
    near : bool
        The headers are nearly right, as within one series: no other start is tried.

    Returns
    -------
    (4, 4) float64
        RAS matrix, world of the part -> world of the other image.
    """
    searches = [(np.eye(4), levels) for levels in _LEVELS]
    found = [_search(part.image, other, search, work, seed) for search in searches]
    points = apply_affine(part.image.affine, np.argwhere(part.inside)[:: max(1, int(part.inside.sum()) // 500)])
    order = np.argsort([-_information(part, other, matrix) for matrix in found])
    first, second = (apply_affine(found[i], points) for i in order[:2])
    agreed = float(np.linalg.norm(first - second, axis=1).mean()) <= _AGREED_MM
    if not near and (not agreed or _outside(part, other) > _MOST_OUTSIDE):
        middle = _middle(other)
        for shift in _SHIFTS_MM:
            start = np.eye(4)
            start[:3, 3] = middle + shift * part.across - points.mean(axis=0)
            found += [_search(part.image, other, (start, levels), work, seed) for levels in _LEVELS[:2]]
    return max(found, key=lambda matrix: _information(part, other, matrix))


def _search(
    fixed: nib.Nifti1Image, moving: nib.Nifti1Image, search: tuple[Matrix, str], work: Path, seed: int
) -> Matrix:
    """One search with greedy (normalised mutual information): from a start, with iterations for each level."""
    start, levels = search
    path = matrix_file(work / "part_start.mat", start)
    images = {"fixed": to_sitk(thick_enough(fixed)), "moving": to_sitk(thick_enough(moving))}
    greedy = Greedy3D()
    command = f"-a -dof 6 -i fixed moving -m NMI -n {levels} -ia {path} -o rigid {options(seed)}"
    execute(greedy, command, images, "rigid")
    return np.asarray(greedy["rigid"], dtype=np.float64)


def _information(part: Part, other: nib.Nifti1Image, matrix: Matrix) -> float:
    return shared_information(part.image, resample(other, part.image, [matrix]), part.inside)


def _outside(part: Part, other: nib.Nifti1Image) -> float:
    """Share of the part's brain that does not lie in the other one by the headers."""
    return float((array(resample(other, part.image))[part.inside] <= 0).mean())


def _middle(image: nib.Nifti1Image) -> npt.NDArray[np.float64]:
    """Middle (mm) of the box around what is above 0."""
    where = np.argwhere(array(image) > 0)
    return np.asarray(apply_affine(image.affine, (where.min(axis=0) + where.max(axis=0)) / 2))


def moved_from_header(matrix: Matrix, grid: nib.Nifti1Image, mask: Mask) -> dict[str, float]:
    """How far a rigid registration to the T1w lies from what the headers say.

    Parameters
    ----------
    matrix : (4, 4) float64
        RAS, T1w world -> the image's world.
    grid : nib.Nifti1Image
        Of the image.
    mask : (x, y, z) bool
        Its brain.
    """
    centre = apply_affine(grid.affine, np.argwhere(mask).mean(axis=0))
    turn = Rotation.from_matrix(matrix[:3, :3]).magnitude()
    shift = np.linalg.norm(apply_affine(np.linalg.inv(matrix), centre) - centre)
    return {"t1w_angle_degrees": float(np.degrees(turn)), "t1w_shift_mm": float(shift)}
