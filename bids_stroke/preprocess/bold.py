"""Resting-state BOLD: steady state, motion, confounds, cleaning, maps in standard space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from nilearn.masking import compute_epi_mask
from nilearn.signal import clean

from bids_stroke.errors import DataError, MissingModalityError
from bids_stroke.preprocess.boldmaps import alff, reho
from bids_stroke.preprocess.confounds import confound_table, nuisance_columns
from bids_stroke.preprocess.images import array, like, load_image
from bids_stroke.preprocess.motion import estimate_motion, motion_parameters, resample_rigid
from bids_stroke.preprocess.registration import register_rigid, standard_grid, template
from bids_stroke.preprocess.step import StepContext
from bids_stroke.preprocess.transforms import Matrix, resample, save_rigid
from bids_stroke.records import SPACE, BidsFile, StepReport
from bids_stroke.settings import BoldSettings

Way: TypeAlias = tuple[Matrix] | tuple[Matrix, Path]
"""From a run to standard space: a rigid to the T1w and the T1w's warp, or an affine to the template."""

MINIMUM_VOLUMES = 34
"""In steady state: nilearn's zero-phase band-pass needs more than 33."""
STEADY_SD = 5.0
"""A first volume is not in steady state when its mean lies this many robust SDs above the rest."""
MAPS = ("mean", "alff", "falff", "reho")
UNITS = {"mean": "arbitrary", "alff": "arbitrary", "falff": "fraction of the spectrum", "reho": "Kendall's W"}


@dataclass(frozen=True, eq=False)
class BoldRun:
    """One run, processed in its own space."""

    series: nib.Nifti1Image
    """Motion-corrected, float32."""
    mean: nib.Nifti1Image
    mask: npt.NDArray[np.bool_]
    maps: Mapping[str, npt.NDArray[np.float32]]
    confounds: pd.DataFrame
    transforms: Way
    """From the run to standard space, in the order in which a point of the run travels."""
    qc: Mapping[str, float]
    warnings: tuple[str, ...]


def repetition_time(item: BidsFile, image: nib.Nifti1Image) -> tuple[float, list[str]]:
    """TR (s) of the sidecar, and what speaks against it in the header.

    Raises
    ------
    DataError
        The sidecar has none.
    """
    value = item.metadata.get("RepetitionTime")
    if not isinstance(value, int | float) or value <= 0:
        raise DataError(
            f"{item.path}: its sidecar has no RepetitionTime.", "Add RepetitionTime (seconds) to the JSON file.",
            "missing-repetition-time",
        )  # fmt: skip
    header = float(image.header["pixdim"][4])
    if image.header.get_xyzt_units()[1] == "msec":
        header /= 1000
    warnings = []
    if 0.1 < header < 20 and abs(header - value) > 0.01 * value:
        warnings.append(
            f"{item.path.name}: RepetitionTime is {value:g} s, the header says {header:g} s; the sidecar is used."
        )
    return float(value), warnings


def non_steady_volumes(series: npt.NDArray[np.float32]) -> int:
    """How many of the first volumes are brighter than the steady state (at most 10)."""
    means = series.reshape(-1, series.shape[-1]).mean(axis=0, dtype=np.float64)
    rest = means[10:] if len(means) > 20 else means[len(means) // 2 :]
    middle = np.median(rest)
    spread = max(1.4826 * np.median(np.abs(rest - middle)), 1e-3 * abs(middle))
    bright = means[:10] > middle + STEADY_SD * spread
    return int(np.argmin(bright)) if not bright.all() else 10


def process_run(context: StepContext, item: BidsFile) -> BoldRun:
    """Steady state, motion, mask, registration, confounds, cleaning and maps of one run.

    Raises
    ------
    DataError
        A broken image, or no RepetitionTime.
    MissingModalityError
        Fewer than MINIMUM_VOLUMES volumes in steady state, or no brain.
    """
    image = load_image(item.path, 4)
    tr, warnings = repetition_time(item, image)
    volumes = array(image)
    dropped = non_steady_volumes(volumes)
    raw = np.ascontiguousarray(volumes[..., dropped:])
    if raw.shape[-1] < MINIMUM_VOLUMES:
        raise MissingModalityError(
            f"{item.path} has {raw.shape[-1]} volumes in steady state; {MINIMUM_VOLUMES} are needed.",
            "Leave this run out.", "too-few-volumes",
        )  # fmt: skip
    affine = image.affine
    mask = _brain(like(image, raw.mean(axis=-1)), item)
    motions = estimate_motion(raw, affine, mask)
    series = np.stack([resample_rigid(raw[..., t], affine, motions[t], order=3) for t in range(raw.shape[-1])], axis=-1)
    mean = like(image, series.mean(axis=-1))
    mask = _brain(mean, item)
    transforms, more = _to_standard(context, like(image, array(mean) * mask))
    centre = np.append(np.argwhere(mask).mean(axis=0), 1) @ affine.T
    table = confound_table(
        series, motion_parameters(motions, centre[:3]), {"brain": mask} | _tissues(context, mean, transforms)
    )
    maps, qc, others = feature_maps(series, mask, table, (tr, context.settings.bold))
    qc |= {
        "repetition_time_s": tr,
        "n_volumes_dropped": float(dropped),
        "mean_framewise_displacement_mm": float(np.nanmean(table["framewise_displacement"])),
        "brain_mask_ml": float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000),
    }
    corrected = like(image, series)
    corrected.header.set_zooms((*corrected.header.get_zooms()[:3], tr))
    return BoldRun(
        corrected, mean, mask, {"mean": array(mean)} | maps, table, transforms, qc, (*warnings, *more, *others)
    )


def feature_maps(
    series: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    table: pd.DataFrame,
    timing: tuple[float, BoldSettings],
) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, float], list[str]]:
    """ALFF, fALFF and ReHo of a motion-corrected run, with degrees of freedom and what was done differently."""
    tr, settings = timing
    n = series.shape[-1]
    frequency = np.fft.rfftfreq(n, tr)
    within = int(((frequency >= settings.high_pass) & (frequency <= settings.low_pass)).sum())
    free = 2 * within
    columns = nuisance_columns(table, free)
    warnings = []
    if len(columns) < 24:
        warnings.append(f"The run is short ({n} volumes): only {len(columns)} confounds were regressed out.")
    confounds = table[columns].fillna(0.0).to_numpy() if columns else None
    signals = series[mask].T.astype(np.float64)
    regressed = clean(signals, detrend=True, standardize=None, filter=False, confounds=confounds, t_r=tr)
    band = (settings.high_pass, min(settings.low_pass, 0.45 / tr))
    filtered = clean(signals, detrend=True, standardize=None, filter="butterworth", confounds=confounds, t_r=tr,
                     high_pass=band[0], low_pass=band[1])  # fmt: skip
    amplitude, fraction = alff(regressed, tr, band)
    volume = np.zeros(series.shape, dtype=np.float32)
    volume[mask] = filtered.T
    maps = {"alff": _fill(mask, amplitude), "falff": _fill(mask, fraction), "reho": reho(volume, mask)}
    qc = {
        "n_volumes": float(n),
        "n_confounds": float(len(columns)),
        "degrees_of_freedom": float(free - len(columns)),
        "tsnr_median": float(np.median(signals.mean(axis=0) / np.maximum(regressed.std(axis=0), 1e-6))),
    }
    return maps, qc, warnings


def _fill(mask: npt.NDArray[np.bool_], values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    result = np.zeros(mask.shape, dtype=np.float32)
    result[mask] = values
    return result


def _brain(mean: nib.Nifti1Image, item: BidsFile) -> npt.NDArray[np.bool_]:
    mask = np.asarray(compute_epi_mask(mean, exclude_zeros=False, opening=2).dataobj).astype(bool)
    if not mask.any():
        raise MissingModalityError(
            f"{item.path}: no brain found in the mean volume.", "Look at the image.", "no-brain-found"
        )
    return mask


def _to_standard(context: StepContext, brain: nib.Nifti1Image) -> tuple[Way, list[str]]:
    """The way to standard space: through the T1w where there is one, else directly."""
    seed = context.settings.seed
    anat = context.earlier["anat"].files if "anat" in context.earlier else {}
    if "t1w_brain" in anat:
        rigid = register_rigid(brain, load_image(anat["t1w_brain"], 3), context.work, seed=seed)
        return (rigid, anat["to_standard"]), []
    # the template is what moves: the metric then ends where the BOLD's field of view ends
    to_template = register_rigid(template("T1w"), brain, context.work, seed=seed, dof=12)
    to_standard: Matrix = np.asarray(np.linalg.inv(to_template), dtype=np.float64)
    return (to_standard,), ["No T1w: the mean BOLD image was registered to the template by an affine only."]


def _tissues(context: StepContext, mean: nib.Nifti1Image, transforms: Way) -> dict[str, npt.NDArray[np.bool_]]:
    """White matter and CSF on the run's grid, from the T1w's probabilities; nothing without a T1w."""
    anat = context.earlier["anat"].files if "anat" in context.earlier else {}
    found = {}
    for role, name in (("wm", "white_matter"), ("csf", "csf")):
        if role in anat:
            probability = resample(load_image(anat[role], 3), mean, [np.linalg.inv(transforms[0])])
            inside = array(probability) > 0.95
            if inside.sum() >= 20:
                found[name] = inside
    return found


def run(context: StepContext) -> StepReport:
    """Process every run, write images, confounds and maps; several runs are averaged in standard space."""
    items = context.session.bold
    problems: list[str] = []
    runs: dict[BidsFile, BoldRun] = {}
    for item in items:
        try:
            runs[item] = process_run(context, item)
        except MissingModalityError as error:
            if len(items) == 1:
                raise
            problems.append(str(error))
    if not runs:
        raise MissingModalityError(" ".join(problems), "Look at the runs.", "too-few-volumes")
    files: dict[str, Path] = {}
    for item, done in runs.items():
        files |= _write_run(context, item, done)
    maps = _write_maps(context, runs)
    qc = {key: float(np.mean([done.qc[key] for done in runs.values()])) for key in next(iter(runs.values())).qc}
    qc["n_runs"] = float(len(runs))
    warnings = [*problems, *(warning for done in runs.values() for warning in done.warnings)]
    if qc["mean_framewise_displacement_mm"] > 0.5:
        warnings.append(f"Much head motion: mean framewise displacement {qc['mean_framewise_displacement_mm']:.2f} mm.")
    return StepReport(outputs={"bold": maps}, files=files, qc=qc, warnings=tuple(warnings))


def _entities(item: BidsFile) -> dict[str, str | None]:
    keys = {"task": "task", "acquisition": "acq", "direction": "dir", "run": "run"}
    return {short: item.entities.get(long) for long, short in keys.items()}


def _write_run(context: StepContext, item: BidsFile, done: BoldRun) -> dict[str, Path]:
    outputs, entities = context.outputs, _entities(item)
    sources = outputs.sources([item])
    base: dict[str, Any] = {"Sources": sources, "TaskName": item.entities.get("task", "rest")}
    timing = {"RepetitionTime": done.qc["repetition_time_s"], "SkullStripped": False}
    mask = like(done.mean, done.mask.astype(np.uint8))
    files = {
        "bold": outputs.save_image(
            outputs.path("func", "bold.nii.gz", desc="preproc", **entities), done.series, base | timing
        ),
        "bold_mask": outputs.save_image(
            outputs.path("func", "mask.nii.gz", desc="brain", **entities), mask, {"Sources": sources, "Type": "Brain"}
        ),
        "confounds": outputs.save_table(
            outputs.path("func", "timeseries.tsv", desc="confounds", **entities), done.confounds, {"Sources": sources}
        ),
    }
    matrix = done.transforms[0]
    target = "T1w" if len(done.transforms) == 2 else SPACE
    path = outputs.path("func", "xfm.txt", from_="bold", to=target, mode="image", **entities)
    files["bold_transform"] = outputs.save(path, partial(save_rigid, matrix=matrix), {"Sources": sources})
    return files


def _write_maps(context: StepContext, runs: Mapping[BidsFile, BoldRun]) -> tuple[Path, ...]:
    resolution = context.settings.bold.resolution
    grid = standard_grid(resolution)
    label = f"{resolution:g}".replace(".", "p")
    item = next(iter(runs))
    entities = _entities(item) if len(runs) == 1 else {"task": item.entities.get("task")}
    sources = context.outputs.sources(list(runs))
    paths = []
    for name in MAPS:
        moved = [array(resample(like(r.mean, r.maps[name] * r.mask), grid, r.transforms)) for r in runs.values()]
        sidecar = {
            "Sources": sources,
            "Units": UNITS[name],
            "Resolution": {label: f"{resolution:g} mm isotropic"},
            "SkullStripped": True,
        }
        path = context.outputs.standard("func", "boldmap.nii.gz", stat=name, **{**entities, "res": label})
        paths.append(context.outputs.save_image(path, like(grid, np.mean(moved, axis=0)), sidecar))
    return tuple(paths)
