"""Figures of where a network looked: evidence over the brain, and channels by frequency bands."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import (
    Reports,
    all_exist,
    load,
    load_unmirrored,
    standard_brain,
    standard_heights,
    step_files,
)
from bids_stroke.report.figures.slices import Outline, Panel, draw_slices, slice_heights

LINE = 0.5
"""Share of the largest evidence at which a contour is drawn."""


def draw_evidence(
    outputs: Outputs, reports: Reports, evidence: nib.Nifti1Image, member: str, *, own_space: bool
) -> Figure:
    """Draw evidence over the person's T1w, or over the standard brain where there is none.

    Parameters
    ----------
    outputs, reports : Outputs, Reports
        The unit's names, and its steps' reports.
    evidence : Nifti1Image
        (x, y, z), not below 0 and not 0 everywhere, as the person lies.
    member : str
        Whose it is.
    own_space : bool
        Whether it lies on the person's T1w, or in standard space.
    """
    data = np.asarray(evidence.dataobj)
    shown = nib.Nifti1Image((data / data.max()).astype(np.float32), evidence.affine)
    files, t1w = step_files(reports, "anat"), outputs.standard("t1w")
    if own_space and all_exist(files, "t1w", "brain_mask"):
        under, brain, label = load(files["t1w"]), load(files["brain_mask"]), "T1w"
        heights = slice_heights(brain, 8)
    else:
        own = t1w.is_file()
        under, brain, label = (
            load_unmirrored(t1w) if own else _template(),
            standard_brain(),
            "T1w" if own else "standard",
        )
        heights = standard_heights(8)
    outlines = [Outline(shown, "lime", "half of the largest evidence")]
    if lesion := _lesion(reports, own_space=own_space):
        outlines.append(Outline(lesion, "cyan", "lesion"))
    panel = Panel(under, label, "share of the largest evidence", outlines=tuple(outlines), over=shown)
    return draw_slices(f"What spoke for a poor outcome to the network {member}", [panel], heights, brain, 2)


def _lesion(reports: Reports, *, own_space: bool) -> nib.Nifti1Image | None:
    if own_space:
        files = {**step_files(reports, "lesion"), **step_files(reports, "anat")}
        return load(files["lesion_native"]) if all_exist(files, "lesion_native") else None
    standard = step_files(reports, "lesion")
    return load_unmirrored(standard["lesion_standard"]) if all_exist(standard, "lesion_standard") else None


def _template() -> nib.Nifti1Image:
    from nilearn.datasets import load_mni152_template

    return load_mni152_template(resolution=2)


def draw_bands(member: str, channels: Sequence[str], bands: Sequence[str], values: NDArray[np.float64]) -> Figure:
    """Draw what each channel and band adds, as coloured cells: red towards a poor outcome, blue towards a good one.

    Parameters
    ----------
    member : str
        Whose it is.
    channels, bands : sequence of str
        Names of the rows and columns.
    values : (channels, bands) float64
        Attributions.
    """
    largest = float(np.abs(values).max()) or 1.0
    figure = Figure(figsize=(9, 1.3 + 0.24 * len(channels)), facecolor="white", layout="constrained")
    ax = figure.add_subplot()
    shown = ax.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto")
    ax.set_xticks(range(len(bands)), bands, fontsize=8)
    ax.set_yticks(range(len(channels)), channels, fontsize=8)
    for i, j in np.ndindex(*values.shape):
        if abs(values[i, j]) >= 0.5 * largest:  # in numbers too: colours alone are not for everybody
            ax.text(j, i, f"{values[i, j]:+.2g}", ha="center", va="center", fontsize=7,
                    color="white" if abs(values[i, j]) > 0.7 * largest else "black")  # fmt: skip
    bar = figure.colorbar(shown, ax=ax, fraction=0.05)
    bar.set_label("to good (blue), to poor (red); logit", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(f"What moves the network {member}, by channel and frequency", x=0.01, ha="left", fontsize=11)
    return figure
