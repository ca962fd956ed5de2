"""Blocks of a series: what they average, and where the head is."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from bids_stroke.imaging.blocks import block_means, empty_volumes, head_blocks


def test_blocks_are_means_of_squares_within_slices() -> None:
    data = np.arange(5 * 4 * 3 * 2, dtype=np.float32).reshape(5, 4, 3, 2)
    blocks = block_means(nib.Nifti1Image(data, np.diag([4.0, -4.0, 2.0, 1.0])))
    assert blocks.shape == (2, 2, 3, 2)
    np.testing.assert_allclose(blocks[1, 0], data[2:4, 0:2].mean(axis=(0, 1)))


def test_a_head_is_found_among_volumes_that_show_none() -> None:
    rng = np.random.default_rng(0)
    blocks = np.abs(rng.normal(0, 1, (10, 10, 8, 9)))
    blocks[3:7, 3:7, 2:6, :5] += 50
    blocks[..., 8] = 0
    inside = np.zeros((10, 10, 8), dtype=bool)
    inside[3:7, 3:7, 2:6] = True
    np.testing.assert_array_equal(head_blocks(blocks), inside)
    assert empty_volumes(blocks).tolist() == [False] * 8 + [True]
