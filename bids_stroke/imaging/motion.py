"""Rigid head motion: align volumes to a reference of their contrast, describe the motion, undo it.

BOLD series and diffusion volumes without weighting are aligned here; weighted ones in
`preprocess.dwi.motion.align_shell`, with these parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.ndimage import affine_transform, binary_dilation, gaussian_filter, map_coordinates, spline_filter
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.side_by_side import each

Array = npt.NDArray[np.float64]
Series = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

HEAD_RADIUS_MM = 50.0
"""Radius of the sphere on which rotations count as displacements (Power et al. 2012)."""
_MARGIN = 3
_STEPS = 30


@dataclass(frozen=True)
class Level:
    """How closely one pass over the series looks."""

    smoothing_mm: float
    """Standard deviation; at least 0.6 voxels are taken."""
    order: int
    """Of the interpolation."""
    max_points: int
    enough_mm: float
    """The steps end when one is smaller."""


_COARSE = Level(5.0, 1, 8_000, 0.02)
_FINE = Level(2.5, 3, 20_000, 0.002)


@dataclass(frozen=True, eq=False)
class Points:
    """Where volumes are compared.

    Attributes
    ----------
    voxels : (n, 3) int
        Of the reference.
    world : (n, 3) float64
        mm.
    centre : (3,) float64
        Mean of them.
    """

    voxels: npt.NDArray[np.intp]
    world: Array
    centre: Array


@dataclass(frozen=True, eq=False)
class Reference:
    """A volume to align to, prepared for Gauss-Newton steps."""

    points: Points
    inverse: Array
    """(8, n) pseudo-inverse of the changes with rotation (3, rad), shift (3, mm), intensity scale and offset."""


def estimate_motion(series: Series, affine: Array, mask: Mask) -> Array:
    """Pose of the head in each volume.

    Parameters
    ----------
    series : (x, y, z, t) float32
        Volumes of one contrast.
    affine : (4, 4)
        Voxel -> world (mm).
    mask : (x, y, z) bool
        The head or brain, roughly.

    Returns
    -------
    (t, 4, 4) float64
        World matrices: reference -> volume. The reference is the mean of the aligned volumes, in the pose of the
        middle volume.

    Notes
    -----
    Inverse compositional Gauss-Newton steps (Baker and Matthews 2004, "Lucas-Kanade 20 years on") with scale and offset
    of the intensities: smoothed to the middle volume, each from its neighbour's pose, then finer to the mean.
    """
    box = bounding_box(mask)
    near = binary_dilation(mask[box], iterations=2)
    small = np.ascontiguousarray(np.moveaxis(series[box], -1, 0))
    local: Array = affine.astype(np.float64)
    local[:3, 3] = apply_affine(affine, [part.start for part in box])
    middle = len(small) // 2
    motions = np.tile(np.eye(4), (len(small), 1, 1))
    reference = prepare(smoothed(small[middle], local, _COARSE), local, near, _COARSE)
    for order in (range(middle + 1, len(small)), range(middle - 1, -1, -1)):
        last = motions[middle]
        for index in order:
            motions[index] = last = align(as_seen(small[index], local, _COARSE), local, reference, _COARSE, last)
    aligned = each(lambda pair: realign(pair[0], local, pair[1]), zip(small, motions, strict=True))
    mean = np.asarray(np.mean(list(aligned), axis=0))
    reference = prepare(smoothed(mean, local, _FINE), local, near, _FINE)

    def finely(pair: tuple[Series, Array]) -> Array:
        return align(as_seen(pair[0], local, _FINE), local, reference, _FINE, pair[1])

    return np.stack(list(each(finely, zip(small, motions, strict=True))))


def realign(volume: Series, affine: Array, motion: Array, order: int = 1) -> Series:
    """A volume in the reference's pose, on its own grid; beyond the edge the nearest voxel is repeated.

    Parameters
    ----------
    volume : (x, y, z) float32
        As measured.
    affine : (4, 4)
        Voxel -> world (mm).
    motion : (4, 4)
        World of the reference -> world of the volume.
    order : int
        Of the spline.
    """
    voxel = np.linalg.inv(affine) @ motion @ affine
    if np.allclose(voxel, np.eye(4), atol=1e-9):
        return volume
    moved = affine_transform(volume, voxel[:3, :3], voxel[:3, 3], order=order, mode="nearest", output=np.float32)
    return np.asarray(moved, dtype=np.float32)


def realign_series(series: Series, affine: Array, motions: Array) -> Series:
    """All volumes (x, y, z, t) in the reference's pose: one cubic interpolation, negative overshoot set to 0."""
    moved = np.empty_like(series)
    volumes = np.moveaxis(series, -1, 0)
    found = each(lambda pair: realign(pair[0], affine, pair[1], order=3), zip(volumes, motions, strict=True))
    for index, volume in enumerate(found):
        np.maximum(volume, 0.0, out=moved[..., index])
    return moved


def motion_parameters(motions: Array, centre: Array) -> Array:
    """Shifts of ``centre`` (mm) and rotations about x, y, z (radians): (t, 6)."""
    shifts = np.einsum("tij,j->ti", motions[:, :3, :3], centre) + motions[:, :3, 3] - centre
    angles = Rotation.from_matrix(motions[:, :3, :3]).as_euler("xyz")
    return np.hstack([shifts, angles])


def framewise_displacement(parameters: Array) -> Array:
    """Sum of the absolute changes of the six parameters, rotations on a sphere of 50 mm; (t,) mm, the first NaN.

    Notes
    -----
    Power et al. 2012, "Spurious but systematic correlations in functional connectivity MRI networks arise from
    subject motion".
    """
    steps = np.abs(np.diff(parameters, axis=0)) * ([1.0] * 3 + [HEAD_RADIUS_MM] * 3)
    return np.concatenate([[np.nan], steps.sum(axis=1)])


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """The box around a mask, a little wider."""
    found = np.argwhere(mask)
    low, high = found.min(axis=0) - _MARGIN, found.max(axis=0) + _MARGIN + 1
    return tuple(slice(max(int(a), 0), min(int(b), n)) for a, b, n in zip(low, high, mask.shape, strict=True))


def smoothed(volume: Series, affine: Array, level: Level) -> Series:
    """A volume (x, y, z), smoothed as the level says."""
    sigma = np.maximum(level.smoothing_mm / np.linalg.norm(affine[:3, :3], axis=0), 0.6)
    return np.asarray(gaussian_filter(volume, sigma, mode="nearest", truncate=3.0), dtype=np.float32)


def as_seen(volume: Series, affine: Array, level: Level) -> Series:
    """Spline coefficients of a volume (x, y, z) that is smoothed as the level says, for `align`."""
    return coefficients(smoothed(volume, affine, level), level.order)


def coefficients(volume: Series, order: int) -> Series:
    """Spline coefficients of a volume, for `align`."""
    return np.asarray(spline_filter(volume, order, output=np.float32, mode="nearest")) if order > 1 else volume


def choose_points(near: Mask, affine: Array, max_points: int) -> Points:
    """At most so many voxels of a mask (x, y, z), evenly."""
    voxels = np.argwhere(near)
    voxels = voxels[:: len(voxels) // max_points + 1]
    world = apply_affine(affine, voxels)
    return Points(voxels, world, world.mean(axis=0))


def changes(smooth: Series, affine: Array, points: Points, along: Array | None = None) -> Array:
    """How the intensities at the points change with motion.

    Parameters
    ----------
    smooth : (x, y, z) float32
        The reference.
    affine : (4, 4)
        Voxel -> world (mm).
    points : Points
        Of the reference.
    along : (3,), optional
        World vector along which a displacement grows linearly (eddy currents).

    Returns
    -------
    (n, 6 or 9) float64
        Per radian of rotation about the points' centre, per mm of shift, per linear displacement along x, y, z.
    """
    gradient: list[Array] = list(np.gradient(smooth.astype(np.float64)))
    slopes = np.stack([part[tuple(points.voxels.T)] for part in gradient], axis=1) @ np.linalg.inv(affine[:3, :3])
    away = points.world - points.centre
    parts = [np.cross(away, slopes), slopes]  # slope . (axis x point) = axis . (point x slope)
    if along is not None:
        parts.append((slopes @ along)[:, None] * away)
    return np.column_stack(parts)


def prepare(smooth: Series, affine: Array, near: Mask, level: Level) -> Reference:
    """Make a smoothed volume (x, y, z) the reference, seen at the voxels ``near``."""
    points = choose_points(near, affine, level.max_points)
    values = smooth[tuple(points.voxels.T)]
    columns = np.column_stack([changes(smooth, affine, points), values, np.ones(len(values))])
    return Reference(points, np.linalg.pinv(columns))


def align(values: Series, affine: Array, reference: Reference, level: Level, start: Array) -> Array:
    """Where the reference's points lie in a volume, up to a scale and offset of the intensities.

    Parameters
    ----------
    values : (x, y, z) float32
        Spline coefficients of the smoothed volume.
    affine : (4, 4)
        Voxel -> world (mm).
    reference : Reference
        Of the same contrast.
    level : Level
        Its order and accuracy.
    start : (4, 4)
        World of the reference -> world of the volume; given back where the two have nothing in common.

    Returns
    -------
    (4, 4) float64
        Rigid.

    Notes
    -----
    Inverse compositional steps: Baker and Matthews 2004, "Lucas-Kanade 20 years on".
    """
    to_voxel = np.linalg.inv(affine)
    motion = start
    for _ in range(_STEPS):
        where = apply_affine(to_voxel @ motion, reference.points.world).T
        sampled = map_coordinates(values, where, order=level.order, mode="nearest", prefilter=False)
        found: Array = reference.inverse @ np.asarray(sampled, dtype=np.float64)
        if found[6] <= 0:
            return start
        step = found[:6] / found[6]
        motion = motion @ np.linalg.inv(small_motion(step, reference.points.centre))
        if np.abs(step[3:]).max() + HEAD_RADIUS_MM * np.abs(step[:3]).max() < level.enough_mm:
            break
    return motion


def small_motion(step: Array, centre: Array) -> Array:
    """Rotation vector about ``centre`` (radians) and shift (mm), (6,) -> world matrix (4, 4)."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(step[:3]).as_matrix()
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + step[3:]
    return matrix
