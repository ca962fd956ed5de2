"""The motor areas of hand and leg in standard space: spheres, exact mirror images of each other."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

MOTOR_AREAS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "handL": (-38.0, -24.0, 56.0),
        "handR": (38.0, -24.0, 56.0),
        "legL": (-8.0, -30.0, 66.0),
        "legR": (8.0, -30.0, 66.0),
    }
)
"""Centres in standard space (mm): hand knob of the precentral gyrus, paracentral lobule."""
RADIUS_MM = 6.0


def near(points: npt.NDArray[np.float64], area: str) -> npt.NDArray[np.bool_]:
    """Whether points (..., 3) in standard space (mm) lie in an area.

    >>> near(np.array([[-38.0, -24.0, 61.0], [38.0, -24.0, 56.0]]), "handL").tolist()
    [True, False]
    """
    return np.asarray(np.linalg.norm(points - MOTOR_AREAS[area], axis=-1) <= RADIUS_MM)
