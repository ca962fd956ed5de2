"""The affected hemisphere, and the mirror that puts it on the left: only where ``lesion_side: normalise`` asks for it.

What is mirrored are images in standard space, here, and the names of EEG and EMG channels, in their step. Images in
their own space, b-vectors and transforms stay as they are. One function decides
(`find_side`), from the same files in every step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import nibabel as nib
import numpy as np

from bids_stroke.core.records import SPACE, BidsFile, Session, StepReport
from bids_stroke.derivatives.names import NIFTI, TRANSFORMS, beside, is_named, parse, sidecar_of
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import load_image
from bids_stroke.imaging.lesion import masks as lesion_masks
from bids_stroke.imaging.lesion.masks import lesion_on
from bids_stroke.imaging.lesion.placing import standard_masks
from bids_stroke.imaging.standard_space import standard_grid

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext

COLUMN = "lesion_side"
"""Of participants.tsv or sessions.tsv: ``L``, ``R``, ``left`` or ``right``."""
BILATERAL = (0.4, 0.6)
"""Shares of a lesion on the left within which no side is called the affected one."""
_WORDS = {"l": "L", "left": "L", "r": "R", "right": "R"}


@dataclass(frozen=True)
class Side:
    """What is known of the affected hemisphere.

    Parameters
    ----------
    affected : str
        ``L`` or ``R``; empty where it is not known or both are.
    warning : str
        What a person should know of it; empty if nothing.
    """

    affected: str
    warning: str = ""

    @property
    def mirrored(self) -> bool:
        """Whether the maps in standard space are mirrored: the affected hemisphere is put on the left."""
        return self.affected == "R"


def find_side(session: Session, anat: Mapping[str, Path]) -> Side:
    """The affected hemisphere: by the lesion mask in standard space, else by the column ``lesion_side``.

    Parameters
    ----------
    session : Session
        Its lesion masks and covariates.
    anat : mapping of str to Path
        Files of the anat step by role; without them only masks in standard space can be used.

    Raises
    ------
    DataError
        A lesion mask cannot be one.
    """
    share = left_share(session.lesion, anat)
    told = _WORDS.get(str(session.covariates.get(COLUMN, "")).strip().lower(), "")
    if share is None:
        return Side(
            told, "" if told else f"lesion_side is not known (no lesion mask, no column {COLUMN}): not mirrored."
        )
    if BILATERAL[0] <= share <= BILATERAL[1]:
        return Side("", f"The lesion lies on both sides ({share:.0%} of it on the left): not mirrored.")
    seen = "L" if share > 0.5 else "R"
    if told and told != seen:
        words = {"L": "left", "R": "right"}
        return Side(seen, f"The lesion mask lies on the {words[seen]}, the column {COLUMN} says {words[told]}: "
                          "the mask is believed.")  # fmt: skip
    return Side(seen)


def left_share(files: tuple[BidsFile, ...], anat: Mapping[str, Path]) -> float | None:
    """Share (0-1) of the lesion on the left in standard space, as the lesion step sees it; None without a lesion."""
    standard = standard_masks([file for file in files if lesion_masks.in_standard_space(file)]).used
    grid = standard_grid()
    lesion, _ = lesion_on(grid, standard, lesion_masks.union_on(grid, standard))
    if "lesion_native" in anat:
        lesion = lesion | lesion_masks.carry(load_image(anat["lesion_native"], 3), grid, [anat["to_standard"]])
    return lesion_masks.describe(lesion)["lesion_side_left_fraction"] if lesion.any() else None


def side_of(context: StepContext) -> Side:
    """The affected hemisphere as steps after ``anat`` see it; never mirrored where the settings do not ask for it."""
    if context.settings.lesion_side == "as-is":
        return Side("")
    return find_side(context.session, context.files_of("anat"))


def normalise(context: StepContext, report: StepReport) -> StepReport:
    """Mirror what a step has just written in standard space, where the right hemisphere is the affected one.

    Parameters
    ----------
    context : StepContext
        Of the step; its log of writes tells the files.
    report : StepReport
        What the step said.

    Returns
    -------
    StepReport
        With ``mirrored`` (0 or 1) among the quality numbers, where the step has not told it itself, the warning, and
        the names of files that were renamed.
    """
    first = "to_standard" in report.files  # the anat step itself
    side = find_side(context.session, report.files) if first else side_of(context)
    renamed = _mirror_written(context.outputs) if side.mirrored else {}
    return replace(
        report,
        outputs={key: tuple(renamed.get(p, p) for p in paths) for key, paths in report.outputs.items()},
        files={key: renamed.get(path, path) for key, path in report.files.items()},
        qc={**report.qc, "mirrored": report.qc.get("mirrored", float(side.mirrored))},
        warnings=(*report.warnings, side.warning) if side.warning else report.warnings,
    )


def mirror(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """An image in standard space mirrored in x, to the very voxel.

    Raises
    ------
    ValueError
        Its grid is not symmetric about x = 0.
    """
    affine, n = image.affine, image.shape[0]
    if abs(affine[0, 0] * (n - 1) + 2.0 * affine[0, 3]) > 1e-3 or np.abs(affine[0, 1:3]).max() > 1e-6:
        raise ValueError(f"a grid that is not symmetric cannot be mirrored: {affine.tolist()}")
    data = np.asanyarray(image.dataobj)
    return nib.Nifti1Image(np.ascontiguousarray(data[::-1]), affine, image.header)


def _mirror_written(outputs: Outputs) -> dict[Path, Path]:
    """Mirror images and mark sidecars among the files just written; names that changed: old -> new."""
    renamed: dict[Path, Path] = {}
    pending: list[tuple[Path, nib.Nifti1Image, dict[str, Any]]] = []
    for path in dict.fromkeys(outputs.written):
        if any(is_named(path, role) for role in TRANSFORMS):
            outputs.save_sidecar(path, {**_sidecar(path), "Mirrored": False, "Description": _TRANSFORM})
        elif path.name.endswith(NIFTI) and parse(path.name).entities.get("space") == SPACE:
            image = mirror(cast(nib.Nifti1Image, nib.load(path)))
            sidecar = {**_sidecar(path), "Mirrored": True}
            if not is_named(path, "seed_map"):
                outputs.save_image(path, image, sidecar)
                continue
            seed = parse(path.name).entities["label"]
            renamed[path] = beside(path, "seed_map", label=seed[:-1] + {"L": "R", "R": "L"}[seed[-1]])
            x, y, z = sidecar["SeedCentre"]
            pending.append((renamed[path], image, {**sidecar, "SeedCentre": [-x, y, z]}))
    for path in renamed:
        for file in (path, sidecar_of(path)):
            file.unlink()
            outputs.written[:] = [other for other in outputs.written if other != file]
    for path, image, sidecar in pending:
        outputs.save_image(path, image, sidecar)
    return renamed


_TRANSFORM = (
    "Leads to or from the standard space as the person lies. The images of this person in standard space were mirrored "
    "in x after it (lesion_side: normalise)."
)


def _sidecar(path: Path) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(sidecar_of(path).read_text()))
