"""Values of lesion masks and of maps of shares: taken as a mask, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.lesion import shares as lesion_masks
from bids_stroke.imaging.lesion.shares import above_half, as_share


@pytest.mark.parametrize(
    ("values", "inside"),
    [
        ([0, 1], [False, True]),
        ([0, 0.4, 0.6], [False, False, True]),
        ([0, 0.3], [False, False]),
        ([0, 255], [False, True]),
        ([0, 1, 2, 3], [False, True, True, True]),
        ([0, 12.5, 49.0, 51.0, 99.0], [False, False, False, True, True]),
        ([0, 0], [False, False]),
    ],
)
def test_values(values: list[float], inside: list[bool]) -> None:
    assert lesion_masks.binarize(np.array(values, np.float32), "m").tolist() == inside


@pytest.mark.parametrize("values", [[-1.0, 0, 1.0], [0, 20.5, 300.0, 999.0]])
def test_what_is_not_a_mask(values: list[float]) -> None:
    with pytest.raises(DataError, match="not a mask") as caught:
        lesion_masks.binarize(np.array(values, np.float32), "sub-01_mask.nii.gz")
    assert caught.value.reason == "not-a-mask"
    assert "sub-01_mask.nii.gz" in str(caught.value)


@pytest.mark.parametrize("values", [[-0.2, 0.5], [0.0, 20.5, 255.0, 300.0]])
def test_what_is_no_share(values: list[float]) -> None:
    with pytest.raises(DataError, match="not the share"):
        as_share(np.array(values, np.float32), "sub-01_probseg.nii.gz")


def test_half_is_lowered_only_where_nothing_is_left() -> None:
    assert above_half(np.array([0.0, 0.45, 0.8], np.float32)).tolist() == [False, False, True]
    assert above_half(np.array([0.0, 0.1, 0.4], np.float32)).tolist() == [False, False, True]
    assert not above_half(np.zeros(3, np.float32)).any()


def spline(factor: float, shape: str = "ball", order: int = 3) -> np.ndarray:
    """A mask interpolated to a finer grid."""
    where = np.indices((16, 16, 16)) - 7.3
    solid = (where**2).sum(0) < 16 if shape == "ball" else np.abs(where).max(0) < 1.2
    return ndimage.zoom(solid.astype(np.float32), factor, order=order)


@pytest.mark.inputs(
    "The values of lesion masks and of maps of shares are read by one rule: shares from 0 to 1, percent, 0 and 255 "
    "(also interpolated), or labels.",
    "Interpolation takes shares beyond 0 and 1: up to 2, and down to a third of the largest value below 0, they are "
    "still shares.",
)
@pytest.mark.parametrize("scale", [1.0, 100.0, 255.0])
@pytest.mark.parametrize("factor", [2.0, 2.37])
@pytest.mark.parametrize(("shape", "order"), [("ball", 3), ("block", 3), ("block", 5), ("ball", 1)])
def test_interpolated_masks_are_cut_at_half_of_their_scale(scale: float, factor: float, shape: str, order: int) -> None:
    data = (scale * spline(factor, shape, order)).astype(np.float32)
    found = lesion_masks.binarize(data, "m")
    assert found.any()
    np.testing.assert_array_equal(found, data > 0.5 * scale)
    shares = as_share(data, "m")
    assert shares.min() == 0.0 and shares.max() <= 1.0
    np.testing.assert_array_equal(shares > 0.5, found)


@pytest.mark.parametrize("top", [1.0000001, 1.24, 1.38, 1.73])
def test_what_overshoots_one_is_no_percent(top: float) -> None:
    data = np.array([0.0, -0.1, 0.4, 0.6, top], np.float32)
    assert lesion_masks.binarize(data, "m").tolist() == [False, False, False, True, True]


@pytest.mark.inputs(
    "A mask that is not zero is never called empty: where nothing is above the threshold (half of the scale), both are "
    "named (`lesion-below-threshold`)."
)
@pytest.mark.parametrize(
    ("values", "threshold", "largest"),
    [([0, 0.1, 0.3], "0.5", "0.3"), ([0, 7.5, 42.0], "50", "42"), ([0.0, 2.5, 3.25], "50", "3.25")],
)
def test_a_map_that_is_not_zero_is_not_empty(values: list[float], threshold: str, largest: str) -> None:
    shares = lesion_masks.read_shares(np.array(values, np.float32), "sub-01_mask.nii.gz")
    assert not shares.mask.any()
    said = shares.lost("sub-01_mask.nii.gz")
    assert f"above {threshold}," in said and f"value is {largest}." in said
    assert lesion_masks.read_shares(np.zeros(3, np.float32), "m").lost("m") == ""


def test_an_image_of_a_head_is_no_mask_of_0_to_255() -> None:
    head = np.random.default_rng(0).gamma(2.0, 40.0, 5000).clip(0, 255).round().astype(np.float32)
    with pytest.raises(DataError, match="not a mask"):
        lesion_masks.binarize(head, "m")
    with pytest.raises(DataError, match="not a mask"):
        lesion_masks.binarize(np.linspace(0, 160, 50).astype(np.float32), "m")


def test_percent_in_a_map_of_shares_are_no_labels() -> None:
    values = np.array([0, 5, 12, 20], np.float32)
    assert lesion_masks.binarize(values, "m").tolist() == [False, True, True, True]
    np.testing.assert_allclose(as_share(values, "m"), values / 100)
