"""T1w -> brain, tissues, registration to standard space, and the intensity maps of grey and white matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_stroke.core.records import BidsFile, StepReport
from bids_stroke.imaging.images import FloatArray, array, like, reorient, stored_orientation
from bids_stroke.imaging.lesion import masks as lesion_masks
from bids_stroke.imaging.lesion.placing import Head, place_masks, standard_masks
from bids_stroke.imaging.registration import Warp, register_affine, register_deformable
from bids_stroke.imaging.side_by_side import each
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample, save_warp
from bids_stroke.preprocess.anat.brain import clip, correct_bias, extract_brain
from bids_stroke.preprocess.anat.inputs import AnatInputs, read_inputs
from bids_stroke.preprocess.anat.mirror_fill import mirror_fill
from bids_stroke.preprocess.anat.quality import Anatomy, check, quality, quality_warnings
from bids_stroke.preprocess.anat.tissues import (
    TISSUES,
    Tissues,
    deep_grey,
    fluid_level,
    segment,
    tissue_priors,
    without_fluid,
)

if TYPE_CHECKING:
    from bids_stroke.core.settings_preprocess import AnatSettings
    from bids_stroke.preprocess.registry import StepContext

Mask = npt.NDArray[np.bool_]

_TISSUE_AT_LEAST = 0.2
"""Probability from which a voxel belongs to an intensity map; the published GM and WM maps overlap about as much."""
_REFILLS = 1
"""How often a lesion is filled again with the warp that the first filling gave."""
_RESOLUTION = {"Resolution": {"2": "2 mm isotropic"}}


@dataclass(frozen=True)
class LesionFiles:
    """Masks by space."""

    native: tuple[BidsFile, ...]
    standard: tuple[BidsFile, ...]

    @classmethod
    def of(cls, files: Sequence[BidsFile]) -> LesionFiles:
        """Sort masks by the space that their names say."""
        standard = tuple(file for file in files if lesion_masks.in_standard_space(file))
        return cls(tuple(file for file in files if file not in standard), standard)


def register(t1w: nib.Nifti1Image, brain: Mask, lesion: Mask, settings: AnatSettings, work: Path, *, seed: int) -> Warp:
    """Register a T1w to the template with its lesion filled, masked or ignored.

    The deformable part sees neither side's fluid: the outline of the brain mask is not to be matched, the brain is.

    Parameters
    ----------
    t1w : nib.Nifti1Image
        Bias-corrected.
    brain, lesion : ndarray of bool
        On its grid.
    settings : AnatSettings
        ``lesion_handling``, which concerns the deformable part.
    work : Path
        Folder for intermediate files.
    seed : int
        Of greedy's sampling.
    """
    target = template("T1w")
    moving = like(t1w, array(t1w) * brain)
    affine = register_affine(moving, target, work, seed=seed)
    level, surface = fluid_level(moving, [affine]), without_fluid(target, fluid_level(target))

    def deform(image: nib.Nifti1Image, weight: nib.Nifti1Image | None = None) -> Warp:
        return register_deformable(without_fluid(image, level), surface, affine, work, weight=weight, seed=seed)

    if lesion.any() and settings.lesion_handling == "fill":
        filled = mirror_fill(moving, lesion, affine)
        for _ in range(_REFILLS):
            filled = mirror_fill(moving, lesion, deform(filled))
        return deform(filled)
    weight = None
    if lesion.any() and settings.lesion_handling == "mask":
        weight = like(t1w, (~lesion).astype(np.float32))
    return deform(moving, weight)


def process(
    inputs: AnatInputs, files: LesionFiles, settings: AnatSettings, work: Path, *, seed: int
) -> tuple[Anatomy, list[str]]:
    """Everything that is computed from a T1w, with warnings.

    Raises
    ------
    MissingModalityError
        There is no brain in it.
    DataError
        The lesion mask cannot be one, or the registration degenerated.
    """
    t1w, warnings = inputs.t1w, list(inputs.warnings)
    brain = extract_brain(t1w) if inputs.brain is None else inputs.brain
    placed = place_masks(Head(t1w, inputs.sources[0], brain), files.native, work, seed=seed)
    lesion = placed.lesion.copy()
    warnings += placed.warnings
    brain = brain | lesion
    corrected = clip(t1w, brain) if inputs.corrected else correct_bias(t1w, brain & ~lesion, settings.bias_shrink)
    warp = register(corrected, brain, lesion, settings, work, seed=seed)
    standard = standard_masks(files.standard)
    warnings += standard.warnings
    if standard.used:
        warnings += lesion_masks.space_warnings(standard.used)
        warnings.append("The lesion mask is in standard space only: the registration could not take it into account.")
        lesion |= lesion_masks.union_on(t1w, standard.used, [warp.inverse]) & brain
    tissues = find_tissues(corrected, brain & ~lesion, warp)
    if inputs.probability is not None:
        tissues = replace(tissues, probability=inputs.probability * (brain & ~lesion)[..., None])
    if not tissues.ordered:
        warnings.append("Tissue intensities are not ordered as in a T1-weighted image (CSF < GM < WM).")
    return Anatomy(corrected, brain, lesion, warp, tissues, placed), warnings


def find_tissues(t1w: nib.Nifti1Image, inside: Mask, warp: Warp) -> Tissues:
    """Tissues of a bias-corrected T1w within a mask, with the template's priors; only the mask's box is computed."""
    box = ndimage.find_objects(inside.astype(np.uint8))[0]
    part, maps = t1w.slicer[box], (template("GM"), template("WM"), deep_grey())
    prior = tissue_priors(*(array(resample(image, part, [warp.inverse])) for image in maps))
    tissues = segment(array(part), inside[box], prior)
    whole = np.zeros((*inside.shape, len(TISSUES)), np.float32)
    whole[box] = tissues.probability
    return replace(tissues, probability=whole)


def intensity_map(t1w: FloatArray, probability: FloatArray) -> FloatArray:
    """T1w scaled to 0-1 inside a tissue, 0 elsewhere.

    Parameters
    ----------
    t1w : ndarray
        Bias-corrected brain divided by its 99.5th percentile.
    probability : ndarray
        Of the tissue; 0.2 and more counts as inside.
    """
    return np.asarray(np.clip(t1w, 0.0, 1.0) * (probability >= _TISSUE_AT_LEAST), dtype=np.float32)


def run(context: StepContext) -> StepReport:
    """Process the session's T1w and write images, maps and transforms.

    Raises
    ------
    MissingModalityError
        There is no T1w, or no brain in it.
    DataError
        A broken file.
    """
    settings = context.settings
    inputs = read_inputs(context.session, settings.anat.several, context.work, seed=settings.seed)
    files = LesionFiles.of(context.session.lesion)
    anatomy, warnings = process(inputs, files, settings.anat, context.work, seed=settings.seed)
    qc = quality(anatomy)
    check(qc)
    sources = context.outputs.sources([*inputs.sources, *context.session.lesion])
    writer = _Writer(context, sources, stored_orientation(inputs.sources[0].path))
    written = writer.native(anatomy) | writer.drawn(anatomy)
    maps = writer.standard(anatomy)
    placed = anatomy.placed
    lost = {"lesion": placed.reason} if placed is not None and placed.reason else {}
    return StepReport(maps, lost, qc, (*warnings, *quality_warnings(qc)), written)


@dataclass(frozen=True)
class _Writer:
    """Writes an Anatomy under the names of the contract."""

    context: StepContext
    sources: list[str]
    orientation: str
    """Voxel order of the T1w's file, in which native images are written."""

    def image(self, path: Path, image: nib.Nifti1Image, **sidecar: Any) -> Path:
        return self.context.outputs.save_image(path, image, {"Sources": self.sources, **sidecar})

    def native(self, anatomy: Anatomy) -> dict[str, Path]:
        """Images on the T1w's grid, and the transforms, by role."""
        name, t1w = self.context.outputs.path, anatomy.t1w
        head, brain = array(t1w), anatomy.brain
        images: dict[str, tuple[Path, npt.NDArray[Any], dict[str, Any]]] = {
            "t1w": (name("t1w"), head, {"SkullStripped": False}),
            "t1w_brain": (name("t1w_brain"), head * brain, {"SkullStripped": True}),
            "brain_mask": (name("brain_mask"), brain.astype(np.uint8), {"Type": "Brain"}),
        }
        for index, tissue in enumerate(TISSUES):
            path = name("tissue_probability", label=tissue)
            images[tissue.lower()] = (path, anatomy.tissues.probability[..., index], {})

        def save(role: str) -> Path:
            path, data, sidecar = images[role]
            return self.image(path, reorient(like(t1w, data), self.orientation), **sidecar)

        files = dict(zip(images, each(save, images), strict=True))
        for role, field in (("to_standard", anatomy.warp.forward), ("from_standard", anatomy.warp.inverse)):
            sidecar = {"Sources": self.sources, "Units": "mm", "Type": "ITK displacement field (LPS)"}
            files[role] = self.context.outputs.save(name(role), partial(save_warp, field=field), sidecar)
        return files

    def drawn(self, anatomy: Anatomy) -> dict[str, Path]:
        """The lesion on the T1w's grid, as the masks drawn in the person's own space give it."""
        placed = anatomy.placed
        if placed is None or not placed.used:
            return {}
        image = reorient(like(anatomy.t1w, placed.lesion.astype(np.uint8)), self.orientation)
        outputs = self.context.outputs
        sidecar = {"Type": "Lesion", "Sources": outputs.sources(placed.used)}
        return {"lesion_native": outputs.save_image(outputs.path("lesion_mask"), image, sidecar)}

    def standard(self, anatomy: Anatomy) -> dict[str, tuple[Path, ...]]:
        """Images in standard space; gives the feature maps by modality."""
        name, grid, t1w = self.context.outputs.standard, standard_grid(), anatomy.t1w

        def warp(data: npt.NDArray[Any]) -> FloatArray:
            return array(resample(like(t1w, data.astype(np.float32)), grid, [anatomy.warp.forward]))

        on_t1w = (
            array(t1w),
            array(t1w) * anatomy.brain,
            anatomy.brain,
            *np.moveaxis(anatomy.tissues.probability, 3, 0),
        )
        head, brain, covered, *tissues = each(warp, on_t1w)
        mask = (covered > 0.5).astype(np.uint8)
        self.image(name("t1w"), like(grid, head), SkullStripped=False, **_RESOLUTION)
        self.image(name("brain_mask"), like(grid, mask), Type="Brain", **_RESOLUTION)
        top = float(array(t1w).max())
        maps: dict[str, tuple[Path, ...]] = {}
        for tissue, share in zip(TISSUES, tissues, strict=True):
            self.image(name("tissue_probability", label=tissue), like(grid, share), **_RESOLUTION)
            if tissue != "CSF":
                path = name("tissue_intensity", label=tissue)
                scaled = like(grid, intensity_map(brain / top, share))
                units = "fraction of the brain's 99.5th percentile"
                maps[tissue.lower()] = (self.image(path, scaled, SkullStripped=True, Units=units, **_RESOLUTION),)
        return maps
