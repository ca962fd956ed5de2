"""Diffusion -> FA, MD, RD and AD: denoising, motion, brain mask, tensor, to the standard space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from dipy.denoise.localpca import mppca
from dipy.segment.mask import median_otsu
from scipy.ndimage import binary_dilation, binary_fill_holes, label
from threadpoolctl import threadpool_limits

from bids_stroke.errors import DataError, MissingModalityError
from bids_stroke.preprocess.dwi_motion import correct_motion, framewise_displacement
from bids_stroke.preprocess.dwi_runs import Series, like_series, read_series
from bids_stroke.preprocess.gradients import bval_text, bvec_text, n_directions, shells, tensor_volumes
from bids_stroke.preprocess.images import FloatArray, array, like, load_image, voxel_ml
from bids_stroke.preprocess.registration import register_deformable, register_rigid, standard_grid, template
from bids_stroke.preprocess.step import StepContext
from bids_stroke.preprocess.tensor import fit_tensor, scalar_maps
from bids_stroke.preprocess.transforms import Transform, resample, save_rigid, save_warp
from bids_stroke.records import SPACE, StepReport
from bids_stroke.settings import DwiSettings

Mask = npt.NDArray[np.bool_]

_DENOISE_FROM = 30
"""Volumes: with fewer, noise and signal components cannot be told apart in a local patch."""
_SIGNAL_FLOOR = 0.005
"""Of the median at b=0: signals below are noise, and their logarithm would rule the fit."""
_WHITE = 0.9
_PLAUSIBLE_FA = (0.25, 0.65)
_SMALLEST_COVERAGE = 0.9
_STARTS_MM = (0.0, -30.0, 30.0)
_DETERMINANTS = (0.4, 2.5)
_SMALLEST_FIT = 0.6
_UNITS = {"fa": "dimensionless", "md": "mm^2/s", "rd": "mm^2/s", "ad": "mm^2/s"}
_RESOLUTION = {"Resolution": {"2": "2 mm isotropic"}}


@dataclass(frozen=True, eq=False)
class Tensors:
    """Maps on the series' grid, 0 outside the mask."""

    maps: Mapping[str, FloatArray]
    qc: Mapping[str, float]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Place:
    """Where the series lies: its brain mask and the way to the standard space."""

    mask: Mask
    to_standard: tuple[Transform, ...]
    """For ``resample``."""
    matrix: npt.NDArray[np.float64] | None
    """T1w world -> diffusion world, where there is a T1w."""
    warnings: tuple[str, ...] = ()


def rough_mask(volume: FloatArray) -> Mask:
    """Brain mask of an unweighted volume: smoothed, thresholded, the largest piece, filled.

    Raises
    ------
    DataError
        Nothing stands out.
    """
    _, mask = median_otsu(volume.astype(np.float64), median_radius=2, numpass=2)
    pieces, n_pieces = label(mask)
    if not n_pieces:
        raise DataError("No head is found in the b=0 volumes.", "Look at the image.", reason="empty-image")
    largest = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    return np.asarray(binary_fill_holes(largest), dtype=bool)


def denoise(volumes: FloatArray, mask: Mask) -> FloatArray:
    """MP-PCA denoising within a mask; what is outside stays as it is.

    Notes
    -----
    Veraart et al. 2016, "Denoising of diffusion MRI using random matrix theory".
    """
    radius = 2
    while (2 * radius + 1) ** 3 < volumes.shape[3]:
        radius += 1
    with threadpool_limits(1), np.errstate(invalid="ignore"):  # 0 / 0 outside the mask; many tiny eigenproblems: threads only get in each other's way
        cleaned = mppca(volumes, mask=mask, patch_radius=radius, suppress_warning=True)
    return np.asarray(np.where(mask[..., None], np.maximum(cleaned, 0), volumes), dtype=np.float32)


def prepare(series: Series, settings: DwiSettings, work: Path) -> tuple[Series, Mask, dict[str, float]]:
    """Denoise and correct motion; gives the series, a rough mask, and quality numbers."""
    volumes = array(series.image)
    mask = rough_mask(volumes[..., series.b0].mean(axis=3))
    if settings.denoise and volumes.shape[3] >= _DENOISE_FROM:
        denoised = denoise(volumes, np.asarray(binary_dilation(mask, iterations=2)))
        series = replace(series, image=like_series(series.image, denoised))
    qc: dict[str, float] = {}
    if settings.motion:
        image, gradients, motions = correct_motion(series.image, series.gradients, mask, series.b0, work)
        series = replace(series, image=image, gradients=gradients)
        centre = (image.affine @ [*np.argwhere(mask).mean(axis=0), 1.0])[:3]
        moved = framewise_displacement(motions, centre)
        qc = {"mean_framewise_displacement_mm": float(moved.mean()), "max_framewise_displacement_mm": float(moved.max())}
        mask = rough_mask(array(image)[..., series.b0].mean(axis=3))
    return series, mask, qc


def tensors(series: Series, mask: Mask, settings: DwiSettings) -> Tensors:
    """Fit the tensor to the shells that it describes and make the maps.

    Raises
    ------
    DataError
        The mask holds no signal.
    """
    gradients, unweighted = series.gradients, array(series.image)[..., series.b0].mean(axis=3)
    level = float(np.median(unweighted[mask])) if mask.any() else 0.0
    inside = mask & (unweighted > _SIGNAL_FLOOR * level)
    if level <= 0 or not inside.any():
        raise DataError("The brain mask holds no diffusion signal.", "Look at the image.", reason="empty-image")
    used = tensor_volumes(gradients, settings.b0_threshold, settings.max_b)
    chosen = gradients.select(used)
    fit = fit_tensor(array(series.image)[inside][:, used], chosen, _SIGNAL_FLOOR * level)
    found = scalar_maps(fit)
    maps = {}
    for name in _UNITS:
        maps[name] = np.zeros(mask.shape, dtype=np.float32)
        maps[name][inside] = getattr(found, name)
    qc = {
        "n_volumes": float(len(gradients)),
        "n_directions": float(n_directions(chosen.bvecs[chosen.bvals > settings.b0_threshold])),
        "n_shells": float(len(shells(gradients.bvals, settings.b0_threshold))),
        "b_value_max_fitted_s_mm2": float(chosen.bvals.max()),
        "negative_eigenvalue_fraction": float(found.not_positive.mean()),
        "md_median_mm2_s": float(np.median(found.md)),
    }
    noise = fit.residual_sd[np.isfinite(fit.residual_sd) & (fit.residual_sd > 0)]
    if len(noise):
        qc["snr_b0"] = level / float(np.median(noise))
    warnings = []
    if chosen.bvals.max() > settings.max_b * 1.05:
        warnings.append(
            f"The tensor is fitted up to b={chosen.bvals.max():.0f} s/mm^2, above dwi.max_b={settings.max_b:g}, "
            "because lower shells do not determine it: diffusivities come out low."
        )
    return Tensors(maps, qc, tuple(warnings))


def t1w_like(fa: FloatArray, md: FloatArray) -> FloatArray:
    """Image with the contrast of a T1w (CSF dark, white matter bright) from diffusion alone, for registration.

    ``exp(-MD / 0.001) (1 + FA)``: about .05 in CSF, .5 in grey and .7 in white matter.
    """
    return np.asarray(np.where(md > 0, np.exp(-md / 1e-3) * (1.0 + fa), 0.0), dtype=np.float32)


def place_by_t1w(series: Series, mask: Mask, anat: Mapping[str, Path], context: StepContext) -> Place:
    """Rigid registration to the session's T1w, whose brain mask and warp are taken over."""
    unweighted = array(series.image)[..., series.b0].mean(axis=3)
    brain = load_image(anat["t1w_brain"], 3)
    moving = like(series.image, unweighted * mask)
    matrix = register_rigid(moving, brain, context.work, seed=context.settings.seed)
    t1w_mask = resample(load_image(anat["brain_mask"], 3), moving, [np.linalg.inv(matrix)])
    inside = (array(t1w_mask) > 0.5) & (unweighted > 0)
    overlap = float((inside & mask).sum()) / max(float(mask.sum()), 1.0)
    warnings: tuple[str, ...] = ()
    if overlap < 0.7:
        warnings = (f"Only {overlap:.0%} of the brain in the diffusion images lies in that of the T1w: look at it.",)
    return Place(inside, (matrix, anat["to_standard"]), matrix, warnings)


def place_alone(series: Series, mask: Mask, context: StepContext) -> Place:
    """Registration of the diffusion images themselves to the template, where there is no T1w.

    Raises
    ------
    MissingModalityError
        They do not fit (``not-registered``).
    """
    maps = tensors(series, mask, context.settings.dwi).maps
    moving = like(series.image, t1w_like(maps["fa"], maps["md"]))
    affine = affine_of_part(moving, context.work, context.settings.seed)
    covered = like(series.image, np.ones(mask.shape, dtype=np.float32))  # the metric ends where the images end
    seed = context.settings.seed
    warp = register_deformable(moving, template("T1w"), affine, context.work, weight=covered, seed=seed)
    note = "There is no T1w: the diffusion images were registered to the template by themselves, less exactly."
    return Place(mask, (warp.forward,), None, (note,))


def affine_of_part(brain: nib.Nifti1Image, work: Path, seed: int) -> npt.NDArray[np.float64]:
    """RAS matrix, template world -> world of a brain that may be cut off above or below.

    The template is registered to the image, so that the metric ends where the image ends, from several heights; the
    best correlation wins.

    Raises
    ------
    MissingModalityError
        None of them fits (``not-registered``).
    """
    whole, inside = template("T1w"), array(brain) > 0
    if inside.sum() < 2:
        raise MissingModalityError("No brain is found in the diffusion images.", "Look at the image.", "not-registered")
    best, best_fit = np.eye(4), -1.0
    for height in _STARTS_MM:
        start = np.eye(4)
        start[:3, 3] = _middle(array(whole) > 0, whole.affine) - _middle(inside, brain.affine) + [0.0, 0.0, height]
        shifted = nib.Nifti1Image(array(whole), np.linalg.inv(start) @ whole.affine)
        to_template = start @ register_rigid(shifted, brain, work, seed=seed, dof=12)
        seen = array(resample(whole, brain, [to_template]))
        fit = float(np.corrcoef(seen.ravel(), array(brain).ravel())[0, 1]) if seen.any() else -1.0
        if fit > best_fit and _DETERMINANTS[0] < np.linalg.det(to_template[:3, :3]) < _DETERMINANTS[1]:
            best, best_fit = np.linalg.inv(to_template), fit
    if best_fit < _SMALLEST_FIT:
        message = f"The diffusion images do not fit the template (best correlation {best_fit:.2f})."
        raise MissingModalityError(message, "Add a T1w image of the session, or check orientation.", "not-registered")
    return best


def _middle(inside: Mask, affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray((affine @ [*np.argwhere(inside).mean(axis=0), 1.0])[:3])


def white_matter(series: Series, place: Place, anat: Mapping[str, Path]) -> Mask:
    """Voxels of the series that are white matter: by the T1w's tissues, else by the template's, in standard space."""
    if place.matrix is None:
        return array(template("WM")) > _WHITE
    probability = resample(load_image(anat["wm"], 3), series.image.slicer[..., 0], [np.linalg.inv(place.matrix)])
    return (array(probability) > _WHITE) & place.mask


def run(context: StepContext) -> StepReport:
    """Process the session's diffusion runs and write maps, transforms and the corrected series.

    Raises
    ------
    DataError
        A broken file.
    MissingModalityError
        No tensor can be had from these data.
    """
    settings, anat = context.settings.dwi, {}
    if "anat" in context.earlier and "t1w_brain" in context.earlier["anat"].files:
        anat = dict(context.earlier["anat"].files)
    series, mask, qc = prepare(read_series(context.session.dwi, settings.b0_threshold), settings, context.work)
    place = place_by_t1w(series, mask, anat, context) if anat else place_alone(series, mask, context)
    found = tensors(series, place.mask, settings)
    grid = standard_grid()
    standard = {
        name: array(resample(like(series.image, data), grid, place.to_standard)) for name, data in found.maps.items()
    }
    white = white_matter(series, place, anat)
    fa, md = ((standard if place.matrix is None else found.maps)[name][white] for name in ("fa", "md"))
    fa, md = fa[md > 0], md[md > 0]
    brain = array(template("mask")) > 0.5
    qc |= found.qc | {
        "brain_volume_ml": float(place.mask.sum()) * voxel_ml(series.image),
        "standard_coverage_fraction": float((standard["md"][brain] > 0).mean()),
    }
    if len(fa):
        qc |= {"fa_wm_median": float(np.median(fa)), "md_wm_median_mm2_s": float(np.median(md))}
    writer = _Writer(context, context.outputs.sources(series.sources))
    files = writer.native(series, place, found.maps)
    outputs = writer.standard(standard)
    warnings = (*series.warnings, *place.warnings, *found.warnings, *quality_warnings(qc))
    return StepReport(outputs=outputs, files=files, qc=qc, warnings=warnings)


def quality_warnings(qc: Mapping[str, float]) -> list[str]:
    """Warnings where the maps can hardly be right, or are not of the whole brain."""
    warnings = []
    fa = qc.get("fa_wm_median")
    if fa is None:
        warnings.append("Diffusion: no white matter lies within the images.")
    elif not _PLAUSIBLE_FA[0] <= fa <= _PLAUSIBLE_FA[1]:
        warnings.append(f"Diffusion: a median FA of {fa:.2f} in white matter is implausible.")
    if qc["standard_coverage_fraction"] < _SMALLEST_COVERAGE:
        warnings.append(f"Diffusion: the images cover only {qc['standard_coverage_fraction']:.0%} of the brain.")
    return warnings


@dataclass(frozen=True)
class _Writer:
    """Writes a session's diffusion outputs under the names of the contract."""

    context: StepContext
    sources: list[str]

    def image(self, path: Path, image: nib.Nifti1Image, **sidecar: Any) -> Path:
        return self.context.outputs.save_image(path, image, {"Sources": self.sources, **sidecar})

    def native(self, series: Series, place: Place, maps: Mapping[str, FloatArray]) -> dict[str, Path]:
        """Corrected series with its gradients, mask, maps and transform, by role."""
        outputs = self.context.outputs
        name = partial(outputs.path, "dwi")
        files = {
            "dwi": self.image(name("dwi.nii.gz", desc="preproc"), series.image, SkullStripped=False),
            "dwi_mask": self.image(
                name("mask.nii.gz", desc="brain"), like(series.image, place.mask.astype(np.uint8)), Type="Brain"
            ),
        }
        for extension, text in (("bval", bval_text), ("bvec", bvec_text)):
            content = text(series.gradients)
            files[extension] = outputs.save(name(f"dwi.{extension}", desc="preproc"), _write(content))
        for kind, data in maps.items():
            path = name("dwimap.nii.gz", model="tensor", param=kind)
            files[f"{kind}_native"] = self.image(path, like(series.image, data), Units=_UNITS[kind])
        sidecar = {"Sources": self.sources, "Units": "mm"}
        if place.matrix is not None:
            path = name("xfm.txt", from_="dwi", to="T1w", mode="image")
            kind = {"Type": "ITK affine transform (LPS)"}
            files["dwi_to_t1w"] = outputs.save(path, partial(save_rigid, matrix=place.matrix), sidecar | kind)
        else:
            path = name("xfm.nii.gz", from_="dwi", to=SPACE, mode="image")
            kind = {"Type": "ITK displacement field (LPS)"}
            field = partial(save_warp, field=place.to_standard[0])
            files["dwi_to_standard"] = outputs.save(path, field, sidecar | kind)
        return files

    def standard(self, maps: Mapping[str, FloatArray]) -> dict[str, tuple[Path, ...]]:
        """Maps in standard space, by modality."""
        grid, name = standard_grid(), partial(self.context.outputs.standard, "dwi", "dwimap.nii.gz", model="tensor")
        return {
            kind: (self.image(name(param=kind), like(grid, data), Units=_UNITS[kind], **_RESOLUTION),)
            for kind, data in maps.items()
        }


def _write(text: str) -> Any:
    return lambda path: path.write_text(text)
