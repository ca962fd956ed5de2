"""What the figures of several modalities share: which files a unit has, and the standard brain behind them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure

from bids_stroke.core.records import StepReport
from bids_stroke.imaging.corticospinal_tract import membership
from bids_stroke.report.figures.slices import Outline, slice_heights

Reports = Mapping[str, StepReport]
"""The reports of a unit's steps, by name of the step."""
Drawn = Iterator[tuple[str, Figure]]
"""Figures, each with the entities of its file name that it has besides its unit's: ``task-rest``, mostly none."""


def step_files(reports: Reports, step: str) -> Mapping[str, Path]:
    """Files of a step by role; none where the step did not run.

    >>> step_files({}, "anat")
    {}
    """
    return reports[step].files if step in reports else {}


def feature_files(reports: Reports, modality: str) -> tuple[Path, ...]:
    """Feature files of a modality that exist; those of a later step replace an earlier one's."""
    found = [report.outputs[modality] for report in reports.values() if modality in report.outputs]
    return tuple(path for path in found[-1] if path.is_file()) if found else ()


def all_exist(files: Mapping[str, Path], *roles: str) -> bool:
    """Whether each of these roles has a file, and the file is there.

    >>> all_exist({}, "t1w")
    False
    """
    return all(role in files and files[role].is_file() for role in roles)


def entities_of(name: str) -> list[str]:
    """The entities of a BIDS file name that tell runs of one unit apart, in their order.

    >>> entities_of("sub-01_ses-02_task-rest_run-1_desc-preproc_bold.nii.gz")
    ['task-rest', 'run-1']
    """
    return re.findall(r"_((?:task|acq|dir|run)-[A-Za-z0-9]+)", name)


def sidecar_value(image: Path, key: str) -> object:
    """What the JSON file beside an image says under a key; None without the file or the key."""
    sidecar = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
    return json.loads(sidecar.read_text()).get(key) if sidecar.is_file() else None


def load(path: Path) -> nib.Nifti1Image:
    """Load an image into memory: it is read several times."""
    image = nib.load(path)
    return nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header)


def load_unmirrored(path: Path) -> nib.Nifti1Image:
    """Load an image in standard space so that its right is the person's right.

    Parameters
    ----------
    path : Path
        (x, y, z), any units. One that was mirrored for the model (``Mirrored`` in its sidecar) is mirrored back.
    """
    image = load(path)
    if not sidecar_value(path, "Mirrored"):
        return image
    return nib.Nifti1Image(np.asanyarray(image.dataobj)[::-1], image.affine, image.header)


@cache
def standard_brain() -> nib.Nifti1Image:
    """The mask of the standard brain, (91, 109, 91) of 0 and 1, 2 mm."""
    from nilearn.datasets import load_mni152_brain_mask

    return load_mni152_brain_mask(resolution=2)


@cache
def standard_white_matter() -> nib.Nifti1Image:
    """The mask of the standard brain's white matter, (91, 109, 91) of 0 and 1, 2 mm."""
    from nilearn.datasets import load_mni152_wm_mask

    return load_mni152_wm_mask(resolution=2)


def standard_outline() -> Outline:
    """The edge of the standard brain, which is drawn on everything in standard space."""
    return Outline(standard_brain(), "gold", "standard brain")


@cache
def standard_tract() -> nib.Nifti1Image:
    """How far each voxel belongs to the drawn corticospinal tract of either side, (91, 109, 91) of 0 to 1, 2 mm."""
    brain = standard_brain()
    places = np.argwhere(np.asarray(brain.dataobj) > 0)
    values = np.zeros(brain.shape, np.float32)
    values[tuple(places.T)] = membership(nib.affines.apply_affine(brain.affine, places))
    return nib.Nifti1Image(values, brain.affine)


def lesion_outline(reports: Reports, colour: str) -> tuple[Outline, ...]:
    """The edge of the person's lesion in standard space; nothing without a mask."""
    paths = feature_files(reports, "lesion")
    if not paths:
        return ()
    mask = reports["lesion"].files.get("lesion_standard", paths[0])  # shares may all be below half
    return (Outline(load_unmirrored(mask), colour, "lesion"),)


def landmarks(reports: Reports, lesion: str = "red") -> tuple[Outline, ...]:
    """What is outlined on every map in standard space: the standard brain, the tract, and the lesion in its colour."""
    tract = Outline(standard_tract(), "deepskyblue", "corticospinal tract")
    return (standard_outline(), tract, *lesion_outline(reports, lesion))


def standard_heights(number: int) -> list[float]:
    """Heights (mm) of axial slices spread evenly over the standard brain."""
    return slice_heights(standard_brain(), number)
