"""Figure of the lesion mask in standard space."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import (
    Drawn,
    Reports,
    feature_files,
    load_unmirrored,
    standard_brain,
    standard_tract,
)
from bids_stroke.report.figures.slices import Outline, Panel, draw_slices, slice_heights


def draw_lesion(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw the outline of the lesion mask on the person's T1-weighted image; on the standard brain without one."""
    paths = feature_files(reports, "lesion")
    if not paths:
        return
    lesion = load_unmirrored(paths[0])
    mask = load_unmirrored(reports["lesion"].files.get("lesion_standard", paths[0]))  # shares may all be below half
    heights = slice_heights(mask, 8, margin=0.05)
    if not heights:
        return
    t1w = outputs.standard("t1w")
    own = t1w.is_file()
    under = load_unmirrored(t1w) if own else _standard_t1w()
    millilitres = float(np.sum(np.asarray(lesion.dataobj)) * np.prod(lesion.header.get_zooms()[:3])) / 1000
    what = "the person's T1-weighted image" if own else "the standard brain (no T1-weighted image)"
    tract = Outline(standard_tract(), "deepskyblue", "corticospinal tract")
    panel = Panel(under, "T1w" if own else "standard", bar=False, outlines=(tract, Outline(mask, "red", "lesion")))
    title = f"Lesion, {millilitres:.1f} ml in standard space, on {what}"
    yield "", draw_slices(title, [panel], heights, standard_brain(), 2 if len(heights) > 4 else 1)


def _standard_t1w() -> nib.Nifti1Image:
    from nilearn.datasets import load_mni152_template

    return load_mni152_template(resolution=2)
