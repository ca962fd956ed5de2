"""Registration to the standard space (greedy) and rigidly within a session; transforms as files; resampling.

Transforms follow ITK and BIDS: the file ``from-A_to-B`` resamples an image of A onto B's grid, so it maps *points*
from B to A, in ITK's LPS millimetres.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_template
from nilearn.datasets import load_mni152_wm_template as load_wm_template
from picsl_greedy import Greedy3D

from bids_stroke.errors import DataError
from bids_stroke.preprocess.images import FloatArray, array, array_to_sitk, sitk_affine, sitk_array, to_sitk

Matrix = npt.NDArray[np.float64]
Transform = Path | Matrix | nib.Nifti1Image
"""A transform file, a 4x4 RAS matrix (grid's world -> image's world), or an ITK displacement field."""

STANDARD_SHAPE = (91, 109, 91)
STANDARD_AFFINE: Matrix = np.array(
    [[-2.0, 0.0, 0.0, 90.0], [0.0, 2.0, 0.0, -126.0], [0.0, 0.0, 2.0, -72.0], [0.0, 0.0, 0.0, 1.0]]
)
_MNI_CODE = 4
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_FAR_MM = 40.0
"""Further apart than this, two images of a session do not share the scanner's coordinates: start from the centres."""


def standard_grid(resolution_mm: float = 2.0) -> nib.Nifti1Image:
    """Empty uint8 image on a grid of the standard space: the box of the 91x109x91 grid at another voxel size (LAS).

    Parameters
    ----------
    resolution_mm : float
        Isotropic voxel size; the box's outer faces stay where they are, to within one voxel at the far side.
    """
    box = np.array(STANDARD_SHAPE) * 2.0
    shape = tuple(int(value) for value in np.ceil(box / resolution_mm - 1e-6))
    affine = STANDARD_AFFINE.copy()
    affine[:3, :3] *= resolution_mm / 2.0
    corner = STANDARD_AFFINE @ [-0.5, -0.5, -0.5, 1.0]
    affine[:3, 3] = (corner - affine @ [-0.5, -0.5, -0.5, 0.0])[:3]
    return _standard(np.zeros(shape, np.uint8), affine)


def _standard(data: npt.NDArray[Any], affine: Matrix) -> nib.Nifti1Image:
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=_MNI_CODE)
    image.set_qform(affine, code=_MNI_CODE)
    return image


@cache
def template(kind: Literal["T1w", "GM", "WM", "mask"]) -> nib.Nifti1Image:
    """A template of the standard space on the 2 mm grid: skull-stripped T1w (0-1), tissue probability, brain mask.

    Returns
    -------
    nib.Nifti1Image
        float32, 91x109x91; from nilearn's bundled ICBM 152 2009a symmetric files (1 mm, averaged down to 2 mm).
    """
    load = {
        "T1w": load_mni152_template, "GM": load_mni152_gm_template,
        "WM": load_wm_template, "mask": load_mni152_brain_mask,
    }[kind]  # fmt: skip
    source = load(resolution=1)
    fine = sitk.DiscreteGaussian(to_sitk(source), variance=0.72)  # full width at half maximum 2 mm: no aliasing
    smooth = nib.Nifti1Image(sitk_array(fine), sitk_affine(fine))
    image = resample(smooth, standard_grid(), [])
    data = array(image)
    if kind == "mask":
        data = (data > 0.5).astype(np.float32)
    return _standard(np.clip(data, 0.0, 1.0), STANDARD_AFFINE)


@dataclass(frozen=True, eq=False)
class Warp:
    """A registration to the standard space, both ways."""

    forward: nib.Nifti1Image
    """ITK displacement field on the standard grid, affine included: ``from-T1w_to-S``."""
    inverse: nib.Nifti1Image
    """ITK displacement field on a 2 mm grid over the moving image: ``from-S_to-T1w``."""
    affine: Matrix
    """RAS matrix of the affine part, standard world -> moving world."""

    @property
    def determinant(self) -> float:
        """Volume of the moving brain relative to the template's, from the affine part."""
        return float(np.linalg.det(self.affine[:3, :3]))


def register_to_standard(
    moving: nib.Nifti1Image, target: nib.Nifti1Image, *, weight: nib.Nifti1Image | None = None, seed: int = 0
) -> Warp:
    """Affine (normalised mutual information), then diffeomorphic (WNCC) registration by greedy.

    Parameters
    ----------
    moving : nib.Nifti1Image
        Brain-extracted T1w, zero outside the brain.
    target : nib.Nifti1Image
        Brain-extracted template on the standard grid.
    weight : nib.Nifti1Image, optional
        On the moving grid: voxels that are 0 (a lesion) are left out of the metric.
    seed : int
        Same seed, same bytes. One thread always: greedy's result depends on their number.

    Raises
    ------
    DataError
        The affine part degenerated (determinant not between 0.2 and 5).

    Notes
    -----
    Yushkevich et al. 2016, "Fast automatic segmentation of hippocampal subfields", for greedy.
    """
    images = {"fixed": to_sitk(target), "moving": to_sitk(moving), "coarse": to_sitk(_coarse(moving))}
    mask = ""
    if weight is not None:
        images["weight"] = to_sitk(weight)
        mask = "-mm weight "
    common = f"-threads 1 -seed {seed + 1} -V 0"  # greedy takes seed 0 for "stochastic"
    greedy = Greedy3D()
    _execute(greedy, f"-a -dof 12 -i fixed moving {mask}-m NMI -n 100x50x20 -ia-image-centers -o affine {common}",
             images, "affine")  # fmt: skip
    affine = np.asarray(greedy["affine"], dtype=np.float64)
    determinant = float(np.linalg.det(affine[:3, :3]))
    if not 0.2 < determinant < 5.0:
        message = f"The registration of the brain to the template degenerated (affine determinant {determinant:.3g})."
        raise DataError(message, "Check that the T1w shows a whole head.", reason="registration-failed")
    _execute(greedy, f"-i fixed moving -it affine {mask}-m WNCC 2x2x2 -n 100x60x20 -o warp -oinv back {common}",
             {}, "warp", "back")  # fmt: skip
    _execute(greedy, f"-rf fixed -r warp affine -rc forward {common}", {}, "forward")
    _execute(greedy, f"-rf coarse -r affine,-1 back -rc inverse {common}", {}, "inverse")
    return Warp(_field(greedy["forward"]), _field(greedy["inverse"]), affine)


def register_rigid(moving: nib.Nifti1Image, fixed: nib.Nifti1Image, *, seed: int = 0, dof: int = 6) -> Matrix:
    """Rigid registration within a session (mean b=0 or mean BOLD to T1w), normalised mutual information.

    Parameters
    ----------
    moving, fixed : nib.Nifti1Image
        3D, brain-extracted where possible (both, or neither).
    seed : int
        Same seed, same bytes.
    dof : {6, 12}
        12 for an affine.

    Returns
    -------
    ndarray, shape (4, 4)
        RAS world matrix that maps fixed world coordinates (mm) to moving world coordinates: what ``resample(moving,
        fixed, [matrix])`` and ``save_rigid`` take for ``from-moving_to-fixed``.
    """
    start = _start(moving, fixed)
    greedy = Greedy3D()
    images = {"fixed": to_sitk(fixed), "moving": to_sitk(moving), "start": start}
    command = f"-a -dof {dof} -i fixed moving -m NMI -n 100x50x20 -ia start -o rigid -threads 1 -seed {seed + 1} -V 0"
    _execute(greedy, command, images, "rigid")
    return np.asarray(greedy["rigid"], dtype=np.float64)


def _start(moving: nib.Nifti1Image, fixed: nib.Nifti1Image) -> Matrix:
    """Identity where the headers agree, else the shift between the centres of mass."""
    shift = _centre(moving) - _centre(fixed)
    start = np.eye(4)
    if np.linalg.norm(shift) > _FAR_MM:
        start[:3, 3] = shift
    return start


def _centre(image: nib.Nifti1Image) -> npt.NDArray[np.float64]:
    """Centre of mass in world millimetres."""
    mass = np.abs(array(image)).astype(np.float64)
    total = mass.sum()
    if total <= 0:
        raise DataError("An image to be registered is empty.", "Check the brain mask.", reason="empty-image")
    axes = [(1, 2), (0, 2), (0, 1)]
    voxel = [mass.sum(axis=axis) @ np.arange(size) / total for axis, size in zip(axes, mass.shape, strict=True)]
    return np.asarray((image.affine @ [*voxel, 1.0])[:3])


def _execute(greedy: Greedy3D, command: str, inputs: dict[str, Any], *outputs: str) -> None:
    """Run greedy silently with named images in memory."""
    text = io.StringIO()
    try:
        greedy.execute(command, out=text, err=text, **inputs, **dict.fromkeys(outputs))
    except RuntimeError as error:
        remedy = "Check that the image shows a brain (see the report's pictures)."
        raise DataError(f"greedy failed: {error}", remedy, reason="registration-failed") from error


def _coarse(image: nib.Nifti1Image, spacing_mm: float = 2.0) -> nib.Nifti1Image:
    """Grid of about 2 mm along the image's own axes over the same box: fields need no more."""
    size = np.linalg.norm(image.affine[:3, :3], axis=0)
    shape = np.maximum(np.ceil(np.array(image.shape[:3]) * size / spacing_mm), 2).astype(int)
    factor = np.array(image.shape[:3]) / shape
    affine = image.affine.astype(np.float64).copy()
    affine[:3, :3] *= factor
    affine[:3, 3] = (image.affine @ [*((factor - 1.0) / 2.0), 1.0])[:3]
    return nib.Nifti1Image(np.zeros(shape, np.float32), affine)


def _field(displacements: sitk.Image) -> nib.Nifti1Image:
    """Displacement field in memory -> NIfTI as ITK writes it: (x, y, z, 1, 3), intent "vector", LPS mm."""
    data = sitk_array(displacements)[:, :, :, None, :]
    affine = sitk_affine(displacements)
    image = nib.Nifti1Image(np.ascontiguousarray(data), affine)
    image.header.set_intent("vector")
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    return image


def save_warp(path: Path, field: nib.Nifti1Image) -> None:
    """Write a displacement field (``.nii.gz``) that ITK and ANTs read."""
    field.to_filename(path)


def save_rigid(path: Path, matrix: Matrix) -> None:
    """Write a 4x4 RAS matrix (grid's world -> image's world) as ITK text (``.txt``), in ITK's LPS."""
    sitk.WriteTransform(_affine_transform(matrix), str(path))


def _affine_transform(matrix: Matrix) -> sitk.Transform:
    lps = _LPS @ matrix @ _LPS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix([float(value) for value in lps[:3, :3].ravel()])
    transform.SetTranslation([float(value) for value in lps[:3, 3]])
    return transform


def read_transform(source: Transform) -> sitk.Transform:
    """A transform file (ITK text or displacement field), a RAS matrix or a field -> SimpleITK transform."""
    if isinstance(source, np.ndarray):
        return _affine_transform(source)
    if isinstance(source, Path) and not source.name.endswith((".nii.gz", ".nii")):
        return sitk.ReadTransform(str(source))
    image = cast(nib.Nifti1Image, nib.load(source)) if isinstance(source, Path) else source
    data = np.asarray(image.dataobj, dtype=np.float64)[:, :, :, 0, :]
    return sitk.DisplacementFieldTransform(array_to_sitk(data, image.affine, vector=True))


def resample(
    image: nib.Nifti1Image,
    grid: nib.Nifti1Image,
    transforms: Sequence[Transform] = (),
    interpolation: Literal["linear", "nearest", "cubic"] = "linear",
) -> nib.Nifti1Image:
    """Resample an image onto a grid through a chain of transforms, in one interpolation.

    Parameters
    ----------
    image : nib.Nifti1Image
        3D, or 4D (each volume alike).
    grid : nib.Nifti1Image
        Gives shape and affine.
    transforms : sequence of Transform
        In the order in which a point of the image travels to the grid: ``[dwi_to_T1w, T1w_to_S]``. Empty: by the
        headers alone.
    interpolation : {"linear", "nearest", "cubic"}
        Cubic B-spline can overshoot: clip where that matters.

    Returns
    -------
    nib.Nifti1Image
        float32 on the grid; 0 outside the image. A 4D image keeps its TR.
    """
    method = {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor, "cubic": sitk.sitkBSpline}[interpolation]
    # a composite applies the transform added last first, and points go from the grid back to the image
    chain = sitk.CompositeTransform(3)
    for source in transforms:
        chain.AddTransform(read_transform(source))
    affine = np.asarray(grid.affine, dtype=np.float64)
    shape = grid.shape[:3]
    reference = array_to_sitk(np.zeros(shape, np.float32), affine)
    data = array(image)
    volumes = data[..., None] if data.ndim == 3 else data
    result = np.empty((*shape, volumes.shape[3]), np.float32, order="F")
    for index in range(volumes.shape[3]):
        volume = array_to_sitk(volumes[..., index], image.affine)
        moved = sitk.Resample(volume, reference, chain, method, 0.0, sitk.sitkFloat32)
        result[..., index] = sitk_array(moved)
    return _on_grid(result[..., 0] if data.ndim == 3 else result, image, grid)


def _on_grid(data: FloatArray, image: nib.Nifti1Image, grid: nib.Nifti1Image) -> nib.Nifti1Image:
    result = nib.Nifti1Image(data, grid.affine)
    result.header.set_xyzt_units("mm", "sec" if data.ndim == 4 else None)
    code = max(int(grid.header["sform_code"]), int(grid.header["qform_code"]))
    result.set_sform(grid.affine, code=code)
    result.set_qform(grid.affine, code=code)
    if data.ndim == 4:
        result.header.set_zooms((*result.header.get_zooms()[:3], image.header.get_zooms()[3]))
    return result
