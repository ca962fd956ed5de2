"""Averaging over similar voxels: noise goes, edges and thin sheets stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_stroke.preprocess.dwi.denoise.similar_voxels import average_alike, without_rician_floor
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.tensor.wls import fit_tensor, scalar_maps


def test_averaging_alike_voxels_helps_and_keeps_edges() -> None:
    rng = np.random.default_rng(0)
    clean = np.zeros((24, 12, 12, 30), np.float32)
    clean[:12] = 500 * np.exp(-rng.random(30))
    clean[12:] = 500 * np.exp(-rng.random(30))
    sigma, mask = 20.0, np.ones(clean.shape[:3], bool)
    mask[:, :2] = False
    denoised = (clean + 0.2 * sigma * rng.standard_normal(clean.shape)).astype(np.float32)
    found = average_alike(denoised, mask, sigma)
    assert np.std((found - clean)[mask]) < 0.5 * np.std((denoised - clean)[mask])
    at_edge = (found - clean)[11:13, 2:]
    assert np.abs(at_edge.mean(axis=(1, 2))).max() < 0.1 * sigma  # nothing crosses
    np.testing.assert_array_equal(found[~mask], denoised[~mask])
    np.testing.assert_array_equal(average_alike(denoised, mask, 0.0), denoised)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("other", [(1.2e-3, 0.6e-3), (1.6e-3, 0.4e-3)], ids=["fa", "direction"])
def test_averaging_leaves_thin_fibre_sheets(width: int, other: tuple[float, float]) -> None:
    """A sheet among fibres of lower FA, or of the same FA 50 degrees away."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((32, 3))
    bvecs = np.concatenate([np.zeros((3, 3)), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)])
    gradients = Gradients(np.where(np.arange(35) < 3, 0.0, 1000.0), bvecs)

    def profile(diffusivities: tuple[float, float], angle: float) -> NDArray[np.float64]:
        along = gradients.bvecs @ [np.cos(angle), np.sin(angle), 0.0]
        axial, radial = diffusivities
        return 770.0 * np.exp(-gradients.bvals * (radial + (axial - radial) * along**2))

    clean = np.empty((20, 12, 12, len(gradients)), np.float32)
    clean[...] = profile(other, 0.0 if other[0] < 1.5e-3 else 0.9)
    clean[10 : 10 + width] = profile((1.6e-3, 0.4e-3), 0.0)
    sigma, mask = 30.0, np.ones(clean.shape[:3], bool)
    noise = 0.3 * sigma * rng.standard_normal(clean.shape)  # what is left of it after denoising
    noisy = (clean + noise).astype(np.float32)
    true, before, after = (
        scalar_maps(fit_tensor(volumes[10 : 10 + width].reshape(-1, len(gradients)), gradients)).fa
        for volumes in (clean, noisy, average_alike(noisy, mask, sigma))
    )
    assert np.abs(after - true).mean() < 0.5 * np.abs(before - true).mean()  # measured: a fifth
    assert abs((after - true).mean()) < 0.002  # 0.017 with a tolerance of one noise SD


@pytest.mark.parametrize(("signal", "most"), [(90.0, 0.02), (300.0, 0.002)])
def test_the_lift_by_rician_noise_is_taken_back(signal: float, most: float) -> None:
    """From means of magnitudes, noise having an SD of 30."""
    one, other = np.random.default_rng(0).normal(0, 30.0, (2, 200_000))
    mean = float(np.hypot(signal + one, other).mean())
    volumes = np.array([mean, 20.0, 20.0], np.float32).reshape(3, 1, 1, 1)
    without_rician_floor(volumes, np.array([True, True, False]).reshape(3, 1, 1), 30.0)
    found, faint, outside = volumes.ravel()
    assert abs(found - signal) < most * signal
    assert abs(found - signal) < 0.5 * (mean - signal)
    assert faint == 0.0
    assert outside == 20.0
