"""A field along the phase encoding that makes two images of one head agree: of opposite encodings, or image and model.

Unknown are a displacement along one axis, smooth but free in each voxel, and the head's motion between the two images.
From coarse to fine, Gauss-Newton steps on all of them together minimise the squared difference of the two images,
each pulled back and its intensity multiplied by how much the displacement compresses it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.ndimage import affine_transform, gaussian_filter, spline_filter, uniform_filter1d
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import FloatArray
from bids_stroke.imaging.motion import HEAD_RADIUS_MM
from bids_stroke.preprocess.dwi.susceptibility.solver import (
    STEEPEST,
    central,
    central_transposed,
    conjugate_gradients,
    laplacian,
    pull_back,
    slope,
)

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Level:
    """How closely one stage looks."""

    voxel_mm: float
    steps: int


@dataclass(frozen=True)
class Smoothness:
    """What the displacement pays for.

    Attributes
    ----------
    slope, bend : float
        Squared slope, and squared Laplacian times mm^2, of a displacement in mm, against squared differences of images
        whose brain is about 1.
    size : float
        Squared displacement (mm^2).
    fold : float
        Slopes along the axis that near 1, where the image would fold.
    common_mm : float
        Usual size of a displacement that all of the head shares; 0: there is none.
    """

    slope: float = 0.003
    bend: float = 0.3
    size: float = 1e-5
    fold: float = 0.05
    common_mm: float = 0.3


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images of one head on one grid, brain about 1.

    Attributes
    ----------
    first, second : (x, y, z) float32
        Images.
    weight : (x, y, z) float32
        What counts, 0-1.
    affine : (4, 4) float64
        Voxel -> world (mm).
    axis : int
        Along which they are displaced.
    factors : (float, float)
        Displacement of each, in units of the unknown displacement: (-1, 1), or (1, 0) where the second is not.
    piled : bool
        Whether the images hold signal that piles up where it is compressed; else their values only move.
    """

    first: FloatArray
    second: FloatArray
    weight: FloatArray
    affine: Array
    axis: int
    factors: tuple[float, float]
    piled: bool = True

    @property
    def voxel_mm(self) -> Array:
        """Voxel sizes."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))


@dataclass(frozen=True, eq=False)
class Fit:
    """Displacement and motion.

    Attributes
    ----------
    shift : (x, y, z) float32
        Unknown displacement, voxels along the axis.
    motion : (4, 4) float64
        World of the first image -> world of the second, without displacement.
    scale : float
        Intensity of the first over the second.
    """

    shift: FloatArray
    motion: Array
    scale: float


_LEVELS = (Level(8.0, 12), Level(5.0, 8), Level(2.5, 5))
_ENOUGH_VOXELS = 0.01


def fit_pair(pair: Pair, smoothness: Smoothness, levels: tuple[Level, ...] = _LEVELS) -> Fit:
    """Displacement and motion that make the two images agree.

    Notes
    -----
    The idea: Chang and Fitzpatrick 1992, "A technique for accurate magnetic resonance imaging in the presence of field
    inhomogeneities". Voxelwise displacement, smooth and kept from folding, by Gauss-Newton: Ruthotto et al. 2012,
    "Diffeomorphic susceptibility artifact correction of diffusion-weighted magnetic resonance images". Motion with it:
    Andersson et al. 2003, "How to correct susceptibility distortions in spin-echo echo-planar images".
    """
    fit = Fit(np.zeros((2, 2, 2), dtype=np.float32), np.eye(4), 1.0)
    for level in levels:
        small = _at_level(pair, level)
        fit = _enter(fit, small, pair)
        for _ in range(level.steps):
            fit, largest = _step(small, fit, smoothness)
            if largest < _ENOUGH_VOXELS:
                break
    return _enter(fit, pair, pair)


def undone(pair: Pair, fit: Fit) -> tuple[FloatArray, FloatArray]:
    """Both images without displacement, the second moved and scaled to the first."""
    first, second = (pull_back(*part, pair.axis, piled=pair.piled) for part in _parts(pair, fit))
    return first, second


def _parts(pair: Pair, fit: Fit) -> list[tuple[FloatArray, Array, FloatArray]]:
    """Of each image: spline coefficients, voxels to look at, and displacement."""
    grid = np.indices(pair.first.shape).astype(np.float64)
    moved = apply_affine(np.linalg.inv(pair.affine) @ fit.motion @ pair.affine, np.moveaxis(grid, 0, -1))
    images = (pair.first, np.float32(fit.scale) * pair.second)
    return [
        (
            np.asarray(spline_filter(image, 3, output=np.float32, mode="nearest")),
            where,
            np.asarray(fit.shift * np.float32(factor), dtype=np.float32),
        )
        for image, where, factor in zip(images, (grid, np.moveaxis(moved, -1, 0)), pair.factors, strict=True)
    ]


def _shape_at(shape: tuple[int, ...], voxel_mm: Array, level: Level) -> tuple[tuple[int, ...], Array]:
    """Shape of a level's grid, and its voxels in those of the full grid."""
    coarse = np.maximum(np.round(np.array(shape) * np.minimum(voxel_mm / level.voxel_mm, 1.0)), np.minimum(shape, 5))
    return tuple(int(n) for n in coarse), np.asarray(np.array(shape) / coarse)


def _at_level(pair: Pair, level: Level) -> Pair:
    shape, ratio = _shape_at(pair.first.shape, pair.voxel_mm, level)
    sigma = np.maximum(0.5 * level.voxel_mm / pair.voxel_mm, 0.4)
    images = []
    for image in (pair.first, pair.second, pair.weight):
        smooth = gaussian_filter(image, sigma, mode="nearest", output=np.float32)
        images.append(affine_transform(smooth, ratio, (ratio - 1) / 2, shape, order=1, mode="nearest"))
    affine = pair.affine.copy()
    affine[:3, 3] = apply_affine(pair.affine, (ratio - 1) / 2)
    affine[:3, :3] *= ratio
    first, second, weight = (np.asarray(image, dtype=np.float32) for image in images)
    return replace(pair, first=first, second=second, weight=weight, affine=affine)


def _enter(fit: Fit, small: Pair, pair: Pair) -> Fit:
    """A fit on another level's grid."""
    old, new = np.array(fit.shift.shape), np.array(small.first.shape)
    if np.array_equal(old, new):
        return fit
    ratio = old / new
    shift = affine_transform(fit.shift, ratio, (ratio - 1) / 2, tuple(new), order=3, mode="nearest")
    return replace(fit, shift=np.asarray(shift / ratio[pair.axis], dtype=np.float32))


def _step(pair: Pair, fit: Fit, smoothness: Smoothness) -> tuple[Fit, float]:
    """One Gauss-Newton step on displacement, motion and scale; and its largest displacement (voxels)."""
    system = _linearise(pair, fit)
    shift, parameters = _solve(pair, fit, smoothness, system)
    change = np.eye(4)
    change[:3, :3] = Rotation.from_rotvec(parameters[:3]).as_matrix()
    change[:3, 3] = system.centre - change[:3, :3] @ system.centre + parameters[3:6]
    moved = Fit(fit.shift + shift, fit.motion @ change, fit.scale * float(1 + parameters[6]))
    return _shared(pair, moved, system.centre, smoothness.common_mm), float(np.abs(shift).max())


def _shared(pair: Pair, fit: Fit, centre: Array, common_mm: float) -> Fit:
    """The displacement that all of the head shares, split between motion and field as is most likely.

    The images cannot tell one from the other. A head that moved along one axis also turned or moved along others, so
    motion along the axis has the variance of the other five parameters.
    """
    inside = pair.weight > 0.5
    axis, between = pair.axis, pair.factors[1] - pair.factors[0]
    size = float(pair.voxel_mm[axis])
    step = pair.affine[:3, axis] / size
    moved = apply_affine(fit.motion, centre) - centre
    along = float(moved @ step)
    turned = HEAD_RADIUS_MM * Rotation.from_matrix(fit.motion[:3, :3]).magnitude()
    variance = 0.1**2 + (float(moved @ moved) - along**2 + turned**2) / 4
    field = float(np.median(fit.shift[inside])) * size if inside.any() else 0.0
    likely = (along + between * field) * between * common_mm**2 / (between**2 * common_mm**2 + variance)
    change = np.eye(4)
    change[:3, 3] = step * (field - likely) * between
    return replace(fit, shift=fit.shift - np.float32((field - likely) / size), motion=fit.motion @ change)


@dataclass(frozen=True, eq=False)
class _System:
    """Difference of the images and how it changes."""

    residual: FloatArray
    value: FloatArray
    """Change with the displacement."""
    sloping: FloatArray
    """Change with the displacement's slope."""
    columns: FloatArray
    """(7, x, y, z) change with rotation (rad), shift (mm) and relative scale."""
    centre: Array


def _linearise(pair: Pair, fit: Fit) -> _System:
    axis = pair.axis
    images, values, slopes = [], [], []
    for (spline, where, shift), factor in zip(_parts(pair, fit), pair.factors, strict=True):
        seen = pull_back(spline, where, shift, axis, piled=pair.piled)
        images.append(seen)
        stretch, share = 1 + slope(shift, axis), np.float32(factor)
        if pair.piled:  # d/df of I(x + d f) (1 + d f'), and the pulled-back image changes by I' (1 + d f')
            values.append(share * central(seen / stretch, axis))
            slopes.append(share * seen / stretch)
        else:
            values.append(share * central(seen, axis) / stretch)
            slopes.append(np.zeros_like(seen))
    points = apply_affine(pair.affine, np.moveaxis(np.indices(pair.first.shape).astype(np.float64), 0, -1))
    weight = pair.weight
    centre = points[weight > 0.5].mean(axis=0) if (weight > 0.5).any() else points.reshape(-1, 3).mean(axis=0)
    gradient = np.stack(list(np.gradient(images[1].astype(np.float64))), axis=-1) @ np.linalg.inv(pair.affine[:3, :3])
    turns = np.cross(points - centre, gradient)
    columns = -np.concatenate([np.moveaxis(turns, -1, 0), np.moveaxis(gradient, -1, 0), images[1][None]])
    return _System(
        weight * (images[0] - images[1]),
        weight * (values[0] - values[1]),
        weight * (slopes[0] - slopes[1]),
        (weight * columns).astype(np.float32),
        centre,
    )


def _solve(pair: Pair, fit: Fit, smoothness: Smoothness, system: _System) -> tuple[FloatArray, Array]:
    """Preconditioned conjugate gradients on the normal equations; displacement (voxels) and the seven parameters."""
    axis, size = pair.axis, pair.voxel_mm
    squared = float(size[axis]) ** 2  # the unknown is in voxels, the penalties in mm
    pull = squared * smoothness.slope / size**2
    bend = squared * smoothness.bend
    steep = np.minimum(np.abs(central(fit.shift, axis)), STEEPEST)
    fold = np.asarray(smoothness.fold * steep**2 / (1 - steep**2), dtype=np.float32)
    a, b, columns = system.value, system.sloping, system.columns
    units = np.sqrt((columns.astype(np.float64) ** 2).sum(axis=(1, 2, 3))) + 1e-6
    columns = columns / units[:, None, None, None].astype(np.float32)

    def regular(x: FloatArray) -> FloatArray:
        total = laplacian(x, pull) + central_transposed(fold * central(x, axis), axis)
        total += np.float32(bend) * laplacian(laplacian(x, 1 / size**2), 1 / size**2)
        return np.asarray(total + np.float32(squared * smoothness.size) * x, dtype=np.float32)

    def back(r: FloatArray) -> tuple[FloatArray, Array]:
        return a * r + central_transposed(b * r, axis), np.tensordot(columns, r, axes=3).astype(np.float64)

    def normal(x: FloatArray, p: Array) -> tuple[FloatArray, Array]:
        r = a * x + b * central(x, axis) + np.tensordot(p.astype(np.float32), columns, axes=1)
        field, parameters = back(r)
        return field + regular(x), parameters + 1e-4 * p

    diagonal = (
        a**2 + 0.25 * uniform_filter1d(b**2 * 3, 3, axis=axis) + np.float32(2 * pull.sum() + squared * smoothness.size)
    )
    diagonal += np.float32(bend * ((2 / size**2).sum() ** 2 + (2 / size**4).sum()))
    field, parameters = back(-system.residual)
    found = conjugate_gradients(normal, field - regular(fit.shift), parameters, diagonal)
    return found[0], found[1] / units
