"""Connectivity of seeds and of each with its mirror image."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.preprocess.bold.seed_connectivity import connectivity


def test_seeds_and_their_mirror() -> None:
    rng = np.random.default_rng(9)
    brain = np.ones((6, 5, 5), bool)
    shared, alone = rng.standard_normal((2, 150))
    seeds = {name: np.zeros(brain.shape, bool) for name in ("handL", "handR", "legL")}
    for name, x in (("handL", 0), ("handR", 3), ("legL", 5)):
        seeds[name][x] = True
    series = rng.standard_normal((*brain.shape, 150))
    series[:4] += 1.5 * shared
    series[5] += alone
    maps, mirrored = connectivity(series[brain].T, brain, seeds)
    left = series[0].reshape(-1, 150).mean(axis=0)
    expected = np.arctanh(np.corrcoef(left, series[2, 1, 4])[0, 1])
    index = int(np.flatnonzero((np.argwhere(brain) == (2, 1, 4)).all(axis=1))[0])
    assert maps["handL"][index] == pytest.approx(expected, abs=1e-9)
    right = series[3].reshape(-1, 150).mean(axis=0)
    assert mirrored == {"hand_left_right_z": pytest.approx(np.arctanh(np.corrcoef(left, right)[0, 1]), abs=1e-9)}
    assert np.isfinite(maps["legL"]).all()
