"""The corticospinal tract in MNI space: a centre line on each side, exact mirror images of each other."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

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
