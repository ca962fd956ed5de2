"""Values of lesion masks and of maps of shares: taken as a mask, or refused."""

from __future__ import annotations

import numpy as np
import pytest

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
