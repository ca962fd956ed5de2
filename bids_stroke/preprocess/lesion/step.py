"""Lesion masks as people store them -> one binary mask in standard space; and the lesion in registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import SPACE, BidsFile, StepReport
from bids_stroke.imaging.images import (
    array,
    like,
    load_image,
    reorient,
    stored_orientation,
)
from bids_stroke.imaging.lesion_masks import (
    carry,
    check_plausible,
    describe,
    in_standard_space,
    lesion_on,
    share_warnings,
    source_warnings,
    space_warnings,
    union_on,
)
from bids_stroke.imaging.standard_space import standard_grid, template

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext


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
    if standard:
        path = outputs.standard("lesion_mask")
        return outputs.save_image(path, image, sidecar | {"Resolution": {"2": "2 mm isotropic"}})
    return outputs.save_image(outputs.path("lesion_mask"), image, sidecar)


def save_shares(context: StepContext, image: nib.Nifti1Image, files: Sequence[BidsFile]) -> Path:
    """Write the shares (0-1) in standard space, with the maps beside these masks as their sources."""
    outputs = context.outputs
    maps = [replace(file, path=file.beside["share"], uri=_uri_beside(file)) for file in files if "share" in file.beside]
    sidecar = {"Type": "Lesion", "Units": "1", "Sources": outputs.sources(maps), "Resolution": {"2": "2 mm isotropic"}}
    return outputs.save_image(outputs.standard("lesion_shares"), image, sidecar)


def _uri_beside(file: BidsFile) -> str:
    return file.uri.removesuffix(file.path.name) + file.beside["share"].name
