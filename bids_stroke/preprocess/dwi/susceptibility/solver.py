"""Displacement along an axis: differences, images pulled back, and linear equations for it and a few numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from bids_stroke.imaging.images import FloatArray

Array = npt.NDArray[np.float64]

STEEPEST = 0.9
"""Slope of the displacement along the axis that is let through."""
_STEPS = 40
_ENOUGH = 1e-3
"""Of the first residual."""


def central(data: FloatArray, axis: int) -> FloatArray:
    """Central differences along an axis, per voxel; 0 at the ends."""
    result = np.zeros_like(data)
    n = data.shape[axis]
    middle, up, down = _cut(axis, 1, n - 1), _cut(axis, 2, n), _cut(axis, 0, n - 2)
    result[middle] = (data[up] - data[down]) * np.float32(0.5)
    return result


def central_transposed(data: FloatArray, axis: int) -> FloatArray:
    """What `central` does, transposed as a matrix."""
    result = np.zeros_like(data)
    n = data.shape[axis]
    half = data[_cut(axis, 1, n - 1)] * np.float32(0.5)
    result[_cut(axis, 2, n)] += half
    result[_cut(axis, 0, n - 2)] -= half
    return result


def _cut(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if index == axis else slice(None) for index in range(3))


def laplacian(data: FloatArray, factors: Array) -> FloatArray:
    """Minus the sum of second differences, each times a factor; no flux through the edges."""
    result = np.zeros_like(data)
    for axis, factor in enumerate(factors):
        n = data.shape[axis]
        change = (data[_cut(axis, 1, n)] - data[_cut(axis, 0, n - 1)]) * np.float32(factor)
        result[_cut(axis, 1, n)] += change
        result[_cut(axis, 0, n - 1)] -= change
    return result


def slope(shift: FloatArray, axis: int) -> FloatArray:
    """Central differences along an axis, per voxel, within the steepest that do not fold; 0 at the ends."""
    return np.clip(central(shift, axis), -STEEPEST, STEEPEST)


def pull_back(image: FloatArray, where: Array, shift: FloatArray, axis: int, *, piled: bool = True) -> FloatArray:
    """An image at displaced places; where signal has piled up, it is spread out again.

    Parameters
    ----------
    image : (x, y, z) float32
        Spline coefficients of order 3.
    where : (3, x, y, z) float64
        Voxels to look at.
    shift : (x, y, z) float32
        Added along the axis.
    axis : int
        Of the shift.
    piled : bool
        Whether the image holds signal that piles up where it is compressed; else its values only move.
    """
    at = where.copy()
    at[axis] += shift
    seen = map_coordinates(image, at, order=3, mode="nearest", prefilter=False, output=np.float32)
    return np.asarray(np.maximum(seen, 0) * (1 + slope(shift, axis)) if piled else seen, dtype=np.float32)


def conjugate_gradients(
    normal: Callable[[FloatArray, Array], tuple[FloatArray, Array]],
    field: FloatArray,
    parameters: Array,
    diagonal: FloatArray,
) -> tuple[FloatArray, Array]:
    """Solve ``normal(x, p) = (field, parameters)``, both starting from 0; ``diagonal`` is that of the field's part."""

    def inner(one: tuple[FloatArray, Array], other: tuple[FloatArray, Array]) -> float:
        return float(np.vdot(one[0], other[0])) + float(one[1] @ other[1])

    x, p = np.zeros_like(field), np.zeros_like(parameters)
    left, rest = field.copy(), parameters.copy()
    solved = (left / diagonal, rest)
    towards = solved
    goal = size = inner((left, rest), solved)
    for _ in range(_STEPS):
        if size <= _ENOUGH**2 * goal or size <= 0:
            break
        seen = normal(*towards)
        step = size / inner(towards, seen)
        x += np.float32(step) * towards[0]
        p += step * towards[1]
        left -= np.float32(step) * seen[0]
        rest = rest - step * seen[1]
        solved = (left / diagonal, rest)
        size, last = inner((left, rest), solved), size
        towards = (solved[0] + np.float32(size / last) * towards[0], solved[1] + size / last * towards[1])
    return x, p
