"""Established biomarkers of a session: one row of numbers made of what the other steps gave.

``outputs["biomarkers"]`` is the table; its columns are all of `core.biomarkers.BIOMARKERS`, ``n/a`` where a number
cannot be computed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import pandas as pd

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.biomarkers import columns_described
from bids_stroke.derivatives.names import is_named
from bids_stroke.imaging.images import FloatArray, array, load_image, reorient
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.preprocess.biomarkers.bold import bold_numbers
from bids_stroke.preprocess.biomarkers.eegemg import numbers as eegemg_numbers
from bids_stroke.preprocess.biomarkers.tract import Param, diffusion_numbers, lesion_numbers

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext

ORDER = ("lesion", "dwi", "bold", "eegemg", "maps")
"""Of a modality that two steps give, the later one's files count."""
_TENSOR: tuple[Param, ...] = ("fa", "md", "rd")


def run(context: StepContext) -> StepReport:
    """Write the table of biomarkers of what was asked for and is there; none where no number can be computed."""
    earlier = {name: context.earlier[name] for name in ORDER if name in context.earlier}
    wanted = context.settings.modalities
    files = {name: paths for report in earlier.values() for name, paths in report.outputs.items() if name in wanted}
    found: dict[str, float] = {}
    if "lesion" in files:
        found |= lesion_numbers(_map(files["lesion"][0]))
    if maps := {param: _map(files[param][0]) for param in _TENSOR if param in files}:
        found |= diffusion_numbers(maps)
    if "bold" in files:
        falff = next((path for path in files["bold"] if is_named(path, "bold_map", stat="falff")), None)
        found |= bold_numbers(earlier["bold"].qc, None if falff is None else load_image(falff, 3))
    if "eegemg" in files:
        found |= eegemg_numbers(files["eegemg"])
    path = context.outputs.path("biomarkers")
    if not found:
        path.unlink(missing_ok=True)  # that of an earlier run says what is no longer so
        return StepReport()
    row = pd.DataFrame([{name: found.get(name) for name in BIOMARKERS}], dtype=float)
    sidecar = {**columns_described(), "Sources": context.outputs.sources(p for own in files.values() for p in own)}
    if any(report.qc.get("mirrored") for report in earlier.values()):
        sidecar |= {"Mirrored": True, "Description": "Left stands for the affected side, right for the other one."}
    context.outputs.save_table(path, row, sidecar)
    return StepReport(outputs={"biomarkers": (path,)})


def _map(path: Path) -> FloatArray:
    """A map (91, 109, 91) on the standard grid, in the order in which it is stored there."""
    return array(reorient(load_image(path, 3), "".join(nib.aff2axcodes(standard_grid().affine))))
