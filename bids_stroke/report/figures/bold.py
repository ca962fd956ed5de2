"""Figures of resting-state BOLD: maps in standard space, and the signal over time of each run."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.carpet import draw_carpet, template_tissues
from bids_stroke.report.figures.common import (
    Drawn,
    Reports,
    all_exist,
    entities_of,
    feature_files,
    landmarks,
    load_unmirrored,
    sidecar_value,
    standard_brain,
    standard_heights,
    step_files,
)
from bids_stroke.report.figures.slices import Panel, draw_slices

_MAPS = {
    "mean": ("mean", "gray"),
    "alff": ("ALFF", "viridis"),
    "falff": ("fALFF", "viridis"),
    "reho": ("ReHo", "viridis"),
}
"""``stat`` of a map's name, in small letters -> label, colour map."""


def draw_bold(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw maps of the BOLD signal in standard space: mean, slow fluctuations, regional homogeneity."""
    paths = feature_files(reports, "bold")
    panels, outlines = [], landmarks(reports)
    for path in paths:
        stat = re.search(r"_stat-([a-z]+)_", path.name, re.IGNORECASE)
        if stat and stat[1].lower() in _MAPS:
            label, colours = _MAPS[stat[1].lower()]
            panels.append(Panel(load_unmirrored(path), label, _units(path), colours=colours, outlines=outlines))
    if panels:
        task = re.search(r"_(task-[A-Za-z0-9]+)_", paths[0].name)
        title = "BOLD maps in standard space"
        yield task[1] if task else "", draw_slices(title, panels, standard_heights(6), standard_brain())


def draw_carpets(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw a carpet plot for each run; the files of the second and later runs have numbered roles."""
    files = step_files(reports, "bold")
    for role in (role for role in files if role.startswith("bold_standard")):
        confounds = role.replace("bold_standard", "confounds")
        if all_exist(files, role, confounds):
            entities = entities_of(files[role].name)
            title = " ".join(entities).replace("-", " ")
            tissues = _tissues(outputs, reports)
            yield "_".join(entities), draw_carpet(title, files[role], files[confounds], tissues)


def _tissues(outputs: Outputs, reports: Reports) -> dict[str, nib.Nifti1Image]:
    """Probabilities of the person's tissues in standard space; of the standard brain's without a T1w."""
    names = {"GM": "grey matter", "WM": "white matter", "CSF": "CSF"}
    paths = {name: outputs.standard("tissue_probability", label=label) for label, name in names.items()}
    if "anat" in reports and all_exist(paths, *paths):
        return {name: nib.load(path) for name, path in paths.items()}
    return template_tissues()


def _units(path: Path) -> str:
    """The units of a map in words."""
    units = str(sidecar_value(path, "Units") or "arbitrary units")
    return {"1": "no unit", "arbitrary": "arbitrary units"}.get(units, units)
