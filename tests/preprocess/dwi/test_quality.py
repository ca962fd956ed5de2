"""Quality measures of diffusion, their warnings, and volumes that overflowed."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import array
from bids_stroke.imaging.standard_space import template
from bids_stroke.preprocess.dwi.quality import check_overflow, map_quality, quality_warnings, temporal_snr
from bids_stroke.quality.judge import flag, rule_of
from tests.helpers.phantom import Phantom


def test_quality_warnings_name_what_is_wrong() -> None:
    good = {"fa_wm_median": 0.45, "standard_coverage_fraction": 0.98}
    assert quality_warnings(good) == []
    assert "0.12" in quality_warnings(good | {"fa_wm_median": 0.12})[0]
    assert "60%" in quality_warnings(good | {"standard_coverage_fraction": 0.6})[0]
    assert "correlation 0.27" in quality_warnings(good | {"fa_wm_correlation": 0.27})[0]
    assert "turned by 25 degrees" in quality_warnings(good | {"t1w_angle_degrees": 25.4})[0]
    assert quality_warnings(good | {"fa_wm_correlation": 0.69, "t1w_angle_degrees": 6.0}) == []
    assert "no white matter" in quality_warnings({"standard_coverage_fraction": 0.98})[0]


@pytest.mark.parametrize(("moved_mm", "flags"), [(0.0, {"ok"}), (15.0, {"check", "fail"}), (30.0, {"fail"})])
def test_fa_beside_the_white_matter_is_flagged(small: Phantom, moved_mm: float, flags: set[str]) -> None:
    maps = {kind: small.truth[kind] for kind in ("fa", "md")}
    white = np.roll(small.tissues["wm"], round(moved_mm / 5.0), axis=1)
    standard = {"md": np.ones(array(template("mask")).shape, np.float32)}
    found = map_quality(maps, standard, white.astype(np.float32))
    assert flag(found["fa_wm_correlation"], rule_of("dwi", "fa_wm_correlation")) in flags


def test_maps_without_signal_have_no_correlation() -> None:
    empty, standard = np.zeros((4, 4, 4), np.float32), np.zeros(array(template("mask")).shape, np.float32)
    assert map_quality({"fa": empty, "md": empty}, {"md": standard}, empty) == {"standard_coverage_fraction": 0.0}


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
