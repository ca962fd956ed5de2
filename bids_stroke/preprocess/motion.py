"""Head motion of a series: rigid alignment of each volume by Gauss-Newton, inverse compositional."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]

ITERATIONS = 30
TOLERANCE_MM = 1e-3
POINTS = 40_000
HEAD_RADIUS_MM = 50.0
"""Radius on which rotations are counted as displacements (Power et al. 2012)."""


def estimate_motion(series: Volume, affine: Array, mask: npt.NDArray[np.bool_], smoothing_mm: float = 4.0) -> Array:
    """Pose of the head in each volume relative to the mean of the aligned series.

    Parameters
    ----------
    series : (x, y, z, t) float32
        Motion within a few voxels.
    affine : (4, 4)
        Voxel to world (mm).
    mask : (x, y, z) bool
        Where the head is compared.
    smoothing_mm : float
        Full width at half maximum of the smoothing before the comparison.

    Returns
    -------
    (t, 4, 4) float64
        World matrices: reference world coordinates -> coordinates in the volume.

    Notes
    -----
    Baker and Matthews 2004, "Lucas-Kanade 20 years on", for the inverse compositional update; a global intensity
    factor is fitted with the six motion parameters. Two passes: to the middle volume, then to the aligned mean.
    """
    sigma = smoothing_mm / 2.3548 / np.linalg.norm(affine[:3, :3], axis=0)
    smooth = [gaussian_filter(series[..., t], sigma) for t in range(series.shape[-1])]
    motions = _align_all(smooth, smooth[len(smooth) // 2], affine, mask, np.tile(np.eye(4), (len(smooth), 1, 1)))
    mean = np.mean([resample_rigid(v, affine, m) for v, m in zip(smooth, motions, strict=True)], axis=0)
    return _align_all(smooth, mean, affine, mask, motions)


def resample_rigid(volume: Volume, affine: Array, motion: Array, order: int = 1) -> Volume:
    """The volume as it would look in the reference's pose, on its own grid."""
    matrix = np.linalg.inv(affine) @ motion @ affine
    moved = affine_transform(volume, matrix[:3, :3], matrix[:3, 3], order=order, mode="nearest", output=np.float32)
    return np.asarray(moved, dtype=np.float32)


def _align_all(
    volumes: list[Volume], reference: Volume, affine: Array, mask: npt.NDArray[np.bool_], start: Array
) -> Array:
    voxels = np.argwhere(mask)
    voxels = voxels[:: max(1, len(voxels) // POINTS)]
    points = apply_affine(affine, voxels)
    centre = points.mean(axis=0)
    values = reference[tuple(voxels.T)].astype(np.float64)
    slopes: list[Array] = list(np.gradient(reference.astype(np.float64)))
    gradient = np.stack([slope[tuple(voxels.T)] for slope in slopes], axis=1)
    gradient = gradient @ np.linalg.inv(affine[:3, :3])
    jacobian = np.hstack([np.cross(points - centre, gradient), gradient, values[:, None]])
    solve = np.linalg.pinv(jacobian.T @ jacobian) @ jacobian.T
    to_voxel = np.linalg.inv(affine)
    found = []
    for volume, motion in zip(volumes, start, strict=True):
        for _ in range(ITERATIONS):
            where = apply_affine(to_voxel @ motion, points)
            sampled = map_coordinates(volume, where.T, order=1, mode="nearest", output=np.float64)
            sampled *= (sampled @ values) / (sampled @ sampled)
            step = solve @ (sampled - values)
            motion = motion @ np.linalg.inv(_small(step[:6], centre))
            if np.abs(step[3:6]).max() + HEAD_RADIUS_MM * np.abs(step[:3]).max() < TOLERANCE_MM:
                break
        found.append(motion)
    return np.array(found)


def _small(parameters: Array, centre: Array) -> Array:
    """Rigid world matrix from a rotation vector (radians, about ``centre``) and a shift (mm)."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(parameters[:3]).as_matrix()
    matrix[:3, 3] = centre + parameters[3:6] - matrix[:3, :3] @ centre
    return matrix


def motion_parameters(motions: Array, centre: Array) -> Array:
    """Translations (mm, of ``centre``) and rotations (radians, xyz Euler angles) of each pose: (t, 6)."""
    shift = np.einsum("tij,j->ti", motions[:, :3, :3], centre) + motions[:, :3, 3] - centre
    angles = Rotation.from_matrix(motions[:, :3, :3]).as_euler("xyz")
    return np.hstack([shift, angles])


def framewise_displacement(parameters: Array) -> Array:
    """Sum of absolute changes, rotations on a 50 mm sphere (mm); NaN for the first volume (Power et al. 2012)."""
    change = np.abs(np.diff(parameters, axis=0)) * ([1.0] * 3 + [HEAD_RADIUS_MM] * 3)
    return np.concatenate([[np.nan], change.sum(axis=1)])
