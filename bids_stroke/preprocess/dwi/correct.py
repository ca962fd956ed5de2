"""Diffusion volumes as measured -> volumes of one still, undistorted head, and what was done on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from bids_stroke.imaging.images import FloatArray, array, like
from bids_stroke.imaging.motion import framewise_displacement, motion_parameters
from bids_stroke.imaging.part_of_brain import Part, register_part
from bids_stroke.imaging.registration import register_rigid
from bids_stroke.preprocess.dwi.bias_field import bias_field
from bids_stroke.preprocess.dwi.denoise.clean import averaged, clean, said
from bids_stroke.preprocess.dwi.gradients import rotate
from bids_stroke.preprocess.dwi.motion.eddy import Correction, Scan
from bids_stroke.preprocess.dwi.motion.estimate import estimate
from bids_stroke.preprocess.dwi.motion.outliers import replace_outliers
from bids_stroke.preprocess.dwi.quality import check_overflow, temporal_snr
from bids_stroke.preprocess.dwi.registration import rough_mask
from bids_stroke.preprocess.dwi.resample import resample_series
from bids_stroke.preprocess.dwi.runs import like_series
from bids_stroke.preprocess.dwi.series import Series
from bids_stroke.preprocess.dwi.susceptibility.estimate import Seen, Susceptibility, find_field
from bids_stroke.preprocess.dwi.susceptibility.from_t1w import Anatomy
from bids_stroke.preprocess.dwi.tensor.fit import unweighted

if TYPE_CHECKING:
    from bids_stroke.core.settings import Settings
    from bids_stroke.core.settings_preprocess import DwiSettings

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Corrected:
    """A series after the corrections.

    Attributes
    ----------
    series : Series
        Volumes of one still head, with gradients as the head felt them.
    mask : (x, y, z) bool
        The brain, roughly.
    done : mapping
        For the sidecar: correction -> what was done, and ``...Note`` -> why not.
    qc : mapping
        Quality numbers.
    warnings : tuple of str
        What could not be corrected.
    """

    series: Series
    mask: Mask
    done: Mapping[str, object]
    qc: Mapping[str, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Alike:
    """Volumes that the field distorts alike, aligned to each other.

    Attributes
    ----------
    which : (n,) bool
        Of the series.
    correction : Correction
        Of these volumes.
    seen : Seen
        Their mean at b=0 in the pose of the first one, distorted.
    """

    which: Mask
    correction: Correction
    seen: Seen


def correct(series: Series, anatomy: Callable[[Series], Anatomy | None], settings: Settings, work: Path) -> Corrected:
    """All corrections but the bias field, with one interpolation.

    Parameters
    ----------
    series : Series
        As measured.
    anatomy : function
        Reads the session's T1w, for the field where there is no pair; None where there is none, or no need.
    settings : Settings
        Of the run.
    work : Path
        For greedy.

    Raises
    ------
    DataError
        No head stands out, or 16-bit numbers have overflowed.
    """
    mask = rough_mask(unweighted(series))
    check_overflow(array(series.image), mask, ", ".join(file.path.name for file in series.sources))
    cleaned = clean(series, mask, settings.dwi)
    series, cleaning, noise, thin = cleaned.series, cleaned.done, cleaned.noise, cleaned.warnings
    del cleaned  # or it would keep the series before alignment to the end
    if not settings.dwi.motion:
        series = averaged(series, mask, noise)
        tsnr = temporal_snr(array(series.image)[..., series.b0], mask)
        return Corrected(series, mask, {**cleaning, **not_moved("dwi.motion is off")}, tsnr, thin)
    axis = phase_axis(series) if settings.dwi.eddy else None
    parts = [align(series, which, mask, (axis, work, settings.seed)) for which in distorted_alike(series)]
    seen = [part.seen for part in parts]
    field = find_field(seen, series.opposite, mask, anatomy(series), settings.dwi.susceptibility)
    correction = joined(parts, poses_of(parts, field, mask, work, settings.seed))
    qc = motion_quality(correction, series, mask)
    if settings.dwi.replace_outliers:
        series = replace(series, image=like_series(series.image, without_losses(series, parts, mask)))
    affine = series.image.affine
    volumes = resample_series(array(series.image), affine, correction, field.distortion(series.encodings))
    gradients = rotate(series.gradients, correction.motions, affine)
    series = replace(series, image=like_series(series.image, volumes), gradients=gradients)
    del volumes
    mask = rough_mask(unweighted(series))
    series = averaged(series, mask, noise)
    done = {**cleaning, **moved(correction, series, settings.dwi)}
    done |= said("SusceptibilityCorrection", field.kind, field.why)
    qc |= {**field.qc, **temporal_snr(array(series.image)[..., series.b0], mask)}
    return Corrected(series, mask, done, qc, (*thin, *field.warnings))


def without_losses(series: Series, parts: Sequence[Alike], mask: Mask) -> FloatArray:
    """The volumes with lost slices as the volumes of the same phase encoding predict them: others lie elsewhere."""
    lossy = [part for part in parts if part.correction.outliers.any()]
    if not lossy:
        return array(series.image)
    volumes = array(series.image).copy(order="K")
    for part in lossy:
        volumes[..., part.which] = replace_outliers(_scan(series, mask, part.which), part.correction)
    return volumes


def poses_of(parts: Sequence[Alike], field: Susceptibility, mask: Mask, work: Path, seed: int) -> Sequence[Array]:
    """World of the first part's reference -> world of each part's: as the field was found, or by registration."""
    if field.hz is not None or len(parts) == 1:
        return field.poses
    first = parts[0].seen.mean
    cut = Part.of(first, mask)
    if cut:
        return [np.eye(4), *(register_part(cut, part.seen.mean, work, seed, near=True) for part in parts[1:])]
    return [np.eye(4), *(register_rigid(part.seen.mean, first, work, seed=seed) for part in parts[1:])]


def not_moved(why: str) -> dict[str, object]:
    """The sidecar's words where motion stays, and with it all that needs to know it."""
    done = said("MotionCorrected", False, why) | said("EddyCorrected", False, why)
    return done | said("SusceptibilityCorrection", "none", why) | said("OutlierSlicesReplaced", 0, why)


def moved(correction: Correction, series: Series, settings: DwiSettings) -> dict[str, object]:
    """The sidecar's words on motion, eddy currents and lost slices."""
    done = said("MotionCorrected", True)
    if correction.bend is not None:
        done |= said("EddyCorrected", True)
    elif not settings.eddy:
        done |= said("EddyCorrected", False, "dwi.eddy is off")
    else:
        known = any(series.encodings)
        why = "the runs differ in the phase-encoding axis" if known else "the sidecar does not tell the phase encoding"
        done |= said("EddyCorrected", False, why)
    if not settings.replace_outliers:
        return done | said("OutlierSlicesReplaced", 0, "dwi.replace_outliers is off")
    return done | said("OutlierSlicesReplaced", int(correction.outliers.sum()))


def motion_quality(correction: Correction, series: Series, mask: Mask) -> dict[str, float]:
    """How much the head moved and eddy currents bent, and how many slices of the brain were lost."""
    affine = series.image.affine
    centre = apply_affine(affine, np.argwhere(mask).mean(axis=0))
    steps = framewise_displacement(motion_parameters(correction.motions, centre))[1:]
    slices = int(mask.any(axis=(0, 1)).sum()) * int((~series.b0).sum())
    qc = {
        "mean_framewise_displacement_mm": float(steps.mean()),
        "max_framewise_displacement_mm": float(steps.max()),
        "outlier_slices_percent": 100.0 * float(correction.outliers.sum()) / max(slices, 1),
    }
    if correction.bend is not None:
        lengths = np.abs(correction.eddy[:, 1:]) * np.linalg.norm(correction.bend.step)
        qc["max_eddy_percent"] = 100.0 * float(lengths.max())
    return qc


def phase_axis(series: Series) -> int | None:
    """Phase-encoding axis that all volumes share; None where it is not told, or differs."""
    axes = {said.axis if said else None for said in series.encodings}
    return axes.pop() if len(axes) == 1 else None


def distorted_alike(series: Series) -> list[Mask]:
    """Volumes of each phase encoding, where each has volumes at b=0 to be aligned by; else all together."""
    groups = [which for _, which in series.groups()]
    if all((which & series.b0).any() for which in groups):
        return groups
    return [np.ones(len(series.gradients), dtype=bool)]


def align(series: Series, which: Mask, mask: Mask, how: tuple[int | None, Path, int]) -> Alike:
    """Align the volumes of one phase encoding; ``how``: axis of eddy currents, folder for greedy, seed."""
    axis, work, seed = how
    scan = _scan(series, mask, which)
    correction = estimate(scan, axis, work, seed=seed)
    still = resample_series(scan.volumes[..., scan.b0], scan.affine, _select(correction, scan.b0))
    first = int(np.argmax(which))
    encoding = series.encodings[first] if series.encodings else None
    return Alike(which, correction, Seen(like(series.image, still.mean(axis=3)), encoding))


def joined(parts: Sequence[Alike], poses: Sequence[Array]) -> Correction:
    """One correction for all volumes.

    Parameters
    ----------
    parts : sequence of Alike
        Together all volumes.
    poses : sequence of (4, 4) float64
        World of the first part's reference -> world of each part's.
    """
    n = sum(len(part.correction.motions) for part in parts)
    first = parts[0].correction
    motions, eddy = np.empty((n, 4, 4)), np.empty((n, 4))
    outliers = np.empty((n, first.outliers.shape[1]), dtype=bool)
    for part, pose in zip(parts, poses, strict=True):
        motions[part.which] = part.correction.motions @ pose
        eddy[part.which], outliers[part.which] = part.correction.eddy, part.correction.outliers
    return Correction(motions, eddy, outliers, first.bend)


def _scan(series: Series, mask: Mask, which: Mask | None = None) -> Scan:
    volumes, affine = array(series.image), series.image.affine
    if which is None or which.all():
        return Scan(volumes, affine, series.gradients, series.b0, mask)
    return Scan(volumes[..., which], affine, series.gradients.select(which), series.b0[which], mask)


def _select(correction: Correction, which: Mask) -> Correction:
    return Correction(correction.motions[which], correction.eddy[which], correction.outliers[which], correction.bend)


def without_bias(corrected: Corrected, mask: Mask, settings: DwiSettings) -> Corrected:
    """The bias field divided out of all volumes, ``mask`` being the brain."""
    if not settings.bias:
        return replace(corrected, done={**corrected.done, **said("BiasCorrected", False, "dwi.bias is off")})
    series = corrected.series
    field = bias_field(like(series.image, unweighted(series)), mask)
    series = replace(series, image=like_series(series.image, array(series.image) / field[..., None]))
    return replace(corrected, series=series, done={**corrected.done, **said("BiasCorrected", True)})
