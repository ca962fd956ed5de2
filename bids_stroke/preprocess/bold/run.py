"""One BOLD run: what is measured, its steady state, and everything that is computed from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from nibabel.affines import apply_affine
from scipy.signal import detrend

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.forms import form_warnings
from bids_stroke.imaging.images import array, like, load_image, voxel_ml
from bids_stroke.imaging.motion import estimate_motion, motion_parameters, realign_series
from bids_stroke.imaging.motor_areas import MOTOR_AREAS
from bids_stroke.preprocess.bold import slice_timing
from bids_stroke.preprocess.bold.cleaning import clean
from bids_stroke.preprocess.bold.confounds import MUCH_MOTION_MM, confound_table
from bids_stroke.preprocess.bold.headless import find_headless
from bids_stroke.preprocess.bold.maps import amplitudes, regional_homogeneity
from bids_stroke.preprocess.bold.registration import Place, place, points_of, rough_brain, sample
from bids_stroke.preprocess.bold.seed_connectivity import connectivity, find_seeds
from bids_stroke.preprocess.bold.slice_timing import slice_times
from bids_stroke.preprocess.bold.steady_state import steady_volumes

if TYPE_CHECKING:
    from bids_stroke.core.settings_preprocess import BoldSettings
    from bids_stroke.preprocess.registry import StepContext

Volume = npt.NDArray[np.float32]
Series = npt.NDArray[np.float32]

FEWEST_VOLUMES = 20
_LONGEST_TR = 30.0


@dataclass(frozen=True, eq=False)
class Run:
    """One run, processed on its own grid."""

    source: BidsFile
    repetition_time: float
    dropped: int
    """Volumes before the steady state, or without a head, at the beginning: left out of everything below."""
    raw: nib.Nifti1Image
    """4D, as measured, the slices of a volume brought to one moment where their times are known."""
    slice_moment: float | None
    """That moment (s after the start of a volume); None where slices are as measured."""
    motions: npt.NDArray[np.float64]
    corrected: nib.Nifti1Image
    """4D, motion-corrected."""
    place: Place
    confounds: pd.DataFrame
    maps: Mapping[str, Volume]
    """By statistic (mean, alff, falff, reho, tsnr) or seed (handL ...): 3D, 0 outside the brain."""
    qc: Mapping[str, float]
    warnings: tuple[str, ...]
    replaced: tuple[int, ...] = ()
    """Volumes of ``corrected`` that showed no head: their neighbours stand in."""


def load_series(source: BidsFile) -> nib.Nifti1Image:
    """Load a run.

    Raises
    ------
    DataError
        Broken, or a 3D file (``not-4d``).
    """
    image = load_image(source.path, 4)
    if image.shape[3] == 1 and len(cast(nib.Nifti1Image, nib.load(source.path)).shape) < 4:
        message = f"{source.path} is a 3D image: a BOLD run has a fourth dimension, time."
        raise DataError(message, "Check that the right file has this name.", "not-4d")
    return image


def repetition_time(source: BidsFile, image: nib.Nifti1Image) -> tuple[float, list[str]]:
    """TR in seconds from the sidecar, and a warning where the header contradicts it.

    Raises
    ------
    DataError
        The sidecar has no RepetitionTime (``missing-repetition-time``), or none that can be seconds.
    """
    value = source.metadata.get("RepetitionTime")
    sidecar = source.companion(".json")
    if value is None:
        message = f"{sidecar} (or one that it inherits from) has no RepetitionTime."
        raise DataError(message, "Add RepetitionTime in seconds.", "missing-repetition-time")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_TR:
        message = f"{sidecar}: RepetitionTime is {value!r}, which are no seconds between volumes."
        raise DataError(message, "Write it in seconds, as a number.", "bad-repetition-time")
    header = float(image.header.get_zooms()[3])
    warnings = []
    if math.isfinite(header) and 0.1 < header < _LONGEST_TR and abs(header - value) > 0.01 * value:
        warnings.append(
            f"{source.path.name}: RepetitionTime is {value:g} s in the sidecar, {header:g} s in the header; the "
            "sidecar's is used."
        )
    return float(value), warnings


def process(source: BidsFile, context: StepContext) -> Run:
    """Steady state, motion, place, confounds, cleaning and maps of a run.

    Raises
    ------
    DataError
        A broken file or sidecar.
    MissingModalityError
        Too few volumes (``too-few-volumes``, ``lost-volumes``) or time (``run-too-short``), or no brain.
    """
    image = load_series(source)
    tr, warnings = repetition_time(source, image)
    name = source.path.name
    warnings += form_warnings([source.path])
    headless = find_headless(image, name)
    warnings += headless.warnings(name)
    raw, lost, dropped = steady_volumes(image, headless, tr)
    n_volumes = raw.shape[3]
    require_volumes(n_volumes - int(lost.sum()), image.shape[3], source)
    del image  # these series are large
    first = rough_brain(like(raw, array(raw).mean(axis=3)), name)
    motions = estimate_motion(array(raw), raw.affine, first)
    raw, moment, untimed = _timed(source, raw, tr, wanted=context.settings.bold.slice_timing)
    warnings += untimed
    corrected = like(raw, realign_series(array(raw), raw.affine, motions))
    corrected.header.set_zooms((*corrected.header.get_zooms()[:3], tr))
    mean = like(raw, array(corrected).mean(axis=3))
    anat = context.files_of("anat")
    placed = place(mean, rough_brain(mean, name), anat, context.work, seed=context.settings.seed)
    centre = apply_affine(raw.affine, np.argwhere(placed.brain).mean(axis=0))
    table = confound_table(
        array(corrected), motion_parameters(motions, centre), {"brain": placed.brain, **placed.tissues}, tr, lost
    )
    maps, qc, more = summarise(corrected, placed, table, context.settings.bold)
    qc["degrees_of_freedom"] -= float(lost.sum())
    qc |= {"n_volumes": float(n_volumes), "n_volumes_dropped": float(dropped)}
    warnings += [*placed.warnings, *more, *flag_motion(qc, source, context.settings.bold)]
    replaced = tuple(map(int, np.flatnonzero(lost)))
    return Run(source, tr, dropped, raw, moment, motions, corrected, placed, table, maps, qc, tuple(warnings), replaced)


def require_volumes(steady: int, measured: int, source: BidsFile) -> None:
    """Refuse a run of too few volumes.

    Raises
    ------
    MissingModalityError
        Fewer than 20 in steady state (``too-few-volumes``).
    """
    if steady < FEWEST_VOLUMES:
        message = f"{source.path} has {steady} volumes in steady state (of {measured}); {FEWEST_VOLUMES} are needed."
        raise MissingModalityError(message, "Leave this run out.", "too-few-volumes")


def summarise(
    series: nib.Nifti1Image, placed: Place, table: pd.DataFrame, settings: BoldSettings
) -> tuple[dict[str, Volume], dict[str, float], tuple[str, ...]]:
    """As `feature_maps`, with the quality numbers of motion and place."""
    maps, qc, warnings = feature_maps(series, placed, table, settings)
    return maps, {**qc, **_motion_quality(table), **placed.qc}, warnings


def flag_motion(qc: Mapping[str, float], source: BidsFile, settings: BoldSettings) -> list[str]:
    """A warning where the mean framewise displacement is above the limit."""
    moved = qc["mean_framewise_displacement_mm"]
    if moved <= settings.max_displacement:
        return []
    return [f"{source.path.name}: much head motion, {moved:.2f} mm from volume to volume on average."]


def _timed(
    source: BidsFile, raw: nib.Nifti1Image, repetition_time: float, *, wanted: bool
) -> tuple[nib.Nifti1Image, float | None, list[str]]:
    """The series with its slices at one moment, that moment, and warnings."""
    times, warnings = slice_times(source, raw, repetition_time) if wanted else (None, [])
    if times is None:
        return raw, None, warnings
    timed = like(raw, slice_timing.correct(array(raw), times, repetition_time))
    timed.header.set_zooms(raw.header.get_zooms())
    return timed, times.middle, warnings


def feature_maps(
    corrected: nib.Nifti1Image, placed: Place, table: pd.DataFrame, settings: BoldSettings
) -> tuple[dict[str, Volume], dict[str, float], tuple[str, ...]]:
    """Maps of a motion-corrected run with quality numbers and warnings.

    Returns
    -------
    maps : dict of (x, y, z) float32
        mean, tsnr, alff and falff (before the band-pass), reho and the seeds' connectivity (after it); 0 outside the
        brain.
    qc : dict
        Degrees of freedom left, confounds used, temporal signal-to-noise ratio, connectivity of mirrored seeds.
    warnings : tuple of str
        Where the cleaning could not be complete.
    """
    tr = float(corrected.header.get_zooms()[3])
    band = (settings.high_pass, settings.low_pass)
    signals = array(corrected)[placed.brain].T.astype(np.float64)
    mean = signals.mean(axis=0)
    cleaned = clean(signals, table, tr, band)
    alff, falff = amplitudes(cleaned.broad, tr, band)
    noise = detrend(signals, axis=0).std(axis=0)
    seeds = find_seeds(placed, corrected)
    connected, mirrored = connectivity(cleaned.band, placed.brain, seeds)
    values = {
        "mean": mean, "alff": alff, "falff": falff, "reho": regional_homogeneity(cleaned.band, placed.brain),
        "tsnr": np.divide(mean, noise, out=np.zeros_like(mean), where=noise > 0), **connected,
    }  # fmt: skip
    maps = {name: np.zeros(placed.brain.shape, np.float32) for name in values}
    for name, value in values.items():
        maps[name][placed.brain] = value
    qc = {
        "degrees_of_freedom": float(cleaned.degrees_of_freedom),
        "n_confounds": float(len(cleaned.confounds)),
        "tsnr_median": float(np.median(values["tsnr"])),
        "brain_volume_ml": float(placed.brain.sum()) * voxel_ml(corrected),
        **mirrored,
    }
    lost = [name for name in MOTOR_AREAS if name not in seeds.masks]
    warnings = [f"No connectivity of {', '.join(lost)}: outside the images or the brain."] if lost else []
    return maps, qc, (*cleaned.warnings, *warnings)


def _motion_quality(table: pd.DataFrame) -> dict[str, float]:
    displacement = table["framewise_displacement"].to_numpy()[1:]
    return {
        "mean_framewise_displacement_mm": float(displacement.mean()),
        "max_framewise_displacement_mm": float(displacement.max()),
        "displacement_above_0p5mm_fraction": float((displacement > MUCH_MOTION_MM).mean()),
    }


@dataclass(frozen=True, eq=False)
class Carried:
    """A run on a grid of standard space."""

    maps: Mapping[str, Volume]
    inside: npt.NDArray[np.bool_]
    """The brain."""


def carry(run: Run, grid: nib.Nifti1Image) -> tuple[Carried, Series]:
    """Bring the maps (linear) and the volumes as measured (cubic) onto a grid, in one interpolation each.

    Returns
    -------
    carried : Carried
        The maps.
    series : (x, y, z, t) float32
        Motion-corrected; 0 outside the brain.
    """
    points = points_of(grid, run.place.chain)
    to_voxel = np.linalg.inv(run.raw.affine)
    weight = sample(run.place.brain.astype(np.float32), to_voxel, points, 1)
    inside = weight > 0.5
    chosen, share = points[inside], weight[inside]
    maps = {name: np.zeros(inside.shape, np.float32) for name in run.maps}
    for name, data in run.maps.items():
        # 0 outside the brain must not leak in at its edge
        maps[name][inside] = sample(data, to_voxel, chosen, 1) / share
    volumes = array(run.raw)
    series = np.zeros((*inside.shape, volumes.shape[3]), np.float32)
    for index, motion in enumerate(run.motions):
        values = sample(volumes[..., index], to_voxel @ motion, chosen, 3)
        series[inside, index] = np.maximum(values, 0.0)
    return Carried(maps, inside), series
