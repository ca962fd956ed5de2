"""Phantoms in a field that distorts them, as the susceptibility modules take them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.susceptibility.estimate import Seen
from bids_stroke.preprocess.dwi.susceptibility.from_t1w import Anatomy
from tests.helpers.phantom import Phantom

GRID = {"shape": (45, 54, 42), "voxel_mm": 4.0, "n_directions": 6, "n_b0": 2, "snr": 25.0, "seed": 3}
PEAK_HZ = 40.0
"""Displaces by 8 mm."""


def seen(phantom: Phantom, run: int) -> Seen:
    """The first b=0 volume of a run."""
    which = int(np.flatnonzero((phantom.run == run) & (phantom.bvals == 0))[0])
    return Seen(like(phantom.image, array(phantom.image)[..., which]), phantom.encodings[which])


def anatomy_of(phantom: Phantom, work: Path) -> Anatomy:
    """Brain and tissues as the T1w step gives them: here the true ones, on the diffusion grid."""
    shares = np.stack([phantom.tissues[name] for name in ("csf", "gm", "wm")], axis=-1) * phantom.mask[..., None]
    t1w = shares @ np.array([38.0, 96.0, 138.0], np.float32)
    return Anatomy(like(phantom.image, t1w.astype(np.float32)), like(phantom.image, shares), work, 0)
