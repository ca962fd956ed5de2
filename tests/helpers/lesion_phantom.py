"""The template's brain as a T1w with a dark ball for a lesion, cheap to lay masks on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, like, load_image
from bids_stroke.imaging.lesion.placing import Head
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample
from tests.helpers.lesions import LEFT, ball
from tests.helpers.spots import stored_as


@dataclass(frozen=True, eq=False)
class Phantom:
    """A T1w of 3 mm in memory, with its truth."""

    t1w: nib.Nifti1Image
    brain: np.ndarray
    lesion: np.ndarray


@cache
def phantom(seen: bool = True) -> Phantom:
    """A head whose lesion of 12 mm is seen in the image, or is not."""
    grid = standard_grid(3.0)
    data = 100.0 * array(resample(template("T1w"), grid)) + np.random.default_rng(0).normal(0, 2, grid.shape)
    lesion = ball(grid.affine, grid.shape, LEFT)
    data[lesion] = 25.0 if seen else data[lesion]
    brain = array(resample(template("mask"), grid)) > 0.5
    return Phantom(like(grid, data.clip(0).astype(np.float32)), brain, lesion)


def stored_head(folder: Path, head: Phantom, axes: str = "LAS") -> Head:
    """The T1w as it is read from a file that stores it in some order."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sub-01_T1w.nii.gz"
    stored_as(head.t1w, axes).to_filename(path)
    brain = stored_as(like(head.t1w, head.brain.astype(np.uint8)), "RAS")
    return Head(load_image(path, 3), BidsFile(path, {"suffix": "T1w"}), array(brain) > 0)


def mask_of(head: Phantom, axes: str = "LAS") -> nib.Nifti1Image:
    """The lesion's mask in some order of voxels."""
    return stored_as(like(head.t1w, head.lesion.astype(np.uint8)), axes)


def lesion_in(head: Head, found: np.ndarray) -> np.ndarray:
    """Centre of a mask on the T1w's grid, mm."""
    return nib.affines.apply_affine(head.image.affine, np.argwhere(found).mean(axis=0))
