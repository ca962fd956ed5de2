"""Windows of recordings as a network reads them: standardised, channels under their known names."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.features.recordings import standardise_windows


def test_windows_have_mean_0_and_variance_1() -> None:
    rng = np.random.default_rng(0)
    windows = standardise_windows(5e-6 * rng.standard_normal((4, 2500, 22)) + 1e-4)
    assert windows.dtype == np.float32
    assert np.abs(windows.astype(np.float64).mean(axis=1)).max() < 1e-6
    np.testing.assert_allclose(windows.astype(np.float64).std(axis=1), 1, atol=1e-6)


def test_flat_channel_becomes_zero() -> None:
    windows = standardise_windows(np.stack([np.full(10, 3.0), np.arange(10.0)], axis=1)[None])
    assert not windows[0, :, 0].any()
    assert windows[0, :, 1].std() == pytest.approx(1)
