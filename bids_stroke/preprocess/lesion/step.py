"""Lesion masks as people store them -> one binary mask in standard space; and the lesion in registration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import SPACE, BidsFile, StepReport
from bids_stroke.core.spaces import refusal
from bids_stroke.imaging.images import array, like, load_image
from bids_stroke.imaging.lesion.check import check_warnings, image_numbers
from bids_stroke.imaging.lesion.masks import (
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
from bids_stroke.imaging.lesion.placing import REMEDY, StandardMasks, standard_masks
from bids_stroke.imaging.lesion.shares import Mask
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext


def run(context: StepContext) -> StepReport:
    """Write the lesion mask in standard space; that on the T1w is the anat step's.

    Where a mask in standard space has a map of shares (``probseg``), that is written too and is the modality: small
    lesions keep their volume.

    Raises
    ------
    MissingModalityError
        No mask can be used: of those in the person's own space the anat step tells why; one is empty
        (``empty-lesion-mask``), or is in native space and nothing carries it to standard space
        (``no-t1w-registration``), or cannot be a lesion of this brain.
    DataError
        A file that cannot be read.
    """
    files = context.session.lesion
    earlier = context.earlier.get("anat", StepReport())
    anat = earlier.files
    given = tuple(file for file in files if in_standard_space(file))
    native = tuple(file for file in files if file not in given)
    found = standard_masks(given)
    standard = found.used
    grid = standard_grid()
    warnings = [*space_warnings(standard), *source_warnings(files), *share_warnings(standard), *found.warnings]
    lesion, shares = lesion_on(grid, standard, union_on(grid, standard))
    written = {}
    if "lesion_native" in anat:
        carried = carry(load_image(anat["lesion_native"], 3), grid, [anat["to_standard"]])
        lesion = lesion | carried
        shares = None if shares is None else np.maximum(shares, carried)
        written["lesion_native"] = anat["lesion_native"]
    elif native:
        warnings += [f"{file.path.name} is not used: {_why_not(earlier)}." for file in native]
    if not lesion.any():
        raise _nothing(files, native, found, earlier)
    try:
        check_plausible(lesion, array(template("mask")) > 0.5, (2.0, 2.0, 2.0), files)
    except DataError as error:  # it costs the lesion, not the person
        raise MissingModalityError(error.message, error.remedy, error.reason) from error
    path = _save(context, like(grid, lesion.astype(np.uint8)), files)
    written["lesion_standard"] = path
    if shares is not None:
        path = save_shares(context, like(grid, shares), standard)
        written["lesion_shares"] = path
    qc = describe(lesion, shares) | numbers_of(lesion, anat)
    warnings += check_warnings(qc)
    return StepReport(outputs={"lesion": (path,)}, files=written, qc=qc, warnings=tuple(warnings))


def numbers_of(lesion: Mask, anat: Mapping[str, Path]) -> dict[str, float]:
    """Quality numbers of a lesion in standard space, with what the T1w shows of it where there is one."""
    inside = array(template("mask")) > 0.5
    numbers = {"lesion_in_brain_fraction": float(inside[lesion].mean())}
    if "to_standard" not in anat:
        return numbers
    head = array(resample(load_image(anat["t1w"], 3), standard_grid(), [anat["to_standard"]]))
    return numbers | image_numbers(lesion, head)


def _why_not(anat: StepReport) -> str:
    reason = anat.missing.get("lesion", "")
    return f"see the T1w's warnings ({reason})" if reason else "there is no T1w registration"


def _nothing(
    files: Sequence[BidsFile], native: Sequence[BidsFile], standard: StandardMasks, anat: StepReport
) -> MissingModalityError:
    """Why there is no lesion."""
    names = ", ".join(str(file.path) for file in files)
    for file in native:
        why, reason = refusal(file)
        if why:
            return MissingModalityError(f"The lesion mask {file.path} {why}.", REMEDY, reason)
    if native and "lesion" in anat.missing:
        remedy = "The warnings of the T1w say why."
        return MissingModalityError(f"The lesion mask {names} cannot be used.", remedy, anat.missing["lesion"])
    if standard.reason:
        return MissingModalityError(" ".join(standard.warnings), "", standard.reason)
    if native:
        message = f"{native[0].path} is in native space and there is no T1w registration to carry it to {SPACE}."
        return MissingModalityError(message, "Give a T1w, or a mask in standard space.", "no-t1w-registration")
    return MissingModalityError(f"The lesion mask {names} is empty.", "Redraw it.", "empty-lesion-mask")


def _save(context: StepContext, image: nib.Nifti1Image, files: Sequence[BidsFile]) -> Path:
    outputs = context.outputs
    sidecar = {"Type": "Lesion", "Sources": outputs.sources(files), "Resolution": {"2": "2 mm isotropic"}}
    return outputs.save_image(outputs.standard("lesion_mask"), image, sidecar)


def save_shares(context: StepContext, image: nib.Nifti1Image, files: Sequence[BidsFile]) -> Path:
    """Write the shares (0-1) in standard space, with the maps beside these masks as their sources."""
    outputs = context.outputs
    maps = [replace(file, path=file.beside["share"], uri=_uri_beside(file)) for file in files if "share" in file.beside]
    sidecar = {"Type": "Lesion", "Units": "1", "Sources": outputs.sources(maps), "Resolution": {"2": "2 mm isotropic"}}
    return outputs.save_image(outputs.standard("lesion_shares"), image, sidecar)


def _uri_beside(file: BidsFile) -> str:
    return file.uri.removesuffix(file.path.name) + file.beside["share"].name
