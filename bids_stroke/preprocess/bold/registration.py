"""Where a BOLD run lies: its brain and tissues, and the way to the T1w and to standard space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from nilearn.masking import compute_epi_mask
from scipy.ndimage import binary_fill_holes, gaussian_filter, map_coordinates

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import SPACE
from bids_stroke.imaging.images import array, like, load_image, sitk_array, voxel_ml
from bids_stroke.imaging.part_of_brain import moved_from_header, register_in_session
from bids_stroke.imaging.registration import register_rigid
from bids_stroke.imaging.standard_space import template
from bids_stroke.imaging.transforms import Matrix, Transform, displacements, resample

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SMALLEST_ML = 200.0
_SIGNAL_AT_LEAST = 0.15
"""Of the brain's median: below, the scanner has lost the signal."""
_TISSUE_AT_LEAST = 0.95
_FEWEST_VOXELS = 10
_SMALLEST_DICE = 0.7
_FAR_DEGREES = 15.0


@dataclass(frozen=True, eq=False)
class Place:
    """A run's masks, on its grid, and its way to standard space."""

    brain: Mask
    tissues: Mapping[str, Mask]
    """``white_matter`` and ``csf``, where there is enough of them."""
    chain: tuple[Transform, ...]
    """In the order in which a point of the run travels."""
    matrix: Matrix
    """The first of the chain: from the run to ``target``."""
    target: str
    """``T1w``, or the standard space."""
    qc: Mapping[str, float]
    warnings: tuple[str, ...]


def rough_brain(mean: nib.Nifti1Image, name: str) -> Mask:
    """Brain mask by intensity (nilearn's ``compute_epi_mask``).

    Raises
    ------
    MissingModalityError
        Less than 200 ml (``no-brain-found``).
    """
    opening = 2 if min(mean.header.get_zooms()[:3]) < 4.5 else 1  # in voxels
    mask = np.asarray(compute_epi_mask(mean, opening=opening).dataobj).astype(bool) if np.ptp(array(mean)) > 0 else None
    if mask is None or float(mask.sum()) * voxel_ml(mean) < _SMALLEST_ML:
        remedy = "Check that it is a BOLD run of a whole head."
        raise MissingModalityError(f"{name}: no brain was found in the mean volume.", remedy, "no-brain-found")
    return mask


def place(mean: nib.Nifti1Image, rough: Mask, anat: Mapping[str, Path], work: Path, *, seed: int) -> Place:
    """Masks of a run and its way to standard space: through the T1w, or without one straight to the template.

    Parameters
    ----------
    mean : nib.Nifti1Image
        Mean of the motion-corrected run.
    rough : (x, y, z) bool
        Its brain by intensity.
    anat : mapping of str to Path
        Files of the anat step by role; empty without a T1w.
    work : Path
        Folder for greedy's matrix files.
    seed : int
        Of greedy's sampling.
    """
    if not anat:
        return _on_template(like(mean, array(mean) * rough), rough, work, seed)
    matrix = register_in_session(mean, rough, load_image(anat["t1w_brain"], 3), work, seed)
    back = [np.linalg.inv(matrix)]
    anatomical = array(resample(load_image(anat["brain_mask"], 3), mean, back)) > 0.5
    overlap = 2.0 * float((anatomical & rough).sum()) / max(float(anatomical.sum() + rough.sum()), 1.0)
    warnings = []
    if overlap < _SMALLEST_DICE:
        warnings.append(f"BOLD to T1w: the brains overlap badly (Dice {overlap:.2f}): look at the report's pictures.")
    bright = array(mean) > _SIGNAL_AT_LEAST * np.median(array(mean)[rough])
    brain = np.asarray(binary_fill_holes(anatomical & bright))
    maps = {"white_matter": load_image(anat["wm"], 3), "csf": load_image(anat["csf"], 3)}
    tissues = {name: array(resample(_as_fine_as(image, mean), mean, back)) for name, image in maps.items()}
    found, more = _certain(tissues, brain)
    qc = {"t1w_brain_dice": overlap, **moved_from_header(matrix, mean, rough)}
    if qc["t1w_angle_degrees"] > _FAR_DEGREES:
        said = f"turned by {qc['t1w_angle_degrees']:.0f} degrees from the headers' alignment"
        warnings.append(f"BOLD to T1w: {said}: look at the report's pictures.")
    return Place(brain, found, (matrix, anat["to_standard"]), matrix, "T1w", qc, (*warnings, *more))


def _on_template(extracted: nib.Nifti1Image, rough: Mask, work: Path, seed: int) -> Place:
    # the template is what moves, so that the metric ends where the run's field of view does
    to_template = register_rigid(template("T1w"), extracted, work, seed=seed, dof=12)
    matrix, back = np.asarray(np.linalg.inv(to_template), dtype=np.float64), [to_template]
    inside, grey, white = (array(template(kind)) for kind in ("mask", "GM", "WM"))
    maps = {"white_matter": white, "csf": np.clip(inside - grey - white, 0.0, 1.0)}
    probability = {name: _as_fine_as(like(template("mask"), data), extracted) for name, data in maps.items()}
    found, more = _certain({name: array(resample(p, extracted, back)) for name, p in probability.items()}, rough)
    warnings = ["There is no T1w: the mean BOLD image was registered to the template directly, affine only."]
    qc = {"affine_determinant": float(np.linalg.det(matrix[:3, :3]))}
    return Place(rough, found, (matrix,), matrix, SPACE, qc, (*warnings, *more))


def _as_fine_as(image: nib.Nifti1Image, coarse: nib.Nifti1Image) -> nib.Nifti1Image:
    """Smooth to about the resolution of another image, so that its voxels average what they cover."""
    ratio = voxel_ml(coarse) ** (1 / 3) / voxel_ml(image) ** (1 / 3)
    return like(image, gaussian_filter(array(image), 0.42 * ratio)) if ratio > 1 else image


def _certain(probability: Mapping[str, npt.NDArray[np.float32]], brain: Mask) -> tuple[dict[str, Mask], list[str]]:
    """Voxels of a tissue almost for certain; if there are few, the surest ones above one half."""
    found, warnings = {}, []
    for name, values in probability.items():
        inside = np.where(brain, values, 0.0)
        surest = np.sort(inside, axis=None)[-_FEWEST_VOXELS]
        mask = inside >= np.clip(surest, 0.5, _TISSUE_AT_LEAST)
        if mask.sum() >= _FEWEST_VOXELS:
            found[name] = mask
        else:
            warnings.append(f"There are too few voxels of {name.replace('_', ' ')} for its mean signal.")
    return found, warnings


def points_of(grid: nib.Nifti1Image, chain: tuple[Transform, ...]) -> Array:
    """Where each voxel of a grid lies in the run: (x, y, z, 3) world coordinates (mm), RAS.

    Parameters
    ----------
    grid : nib.Nifti1Image
        In standard space.
    chain : tuple of Transform
        As `resample` takes them, from the run to the grid.
    """
    shift = sitk_array(displacements(chain, grid))
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape[:3]), indexing="ij"), axis=-1)
    return np.asarray(apply_affine(grid.affine, index) + shift * [-1.0, -1.0, 1.0])


def sample(volume: npt.NDArray[np.float32], to_voxel: Matrix, points: Array, order: int) -> npt.NDArray[np.float32]:
    """Values of a volume at world points (..., 3): (...) float32; 0 outside the volume.

    Parameters
    ----------
    volume : (x, y, z) float32
        On the grid whose inverse affine is ``to_voxel``.
    to_voxel : (4, 4)
        World of the points -> voxel.
    points : (..., 3)
        World coordinates, mm.
    order : int
        Of the spline.
    """
    where = np.moveaxis(apply_affine(to_voxel, points), -1, 0)
    return np.asarray(map_coordinates(volume, where, output=np.float32, order=order, mode="constant", cval=0.0))
