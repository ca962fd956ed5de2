"""Figures of the diffusion images: maps of the tensor in standard space, and the fibres' directions in own space."""

from __future__ import annotations

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import (
    Drawn,
    Reports,
    all_exist,
    feature_files,
    landmarks,
    load,
    load_unmirrored,
    standard_brain,
    standard_heights,
    step_files,
)
from bids_stroke.report.figures.slices import Panel, draw_slices, slice_heights

_MAPS = {
    "fa": ("FA", "no unit (0 to 1)", (0.0, 1.0), 1.0),
    "md": ("MD", "10⁻³ mm²/s", (0.0, 3.0), 1000.0),
    "rd": ("RD", "10⁻³ mm²/s", (0.0, 3.0), 1000.0),
    "ad": ("AD", "10⁻³ mm²/s", (0.0, 3.0), 1000.0),
}
"""Modality -> label, units, ends of the scale in these units, and what the file's values are multiplied by."""


def draw_diffusion(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw fractional anisotropy and mean, radial and axial diffusivity in standard space, whichever there are."""
    panels, outlines = [], landmarks(reports)
    for modality, (label, units, limits, factor) in _MAPS.items():
        for path in feature_files(reports, modality)[:1]:
            image = load_unmirrored(path)
            panels.append(Panel(image, label, units, limits, factor=factor, outlines=outlines))
    if panels:
        title = "Diffusion tensor maps in standard space"
        yield "", draw_slices(title, panels, standard_heights(6), standard_brain())


def draw_color(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw colour FA in the scan's own space: red, green and blue by the direction of the fibres."""
    files = step_files(reports, "dwi")
    if not all_exist(files, "fa_color", "dwi_mask"):
        return
    mask = load(files["dwi_mask"])
    panel = Panel(load(files["fa_color"]), "colour FA", bar=False)
    title = "Fibre directions: red left-right, green front-back, blue up-down"
    yield "", draw_slices(title, [panel], slice_heights(mask, 8), mask, 2)
