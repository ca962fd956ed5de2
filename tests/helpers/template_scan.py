"""Diffusion scans of the template's tissues, whose tensors are known, and what the T1w step leaves beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import template
from bids_stroke.imaging.transforms import resample, save_rigid
from bids_stroke.preprocess.dwi.gradients import Gradients, bval_text, bvec_text, fsl_axes

Array = NDArray[np.float64]
MM = 5.0
GREY_MD, CSF_MD, AXIAL, RADIAL = 0.8e-3, 3.0e-3, 1.5e-3, 0.4e-3
FA_WHITE = (AXIAL - RADIAL) / np.sqrt(AXIAL**2 + 2 * RADIAL**2)


@dataclass(frozen=True)
class TemplateScan:
    """The template's tissues with known tensors, seen by a scanner in which the head moves."""

    image: nib.Nifti1Image
    gradients: Gradients
    motions: Array


def rigid(rotation_degrees: Sequence[float], shift_mm: Sequence[float]) -> Array:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rotation_degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


def grid(shape: tuple[int, int, int] = (34, 42, 36), low_mm: float = -75.0) -> nib.Nifti1Image:
    """RAS grid of 5 mm over the brain."""
    affine = np.diag([MM, MM, MM, 1.0])
    affine[:3, 3] = [-82.5, -120.0, low_mm]
    return like(nib.Nifti1Image(np.zeros(shape, np.float32), affine), np.zeros(shape, np.float32))


def scan(where: nib.Nifti1Image, n: int = 12, b: float = 1000.0, motions: Array | None = None) -> TemplateScan:
    """Two volumes at b=0 and ``n`` weighted ones; fibres run along y in front and along x behind."""
    z = 1 - (np.arange(n) + 0.5) / n
    angle = np.pi * (1 + 5**0.5) * np.arange(n)
    world = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    world = np.vstack([np.zeros((2, 3)), world])
    bvals = np.repeat([0.0, b], [2, n])
    motions = np.tile(np.eye(4), (n + 2, 1, 1)) if motions is None else motions
    rng = np.random.default_rng(0)
    volumes = np.empty((*where.shape, n + 2), np.float32)
    for index, (bval, gradient, motion) in enumerate(zip(bvals, world, motions, strict=True)):
        felt = motion[:3, :3].T @ gradient
        clean = head(bval, felt, where, np.linalg.inv(motion))
        volumes[..., index] = np.hypot(clean + rng.normal(0, 2, clean.shape), rng.normal(0, 2, clean.shape))
    return TemplateScan(like(where, volumes), Gradients(bvals, world @ fsl_axes(where.affine)), motions)


def head(bval: float, gradient: Array, where: nib.Nifti1Image, to_scanner: Array) -> Array:
    """Signal of the template's tissues on a grid, the head moved."""
    grey, white, brain = (array(template(kind)).astype(np.float64) for kind in ("GM", "WM", "mask"))
    fluid = np.clip(brain - grey - white, 0, 1)
    y = np.arange(brain.shape[1])[None, :, None] * 2.0 - 126.0
    along = np.where(y > -20, gradient[1] ** 2, gradient[0] ** 2)
    signal = 100 * grey * np.exp(-bval * GREY_MD) + 150 * fluid * np.exp(-bval * CSF_MD)
    signal += 80 * white * np.exp(-bval * (RADIAL + (AXIAL - RADIAL) * along))
    seen = resample(like(template("mask"), signal.astype(np.float32)), where, [to_scanner], "linear")
    return array(seen).astype(np.float64)


def moving_head(n: int, degrees: float, mm: float) -> Array:
    rng = np.random.default_rng(5)
    motions = [rigid(rng.normal(0, degrees, 3), rng.normal(0, mm, 3)) for _ in range(n + 2)]
    return np.stack([np.eye(4), *motions[1:]])


def save(folder: Path, name: str, phantom: TemplateScan, **metadata: Any) -> BidsFile:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_dwi.nii.gz"
    nib.Nifti1Image(array(phantom.image), phantom.image.affine).to_filename(path)
    (folder / f"{name}_dwi.bval").write_text(bval_text(phantom.gradients))
    (folder / f"{name}_dwi.bvec").write_text(bvec_text(phantom.gradients))
    return BidsFile(path, {"sub": "01"}, metadata, f"bids:raw:sub-01/dwi/{path.name}")


def part(phantom: TemplateScan, keep: Any) -> TemplateScan:
    return replace(
        phantom,
        image=like(phantom.image, array(phantom.image)[..., keep]),
        gradients=Gradients(phantom.gradients.bvals[keep], phantom.gradients.bvecs[keep]),
    )


def anat_files(folder: Path, shift: Array) -> dict[str, Path]:
    """What the step ``anat`` leaves of a T1w that is the template, moved by ``shift`` (T1w world -> template)."""
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.linalg.inv(shift) @ template("T1w").affine
    files = {}
    for role, kind in (("t1w_brain", "T1w"), ("brain_mask", "mask"), ("wm", "WM")):
        files[role] = folder / f"{role}.nii.gz"
        nib.Nifti1Image(array(template(kind)), affine).to_filename(files[role])
    files["to_standard"] = folder / "to_standard.txt"
    save_rigid(files["to_standard"], np.linalg.inv(shift))
    return files


SHIFT = rigid([3, 2, -4], [3, -6, 4])
