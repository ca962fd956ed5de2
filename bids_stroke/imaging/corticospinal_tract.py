"""The corticospinal tract in MNI space: a centre line on each side, exact mirror images of each other.

The line was drawn by hand through the places that anatomy books give for the tract (see ``_WAYPOINTS``), in
coordinates of the MNI template; it comes from no atlas file. The simulated cohort and the networks on regions share it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import KDTree

Array = NDArray[np.float64]

# Medulla, pons, cerebral peduncle, posterior limb of the internal capsule, corona radiata, leg area of the
# precentral gyrus; right side (x > 0), mm.
_WAYPOINTS = np.array(
    [
        [4, -38, -56],
        [6, -30, -38],
        [11, -21, -20],
        [17, -15, -6],
        [22, -14, 8],
        [24, -18, 24],
        [20, -22, 44],
        [12, -26, 64],
    ],
    dtype=np.float64,
)
_RADIUS_MM = (5.0, 7.5)
"""Radius at the medulla and at the cortex."""
N_POINTS = 121


@lru_cache(maxsize=1)
def centre_line() -> tuple[Array, Array]:
    """Right-sided centre line.

    Returns
    -------
    points : (N_POINTS, 3) float64
        mm in MNI space, from the medulla (arc 0) to the cortex (arc 1) in equal steps.
    tangents : (N_POINTS, 3) float64
        Unit vectors, upwards.
    """
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(_WAYPOINTS, axis=0), axis=1))])
    spline = CubicSpline(chord, _WAYPOINTS)
    fine = np.linspace(0, chord[-1], 2000)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(spline(fine), axis=0), axis=1))])
    at = np.interp(np.linspace(0, length[-1], N_POINTS), length, fine)
    tangents = spline(at, 1)
    return spline(at), tangents / np.linalg.norm(tangents, axis=1, keepdims=True)


def radius(arc: Array) -> Array:
    """Radius of the tract in mm at arc position 0-1."""
    return _RADIUS_MM[0] + (_RADIUS_MM[1] - _RADIUS_MM[0]) * arc


def membership(points: Array) -> Array:
    """How far points belong to the tract of either side.

    Parameters
    ----------
    points : (n, 3) float64
        mm in MNI space.

    Returns
    -------
    (n,) float64
        1 on the centre line, 0.5 at the tract's radius, 0 beyond; equal for mirror images.
    """
    line, _ = centre_line()
    distance, nearest = KDTree(line).query(points * np.where(points[:, :1] < 0, [-1.0, 1.0, 1.0], 1.0))
    return np.asarray(np.exp(-np.log(2) * (distance / radius(nearest / (N_POINTS - 1))) ** 6))


@lru_cache(maxsize=1)
def cross_sections() -> Array:
    """Points that fill the right-sided tract: (N_POINTS, 19, 3) mm, one disc of 19 points per centre point."""
    points, tangents = centre_line()
    first = np.cross(tangents, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(tangents, first)
    angles = [np.arange(n) * 2 * np.pi / n for n in (1, 6, 12)]
    reach = np.concatenate([np.full(n, r) for n, r in ((1, 0.0), (6, 0.45), (12, 0.9))])
    angle = np.concatenate(angles)
    disc = np.stack([reach * np.cos(angle), reach * np.sin(angle)])
    size = radius(np.linspace(0, 1, N_POINTS))[:, None, None]
    offsets = disc[0][None, :, None] * first[:, None, :] + disc[1][None, :, None] * second[:, None, :]
    filled: Array = points[:, None, :] + size * offsets
    return filled
