"""People of whom an archive kept little: the lesion's outline in standard space, and an examination without a scan."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.core.records import SPACE
from bids_stroke.derivatives.outputs import write_json, write_table
from bids_stroke.simulate.description import BEHAVIOUR
from bids_stroke.simulate.table import Person
from bids_stroke.simulate.template import grid_points, sample

TASK = "fuglmeyer"
_MM = 2
MASK_SIDECAR = {
    "Type": "Lesion",
    "SpatialReference": SPACE,
    "Resolution": f"{_MM} mm",
    "Description": "Lesion, drawn in standard space; the scan itself was not kept",
}
_SHAPE = (91, 109, 91)
_ORIGIN = (-90.0, -126.0, -72.0)


def standard_mask(person: Person) -> nib.Nifti1Image:
    """The lesion's outline as an atlas would have it: in MNI space, 2 mm, without pose and without the head's shape.

    Returns
    -------
    Nifti1Image
        (91, 109, 91) uint8: 1 where more than half of the voxel is lesion and brain.
    """
    affine = np.diag([_MM, _MM, _MM, 1.0])
    affine[:3, 3] = _ORIGIN
    points = grid_points(_SHAPE, affine)
    inside: NDArray[np.bool_] = (person.lesion.occupancy(points) > 0.5) & (sample("brain", points, _MM, _MM) > 0.5)
    return nib.Nifti1Image(inside.astype(np.uint8), affine)


def mask_name(prefix: str) -> str:
    """File name of `standard_mask`, without folder."""
    return f"{prefix}_space-{SPACE}_res-{_MM}_label-L_desc-lesion_mask.nii.gz"


def write_examination(folder: Path, prefix: str, person: Person) -> None:
    """Write the first examination as a table of the datatype ``beh``: what makes the person a part of the raw data."""
    table = pd.DataFrame({"fma_le_baseline": [person.fma_le_baseline]})
    path = write_table(folder / "beh" / f"{prefix}_task-{TASK}_beh.tsv", table)
    write_json(path.with_suffix(".json"), BEHAVIOUR)
