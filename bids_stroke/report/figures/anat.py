"""Figures of the T1-weighted image: tissues in the person's own space, and what was brought to standard space."""

from __future__ import annotations

import numpy as np

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import (
    Drawn,
    Reports,
    all_exist,
    load,
    load_unmirrored,
    standard_brain,
    standard_heights,
    standard_outline,
    standard_white_matter,
    step_files,
)
from bids_stroke.report.figures.slices import Outline, Panel, draw_slices, slice_heights


def draw_tissues(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw the T1-weighted image in its own space with contours of its tissues and of the brain mask."""
    files = step_files(reports, "anat")
    if not all_exist(files, "t1w", "gm", "wm", "brain_mask"):
        return
    gm, wm = load(files["gm"]), load(files["wm"])
    brain = load(files["brain_mask"])
    outlines = (
        Outline(gm, "darkorange", "grey matter"), Outline(wm, "deepskyblue", "white matter"),
        Outline(brain, "red", "brain mask"),
    )  # fmt: skip
    t1w = load(files["t1w"])
    inside = np.asarray(t1w.dataobj)[np.asarray(wm.dataobj) > 0.5]  # the scale of the brain, not of bright fat
    limits = (0.0, 1.15 * float(np.percentile(inside, 99))) if inside.size else None
    panel = Panel(t1w, "T1w", limits=limits, bar=False, outlines=outlines)
    title = "T1-weighted image (own space) with tissues"
    yield "", draw_slices(title, [panel], slice_heights(wm, 8), brain, 2)


def draw_standard(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw the T1-weighted image in standard space with the outlines of the standard brain and its white matter."""
    path = outputs.standard("t1w")
    if "anat" not in reports or not path.is_file():
        return
    outlines = (standard_outline(), Outline(standard_white_matter(), "deepskyblue", "its white matter"))
    panel = Panel(load_unmirrored(path), "T1w", bar=False, outlines=outlines)
    title = "T1-weighted image in standard space"
    yield "", draw_slices(title, [panel], standard_heights(8), standard_brain(), 2)


def draw_probabilities(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw the probability maps of grey matter, white matter and cerebrospinal fluid in standard space."""
    panels = []
    for label in ("GM", "WM", "CSF"):
        path = outputs.standard("tissue_probability", label=label)
        if "anat" in reports and path.is_file():
            outlines = (standard_outline(),)
            panels.append(Panel(load_unmirrored(path), label, "probability", (0.0, 1.0), outlines=outlines))
    if panels:
        yield "", draw_slices("Tissue maps in standard space", panels, standard_heights(6), standard_brain())
