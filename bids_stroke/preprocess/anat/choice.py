"""Which of several T1w is used, and why not the others; or their average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.image_labels import has_word
from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.forms import form_warnings
from bids_stroke.imaging.images import array, like, load_image, orientation_known, voxel_ml
from bids_stroke.imaging.registration import register_rigid
from bids_stroke.imaging.transforms import resample

_CONTRAST = ("EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "MagneticFieldStrength", "PulseSequenceType")
_ALIKE = 0.85
"""Correlation of two aligned scans of one head and contrast; below it the alignment failed or the contrast differs."""
_THIN_MM = 1.5
"""Voxels up to this size (longest side) are fine enough for tissues: below it, other things decide first."""
_HEAD_MM = 140.0
"""Shortest side of a field of view that holds a whole head."""
_SLAB_MM = 100.0
"""A field of view with a shorter side holds no whole brain: used only where there is no other."""
_AGENT = {"gd", "gad", "gado", "gadolinium", "gadovist", "dotarem", "ce", "t1c", "postgd", "postgad", "postgado",
          "postcontrast", "contrast", "enhanced"}  # fmt: skip
_BEFORE_AGENT = {"pre", "non", "no", "without", "native", "plain"}
_NO_AGENT = {"", "none", "no", "n/a", "na", "null", "0", "false"}


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A T1w with what decides between it and others."""

    file: BidsFile
    image: nib.Nifti1Image

    @property
    def sides(self) -> list[float]:
        """Sides of a voxel, mm."""
        return [round(float(size), 2) for size in self.image.header.get_zooms()[:3]]

    @property
    def field(self) -> float:
        """Shortest side of the field of view, mm."""
        sizes = zip(self.image.shape[:3], self.image.header.get_zooms()[:3], strict=True)
        return min([float(n) * float(size) for n, size in sizes])

    @property
    def ranks(self) -> tuple[tuple[float, str], ...]:
        """What decides, first things first: a number, the smaller the better, and what a worse one is called."""
        thickest, field = max(self.sides), self.field
        slab = f"its field of view is {field:.0f} mm: a part of the head"
        return (
            (field < _SLAB_MM, slab),
            (max(round(thickest, 1), _THIN_MM), f"{thickest:g} mm slices"),
            (-round(min(field, _HEAD_MM) / _HEAD_MM, 1), slab),
            (has_contrast_agent(self.file), "after a contrast agent"),
            (thickest, f"{thickest:g} mm slices"),
            (round(voxel_ml(self.image), 7), f"voxels of {1000 * voxel_ml(self.image):.2g} mm3"),
        )

    def why_not(self, best: _Candidate) -> str:
        """What a better one has before this."""
        ranks = zip(self.ranks, best.ranks, strict=True)
        return next((words for (own, words), (other, _) in ranks if own != other), "as good; names are in order")


def has_contrast_agent(file: BidsFile) -> bool:
    """Whether a T1w was made after a contrast agent, by its name (``ce-``, ``acq-postGad``) or its sidecar."""
    told = [file.metadata.get(key) for key in ("ContrastBolusIngredient", "ContrastBolusAgent")]
    if any(agent is not None and str(agent).strip().lower() not in _NO_AGENT for agent in told):
        return True
    label = str(file.entities.get("ceagent", "none"))
    named = [str(file.entities.get(entity, "")) for entity in ("acquisition", "reconstruction")]
    return label.lower() not in _NO_AGENT or any(
        has_word(name, _AGENT) and not has_word(name, _BEFORE_AGENT) for name in named
    )


def choose_t1w(
    files: Sequence[BidsFile], several: Literal["best", "average"], work: Path, *, seed: int
) -> tuple[tuple[BidsFile, ...], nib.Nifti1Image, list[str]]:
    """The best T1w, or its average with those like it; and warnings that say why the others are not used.

    A whole brain comes before a slab, thin slices before thick ones (all up to 1.5 mm are thin), the whole head before
    a part of it, no contrast agent before one, then the smaller longest side, the smaller voxel, the order of names.

    Parameters
    ----------
    files : sequence of BidsFile
        T1w of one session.
    several : {"best", "average"}
        ``average``: those with the same voxel size and contrast (by sidecar) are aligned (rigid) and averaged.
    work : Path
        Folder for intermediate files.
    seed : int
        Of the registration of several T1w.

    Returns
    -------
    files : tuple of BidsFile
        Those used; the first gives the grid.
    image : Nifti1Image
        3D.
    warnings : list of str

    Raises
    ------
    MissingModalityError
        There is none (``no-t1w``).
    DataError
        None of them can be read: that of the first.
    """
    if not files:
        raise MissingModalityError("There is no T1w image.", "Give one for tissue maps and registration.", "no-t1w")
    candidates, broken = _readable(files)
    best = min(candidates, key=lambda candidate: [number for number, _ in candidate.ranks])
    used: tuple[BidsFile, ...] = (best.file,)
    image = best.image
    warnings: list[str] = []
    if several == "average":
        loaded = [(candidate.file, candidate.image) for candidate in candidates]
        used, image = _average(best.file, best.image, loaded, work, seed)
    left_out = [f"{one.file.path.name} ({one.why_not(best)})" for one in candidates if one.file not in used] + broken
    if len(used) > 1:
        warnings.append(f"The average of {', '.join(file.path.name for file in used)} is used.")
    if left_out:
        warnings.append(f"{best.file.path.name} is used; not used: {', '.join(left_out)}.")
    if not orientation_known(image):
        warnings.append(f"{best.file.path.name} has neither sform nor qform: left and right are a guess.")
    warnings += form_warnings([file.path for file in used])
    return used, image, warnings


def _readable(files: Sequence[BidsFile]) -> tuple[list[_Candidate], list[str]]:
    """Those whose header makes a 3D image; and the others' names with the reason."""
    candidates, broken, errors = [], [], []
    for file in files:
        try:
            candidates.append(_Candidate(file, load_image(file.path, 3)))
        except DataError as error:
            broken.append(f"{file.path.name} (it cannot be used: {error.reason.replace('-', ' ')})")
            errors.append(error)
    if not candidates:
        raise errors[0]
    return candidates, broken


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
    if has_contrast_agent(first) != has_contrast_agent(second):
        return False
    sizes = np.sort(image.header.get_zooms()[:3]), np.sort(other.header.get_zooms()[:3])
    told = [key for key in _CONTRAST if key in first.metadata and key in second.metadata]
    return bool(np.allclose(*sizes, rtol=0.02)) and all(first.metadata[key] == second.metadata[key] for key in told)
