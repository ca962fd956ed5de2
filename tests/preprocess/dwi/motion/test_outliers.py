"""Lost slices are replaced by what the other volumes predict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_stroke.preprocess.dwi.motion.outliers import replace_outliers
from tests.helpers.diffusion import planted, scan_of
from tests.helpers.phantom import Phantom


def test_lost_slices_are_replaced_by_what_the_other_volumes_predict(moved: Phantom) -> None:
    scan = scan_of(moved)
    whole = replace_outliers(scan, planted(moved))
    touched = (whole != scan.volumes).any(axis=(0, 1)).T
    np.testing.assert_array_equal(touched, moved.outliers)
    nothing_lost = replace(planted(moved), outliers=np.zeros_like(moved.outliers))
    assert replace_outliers(scan, nothing_lost) is scan.volumes
    for index, height in np.argwhere(moved.outliers):
        inside = moved.mask[:, :, height]
        lost, new = (volumes[:, :, height, index][inside].mean() for volumes in (scan.volumes, whole))
        assert new / lost == pytest.approx(2.0, abs=0.15)  # it had lost half
