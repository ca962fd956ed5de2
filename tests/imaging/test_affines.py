"""Affines that can be those of a head, and others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.affines import check_affine

PATH = Path("sub-01_T1w.nii.gz")


@pytest.mark.parametrize("sizes", [(1, 1, 1), (0.43, 0.43, 5), (-2, 2, 2), (0.002, 0.002, 0.5), (8, 8, 900)])
def test_voxels_of_a_head(sizes: tuple[float, ...]) -> None:
    check_affine(PATH, np.diag([*sizes, 1.0]))


@pytest.mark.inputs("An image whose affine gives voxels below 1 um or above 1 m, or none at all, is refused.")
@pytest.mark.parametrize(
    "row", [[1e30, 0, 0, 0], [1e-30, 0, 0, 0], [2e6, 2e6, 0, 0], [1e4, 0, 0, 0], [1e-5, 0, 0, 0], [0, 0, 0, 0],
            [np.nan, 0, 0, 0], [2, 0, 0, np.inf]]
)  # fmt: skip
def test_voxels_of_none(row: list[float]) -> None:
    affine = np.diag([2.0, 1e5 if row[0] < 1 else 2.0, 2.0, 1.0])  # the volume of a voxel alone would look right
    affine[0] = row
    with pytest.raises(DataError, match=r"sub-01_T1w\.nii\.gz: .*affine") as caught:
        check_affine(PATH, affine)
    assert caught.value.reason == "bad-affine"


def test_no_affine_at_all() -> None:
    with pytest.raises(DataError, match="affine"):
        check_affine(PATH, None)
