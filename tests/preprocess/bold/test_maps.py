"""ALFF, fALFF and ReHo against plain reference implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.preprocess.bold.maps import amplitudes, regional_homogeneity
from tests.helpers.bold import TR

BAND = (0.01, 0.1)


def test_alff_is_the_mean_amplitude_within_the_band() -> None:
    n = 100
    series = np.random.default_rng(0).standard_normal((n, 3))
    time = np.arange(n) * TR
    alff, falff = amplitudes(series, TR, BAND)
    for voxel in range(3):  # the plain definition: project on each sine and cosine
        sizes = {}
        for k in range(1, n // 2 + 1):
            angle = 2 * np.pi * k / (n * TR) * time
            sizes[k / (n * TR)] = 2 / n * np.hypot(series[:, voxel] @ np.cos(angle), series[:, voxel] @ np.sin(angle))
        inside = [size for frequency, size in sizes.items() if BAND[0] <= frequency <= BAND[1]]
        assert alff[voxel] == pytest.approx(np.mean(inside))
        assert falff[voxel] == pytest.approx(sum(inside) / sum(sizes.values()))


def test_alff_of_a_sine_is_its_amplitude_over_the_number_of_frequencies() -> None:
    n = 200  # frequencies 1/400 Hz apart: 4 to 40 are in the band
    time = np.arange(n)[:, None] * TR
    waves = np.hstack([7 * np.sin(2 * np.pi * 0.05 * time), 7 * np.sin(2 * np.pi * 0.2 * time), 0 * time])
    alff, falff = amplitudes(waves, TR, BAND)
    assert alff == pytest.approx([7 / 37, 0, 0], abs=1e-9)
    assert falff == pytest.approx([1, 0, 0], abs=1e-6)


def test_a_run_without_a_frequency_in_the_band_is_missing() -> None:
    with pytest.raises(MissingModalityError, match=r"a run of 8 s.*0\.01 to 0\.1 Hz") as error:
        amplitudes(np.zeros((20, 2)), 0.4, BAND)
    assert error.value.reason == "run-too-short"


def test_reho_equals_kendalls_w_written_out() -> None:
    rng = np.random.default_rng(1)
    mask = rng.random((6, 5, 7)) < 0.8
    series = rng.standard_normal((*mask.shape, 30)) + rng.standard_normal(30)
    result = np.full(mask.shape, np.nan)
    result[mask] = regional_homogeneity(series[mask].T, mask)
    for x, y, z in np.argwhere(mask):
        cube = tuple(slice(max(i - 1, 0), i + 2) for i in (x, y, z))
        ranks = [rankdata(voxel) for voxel in series[cube][mask[cube]]]
        total = np.sum(ranks, axis=0)
        expected = 12 * ((total - total.mean()) ** 2).sum() / (len(ranks) ** 2 * (30**3 - 30))
        assert result[x, y, z] == pytest.approx(expected if len(ranks) >= 7 else 0, rel=1e-5)


def test_reho_of_identical_neighbours_is_one_of_noise_small_and_of_a_lone_voxel_none() -> None:
    rng = np.random.default_rng(2)
    mask = np.ones((5, 5, 12), bool)
    mask[:, :, 9:] = False
    mask[2, 2, 11] = True
    series = rng.standard_normal((*mask.shape, 60))
    series[:, :, :5] = rng.standard_normal(60)
    result = np.zeros(mask.shape)
    result[mask] = regional_homogeneity(series[mask].T, mask)
    assert np.allclose(result[:, :, :4], 1)
    assert result[1:-1, 1:-1, 7].mean() == pytest.approx(1 / 27, abs=0.02)
    assert result[2, 2, 11] == 0
