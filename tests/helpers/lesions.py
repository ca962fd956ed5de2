"""Balls in place of lesions."""

from __future__ import annotations

import nibabel as nib
import numpy as np

LEFT = np.array([-24.0, -6.0, 22.0])


def ball(affine: np.ndarray, shape: tuple[int, ...], centre: np.ndarray = LEFT, radius: float = 12.0) -> np.ndarray:
    world = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    return ((world - centre) ** 2).sum(-1) <= radius**2
