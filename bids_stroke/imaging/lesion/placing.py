"""Lesion masks in the person's own space -> one mask on the T1w's grid; or why one of them cannot be laid there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile
from bids_stroke.core.spaces import DRAWN_ON, place_of, refusal
from bids_stroke.imaging.forms import form_warnings, place_known
from bids_stroke.imaging.images import array, as_the_person_lies, like, load_image, load_reference, same_grid
from bids_stroke.imaging.lesion.header import settled
from bids_stroke.imaging.lesion.masks import LARGEST_SHARE, carry_all, check_plausible, union_on
from bids_stroke.imaging.lesion.shares import Mask, Shares, read_shares
from bids_stroke.imaging.other_image import register_to_t1w
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import Matrix

Looked = TypeVar("Looked")

NOT_THIS_MASK = (
    "not-a-mask", "mask-outside-image", "lesion-too-large", "lesion-outside-brain", "empty-image",
    "registration-failed"
)  # fmt: skip
"""Reasons that cost the mask and nothing else; a file that cannot be read fails the unit, as any broken file does."""


@dataclass(frozen=True, eq=False)
class Head:
    """The T1w that masks are laid on.

    Parameters
    ----------
    image : nib.Nifti1Image
        As `load_image` gives it.
    file : BidsFile
        Where its grid comes from.
    brain : ndarray of bool
        On its grid.
    """

    image: nib.Nifti1Image
    file: BidsFile
    brain: Mask


@dataclass(frozen=True, eq=False)
class Placed:
    """What was made of the masks."""

    lesion: Mask
    """On the T1w's grid."""
    used: tuple[BidsFile, ...] = ()
    warnings: tuple[str, ...] = ()
    reason: str = ""
    """Why there is no lesion; empty if there is one, or no mask."""
    qc: Mapping[str, float] = field(default_factory=dict)


def place_masks(head: Head, files: Sequence[BidsFile], work: Path, *, seed: int) -> Placed:
    """Lay masks on the T1w and unite them; those that cannot be are named, and cost nothing but themselves.

    Parameters
    ----------
    head : Head
        The T1w.
    files : sequence of BidsFile
        Masks that are not in a standard space.
    work : Path
        For the registration of the images that they were drawn on.
    seed : int
        Of the registration.

    Raises
    ------
    DataError
        A file that cannot be read.
    """

    def placed(file: BidsFile) -> tuple[Mask, list[str], dict[str, float]]:
        one, notes, numbers = _place(head, file, work, seed)
        check_plausible(one, head.brain, head.image.header.get_zooms()[:3], [file])
        return one, notes or form_warnings([file.path]), numbers

    found, warnings, reason = _usable(files, placed)
    lesion = np.zeros(head.image.shape, bool)
    qc: dict[str, float] = {}
    for one, notes, numbers in found.values():
        lesion |= one
        warnings += notes
        qc |= numbers
    if float((lesion & head.brain).sum()) > LARGEST_SHARE * float(head.brain.sum()):  # together
        return Placed(lesion & False, (), (*warnings, _TOGETHER), "lesion-too-large")
    return Placed(lesion, tuple(found), tuple(warnings), reason, qc)


def _usable(
    files: Sequence[BidsFile], look: Callable[[BidsFile], Looked]
) -> tuple[dict[BidsFile, Looked], list[str], str]:
    """What ``look`` makes of each mask; sentences on those that cannot be used; why there is none, if there is none.

    Raises
    ------
    DataError
        A file that cannot be read: that is no fault of the mask.
    """
    found: dict[BidsFile, Looked] = {}
    warnings, reasons = [], []
    for file in files:
        try:
            found[file] = look(file)
        except (DataError, MissingModalityError) as error:
            if isinstance(error, DataError) and error.reason not in NOT_THIS_MASK:
                raise
            warnings.append(f"{error} It is not used: the T1w is processed as one without this lesion.")
            reasons.append(error.reason)
    return found, warnings, "" if found or not reasons else reasons[0]


def _place(head: Head, file: BidsFile, work: Path, seed: int) -> tuple[Mask, list[str], dict[str, float]]:
    t1w_space = head.file.entities.get("space", "")
    why, reason = refusal(file, t1w_space)
    if why:
        raise MissingModalityError(f"The lesion mask {file.path.name} {why}.", REMEDY, reason)
    place = place_of(file, t1w_space)
    candidates = [path for role, path in sorted(file.beside.items()) if role.startswith(DRAWN_ON)]
    image, shares = _read(file)
    if place.kind == "image" and (place.certain or not same_grid(image, head.image)):
        if not candidates:
            message = (
                f"The lesion mask {file.path.name} seems to be drawn on {place.label}, of which there is no image."
            )
            raise MissingModalityError(message, REMEDY, "lesion-of-another-image")
        return _by_image(head, (file, image, shares), candidates, work, seed)
    image, notes = settled(image, file.path, (head.image, head.file.path), head.brain)
    lesion = like(image, _mask(image, file).astype(np.float32))
    if same_grid(image, head.image):
        return array(lesion) > 0, notes, {}
    return carry_all(lesion, head.image, [], file.path), notes, {}


_TOGETHER = "The lesion masks together cover most of the brain: none is used."
REMEDY = "Give the mask in the space of the T1w or in MNI152, or name the space rightly."


def _read(file: BidsFile) -> tuple[nib.Nifti1Image, Shares]:
    """A mask with its meaning.

    Raises
    ------
    MissingModalityError
        It is empty, or nothing of it is above the threshold.
    """
    image = as_the_person_lies(load_image(file.path, 3, nan_is_0=True), file.metadata)
    shares = read_shares(array(image), file.path.name)
    why, reason = nothing_in(shares, file.path.name)
    if why:
        raise MissingModalityError(why, "Redraw it, or leave it out.", reason)
    return image, shares


def nothing_in(shares: Shares, name: str) -> tuple[str, str]:
    """Why there is no lesion in a mask, and the reason code; empty if there is one."""
    if lost := shares.lost(name):
        return lost, "lesion-below-threshold"
    return ("", "") if shares.mask.any() else (f"The lesion mask {name} is empty.", "empty-lesion-mask")


def _mask(image: nib.Nifti1Image, file: BidsFile) -> Mask:
    return read_shares(array(image), file.path.name).mask


def _by_image(
    head: Head, mask: tuple[BidsFile, nib.Nifti1Image, Shares], candidates: Sequence[Path], work: Path, seed: int
) -> tuple[Mask, list[str], dict[str, float]]:
    """A mask by way of the image that it was drawn on."""
    file, image, _ = mask
    path, reference = _drawn_on(file, image, candidates)
    image, notes = settled(image, file.path, (reference, path), _head_of(reference))
    fit = register_to_t1w(reference, head.image, head.brain, work, seed=seed)
    if not fit.holds:
        message = (
            f"The lesion mask {file.path.name} was drawn on {path.name}, whose registration to the T1w is not sure "
            f"enough to carry it (other starts lead {fit.spread_mm:.1f} mm away; it fits {fit.gain:.1f} times as well "
            "as upside down)."
        )
        raise MissingModalityError(message, REMEDY, "lesion-image-not-registered")
    notes.append(
        f"{file.path.name} was drawn on {path.name}, which was registered to the T1w ({fit.moved_mm:.1f} mm from where "
        "its header puts it), and the mask with it."
    )
    lesion = carry_all(like(image, _mask(image, file).astype(np.float32)), head.image, [_matrix(fit.matrix)], file.path)
    qc = {"lesion_image_moved_mm": fit.moved_mm, "lesion_image_fit": fit.gain}
    return lesion, notes, qc


def _matrix(matrix: Matrix) -> Matrix:
    return np.asarray(matrix, dtype=np.float64)


def _drawn_on(file: BidsFile, image: nib.Nifti1Image, candidates: Sequence[Path]) -> tuple[Path, nib.Nifti1Image]:
    """The image on whose grid a mask lies, of several."""
    loaded = [(path, load_reference(path)) for path in candidates]
    alike = [pair for pair in loaded if same_grid(pair[1], image)]
    found = alike or loaded
    if len(found) > 1:
        names = " or ".join(path.name for path, _ in found)
        message = f"The lesion mask {file.path.name} may have been drawn on {names}."
        raise MissingModalityError(message, "Say in its sidecar which (SpatialReference).", "ambiguous-lesion-image")
    return found[0]


def _head_of(image: nib.Nifti1Image) -> Mask:
    """What is not background."""
    data = array(image)
    return np.asarray(data > 0.2 * np.percentile(data, 95))


@dataclass(frozen=True, eq=False)
class StandardMasks:
    """Masks in standard space that can be used, and what is said of the others."""

    used: tuple[BidsFile, ...]
    warnings: tuple[str, ...] = ()
    reason: str = ""
    """Why there is none; empty if there is one, or no mask at all."""


def standard_masks(files: Sequence[BidsFile]) -> StandardMasks:
    """Masks in standard space that can be lesions of a standard brain, and whose header tells their place.

    Raises
    ------
    DataError
        A file that cannot be read.
    """

    def checked(file: BidsFile) -> list[str]:
        if not place_known(file.path):
            message = f"The lesion mask {file.path.name} has neither sform nor qform: its place is not known."
            raise MissingModalityError(message, "Save it with the header of its template.", "unknown-orientation")
        if "share" not in file.beside:  # a map of shares says more
            _read(file)
        lesion = union_on(standard_grid(), [file])
        check_plausible(lesion, array(template("mask")) > 0.5, (2.0, 2.0, 2.0), [file])
        return form_warnings([file.path])

    found, warnings, reason = _usable(files, checked)
    warnings += [note for notes in found.values() for note in notes]
    return StandardMasks(tuple(found), tuple(warnings), reason)
