"""A lesion mask whose header has lost, or contradicts, the place of the image that it was drawn on."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.imaging.forms import apart_mm, other_form, place_known, without_shear
from bids_stroke.imaging.images import CANONICAL, array, like, reorient, same_grid, stored_orientation
from bids_stroke.imaging.lesion.check import SEEN, rim_contrast
from bids_stroke.imaging.lesion.shares import Mask, read_shares
from bids_stroke.imaging.opened import opened
from bids_stroke.imaging.transforms import resample

_CLOSE_VOXELS = 0.5
"""Corners nearer than this: the same place."""
_CLEARER = 2.0
_INSIDE, _OUTSIDE = 0.8, 0.5
"""Shares of a mask in the brain from which on it fits, and below which it does not."""
_REMEDY = "Save the mask again with the header of the image that it was drawn on."


def settled(
    mask: nib.Nifti1Image, path: Path, reference: tuple[nib.Nifti1Image, Path], brain: Mask
) -> tuple[nib.Nifti1Image, list[str]]:
    """A mask where it belongs on the image that it was drawn on, with what is to be said of it.

    A mask of the image's very matrix was most likely drawn on its voxels: where its header has no place, or another
    form of the image's header, or the image itself agrees, it gets the image's affine. Nothing is ever mirrored.

    Parameters
    ----------
    mask : nib.Nifti1Image
        As `load_image` gives it.
    path : Path
        Its file.
    reference : (nib.Nifti1Image, Path)
        The image, as `load_image` gives it, and its file.
    brain : ndarray of bool
        On the image's grid: the brain, or the head.

    Raises
    ------
    MissingModalityError
        Its place is not known (``unknown-orientation``), or two places are possible (``ambiguous-lesion-place``).
    """
    image, image_path = reference
    known = place_known(path) and place_known(image_path)
    if same_grid(mask, image) and place_known(path) == place_known(image_path):
        if _matrix(path) == _matrix(image_path) and stored_orientation(path) != stored_orientation(image_path):
            _refuse_a_flip(mask, path, reference, brain)
        return mask, []
    if _matrix(path) != _matrix(image_path):
        if known:
            return mask, []
        who, other = (path, image_path) if not place_known(path) else (image_path, path)
        message = (
            f"{who.name} has neither sform nor qform, and another matrix than {other.name}: its place is not known."
        )
        raise MissingModalityError(message, _REMEDY, "unknown-orientation")
    by_voxel = _on_voxels_of(image, image_path, mask, path)
    if not known:
        return by_voxel, [_without_header(by_voxel, path, reference, brain)]
    return _of_two_places(mask, by_voxel, path, reference, brain)


def _affine(path: Path) -> npt.NDArray[np.float64]:
    return np.asarray(opened(path).affine)


def _matrix(path: Path) -> tuple[int, ...]:
    return tuple(opened(path).shape[:3])


def _on_voxels_of(image: nib.Nifti1Image, image_path: Path, mask: nib.Nifti1Image, path: Path) -> nib.Nifti1Image:
    """The mask's voxels, in the order in which they are stored, as voxels of the image as it is stored."""
    stored = array(reorient(mask, stored_orientation(path)))
    return like(image, array(reorient(nib.Nifti1Image(stored, _affine(image_path)), CANONICAL)))


def _refuse_a_flip(mask: nib.Nifti1Image, path: Path, reference: tuple[nib.Nifti1Image, Path], brain: Mask) -> None:
    """Of another order of voxels than the image: were they reordered rightly, or is only the header another one?"""
    seen = [_seen(item, reference, brain) for item in (_on_voxels_of(*reference, mask, path), mask)]
    if seen[0] >= SEEN and seen[0] >= _CLEARER * seen[1]:
        message = (
            f"{path.name} says that its voxels are stored in another order than those of {reference[1].name}, but the "
            "image shows the lesion where they lie in the same order: its header is wrong, or it is mirrored."
        )
        raise MissingModalityError(message, _REMEDY, "ambiguous-lesion-place")


def _without_header(by_voxel: nib.Nifti1Image, path: Path, reference: tuple[nib.Nifti1Image, Path], brain: Mask) -> str:
    """What is said of a mask that gets the image's affine; its side is compared with what the image shows."""
    image, image_path = reference
    own = _seen(by_voxel, reference, brain)
    mirrored = _seen(like(image, array(by_voxel)[::-1]), reference, brain)
    if mirrored >= SEEN and mirrored >= _CLEARER * own:
        message = (
            f"{path.name} or {image_path.name} has neither sform nor qform, and the image shows the lesion on the "
            "other side: which side it is on is not known."
        )
        raise MissingModalityError(message, _REMEDY, "ambiguous-lesion-place")
    certain = own >= SEEN and own >= _CLEARER * mirrored
    side = "the image shows the lesion on that side" if certain else "left and right rest on the order of its voxels"
    who = path.name if not place_known(path) else image_path.name
    return (
        f"{who} has neither sform nor qform: {path.name} has the matrix of {image_path.name} and is laid on its voxels "
        f"({side})."
    )


def _of_two_places(
    mask: nib.Nifti1Image, by_voxel: nib.Nifti1Image, path: Path, reference: tuple[nib.Nifti1Image, Path], brain: Mask
) -> tuple[nib.Nifti1Image, list[str]]:
    """Of the place by the mask's own header and that by the image's voxels, the one that is right."""
    image, image_path = reference
    own, theirs, shape = _affine(path), _affine(image_path), _matrix(path)
    close = _CLOSE_VOXELS * float(np.linalg.norm(theirs[:3, :3], axis=0).min())
    apart = apart_mm(own, theirs, shape)
    if apart <= close:
        return mask, []
    begin = f"{path.name} has the matrix of {image_path.name}, and its header puts it up to {apart:.1f} mm elsewhere"
    forms = [form for form in (other_form(image_path), without_shear(theirs)) if form is not None]
    drawn = other_form(path)
    if any(apart_mm(own, form, shape) <= close for form in forms) or (
        drawn is not None and apart_mm(drawn, theirs, shape) <= close
    ):
        return by_voxel, [f"{begin}, where the other one of sform and qform is: it is laid on the image's voxels."]
    seen = [_seen(item, reference, brain) for item in (by_voxel, mask)]
    inside = [_inside(item, image, brain) for item in (by_voxel, mask)]
    for first, chosen, where in (
        (0, by_voxel, "it is laid on the image's voxels"),
        (1, mask, "its header is believed"),
    ):
        other = 1 - first
        clearer = (
            seen[first] >= SEEN and seen[first] >= _CLEARER * seen[other] and inside[first] >= inside[other] - 0.05
        )
        if clearer or (inside[first] >= _INSIDE and inside[other] < _OUTSIDE):
            return chosen, [f"{begin}: {where}, which fits what the image shows."]
    message = f"{begin}: which of the two places is right cannot be seen in the image."
    raise MissingModalityError(message, _REMEDY, "ambiguous-lesion-place")


def _moved(mask: nib.Nifti1Image, image: nib.Nifti1Image) -> Mask:
    data = read_shares(array(mask), "mask").values
    return (data if same_grid(mask, image) else array(resample(like(mask, data), image))) > 0.5


def _seen(mask: nib.Nifti1Image, reference: tuple[nib.Nifti1Image, Path], brain: Mask) -> float:
    """How clearly a mask stands out in the image, without sign."""
    lesion = _moved(mask, reference[0])
    return abs(rim_contrast(lesion, array(reference[0]), brain)) if lesion.any() else 0.0


def _inside(mask: nib.Nifti1Image, image: nib.Nifti1Image, brain: Mask) -> float:
    """Share of a mask in the brain; what lies outside the image is outside the brain."""
    whole = float((read_shares(array(mask), "mask").values > 0.5).sum()) * abs(np.linalg.det(mask.affine[:3, :3]))
    lesion = _moved(mask, image) & brain
    return float(lesion.sum() * abs(np.linalg.det(image.affine[:3, :3])) / max(whole, 1e-9))
