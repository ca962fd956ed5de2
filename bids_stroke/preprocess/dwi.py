"""Diffusion -> FA, MD, RD and AD: denoising, motion, brain mask, tensor, to the standard space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

from bids_stroke.errors import DataError
from bids_stroke.preprocess.dwi_motion import correct_motion, framewise_displacement
from bids_stroke.preprocess.dwi_place import Place, place_alone, place_by_t1w, t1w_like, white_matter
from bids_stroke.preprocess.dwi_runs import Series, like_series, read_series
from bids_stroke.preprocess.gradients import bval_text, bvec_text, n_directions, on_axes, shells, tensor_volumes
from bids_stroke.preprocess.images import FloatArray, array, like, reorient, stored_orientation, voxel_ml
from bids_stroke.preprocess.registration import standard_grid, template
from bids_stroke.preprocess.step import StepContext
from bids_stroke.preprocess.tensor import fit_tensor, scalar_maps
from bids_stroke.preprocess.transforms import resample, save_rigid, save_warp
from bids_stroke.records import SPACE, StepReport
from bids_stroke.settings import DwiSettings

Mask = npt.NDArray[np.bool_]

_DENOISE_FROM = 30
"""Volumes: with fewer, noise and signal components cannot be told apart in a local patch."""
_SIGNAL_FLOOR = 0.005
"""Of the median at b=0: signals below are noise, and their logarithm would rule the fit."""
_PLAUSIBLE_FA = (0.25, 0.65)
_SMALLEST_COVERAGE = 0.9
_UNITS = {"fa": "dimensionless", "md": "mm^2/s", "rd": "mm^2/s", "ad": "mm^2/s"}
_RESOLUTION = {"Resolution": {"2": "2 mm isotropic"}}


@dataclass(frozen=True, eq=False)
class Tensors:
    """Maps on the series' grid, 0 outside the mask, with quality numbers and warnings."""

    maps: Mapping[str, FloatArray]
    qc: Mapping[str, float]
    warnings: tuple[str, ...]


def rough_mask(volume: FloatArray) -> Mask:
    """Brain mask of an unweighted volume: smoothed, thresholded, the largest piece, filled.

    Raises
    ------
    DataError
        Nothing stands out.
    """
    with np.errstate(invalid="ignore"):  # 0 / 0 in Otsu's threshold where the filter leaves nothing
        _, mask = median_otsu(volume.astype(np.float64), median_radius=2, numpass=2)
    if not mask.any() or mask.all():
        message = "No head stands out in the b=0 volumes."
        raise DataError(message, "Look at the image, and whether the b-values are in its order.", reason="no-head")
    pieces, _ = label(mask)
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
    # thousands of tiny eigenproblems: threads only get in each other's way. Outside the mask dipy divides 0 by 0.
    with threadpool_limits(1), np.errstate(invalid="ignore"):
        cleaned = mppca(volumes, mask=mask, patch_radius=radius, suppress_warning=True)
    return np.asarray(np.where(mask[..., None], np.maximum(cleaned, 0), volumes), dtype=np.float32)


def prepare(series: Series, settings: DwiSettings, work: Path) -> tuple[Series, Mask, dict[str, float]]:
    """Denoise and correct motion; gives the series, a rough mask, and quality numbers."""
    mask = rough_mask(unweighted(series))
    used = tensor_volumes(series.gradients, settings.b0_threshold, settings.max_b)
    qc = {"n_directions": float(n_directions(series.gradients.bvecs[used & ~series.b0]))}
    if settings.denoise and len(series.gradients) >= _DENOISE_FROM:
        denoised = denoise(array(series.image), np.asarray(binary_dilation(mask, iterations=2)))
        series = replace(series, image=like_series(series.image, denoised))
    if settings.motion:
        image, gradients, motions = correct_motion(series.image, series.gradients, mask, series.b0, work)
        series = replace(series, image=image, gradients=gradients)
        centre = (image.affine @ [*np.argwhere(mask).mean(axis=0), 1.0])[:3]
        moved = framewise_displacement(motions, centre)
        qc |= {
            "mean_framewise_displacement_mm": float(moved.mean()),
            "max_framewise_displacement_mm": float(moved.max()),
        }
        mask = rough_mask(unweighted(series))
    return series, mask, qc


def unweighted(series: Series) -> FloatArray:
    """Mean volume at b=0."""
    return np.asarray(array(series.image)[..., series.b0].mean(axis=3), dtype=np.float32)


def tensors(series: Series, mask: Mask, settings: DwiSettings) -> Tensors:
    """Fit the tensor to the shells that it describes and make the maps.

    Raises
    ------
    DataError
        The mask holds no signal.
    """
    gradients, reference = series.gradients, unweighted(series)
    level = float(np.median(reference[mask])) if mask.any() else 0.0
    inside = mask & (reference > _SIGNAL_FLOOR * level)
    if level <= 0:
        raise DataError("The brain mask holds no diffusion signal.", "Look at the image.", reason="empty-image")
    used = tensor_volumes(gradients, settings.b0_threshold, settings.max_b)
    chosen = gradients.select(used)
    fit = fit_tensor(array(series.image)[inside][:, used], chosen, _SIGNAL_FLOOR * level)
    found = scalar_maps(fit)
    maps = {name: np.zeros(mask.shape, dtype=np.float32) for name in _UNITS}
    for name, data in maps.items():
        data[inside] = getattr(found, name)
    qc = {
        "n_volumes": float(len(gradients)),
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


def run(context: StepContext) -> StepReport:
    """Process the session's diffusion runs and write maps, transforms and the corrected series.

    Raises
    ------
    DataError
        A broken file.
    MissingModalityError
        No tensor can be had from these data.
    """
    settings, work, seed = context.settings.dwi, context.work, context.settings.seed
    anat = context.earlier["anat"].files if "anat" in context.earlier else {}
    series, mask, qc = prepare(read_series(context.session.dwi, settings.b0_threshold), settings, work)
    grid = like(series.image, unweighted(series))
    if "t1w_brain" in anat:
        place = place_by_t1w(grid, mask, anat, work, seed)
    else:
        rough = tensors(series, mask, settings).maps
        place = place_alone(like(grid, t1w_like(rough["fa"], rough["md"])), work, seed)
    found = tensors(series, place.mask, settings)
    standard = {
        kind: array(resample(like(grid, data), standard_grid(), place.to_standard)) for kind, data in found.maps.items()
    }
    white = white_matter(grid, place, anat)
    shown = standard if place.to_t1w is None else found.maps
    qc |= {**found.qc, "brain_volume_ml": float(place.mask.sum()) * voxel_ml(grid)} | quality(shown, standard, white)
    writer = _Writer(context, context.outputs.sources(series.sources))
    files = writer.native(series, place, found.maps)
    warnings = (*series.warnings, *place.warnings, *found.warnings, *quality_warnings(qc))
    return StepReport(outputs=writer.standard(standard), files=files, qc=qc, warnings=warnings)


def quality(shown: Mapping[str, FloatArray], standard: Mapping[str, FloatArray], white: Mask) -> dict[str, float]:
    """FA and MD in white matter (on the grid of ``white``), and how much of the template's brain is covered."""
    brain = array(template("mask")) > 0.5
    qc = {"standard_coverage_fraction": float((standard["md"][brain] > 0).mean())}
    seen = white & (shown["md"] > 0)
    if seen.any():
        qc["fa_wm_median"] = float(np.median(shown["fa"][seen]))
        qc["md_wm_median_mm2_s"] = float(np.median(shown["md"][seen]))
    return qc


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
        """Corrected series with its gradients, mask, maps and transform, by role, in the first run's voxel order."""
        outputs = self.context.outputs
        name = partial(outputs.path, "dwi")
        as_stored = partial(reorient, orientation=stored_orientation(series.sources[0].path))
        image = as_stored(series.image)
        gradients = on_axes(series.gradients, series.image.affine, image.affine)
        mask = as_stored(like(series.image, place.mask.astype(np.uint8)))
        files = {
            "dwi": self.image(name("dwi.nii.gz", desc="preproc"), image, SkullStripped=False),
            "dwi_mask": self.image(name("mask.nii.gz", desc="brain"), mask, Type="Brain"),
            "bval": outputs.save(name("dwi.bval", desc="preproc"), _text(bval_text(gradients))),
            "bvec": outputs.save(name("dwi.bvec", desc="preproc"), _text(bvec_text(gradients))),
        }
        for kind, data in maps.items():
            path = name("dwimap.nii.gz", model="tensor", param=kind)
            files[f"{kind}_native"] = self.image(path, as_stored(like(series.image, data)), Units=_UNITS[kind])
        return files | self.transform(place)

    def transform(self, place: Place) -> dict[str, Path]:
        """The transform that this step found: to the T1w, or to the standard space where there is no T1w."""
        found = place.to_standard[0]
        target, role = (SPACE, "dwi_to_standard") if place.to_t1w is None else ("T1w", "dwi_to_t1w")
        if isinstance(found, np.ndarray):
            ending, kind = "xfm.txt", "ITK affine transform (LPS)"
            write = partial(save_rigid, matrix=found)
        else:
            ending, kind = "xfm.nii.gz", "ITK displacement field (LPS)"
            write = partial(save_warp, field=found)
        path = self.context.outputs.path("dwi", ending, from_="dwi", to=target, mode="image")
        sidecar = {"Sources": self.sources, "Units": "mm", "Type": kind}
        return {role: self.context.outputs.save(path, write, sidecar)}

    def standard(self, maps: Mapping[str, FloatArray]) -> dict[str, tuple[Path, ...]]:
        """Maps in standard space, by modality."""
        grid, name = standard_grid(), partial(self.context.outputs.standard, "dwi", "dwimap.nii.gz", model="tensor")
        return {
            kind: (self.image(name(param=kind), like(grid, data), Units=_UNITS[kind], **_RESOLUTION),)
            for kind, data in maps.items()
        }


def _text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)
