"""Carpet plot of a BOLD run: every voxel's signal over time below the head's motion, so that artefacts are seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from bids_stroke.report.figures.common import standard_brain

ROWS = 900
"""Voxels shown, spread evenly over those of the tissues."""
_LIMIT = 2.0
"""Per cent of the mean at the ends of the grey scale."""
_MARKS = {"framewise_displacement": 0.5, "std_dvars": 1.5}
"""Columns drawn above, and from where on a volume counts as disturbed."""
_LABELS = {"framewise_displacement": "FD (mm)", "std_dvars": "DVARS\n(no unit)"}
_COLOURS = {"grey matter": "darkorange", "white matter": "deepskyblue", "CSF": "mediumseagreen"}


def carpet(
    series: nib.Nifti1Image, tissues: Mapping[str, nib.Nifti1Image]
) -> tuple[NDArray[np.float32], dict[str, int]]:
    """Choose voxels tissue by tissue and give their signals over time, detrended.

    Parameters
    ----------
    series : nib.Nifti1Image
        (x, y, z, t), 0 outside the brain, in the units of the scanner.
    tissues : mapping of str to nib.Nifti1Image
        Probabilities (x, y, z) from 0 to 1, on any grid of the same space.

    Returns
    -------
    rows : (n, t) float32
        Change from the voxel's mean without its linear drift, per cent; n is about ROWS.
    counts : dict of str to int
        How many of the rows are of each tissue, in order.
    """
    from scipy.signal import detrend

    data = np.asarray(series.dataobj, dtype=np.float32)
    voxels = np.argwhere(data.mean(axis=3) > 0)
    points = apply_affine(series.affine, voxels)
    chosen = {name: voxels[_probability(image, points) > 0.5] for name, image in tissues.items()}
    step = max(sum(len(found) for found in chosen.values()) / ROWS, 1.0)
    kept = {name: found[np.arange(0, len(found), step).astype(int)] for name, found in chosen.items() if len(found)}
    signals = np.concatenate([data[tuple(found.T)] for found in kept.values()] or [np.zeros((0, data.shape[3]))])
    mean = signals.mean(axis=1, keepdims=True)
    rows = 100.0 * detrend(signals, axis=1) / mean if len(signals) else signals
    return rows.astype(np.float32), {name: len(found) for name, found in kept.items()}


def template_tissues() -> dict[str, nib.Nifti1Image]:
    """Probabilities of the standard brain's tissues, each (91, 109, 91) from 0 to 1, 2 mm."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    grey, white = load_mni152_gm_template(resolution=2), load_mni152_wm_template(resolution=2)
    inside = np.asarray(standard_brain().dataobj, dtype=np.float32)
    rest = inside - np.asarray(grey.dataobj) - np.asarray(white.dataobj)
    return {"grey matter": grey, "white matter": white, "CSF": nib.Nifti1Image(rest, grey.affine)}


def _probability(image: nib.Nifti1Image, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values at world points, of the nearest voxel; 0 outside the image."""
    where = np.round(apply_affine(np.linalg.inv(image.affine), points)).astype(int)
    inside = ((where >= 0) & (where < image.shape[:3])).all(axis=1)
    values = np.zeros(len(points))
    values[inside] = np.asarray(image.dataobj, dtype=float)[tuple(where[inside].T)]
    return values


def draw_carpet(title: str, series: Path, confounds: Path, tissues: Mapping[str, nib.Nifti1Image]) -> Figure:
    """Draw framewise displacement and DVARS over time, disturbed volumes marked, above the carpet.

    Parameters
    ----------
    title : str
        Which run.
    series : Path
        Image (x, y, z, t) in standard space, 0 outside the brain, with its TR (s) in the header.
    confounds : Path
        Table with a row for each volume: ``framewise_displacement`` (mm), ``std_dvars`` (no unit), and a column
        ``motion_outlier<n>`` for each disturbed volume.
    tissues : mapping of str to nib.Nifti1Image
        As for `carpet`.

    Returns
    -------
    Figure
        9 by 5.2 inches.
    """
    image = nib.load(series)
    table = pd.read_csv(confounds, sep="\t", na_values="n/a")
    rows, counts = carpet(image, tissues)
    tr = float(image.header.get_zooms()[3])
    times = np.arange(image.shape[3]) * tr
    outliers = [name for name in table if str(name).startswith("motion_outlier")]
    disturbed = times[table[outliers].to_numpy().any(axis=1)]
    figure = Figure(figsize=(9, 5.2), facecolor="white")
    says = f"{len(disturbed)} of {len(times)} volumes disturbed (red)"
    figure.suptitle(f"{title}: {says}", x=0.09, ha="left", fontsize=11, y=0.98, va="top")
    drawn = [name for name in _MARKS if name in table]
    spec = figure.add_gridspec(len(drawn) + 1, 2, height_ratios=[*[1] * len(drawn), 4.5], width_ratios=[1, 0.015],
                               left=0.09, right=0.93, top=0.92, bottom=0.09, hspace=0.12, wspace=0.02)  # fmt: skip
    for index, name in enumerate(drawn):
        ax = figure.add_subplot(spec[index, 0])
        _draw_trace(ax, times, table[name], disturbed)
    _draw_rows(figure, spec, rows, counts, (times[0] - tr / 2, times[-1] + tr / 2))
    return figure


def _draw_trace(ax: Axes, times: NDArray[np.float64], column: pd.Series[float], disturbed: NDArray[np.float64]) -> None:
    tr, name, values = times[1] - times[0], str(column.name), column.to_numpy(dtype=float)
    for time in disturbed:
        ax.axvspan(time - tr / 2, time + tr / 2, color="red", alpha=0.3, lw=0)
    ax.plot(times, values, color="black", lw=0.8)
    ax.axhline(_MARKS[name], color="red", lw=0.7, ls="--")
    top = max(2 * _MARKS[name], float(np.nanmax(values, initial=0.0)) * 1.05)
    ax.set(xlim=(times[0] - tr / 2, times[-1] + tr / 2), ylim=(0, top))
    ax.set_ylabel(_LABELS[name], fontsize=8)
    ax.tick_params(labelsize=7, labelbottom=False)


def _draw_rows(
    figure: Figure, spec: GridSpec, rows: NDArray[np.float32], counts: Mapping[str, int], span: tuple[float, float]
) -> None:
    ax = figure.add_subplot(spec[-1, 0])
    shown = ax.imshow(rows, cmap="gray", vmin=-_LIMIT, vmax=_LIMIT, aspect="auto", interpolation="antialiased",
                      extent=(*span, len(rows) or 1, 0))  # fmt: skip
    ends = np.cumsum([0, *counts.values()])
    for name, start, end in zip(counts, ends[:-1], ends[1:], strict=True):
        ax.axhline(end, color="white", lw=0.8)
        ax.plot([span[0], span[0]], [start, end], color=_COLOURS.get(name, "black"), lw=6, solid_capstyle="butt")
    ax.set_yticks((ends[:-1] + ends[1:]) / 2, [name.replace(" ", "\n") for name in counts], fontsize=7)
    ax.set_xlim(*span)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=7)
    ax.set_xlabel("time (s)", fontsize=8)
    bar = figure.colorbar(shown, cax=figure.add_subplot(spec[-1, 1]))
    bar.set_label("change from the mean (%), without linear drift", fontsize=8)
    bar.ax.tick_params(labelsize=7)
