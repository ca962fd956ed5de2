"""A lesion filled with the mirror image of the other side."""

from __future__ import annotations

import numpy as np

from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.anat.mirror_fill import mirror_fill
from tests.helpers.lesions import LEFT, ball


def test_mirror_fill_brings_the_healthy_side() -> None:
    """A symmetric brain in a tilted head, with a hole: filled, it is the brain without the hole."""
    tilt = np.eye(4)
    angle = np.deg2rad(12)
    tilt[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    tilt[:3, 3] = [7.0, -3.0, 2.0]
    whole = resample(template("T1w"), standard_grid(3.0), [np.linalg.inv(tilt)])
    hole = ball(whole.affine, whole.shape, (tilt @ [*LEFT, 1])[:3], 15.0)
    hurt = like(whole, np.where(hole, 0.05, array(whole)).astype(np.float32))
    filled = array(mirror_fill(hurt, hole, tilt))
    assert np.abs(filled - array(whole))[hole].mean() < 0.03 < np.abs(array(hurt) - array(whole))[hole].mean()
    np.testing.assert_array_equal(filled[array(whole) == 0], 0)
    far = ~ball(whole.affine, whole.shape, (tilt @ [*LEFT, 1])[:3], 20.0)
    np.testing.assert_array_equal(filled[far], array(hurt)[far])


def test_mirror_fill_leaves_what_is_ill_on_both_sides() -> None:
    grid = standard_grid(3.0)
    whole = np.full(grid.shape, 0.5, np.float32)
    both = ball(grid.affine, grid.shape) | ball(grid.affine, grid.shape, LEFT * [-1, 1, 1])
    hurt = like(grid, np.where(both, 0.1, whole).astype(np.float32))
    np.testing.assert_array_equal(array(mirror_fill(hurt, both, np.eye(4))), array(hurt))
