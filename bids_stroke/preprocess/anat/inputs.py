"""What the anat step starts from: a T1w, and what others have computed of it already."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.imaging.forms import form_warnings
from bids_stroke.imaging.images import FloatArray, array, load_image, same_grid
from bids_stroke.imaging.lesion import masks as lesion_masks
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.anat.choice import choose_t1w

Mask = npt.NDArray[np.bool_]

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
