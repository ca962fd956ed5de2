"""What the anat step starts from: the T1w chosen or averaged, and what others have computed of it already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.imaging.forms import form_warnings
from bids_stroke.imaging.images import FloatArray, array, like, load_image, orientation_known, same_grid, voxel_ml
from bids_stroke.imaging.lesion import masks as lesion_masks
from bids_stroke.imaging.registration import register_rigid
from bids_stroke.imaging.transforms import resample

Mask = npt.NDArray[np.bool_]

_CONTRAST = ("EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "MagneticFieldStrength", "PulseSequenceType")
_ALIKE = 0.85
"""Correlation of two aligned scans of one head and contrast; below it the alignment failed or the contrast differs."""
_OWN_SPACES = ("", "T1w")


@dataclass(frozen=True, eq=False)
class AnatInputs:
    """A T1w with what is known of it; arrays are on its grid."""

    t1w: nib.Nifti1Image
    sources: tuple[BidsFile, ...]
    """First the file whose grid and voxel order are kept."""
    corrected: bool = False
    """Whether its bias field has been taken out."""
    brain: Mask | None = None
    probability: FloatArray | None = None
    """(x, y, z, 3): CSF, GM, WM."""
    warnings: list[str] = field(default_factory=list)


def read_inputs(session: Session, several: Literal["best", "average"], work: Path, *, seed: int) -> AnatInputs:
    """The session's T1w, or the preprocessed one of ``--derivatives`` with its masks.

    Parameters
    ----------
    session : Session
        Its ``t1w`` and ``ready`` (roles ``t1w brain_mask gm wm csf``).
    several : {"best", "average"}
        What to do with several raw T1w.
    work : Path
        Folder for intermediate files.
    seed : int
        Of the registration of several T1w.

    Raises
    ------
    MissingModalityError
        There is no T1w (``no-t1w``).
    DataError
        A broken file, or a mask that is none of this T1w.
    """
    ready: dict[str, BidsFile] = dict(session.ready)
    warnings: list[str] = []
    elsewhere = "t1w" in ready and ready["t1w"].entities.get("space", "") not in _OWN_SPACES
    if elsewhere and session.files("t1w") and any(not lesion_masks.in_standard_space(file) for file in session.lesion):
        name = ready["t1w"].path.name
        warnings.append(f"{name} is not used: the lesion mask was drawn in the space of the raw T1w.")
        ready = {}
    if "t1w" in ready:
        files: tuple[BidsFile, ...] = (ready["t1w"],)
        t1w = load_image(ready["t1w"].path, 3)
        warnings.append(f"{ready['t1w'].path.name} replaces the bias correction.")
        warnings += form_warnings([ready["t1w"].path])
    else:
        files, t1w, more = choose_t1w(session.files("t1w"), several, work, seed=seed)
        warnings += more
    masks: dict[str, BidsFile] = {role: ready[role] for role in ("brain_mask", "gm", "wm", "csf") if role in ready}
    warnings += [f"{file.path.name} replaces our own." for file in masks.values()]
    return AnatInputs(
        t1w, (*files, *masks.values()), "t1w" in ready,
        _brain(t1w, masks["brain_mask"]) if "brain_mask" in masks else None, _probability(t1w, masks), warnings
    )  # fmt: skip


def _brain(t1w: nib.Nifti1Image, file: BidsFile) -> Mask:
    brain = lesion_masks.union_on(t1w, [file])
    if not brain.any():
        message = f"{file.path} has no brain on the grid of the T1w."
        raise DataError(message, "Check that mask and T1w share their space.", reason="empty-brain-mask")
    return brain


def _probability(t1w: nib.Nifti1Image, masks: dict[str, BidsFile]) -> FloatArray | None:
    """Tissues from others' maps; None unless GM and WM are there. CSF that is not given is none."""
    if not {"gm", "wm"} <= set(masks):
        return None
    maps = []
    for role in ("csf", "gm", "wm"):
        if role not in masks:
            maps.append(np.zeros(t1w.shape, np.float32))
            continue
        image = load_image(masks[role].path, 3)
        data = array(image if same_grid(image, t1w) else resample(image, t1w))
        if data.min() < -0.01 or data.max() > 1.01:
            message = f"{masks[role].path} goes from {data.min():g} to {data.max():g}: not a probability."
            raise DataError(message, "Give probabilities from 0 to 1, or leave it out.", reason="not-a-probability")
        maps.append(np.clip(data, 0.0, 1.0))
    return np.stack(maps, axis=-1)


def choose_t1w(
    files: Sequence[BidsFile], several: Literal["best", "average"], work: Path, *, seed: int
) -> tuple[tuple[BidsFile, ...], nib.Nifti1Image, list[str]]:
    """The T1w with the smallest voxels (the first of equals), or its average with those like it; and warnings.

    Parameters
    ----------
    files : sequence of BidsFile
        T1w of one session.
    several : {"best", "average"}
        ``average``: those with the same voxel size and contrast (by sidecar) are aligned (rigid) and averaged.
    work, seed
        As for `read_inputs`.

    Returns
    -------
    files : tuple of BidsFile
        Those used; the first gives the grid.

    Raises
    ------
    MissingModalityError
        There is none (``no-t1w``).
    DataError
        One of them is broken.
    """
    if not files:
        raise MissingModalityError("There is no T1w image.", "Give one for tissue maps and registration.", "no-t1w")
    loaded = [(file, load_image(file.path, 3)) for file in files]
    best, image = min(loaded, key=lambda pair: round(voxel_ml(pair[1]), 7))
    used: tuple[BidsFile, ...] = (best,)
    warnings: list[str] = []
    if several == "average":
        used, image = _average(best, image, loaded, work, seed)
    left_out = [file.path.name for file in files if file not in used]
    if len(used) > 1:
        warnings.append(f"The average of {', '.join(file.path.name for file in used)} is used.")
    if left_out:
        warnings.append(f"{best.path.name} is used; not used: {', '.join(left_out)}.")
    if not orientation_known(image):
        warnings.append(f"{best.path.name} has neither sform nor qform: left and right are a guess.")
    warnings += form_warnings([file.path for file in used])
    return used, image, warnings


def _average(
    best: BidsFile, image: nib.Nifti1Image, loaded: list[tuple[BidsFile, nib.Nifti1Image]], work: Path, seed: int
) -> tuple[tuple[BidsFile, ...], nib.Nifti1Image]:
    """Mean of the scans that are like the best one, on its grid; each counts the same whatever its scale."""
    reference = array(image)
    total, used = reference.astype(np.float64), [best]
    for file, other in loaded:
        if file is best or not _alike(best, image, file, other):
            continue
        moved = array(resample(other, image, [register_rigid(other, image, work, seed=seed)], "cubic"))
        seen = moved > 0
        if np.corrcoef(moved[seen], reference[seen])[0, 1] < _ALIKE:
            continue
        scale = float(reference[seen].mean()) / float(moved[seen].mean())
        total += np.where(seen, moved * scale, reference)
        used.append(file)
    return tuple(used), like(image, (total / len(used)).astype(np.float32))


def _alike(first: BidsFile, image: nib.Nifti1Image, second: BidsFile, other: nib.Nifti1Image) -> bool:
    """Whether voxel size and contrast agree; what a sidecar does not tell does not divide."""
    sizes = np.sort(image.header.get_zooms()[:3]), np.sort(other.header.get_zooms()[:3])
    told = [key for key in _CONTRAST if key in first.metadata and key in second.metadata]
    return bool(np.allclose(*sizes, rtol=0.02)) and all(first.metadata[key] == second.metadata[key] for key in told)
