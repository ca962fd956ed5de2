"""Where a diffusion series lies: its brain mask, the way to the session's T1w and to the standard space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from dipy.segment.mask import median_otsu
from scipy.ndimage import binary_dilation, binary_fill_holes, label

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.imaging.images import FloatArray, array, like, load_image
from bids_stroke.imaging.part_of_brain import moved_from_header, register_in_session
from bids_stroke.imaging.registration import register_deformable, register_rigid
from bids_stroke.imaging.standard_space import template
from bids_stroke.imaging.transforms import Transform, resample

Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

_STARTS_MM = (0.0, -30.0, 30.0)
_DETERMINANTS = (0.4, 2.5)
_SMALLEST_FIT = 0.6
_SMALLEST_OVERLAP = 0.7
_DEFORM_FROM = 0.9
"""Share of the template's brain within the images from which the registration may be deformable: without the lowest
slices of the cerebellum it still is right (0.94, real), with half of the temporal lobes missing it is not (0.73)."""
_NEAR_VOXELS = 5
"""Voxels of 2 mm around the template's brain within which a brain that is registered to it by an affine may reach."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a series lies.

    Attributes
    ----------
    mask : (x, y, z) bool
        Brain, on the series' grid.
    to_standard : tuple of Transform
        For ``resample``.
    to_t1w : (4, 4) float64 or None
        RAS matrix, T1w world -> diffusion world; None where there is no T1w.
    warnings : tuple of str
        How exact it is.
    qc : mapping
        Quality numbers of the registration.
    """

    mask: Mask
    to_standard: tuple[Transform, ...]
    to_t1w: Matrix | None = None
    warnings: tuple[str, ...] = ()
    qc: Mapping[str, float] = field(default_factory=dict)


def rough_mask(volume: FloatArray) -> Mask:
    """Brain mask of an unweighted volume: smoothed, thresholded, the largest piece, filled.

    Raises
    ------
    DataError
        Nothing stands out.
    """
    with np.errstate(invalid="ignore"):  # 0 / 0 in Otsu's threshold where the filter leaves nothing
        _, mask = median_otsu(volume.astype(np.float64), median_radius=2, numpass=2)
    if not mask.any() or mask.all():
        message = "No head stands out in the b=0 volumes."
        raise DataError(message, "Look at the image, and whether the b-values are in its order.", reason="no-head")
    pieces, _ = label(mask)
    largest = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    return np.asarray(binary_fill_holes(largest), dtype=bool)


def place_by_t1w(unweighted: nib.Nifti1Image, mask: Mask, anat: Mapping[str, Path], work: Path, seed: int) -> Place:
    """Rigid registration to the session's T1w, whose brain mask and warp are taken over.

    Parameters
    ----------
    unweighted : nib.Nifti1Image
        Mean at b=0.
    mask : (x, y, z) bool
        Rough brain mask.
    anat : mapping of str to Path
        Files of the step ``anat`` by role.
    work : Path
        For greedy.
    seed : int
        For greedy.
    """
    values = array(unweighted)
    to_t1w = register_in_session(unweighted, mask, load_image(anat["t1w_brain"], 3), work, seed)
    brain = resample(load_image(anat["brain_mask"], 3), unweighted, [np.linalg.inv(to_t1w)])
    inside = (array(brain) > 0.5) & (values > 0)
    overlap = float((inside & mask).sum()) / max(float(mask.sum()), 1.0)
    warnings: tuple[str, ...] = ()
    if overlap < _SMALLEST_OVERLAP:
        warnings = (f"Diffusion: only {overlap:.0%} of its brain lies in that of the T1w; look at the registration.",)
    moved = moved_from_header(to_t1w, unweighted, mask)
    return Place(inside, (to_t1w, anat["to_standard"]), to_t1w, warnings, moved)


def place_alone(brain: nib.Nifti1Image, work: Path, seed: int) -> Place:
    """Registration to the template without a T1w.

    Parameters
    ----------
    brain : nib.Nifti1Image
        T1w-like (see ``t1w_like``), 0 outside the brain; it may be cut off above or below.
    work : Path
        For greedy.
    seed : int
        For greedy.

    Raises
    ------
    MissingModalityError
        They do not fit (``not-registered``).
    """
    affine = affine_of_part(brain, work, seed)
    inside = array(template("mask")) > 0.5
    # a threshold at b=0 takes the eyes for brain
    near = like(template("mask"), binary_dilation(inside, iterations=_NEAR_VOXELS).astype(np.float32))
    mask = (array(brain) > 0) & (array(resample(near, brain, [np.linalg.inv(affine)])) > 0.5)
    brain = like(brain, array(brain) * mask)
    note = "There is no T1w: the diffusion images were registered to the template by themselves, less exactly."
    extent = like(brain, np.ones(brain.shape, dtype=np.float32))
    if array(resample(extent, template("mask"), [affine]))[inside].mean() < _DEFORM_FROM:
        # a deformation would stretch what is there over what is not
        part = "The diffusion images show a part of the brain only: their registration is affine."
        return Place(mask, (affine,), warnings=(note, part))
    warp = register_deformable(brain, template("T1w"), affine, work, seed=seed)
    return Place(mask, (warp.forward,), warnings=(note,))


def affine_of_part(brain: nib.Nifti1Image, work: Path, seed: int) -> Matrix:
    """RAS matrix, template world -> world of a brain that may be cut off above or below.

    The template is registered to the image, so that the metric ends where the image ends, from several heights; the
    best correlation wins.

    Raises
    ------
    MissingModalityError
        None of them fits (``not-registered``).
    """
    whole, values = template("T1w"), array(brain)
    if not values.any():
        raise MissingModalityError("No brain is found in the diffusion images.", "Look at the image.", "not-registered")
    best: Matrix = np.eye(4)
    best_fit = -1.0
    for height in _STARTS_MM:
        start = np.eye(4)
        start[:3, 3] = _middle(whole) - _middle(brain) + [0.0, 0.0, height]
        shifted = nib.Nifti1Image(array(whole), np.linalg.inv(start) @ whole.affine)
        to_template = start @ register_rigid(shifted, brain, work, seed=seed, dof=12)
        seen = array(resample(whole, brain, [to_template]))
        fit = float(np.corrcoef(seen.ravel(), values.ravel())[0, 1]) if np.ptp(seen) > 0 else -1.0
        if fit > best_fit and _DETERMINANTS[0] < np.linalg.det(to_template[:3, :3]) < _DETERMINANTS[1]:
            best, best_fit = np.asarray(np.linalg.inv(to_template), dtype=np.float64), fit
    if best_fit < _SMALLEST_FIT:
        message = f"The diffusion images do not fit the template (best correlation {best_fit:.2f})."
        remedy = "Add a T1w image of the session, or check the images' orientation."
        raise MissingModalityError(message, remedy, "not-registered")
    return best


def _middle(image: nib.Nifti1Image) -> Matrix:
    """Centre of what is above 0, mm."""
    return np.asarray((image.affine @ [*np.argwhere(array(image) > 0).mean(axis=0), 1.0])[:3])


def t1w_like(fa: FloatArray, md: FloatArray) -> FloatArray:
    """Image with the contrast of a T1w (CSF dark, white matter bright) from diffusion alone, for registration.

    ``exp(-MD / 0.001) (1 + FA)``: about .05 in CSF, .5 in grey and .7 in white matter.
    """
    return np.asarray(np.where(md > 0, np.exp(-md / 1e-3) * (1.0 + fa), 0.0), dtype=np.float32)


def white_matter(grid: nib.Nifti1Image, place: Place, anat: Mapping[str, Path]) -> FloatArray:
    """Share of white matter in the brain's voxels, 0 elsewhere: by the T1w, on the series' grid; else by the template.

    Without a T1w it is in standard space.
    """
    if place.to_t1w is None:
        return array(template("WM"))
    return array(resample(load_image(anat["wm"], 3), grid, [np.linalg.inv(place.to_t1w)])) * place.mask
