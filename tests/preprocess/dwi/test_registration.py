"""Diffusion images find the T1w and the template; the rough mask is the brain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import template
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.dwi.registration import affine_of_part, place_by_t1w, rough_mask, t1w_like
from tests.helpers.template_scan import MM, SHIFT, TemplateScan, anat_files, grid, rigid

Array = NDArray[np.float64]


def displacement(found: Array, true: Array, brain: NDArray[np.bool_]) -> Array:
    """Mean distance (mm) between where both put the brain's points, per volume."""
    points = np.argwhere(brain)[::20] * MM + grid().affine[:3, 3]
    points = np.column_stack([points, np.ones(len(points))])
    return np.stack([np.linalg.norm(((a - b) @ points.T)[:3], axis=0).mean() for a, b in zip(found, true, strict=True)])


def test_the_rough_mask_is_the_brain(still: TemplateScan, brain: NDArray[np.bool_]) -> None:
    found = rough_mask(array(still.image)[..., :2].mean(axis=3))
    assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.93


def test_an_image_without_a_head_is_refused() -> None:
    empty = np.zeros((12, 12, 12), np.float32)
    speck = empty.copy()
    speck[6, 6, 6] = 1.0  # the median filter takes it away
    for image in (empty, speck):
        with pytest.raises(DataError) as caught:
            rough_mask(image)
        assert caught.value.reason == "no-head"


def test_t1w_like_orders_the_tissues() -> None:
    fa = np.array([0.0, 0.1, 0.15, 0.45], np.float32)
    md = np.array([0.0, 3e-3, 0.8e-3, 0.7e-3], np.float32)
    outside, fluid, grey, white = t1w_like(fa, md)
    assert outside == 0.0 < fluid < 0.5 * grey < grey < 0.8 * white


def test_a_cut_brain_finds_its_height(tmp_path: Path) -> None:
    true = rigid([8, -4, 6], [12, -20, 35])  # template world -> world of the image
    slab = grid((34, 42, 17), low_mm=0.0)
    shown = resample(template("T1w"), slab, [np.linalg.inv(true)])
    found = affine_of_part(shown, tmp_path, seed=0)
    inside = np.argwhere(array(shown) > 0) @ slab.affine[:3, :3].T + slab.affine[:3, 3]
    inside = np.column_stack([inside, np.ones(len(inside))]) @ np.linalg.inv(true).T
    error = np.linalg.norm((inside @ (found - true).T)[:, :3], axis=1)
    assert np.median(error) < 3.0


def test_what_is_no_brain_is_not_registered(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random(grid().shape).astype(np.float32)
    with pytest.raises(MissingModalityError) as caught:
        affine_of_part(like(grid(), noise), tmp_path, seed=0)
    assert caught.value.reason == "not-registered"
    with pytest.raises(MissingModalityError):
        affine_of_part(grid(), tmp_path, seed=0)


def test_registration_to_the_t1w_is_right(tmp_path: Path, still: TemplateScan, brain: NDArray[np.bool_]) -> None:
    unweighted = like(still.image, array(still.image)[..., :2].mean(axis=3))
    place = place_by_t1w(unweighted, brain, anat_files(tmp_path / "anat", SHIFT), tmp_path, 0)
    assert place.to_t1w is not None
    assert displacement(place.to_t1w[None], SHIFT[None], brain)[0] < 1.5
    assert place.warnings == ()
    assert 2 * (place.mask & brain).sum() / (place.mask.sum() + brain.sum()) > 0.95
