"""A simulated head with a lesion."""

from __future__ import annotations

import numpy as np

from bids_stroke.simulate.head import draw_head
from bids_stroke.simulate.lesion import Lesion
from bids_stroke.simulate.options import RESOLUTIONS

SIZES = RESOLUTIONS["coarse"]


def a_lesion(side):
    """A ball of 6 ml around the internal capsule."""
    sign = 1.0 if side == "R" else -1.0
    smooth = {"waves": np.zeros((6, 3)), "phases": np.zeros(6)}
    centre = np.array([sign * 24.0, -14.0, 10.0])
    return Lesion(side, centre, np.full(3, 11.3), np.eye(3), **smooth, territory="capsular")


def a_head(side="R", seed=0):
    return draw_head(np.random.default_rng(seed), a_lesion(side), 60.0, SIZES)
