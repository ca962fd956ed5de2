"""Ready feature maps from ``--derivatives``: onto the standard grid, under the contract's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bids_stroke.errors import DataError
from bids_stroke.preprocess.images import FloatArray, array, like, load_image, reorient, same_grid
from bids_stroke.preprocess.registration import standard_grid, template
from bids_stroke.preprocess.step import StepContext
from bids_stroke.preprocess.transforms import resample
from bids_stroke.records import SPACE, BidsFile, StepReport

_DIFFUSIVITIES = ("md", "rd", "ad")
_PLAUSIBLE_MEDIAN = {**dict.fromkeys(_DIFFUSIVITIES, (1e-4, 5e-3)), "fa": (0.05, 0.8), "gm": (0.0, 1.0),
                     "wm": (0.0, 1.0)}  # fmt: skip
"""Median of the positive voxels inside the brain, in the contract's units (diffusivities in mm^2/s)."""
_SMALLEST_COVER = 0.5


def on_standard_grid(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """A map in standard space on the 2 mm grid, by its affine; the very same voxels where it is there already."""
    grid = standard_grid()
    image = reorient(image, "".join(nib.aff2axcodes(grid.affine)))
    return like(grid, array(image)) if same_grid(image, grid) else resample(image, grid)


def map_warnings(data: FloatArray, file: BidsFile, modality: str) -> list[str]:
    """What is suspicious about a ready map.

    Parameters
    ----------
    data : ndarray (91, 109, 91)
        On the standard grid.
    file : BidsFile
        Where it comes from: its ``space`` and ``Units``.
    modality : str
        ``fa``, ``md`` ...

    Raises
    ------
    DataError
        The map is 0 all over the brain.
    """
    name = file.path.name
    inside = data[array(template("mask")) > 0.5]
    positive = inside[inside > 0]
    if positive.size == 0:
        message = f"{file.path} has no positive voxel inside the brain of {SPACE}."
        raise DataError(message, "Check its affine and that it is in standard space.", "empty-map")
    warnings = []
    space = file.entities.get("space", "")
    if space != SPACE:
        warnings.append(f"{name} is in {space or 'an unnamed space'}, taken as equal to {SPACE}.")
    if modality in ("fa", *_DIFFUSIVITIES) and positive.size < _SMALLEST_COVER * inside.size:
        warnings.append(f"{name} covers only {100 * positive.size / inside.size:.0f} % of the brain.")
    if modality in ("gm", "wm") and "probseg" in name:
        warnings.append(f"{name} holds probabilities; models trained by this app expect T1w intensities in the tissue.")
    low, high = _PLAUSIBLE_MEDIAN[modality]
    median = float(np.median(positive))
    if not low <= median <= high:
        units = file.metadata.get("Units", "not given")
        warnings.append(
            f"{name}: the median in the brain is {median:.3g} (Units: {units}), expected {low:g} to {high:g}"
            f"{' mm^2/s' if modality in _DIFFUSIVITIES else ''}. It is used as it is."
        )
    return warnings


def run(context: StepContext) -> StepReport:
    """Bring every ready map of the session onto the standard grid.

    Raises
    ------
    DataError
        A broken or empty map.
    """
    outputs: dict[str, tuple[Path, ...]] = {}
    warnings: list[str] = []
    qc: dict[str, float] = {}
    for modality, file in context.session.maps.items():
        image = on_standard_grid(load_image(file.path, 3))
        warnings += map_warnings(array(image), file, modality)
        inside = array(image)[array(template("mask")) > 0.5]
        qc[f"{modality}_median"] = float(np.median(inside[inside > 0]))
        path = _path(context, file, modality)
        sidecar: dict[str, Any] = {"Sources": context.outputs.sources([file]), "Resolution": {"2": "2 mm isotropic"}}
        if "Units" in file.metadata:
            sidecar["Units"] = file.metadata["Units"]
        if path.name.endswith("_T1w.nii.gz"):
            sidecar["SkullStripped"] = True
        outputs[modality] = (context.outputs.save_image(path, image, sidecar),)
    return StepReport(outputs=outputs, qc=qc, warnings=tuple(warnings))


def _path(context: StepContext, file: BidsFile, modality: str) -> Path:
    """The contract's name; with another ``desc`` where another step of this session may write that very file."""
    name, session = context.outputs.standard, context.session
    if modality in ("gm", "wm"):
        external = bool(session.t1w)
        if "_probseg" in file.path.name:
            return name("anat", "probseg.nii.gz", label=modality.upper(), desc="external" if external else None)
        desc = "externalintensity" if external else "intensity"
        return name("anat", "T1w.nii.gz", label=modality.upper(), desc=desc)
    external = bool(session.dwi)
    return name("dwi", "dwimap.nii.gz", model="tensor", param=modality, desc="external" if external else None)
