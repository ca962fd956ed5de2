"""Connectivity of seeds and of each with its mirror image."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine, from_matvec

from bids_stroke.preprocess.bold.registration import Place
from bids_stroke.preprocess.bold.seed_connectivity import Seeds, connectivity, find_seeds


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
    maps, mirrored = connectivity(series[brain].T, brain, Seeds(seeds, {}))
    left = series[0].reshape(-1, 150).mean(axis=0)
    expected = np.arctanh(np.corrcoef(left, series[2, 1, 4])[0, 1])
    index = int(np.flatnonzero((np.argwhere(brain) == (2, 1, 4)).all(axis=1))[0])
    assert maps["handL"][index] == pytest.approx(expected, abs=1e-9)
    right = series[3].reshape(-1, 150).mean(axis=0)
    assert mirrored == {"hand_left_right_z": pytest.approx(np.arctanh(np.corrcoef(left, right)[0, 1]), abs=1e-9)}
    assert np.isfinite(maps["legL"]).all()


def test_voxels_and_their_mirror_images() -> None:
    """Each voxel of the left hand area has a series of its own, which its mirror image shares: means would hide it."""
    affine = from_matvec(np.diag([3.7, 4.0, 4.0]), [-90.65, -130, -76])  # its own mirror image, too
    grid = nib.Nifti1Image(np.zeros((50, 60, 50), np.float32), affine)
    brain = np.ones(grid.shape, bool)
    place = Place(brain, {}, (np.eye(4),), np.eye(4), "T1w", {}, ())
    seeds = find_seeds(place, grid)
    points = apply_affine(grid.affine, np.argwhere(seeds.masks["handL"]))
    assert (np.linalg.norm(points - (-38, -24, 56), axis=1) < 6 + 2 * np.sqrt(3)).all()
    assert {name: mask.sum() for name, mask in seeds.masks.items()} == {
        "handL": seeds.masks["handR"].sum(), "handR": seeds.masks["handL"].sum(),
        "legL": seeds.masks["legR"].sum(), "legR": seeds.masks["legL"].sum(),
    }  # fmt: skip
    left, right = (apply_affine(grid.affine, seeds.pairs["hand"][:, side]) for side in (0, 1))
    assert np.allclose(left * [-1, 1, 1], right)
    rng = np.random.default_rng(2)
    series = rng.standard_normal((*grid.shape, 200)).astype(np.float64)
    one, two = (tuple(seeds.pairs["hand"][:, side].T) for side in (0, 1))
    series[two] = 0.8 * series[one] + 0.6 * series[two]
    _, found = connectivity(series[brain].T, brain, seeds)
    assert found["hand_homotopic_z"] == pytest.approx(np.arctanh(0.8), abs=0.06)
    assert found["leg_homotopic_z"] == pytest.approx(0.0, abs=0.06)
