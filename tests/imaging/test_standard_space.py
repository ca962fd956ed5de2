"""The standard grid and the templates on it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_mni152_template

from bids_stroke.imaging.images import array
from bids_stroke.imaging.standard_space import STANDARD_AFFINE, STANDARD_SHAPE, standard_grid, template
from bids_stroke.imaging.transforms import resample


def test_the_grid_is_the_published_one(real_data: Path) -> None:
    grid = standard_grid()
    published = nib.load(next((real_data / "miccai_maps").glob("*_FA_reg.nii.gz")))
    assert grid.shape == published.shape == STANDARD_SHAPE
    np.testing.assert_array_equal(grid.affine, published.affine)
    np.testing.assert_array_equal(grid.affine, STANDARD_AFFINE)
    assert int(grid.header["sform_code"]) == 4


@pytest.mark.parametrize("resolution", [1.0, 3.0, 4.0])
def test_other_resolutions_cover_the_same_box(resolution: float) -> None:
    grid = standard_grid(resolution)
    assert nib.aff2axcodes(grid.affine) == ("L", "A", "S")
    assert grid.header.get_zooms() == pytest.approx([resolution] * 3)
    for corner, ours in (([-0.5] * 3, [-0.5] * 3), (np.array(STANDARD_SHAPE) - 0.5, np.array(grid.shape) - 0.5)):
        difference = nib.affines.apply_affine(STANDARD_AFFINE, corner) - nib.affines.apply_affine(grid.affine, ours)
        assert np.abs(difference).max() <= resolution


def test_templates() -> None:
    t1w, grey, white, mask = (array(template(kind)) for kind in ("T1w", "GM", "WM", "mask"))
    assert t1w.shape == grey.shape == STANDARD_SHAPE
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert 1700 < mask.sum() * 0.008 < 2000
    assert t1w[mask == 0].mean() < 0.01 < 0.5 < t1w[mask > 0].mean()
    assert t1w[white > 0.9].mean() > t1w[grey > 0.9].mean() > 0.4
    # symmetric, and nothing but nilearn's template on our grid
    np.testing.assert_allclose(t1w, t1w[::-1], atol=0.02)
    fine = load_mni152_template(resolution=1)
    assert np.corrcoef(array(resample(fine, standard_grid())).ravel(), t1w.ravel())[0, 1] > 0.995
