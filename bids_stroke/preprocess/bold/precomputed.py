"""A BOLD run that fMRIPrep (or an earlier run of this app) has preprocessed: only cleaning and maps are left to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import SPACE, BidsFile
from bids_stroke.imaging.images import FloatArray, array, as_the_person_lies, like, load_image, same_grid
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.bold.confounds import PARAMETERS
from bids_stroke.preprocess.bold.headless import Headless, fill, find_headless
from bids_stroke.preprocess.bold.registration import Place, place, points_of, rough_brain, sample
from bids_stroke.preprocess.bold.run import Run, flag_motion, load_series, repetition_time, require_volumes, summarise

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext

Mask = npt.NDArray[np.bool_]

_KNOWN = re.compile(
    r"((trans|rot)_[xyz]|global_signal|csf|white_matter)(_derivative1)?(_power2)?"
    r"|framewise_displacement|(std_)?dvars|(cosine|motion_outlier)\d+"
)
"""Columns that our own table has too."""
_UNSTEADY = "non_steady_state_outlier"
_SMOOTHED = (
    "ReHo is of a run that was resampled to standard space before: higher than from raw BOLD. Do not compare the two."
)
_NEEDED = (*PARAMETERS, "framewise_displacement")
_RUN_AGAIN = "Copy the file again, or leave this folder out of --derivatives."


def is_ready(source: BidsFile) -> bool:
    """Whether a run comes preprocessed, from ``--derivatives``."""
    return source.entities.get("role") == "bold"


def process_ready(source: BidsFile, context: StepContext) -> Run:
    """Cleaning and maps of a run whose volumes are aligned already.

    A run in standard space is resampled once to the grid of our maps, and everything is computed there. Another one
    (own space, T1w) is registered as our own runs are. Volumes that its table calls not steady are left out.

    Raises
    ------
    DataError
        A broken file, no confounds (``no-confounds``) or such that do not fit the images (``bad-confounds``), an empty
        mask (``empty-brain-mask``).
    MissingModalityError
        Too few volumes, too short for the band, or no brain.
    """
    placed, found, warnings = _read(source, context)
    series = found.series
    maps, qc, more = summarise(series, placed, found.table, context.settings.bold)
    qc |= {"n_volumes": float(series.shape[3]), "n_volumes_dropped": float(found.dropped)}
    warnings += [*placed.warnings, *more, *flag_motion(qc, source, context.settings.bold)]
    still = np.tile(np.eye(4), (series.shape[3], 1, 1))
    name, tr = source.entities.get("dataset", ""), float(series.header.get_zooms()[3])
    warnings.append(f"{source.path.name} of {name} replaces our corrections of this run; its confounds are used.")
    moment = source.metadata.get("StartTime") if source.metadata.get("SliceTimingCorrected") else None
    return Run(source, tr, found.dropped, series, moment, still, series, placed, found.table, maps, qc, tuple(warnings))


@dataclass(frozen=True, eq=False)
class _Steady:
    """The steady volumes of a ready run, with its TR in the header, and its confounds."""

    series: nib.Nifti1Image
    table: pd.DataFrame
    dropped: int


def _read(source: BidsFile, context: StepContext) -> tuple[Place, _Steady, list[str]]:
    """A run on the grid on which it is worked, where that lies, and warnings; the images as read are let go."""
    whole = as_the_person_lies(load_series(source), source.metadata)
    tr, warnings = repetition_time(source, whole)
    table, steady = read_confounds(source, whole.shape[3])
    headless = find_headless(whole, source.path.name)
    warnings += headless.warnings(source.path.name)
    if headless.any():
        whole, table, steady = without_headless(headless, whole, table, steady)
    require_volumes(int(steady.sum() - headless.inside.sum()), whole.shape[3], source)
    first = int(np.argmax(steady))
    # a view where only the first volumes go: these series are large
    series = like(whole, array(whole)[..., first:] if steady[first:].all() else array(whole)[..., steady])
    mask = _mask_of(source, series)
    if source.entities.get("space", "").startswith("MNI152"):
        series, placed = _on_grid(series, mask, standard_grid(context.settings.bold.resolution))
        if source.entities["space"] != SPACE:
            warnings.append(f"{source.path.name} is in {source.entities['space']}, taken as equal to {SPACE}.")
        warnings.append(_SMOOTHED)
    else:
        anat = context.files_of("anat")
        mean = like(series, array(series).mean(axis=3))
        placed = place(mean, mask, anat, context.work, seed=context.settings.seed)
    series.header.set_zooms((*series.header.get_zooms()[:3], tr))
    return placed, _Steady(series, table, int((~steady).sum())), warnings


def without_headless(
    headless: Headless, whole: nib.Nifti1Image, table: pd.DataFrame, steady: Mask
) -> tuple[nib.Nifti1Image, pd.DataFrame, Mask]:
    """A run in which neighbours stand in for volumes without a head, and those at the ends are not steady.

    Parameters
    ----------
    headless : Headless
        Of the run.
    whole : nib.Nifti1Image
        (x, y, z, t).
    table : DataFrame
        Confounds of the steady volumes.
    steady : (t,) bool
        By the table.

    Returns
    -------
    whole, table, steady
        As they were given.
    """
    lost, kept = np.zeros(len(steady), dtype=bool), np.zeros(len(steady), dtype=bool)
    lost[headless.kept], kept[headless.kept] = headless.inside, True
    rows = kept[steady]
    table = table[rows].reset_index(drop=True)
    steady = steady & kept
    if not lost.any():
        return whole, table, steady
    data = array(whole).copy()
    fill(data[..., headless.kept], headless.inside)
    table = table.astype(np.float64)
    table.loc[lost[steady]] = np.nan
    return like(whole, data), table.interpolate(), steady


def read_confounds(source: BidsFile, n_volumes: int) -> tuple[pd.DataFrame, Mask]:
    """The columns that we use of a ready run's confounds, and its steady volumes.

    Parameters
    ----------
    source : BidsFile
        The run; ``beside`` names the table.
    n_volumes : int
        Of the images.

    Returns
    -------
    table : DataFrame
        One row for each steady volume.
    steady : (n_volumes,) bool
        Volumes that no column ``non_steady_state_outlierXX`` marks.
    """
    if "confounds" not in source.beside:
        message = f"{source.path}: there is no desc-confounds_timeseries.tsv of this run beside it."
        raise DataError(message, "Copy the confounds too, or give the raw run.", "no-confounds")
    path = source.beside["confounds"]
    table = _read_table(path)
    if len(table) != n_volumes:
        message = f"{path} has {len(table)} rows, {source.path.name} has {n_volumes} volumes."
        raise DataError(message, "Check that both come from the same run of the tool.", "bad-confounds")
    unsteady = [name for name in table if str(name).startswith(_UNSTEADY)]
    steady = np.asarray(~(table[unsteady].to_numpy() > 0).any(axis=1))
    used = table[[name for name in table if _KNOWN.fullmatch(str(name))]][steady].reset_index(drop=True)
    marks = [name for name in used if str(name).startswith("motion_outlier") and not used[name].any()]
    return used.drop(columns=marks), steady


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, sep="\t", na_values="n/a")
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read as a table: {str(error).splitlines()[0]}."
        raise DataError(message, _RUN_AGAIN, "bad-confounds") from error
    lost = [name for name in _NEEDED if name not in table]
    words = [str(name) for name in table if _KNOWN.fullmatch(str(name)) and table[name].dtype.kind not in "biuf"]
    if lost or words:
        wrong = f"lacks {', '.join(lost)}" if lost else f"holds something else than numbers under {', '.join(words)}"
        raise DataError(f"{path} {wrong}.", _RUN_AGAIN, "bad-confounds")
    return table


def _mask_of(source: BidsFile, series: nib.Nifti1Image) -> Mask:
    """The brain by the mask beside a run, or by intensity where there is none; never where there is no signal."""
    mean = array(series).mean(axis=3)
    if "mask" not in source.beside:
        return rough_brain(like(series, mean), source.path.name)
    path = source.beside["mask"]
    image = as_the_person_lies(load_image(path, 3), source.metadata)  # written with its series
    mask = array(image if same_grid(image, series) else resample(image, series)) > 0.5
    inside = np.asarray(mask & (mean > 0))
    if not inside.any():
        message = f"{path}: no voxel of this mask lies on the brain in {source.path.name}."
        raise DataError(message, "Check that both come from the same run of the tool.", "empty-brain-mask")
    return inside


def _on_grid(series: nib.Nifti1Image, mask: Mask, grid: nib.Nifti1Image) -> tuple[nib.Nifti1Image, Place]:
    """A run in standard space on another grid of it, in one cubic interpolation; 0 outside the brain."""
    points = points_of(grid, (np.eye(4),))
    to_voxel = np.linalg.inv(series.affine)
    inside = sample(mask.astype(np.float32), to_voxel, points, 1) > 0.5
    volumes = array(series)
    found: FloatArray = np.zeros((*inside.shape, volumes.shape[3]), np.float32)
    for index in range(volumes.shape[3]):
        found[inside, index] = np.maximum(sample(volumes[..., index], to_voxel, points[inside], 3), 0.0)
    return like(grid, found), Place(inside, {}, (np.eye(4),), np.eye(4), SPACE, {}, ())
