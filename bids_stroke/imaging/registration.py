"""The standard space; registration to it and within a session (greedy)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from picsl_greedy import Greedy3D
from scipy.ndimage import gaussian_filter

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.forms import set_forms
from bids_stroke.imaging.greedy import execute, matrix_file, options
from bids_stroke.imaging.images import array, like, sitk_affine, sitk_array, to_sitk
from bids_stroke.imaging.transforms import Matrix, displacements, resample

_SMOOTH = "-s 2.5vox 0.7vox"
"""SD of the smoothing of update and warp. More than greedy's 1.73 for the update: beside simulated lesions the error
falls (cerebellum 1.5 to 1.2 mm) and volumes change less wildly; more for the warp costs overlap in real heads."""
_INVERSION_STEPS = 20
_FAR_MM = 40.0
"""Further apart than this, two images of a session do not share the scanner's coordinates: start from the centres."""
_FEWEST_VOXELS = 4
_ENOUGH_MM = 2.2
"""Size of voxels that a rigid registration needs."""


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


def register_affine(moving: nib.Nifti1Image, target: nib.Nifti1Image, work: Path, *, seed: int = 0) -> Matrix:
    """Affine registration of a brain to the template, normalised mutual information, from the centres of mass.

    Parameters
    ----------
    moving : nib.Nifti1Image
        Brain-extracted T1w, zero outside the brain.
    target : nib.Nifti1Image
        Brain-extracted template on the standard grid.
    work : Path
        Folder for greedy's matrix files.
    seed : int
        Same seed, same bytes.

    Returns
    -------
    ndarray, shape (4, 4)
        RAS matrix, standard world (mm) -> moving world (mm).

    Raises
    ------
    DataError
        The matrix degenerated (determinant not between 0.2 and 5).

    Notes
    -----
    Mutual information of the whole brain hardly feels a lesion; leaving the lesion out made it worse in tests.
    """
    images = {"fixed": to_sitk(target), "moving": to_sitk(moving)}
    start = np.eye(4)
    start[:3, 3] = _centre(moving) - _centre(target)
    path = matrix_file(work / "affine_start.mat", start)
    greedy = Greedy3D()
    command = f"-a -dof 12 -i fixed moving -m NMI -n 100x50x20 -ia {path} -o affine {options(seed)}"
    execute(greedy, command, images, "affine")
    affine = np.asarray(greedy["affine"], dtype=np.float64)
    determinant = float(np.linalg.det(affine[:3, :3]))
    if not 0.2 < determinant < 5.0:
        message = f"The registration of the brain to the template degenerated (affine determinant {determinant:.3g})."
        raise DataError(message, "Check that the T1w shows a whole head.", reason="registration-failed")
    return affine


def register_deformable(
    moving: nib.Nifti1Image,
    target: nib.Nifti1Image,
    affine: Matrix,
    work: Path,
    *,
    weight: nib.Nifti1Image | None = None,
    seed: int = 0,
) -> Warp:
    """Diffeomorphic registration on top of an affine, weighted normalised cross-correlation of radius 2.

    Parameters
    ----------
    moving, target, work, seed
        As for `register_affine`.
    affine : ndarray (4, 4)
        Its result.
    weight : nib.Nifti1Image, optional
        On the moving grid: voxels that are 0 (a lesion) are left out of the metric.

    Notes
    -----
    Yushkevich et al. 2016, "Fast automatic segmentation of hippocampal subfields and medial temporal lobe subregions
    in 3 Tesla and 7 Tesla T2-weighted MRI", for greedy.
    """
    images = {"fixed": to_sitk(target), "moving": to_sitk(moving)}
    mask = ""
    if weight is not None:
        # greedy needs both: with the moving mask alone it pulls the template's counterpart away from the lesion
        lost = array(resample(like(weight, 1.0 - array(weight)), target, [affine]))
        images |= {"kept": to_sitk(like(target, (lost < 0.5).astype(np.float32))), "weight": to_sitk(weight)}
        mask = "-gm kept -mm weight "
    path = matrix_file(work / "affine.mat", affine)
    command = f"-i fixed moving -it {path} {mask}-m WNCC 2x2x2 {_SMOOTH} -n 100x40x10 -o warp"
    greedy = Greedy3D()
    execute(greedy, f"{command} {options(seed)}", images, "warp")
    deformation = sitk.Cast(greedy["warp"], sitk.sitkVectorFloat64)
    forward = displacements([affine, deformation], target)
    inverse = displacements([_inverted(deformation), np.linalg.inv(affine)], coarse(moving))
    return Warp(_field(forward), _field(inverse), affine)


def _inverted(displacements: sitk.Image) -> sitk.Image:
    """A displacement field's inverse, by a fixed number of steps: the result does not depend on the number of threads.

    Residuals in a brain: 0.008 mm at most; greedy's own inverse leaves 0.46 (mean .10) and takes three times as long.
    """
    inverse: sitk.Image = sitk.InvertDisplacementField(
        displacements,
        maximumNumberOfIterations=_INVERSION_STEPS,
        maxErrorToleranceThreshold=0.0,
        meanErrorToleranceThreshold=0.0,
        enforceBoundaryCondition=False,  # the brain reaches the grid's lowest slices
    )
    return inverse


def register_rigid(
    moving: nib.Nifti1Image, fixed: nib.Nifti1Image, work: Path, *, seed: int = 0, dof: Literal[6, 12] = 6
) -> Matrix:
    """Rigid registration within a session (mean b=0 or mean BOLD to T1w), normalised mutual information.

    Parameters
    ----------
    moving, fixed : nib.Nifti1Image
        3D, brain-extracted where possible (both, or neither).
    work : Path
        Folder for greedy's matrix files.
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
    path = matrix_file(work / "rigid_start.mat", _start(moving, fixed))
    greedy = Greedy3D()
    images = {"fixed": to_sitk(thick_enough(fixed)), "moving": to_sitk(thick_enough(moving))}
    command = f"-a -dof {dof} -i fixed moving -m NMI -n 100x50x20 -ia {path} -o rigid {options(seed)}"
    execute(greedy, command, images, "rigid")
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


def thick_enough(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The same content in the same box with at least four voxels along each axis, which greedy's smoothing needs."""
    times = [-(-_FEWEST_VOXELS // size) for size in image.shape[:3]]
    if max(times) == 1:
        return image
    data, affine = array(image), image.affine.astype(np.float64).copy()
    for axis, n in enumerate(times):
        data = np.repeat(data, n, axis=axis)
    affine[:3, :3] /= times
    affine[:3, 3] = (image.affine @ [*(0.5 / np.array(times) - 0.5), 1.0])[:3]
    return nib.Nifti1Image(data, affine)


def about_2_mm(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Every n-th voxel after smoothing, of an image with voxels of less than 1.1 mm: enough for a rigid registration.

    A simulated T1w of 1 mm (DWI of 2.5 mm) lay .04 mm beside the truth so, .06 in full, which took seven times as long.
    """
    step = np.maximum(np.floor(_ENOUGH_MM / np.linalg.norm(image.affine[:3, :3], axis=0)), 1).astype(int)
    if step.max() == 1:
        return image
    smooth = gaussian_filter(array(image), np.where(step > 1, 0.42 * step, 0.0))
    found: nib.Nifti1Image = like(image, smooth).slicer[:: step[0], :: step[1], :: step[2]]
    return found


def coarse(image: nib.Nifti1Image, spacing_mm: float = 2.0) -> nib.Nifti1Image:
    """Grid of about 2 mm along the image's own axes over the same box: fields need no more."""
    size = np.linalg.norm(image.affine[:3, :3], axis=0)
    shape = np.maximum(np.ceil(np.array(image.shape[:3]) * size / spacing_mm), 2).astype(int)
    factor = np.array(image.shape[:3]) / shape
    affine = image.affine.astype(np.float64).copy()
    affine[:3, :3] *= factor
    affine[:3, 3] = (image.affine @ [*((factor - 1.0) / 2.0), 1.0])[:3]
    return nib.Nifti1Image(np.zeros(shape, np.float32), affine)


def _field(displacements: sitk.Image) -> nib.Nifti1Image:
    """Displacement field in memory -> NIfTI as ITK writes it: (x, y, z, 1, 3), intent "vector", LPS mm.

    Rounded to 1/64 mm, which compresses to a third.
    """
    data = np.round(sitk_array(displacements) * 64.0)[:, :, :, None, :] / 64.0
    affine = sitk_affine(displacements)
    image = nib.Nifti1Image(np.ascontiguousarray(data), affine)
    image.header.set_intent("vector")
    image.header.set_xyzt_units("mm")
    set_forms(image, affine, 1, 1)
    return image
