"""Lesion masks as people store them -> one binary mask in standard space; and the lesion in registration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import SPACE, BidsFile, StepReport
from bids_stroke.imaging.images import (
    FloatArray,
    array,
    as_the_person_lies,
    like,
    load_image,
    reorient,
    same_grid,
    stored_orientation,
)
from bids_stroke.imaging.lesion_masks import Mask, above_half, binarize, lesion_on, save_shares, share_warnings
from bids_stroke.imaging.registration import STANDARD_AFFINE, Warp, standard_grid, template
from bids_stroke.imaging.transforms import Matrix, Transform, resample
from bids_stroke.preprocess.registry import StepContext

LARGEST_SHARE = 0.6
"""A lesion that covers more of the brain than this is an inverted mask or a brain mask."""
_SMALLEST_INSIDE = 0.5
_NEAR_MM = 10.0
_FEATHER_MM = 2.0


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


def mirror_fill(brain: nib.Nifti1Image, lesion: Mask, registration: Matrix | Warp) -> nib.Nifti1Image:
    """Enantiomorphic filling: put the mirrored healthy side where the lesion is.

    Parameters
    ----------
    brain : nib.Nifti1Image
        Brain-extracted T1w.
    lesion : ndarray of bool
        On its grid.
    registration : ndarray (4, 4) or Warp
        RAS, standard world -> native world, or the whole warp: the template's plane x = 0 is the plane of the mirror.
        With a warp each place is filled from its counterpart also in a head that is not symmetric.

    Returns
    -------
    nib.Nifti1Image
        Filled over a soft edge of about 2 mm; a part whose mirror image is lesion too keeps its own intensity.

    Notes
    -----
    Nachev et al. 2008, "Enantiomorphic normalization of focally lesioned brains".
    """
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    if isinstance(registration, Warp):
        mirror: list[Transform] = [registration.forward, flip, registration.inverse]
    else:
        mirror = [registration @ flip @ np.linalg.inv(registration)]
    mirrored = array(resample(brain, brain, mirror))
    other_side = array(resample(like(brain, lesion.astype(np.float32)), brain, mirror)) > 0.1
    fillable = lesion & ~other_side & (mirrored > 0)
    spacing = np.linalg.norm(brain.affine[:3, :3], axis=0)
    distance = ndimage.distance_transform_edt(~fillable, sampling=list(spacing))
    weight = np.clip(1.0 - distance / _FEATHER_MM, 0.0, 1.0) * (mirrored > 0) * ~other_side
    filled = weight * mirrored + (1.0 - weight) * array(brain)
    return like(brain, filled.astype(np.float32))


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


def run(context: StepContext) -> StepReport:
    """Write the lesion mask in standard space, and in native space where there is a T1w.

    Where a mask in standard space has a map of shares (``probseg``), that is written too and is the modality: small
    lesions keep their volume.

    Raises
    ------
    MissingModalityError
        The mask is empty (``empty-lesion-mask``), or is in native space and nothing carries it to standard space
        (``no-t1w-registration``).
    DataError
        A mask that cannot be one.
    """
    files = context.session.lesion
    anat = context.earlier["anat"].files if "anat" in context.earlier else {}
    standard = tuple(file for file in files if in_standard_space(file))
    native = tuple(file for file in files if file not in standard)
    grid = standard_grid()
    brain = array(template("mask")) > 0.5
    warnings = space_warnings(standard) + source_warnings(files) + share_warnings(standard)
    lesion, shares = lesion_on(grid, standard, union_on(grid, standard))
    written = {}
    if native and "to_standard" in anat:
        t1w = load_image(anat["t1w"], 3)
        own = union_on(t1w, native)
        check_plausible(own, array(load_image(anat["brain_mask"], 3)) > 0.5, t1w.header.get_zooms()[:3], native)
        carried = carry(like(t1w, own.astype(np.float32)), grid, [anat["to_standard"]])
        lesion = lesion | carried
        shares = None if shares is None else np.maximum(shares, carried)
        as_stored = reorient(like(t1w, own.astype(np.uint8)), stored_orientation(anat["t1w"]))
        written["lesion_native"] = _save(context, as_stored, native, standard=False)
    elif native and not standard:
        message = f"{native[0].path} is in native space and there is no T1w registration to carry it to {SPACE}."
        raise MissingModalityError(message, "Give a T1w, or a mask in standard space.", "no-t1w-registration")
    elif native:
        warnings += [f"{file.path.name} is not used: there is no T1w registration." for file in native]
    if not lesion.any():
        names = ", ".join(str(file.path) for file in files)
        raise MissingModalityError(f"The lesion mask {names} is empty.", "Leave it out or redraw it.",
                                   "empty-lesion-mask")  # fmt: skip
    check_plausible(lesion, brain, (2.0, 2.0, 2.0), files)
    path = _save(context, like(grid, lesion.astype(np.uint8)), files, standard=True)
    written["lesion_standard"] = path
    if shares is not None:
        path = save_shares(context, like(grid, shares), standard)
        written["lesion_shares"] = path
    qc = describe(lesion, shares) | {"lesion_in_brain_fraction": float(brain[lesion].mean())}
    return StepReport(outputs={"lesion": (path,)}, files=written, qc=qc, warnings=tuple(warnings))


def _save(context: StepContext, image: nib.Nifti1Image, files: Sequence[BidsFile], *, standard: bool) -> Path:
    outputs = context.outputs
    sidecar = {"Type": "Lesion", "Sources": outputs.sources(files)}
    name = {"label": "L", "desc": "lesion"}
    if standard:
        path = outputs.standard("anat", "mask.nii.gz", **name)
        return outputs.save_image(path, image, sidecar | {"Resolution": {"2": "2 mm isotropic"}})
    return outputs.save_image(outputs.path("anat", "mask.nii.gz", **name), image, sidecar)
