"""Quality measures of diffusion, their warnings, and volumes that overflowed."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import array
from bids_stroke.preprocess.dwi.quality import check_overflow, quality_warnings, temporal_snr
from tests.helpers.phantom import Phantom


def test_quality_warnings_name_what_is_wrong() -> None:
    good = {"fa_wm_median": 0.45, "standard_coverage_fraction": 0.98}
    assert quality_warnings(good) == []
    assert "0.12" in quality_warnings(good | {"fa_wm_median": 0.12})[0]
    assert "60%" in quality_warnings(good | {"standard_coverage_fraction": 0.6})[0]
    assert "no white matter" in quality_warnings({"standard_coverage_fraction": 0.98})[0]


def test_temporal_snr_needs_three_volumes() -> None:
    rng = np.random.default_rng(0)
    volumes = (100 + 5 * rng.standard_normal((10, 10, 10, 8))).astype(np.float32)
    mask = np.ones((10, 10, 10), bool)
    assert temporal_snr(volumes, mask)["tsnr_b0"] == pytest.approx(20, rel=0.15)
    assert temporal_snr(volumes[..., :2], mask) == {}
    assert temporal_snr(volumes, ~mask) == {}


def test_values_below_zero_beside_the_head_are_no_overflow(small: Phantom) -> None:
    volumes = array(small.image).copy()
    volumes[~small.mask] -= 40.0
    check_overflow(volumes, small.mask, "x")
    volumes[small.mask] -= 5000.0
    with pytest.raises(DataError, match="x: 100"):
        check_overflow(volumes, small.mask, "x")
