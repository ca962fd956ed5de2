"""The displacement between two images of opposite phase encoding."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import spline_filter

from bids_stroke.preprocess.dwi.susceptibility.fit_pair import Pair, Smoothness, fit_pair
from bids_stroke.preprocess.dwi.susceptibility.solver import pull_back


def test_a_known_displacement_is_found() -> None:
    """Two images of a blurred box, the second one without displacement."""
    grid = np.indices((24, 40, 24)).astype(np.float64)
    inside = np.exp(-(((grid[0] - 12) / 7) ** 4) - ((grid[1] - 20) / 12) ** 4 - ((grid[2] - 12) / 7) ** 4)
    still = (inside * (1 + 0.3 * np.sin(grid[1] / 2))).astype(np.float32)
    shift = (1.5 * np.exp(-(((grid[1] - 20) / 10) ** 2))).astype(np.float32)
    spline = spline_filter(still, 3, output=np.float32, mode="nearest")
    seen_shifted = pull_back(spline, grid, -shift, 1, piled=False)
    weight = (inside > 0.3).astype(np.float32)
    pair = Pair(seen_shifted, still, weight, np.diag([3.0, 3.0, 3.0, 1.0]), 1, (1.0, 0.0), piled=False)
    found = fit_pair(pair, Smoothness(common_mm=100.0)).shift
    core = inside > 0.6
    assert np.abs(found[core] - shift[core]).mean() < 0.35
    assert np.corrcoef(found[core], shift[core])[0, 1] > 0.8
