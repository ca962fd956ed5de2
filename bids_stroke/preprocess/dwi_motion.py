"""Rigid head motion between diffusion volumes, and directions that turn with the head.

Each volume is aligned by Gauss-Newton steps to a reference of its own contrast: first to the mean of its shell, which
shows all motion but lacks the volume's anisotropy, then to what a tensor fitted to the aligned volumes predicts for
its direction. Only the second would leave in place whatever motion the tensor can mimic: with few directions, much.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform, binary_dilation, gaussian_filter, map_coordinates, spline_filter
from scipy.spatial.transform import Rotation

from bids_stroke.preprocess.gradients import Gradients, rotate, shells
from bids_stroke.preprocess.images import array, like
from bids_stroke.preprocess.registration import register_rigid
from bids_stroke.preprocess.tensor import design_matrix

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_COARSE_MM, _FINE_MM = 4.0, 1.5
"""Standard deviation of the smoothing before alignment."""
_PASSES = (("mean", (_COARSE_MM, _FINE_MM)), ("mean", (_FINE_MM,)), ("model", (_FINE_MM,)))
_STEPS = 15
_ENOUGH_MM = 0.005
_MAX_POINTS = 30_000
_HEAD_RADIUS_MM = 50.0
_MARGIN = 3


@dataclass(frozen=True, eq=False)
class _Reference:
    """A volume to align to, prepared for Gauss-Newton steps."""

    points: Array
    """(n, 3) world coordinates, mm."""
    centre: Array
    columns: Array
    """(n, 8) change with rotation about the centre (3, rad) and shift (3, mm); the values themselves; ones."""
    inverse: Array
    """(8, n) pseudo-inverse of the columns."""


def correct_motion(
    dwi: nib.Nifti1Image, gradients: Gradients, mask: Mask, b0: Mask, work: Path
) -> tuple[nib.Nifti1Image, Gradients, Array]:
    """Undo rigid motion between volumes and turn the gradients with the head.

    Parameters
    ----------
    dwi : nib.Nifti1Image
        4D.
    gradients : Gradients
        Of all volumes.
    mask : (x, y, z) bool
        The brain, roughly.
    b0 : (n,) bool
        Volumes without weighting; at least one.
    work : Path
        Folder for greedy's matrix files.

    Returns
    -------
    corrected : nib.Nifti1Image
        One cubic interpolation of the volumes as measured, negative overshoot set to 0.
    gradients : Gradients
        Rotated.
    motions : (n, 4, 4) float64
        RAS matrices, world of the reference (the first volume without weighting) -> world of each volume.

    Notes
    -----
    Alignment to a model's prediction: Andersson and Sotiropoulos 2016, "An integrated approach to correction for
    off-resonance effects and subject movement in diffusion MR imaging". Weighted and unweighted volumes are brought
    together by the mutual information of their means.
    """
    box = _bounding_box(mask)
    small, head = dwi.slicer[(*box, slice(None))], binary_dilation(mask, iterations=2)[box]
    series = np.moveaxis(array(small), -1, 0)
    motions = np.tile(np.eye(4), (len(gradients), 1, 1))
    turned = gradients
    for kind, levels in _PASSES:
        aligned = _move_all(series, small.affine, motions)
        references = _shell_means(aligned, gradients, b0) if kind == "mean" else _predictions(aligned, turned, b0)
        for smoothing in levels:
            motions = _align_all(series, references, head, (small.affine, smoothing), motions)
        turned = rotate(gradients, motions, dwi.affine)
    aligned = _move_all(series, small.affine, motions)
    unweighted, weighted = (like(small, aligned[which].mean(axis=0)) for which in (b0, ~b0))
    motions = _join(motions, register_rigid(weighted, unweighted, work), b0)
    moved = _move_all(np.moveaxis(array(dwi), -1, 0), dwi.affine, motions)
    corrected = like(dwi, np.moveaxis(moved, 0, -1))
    corrected.header.set_zooms(dwi.header.get_zooms())
    return corrected, rotate(gradients, motions, dwi.affine), motions


def framewise_displacement(motions: Array, centre: Array) -> Array:
    """Displacement from volume to volume: shifts plus rotations on a sphere of 50 mm, (n - 1,) mm.

    Notes
    -----
    Power et al. 2012, "Spurious but systematic correlations in functional connectivity MRI networks arise from
    subject motion"; shifts are those of ``centre`` (mm).
    """
    steps = motions[1:] @ np.linalg.inv(motions[:-1])
    shifts = np.einsum("nij,j->ni", steps[:, :3, :3], centre) + steps[:, :3, 3] - centre
    angles = Rotation.from_matrix(steps[:, :3, :3]).as_rotvec()
    return np.asarray(np.abs(shifts).sum(axis=1) + _HEAD_RADIUS_MM * np.abs(angles).sum(axis=1))


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    limits = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(slice(max(int(found[0]) - _MARGIN, 0), int(found[-1]) + _MARGIN + 1) for found in limits)


def _move_all(series: Volume, affine: Array, motions: Array) -> Volume:
    """Volumes (n, x, y, z) as they were without the motions; beyond the edge the nearest voxel is repeated."""
    moved = np.empty_like(series)
    to_voxel = np.linalg.inv(affine)
    for index, motion in enumerate(motions):
        voxel = to_voxel @ motion @ affine
        still = np.allclose(voxel, np.eye(4), atol=1e-9)
        moved[index] = series[index] if still else affine_transform(
            series[index], voxel[:3, :3], voxel[:3, 3], order=3, mode="nearest"
        )  # fmt: skip
    return np.maximum(moved, 0)


def _shell_means(series: Volume, gradients: Gradients, b0: Mask) -> Volume:
    """For each volume the mean of its shell."""
    means = np.empty_like(series)
    for shell in [b0, *shells(np.where(b0, 0.0, gradients.bvals), 0.0)]:
        means[shell] = series[shell].mean(axis=0)
    return means


def _predictions(series: Volume, gradients: Gradients, b0: Mask) -> Volume:
    """For each volume what a tensor fitted to the weighted volumes predicts; the mean for those without weighting."""
    predicted = np.empty_like(series)
    predicted[b0] = series[b0].mean(axis=0)
    design = design_matrix(gradients.select(~b0))
    hat = (design @ np.linalg.pinv(design, rcond=1e-6)).astype(np.float32)
    weighted = series[~b0]
    floor = np.float32(max(1e-3 * float(weighted.max()), 1e-6))
    logarithm = np.log(np.maximum(weighted, floor)).reshape(len(weighted), -1)
    predicted[~b0] = np.exp(hat @ logarithm).reshape(weighted.shape)
    return predicted


def _align_all(
    series: Volume, references: Volume, head: Mask, level: tuple[Array, float], motions: Array
) -> Array:  # fmt: skip
    """Motions of all volumes, refined from those given; volumes with one and the same reference share its steps."""
    affine, smoothing = level
    result = motions.copy()
    prepared: _Reference | None = None
    for index, (volume, values) in enumerate(zip(series, references, strict=True)):
        if prepared is None or not np.array_equal(values, references[index - 1]):
            prepared = _prepare(_smooth(values, affine, smoothing), affine, head)
        result[index] = _align(_smooth(volume, affine, smoothing), affine, prepared, motions[index])
    return result


def _smooth(volume: Volume, affine: Array, smoothing_mm: float) -> Array:
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    return np.asarray(gaussian_filter(volume.astype(np.float64), smoothing_mm / sizes, mode="nearest"))


def _prepare(reference: Array, affine: Array, head: Mask) -> _Reference:
    index = np.argwhere(head)
    index = index[:: len(index) // _MAX_POINTS + 1]
    points = index @ affine[:3, :3].T + affine[:3, 3]
    centre = points.mean(axis=0)
    at = tuple(index.T)
    slopes = np.stack([np.gradient(reference, axis=axis)[at] for axis in range(3)], axis=1)
    slopes = slopes @ np.linalg.inv(affine[:3, :3])
    turns = np.cross(points - centre, slopes)  # slope . (axis x point) = axis . (point x slope)
    values = reference[at]
    columns = np.concatenate([turns, slopes, values[:, None], np.ones((len(values), 1))], axis=1)
    return _Reference(points, centre, columns, np.linalg.pinv(columns))


def _align(volume: Array, affine: Array, reference: _Reference, start: Array) -> Array:
    """Rigid motion (4, 4), world of the reference -> world of the volume, up to a scale and offset of intensities.

    Notes
    -----
    Inverse compositional steps: Baker and Matthews 2004, "Lucas-Kanade 20 years on".
    """
    coefficients = spline_filter(volume, order=3, mode="nearest")
    to_voxel = np.linalg.inv(affine)
    motion = start
    for _ in range(_STEPS):
        voxel = to_voxel @ motion
        where = voxel[:3, :3] @ reference.points.T + voxel[:3, 3:]
        values = map_coordinates(coefficients, where, order=3, mode="nearest", prefilter=False)
        found = reference.inverse @ values
        if found[6] <= 0:  # the images have nothing in common
            return start
        step = found[:6] / found[6]
        motion = motion @ np.linalg.inv(_rigid(step, reference.centre))
        if np.abs(step[3:]).max() + _HEAD_RADIUS_MM * np.abs(step[:3]).max() < _ENOUGH_MM:
            break
    return motion


def _rigid(parameters: Array, centre: Array) -> Array:
    """Rotation vector about the centre and shift -> (4, 4)."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(parameters[:3]).as_matrix()
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + parameters[3:]
    return matrix


def _join(motions: Array, to_weighted: Array, b0: Mask) -> Array:
    """Motions with one reference, the first volume without weighting.

    ``to_weighted`` maps the reference of the others to that of the weighted volumes; both are arbitrary.
    """
    first = np.flatnonzero(b0)[0]
    joined = np.where(b0[:, None, None], motions, motions @ to_weighted) @ np.linalg.inv(motions[first])
    joined[first] = np.eye(4)
    return np.asarray(joined)
