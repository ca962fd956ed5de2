"""MP-PCA in overlapping patches, beside dipy's."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from dipy.denoise.localpca import mppca as dipy_mppca
from numpy.typing import NDArray

from bids_stroke.imaging.images import array
from bids_stroke.preprocess.dwi.denoise.local_pca import mppca, noise_variance
from tests.helpers.template_scan import TemplateScan

NOISE = 8.0


def part_of_head(still: TemplateScan, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Volumes without and with noise, and a mask whose edge lies within them."""
    clean = np.repeat(array(still.image)[10:23, 15:29, 12:24], 3, axis=3)[..., :n]
    noisy = np.maximum(clean + np.random.default_rng(1).normal(0, NOISE, clean.shape), 0).astype(np.float32)
    mask = np.zeros(clean.shape[:3], bool)
    mask[2:10, 2:11, 2:10] = mask[5, 5, 11] = True
    return clean, noisy, mask


@pytest.mark.parametrize(("n", "radii"), [(36, (2, 2, 2)), (25, (1, 1, 1)), (27, (1, 1, 1)), (30, (3, 2, 0))], ids=str)
def test_patches_one_voxel_apart_give_what_dipy_gives(still: TemplateScan, n: int, radii: tuple[int, ...]) -> None:
    _, noisy, mask = part_of_head(still, n)
    ours, level = mppca(noisy, mask, radii, (1, 1, 1))
    with np.errstate(invalid="ignore"):  # dipy divides 0 by 0 where there is no patch
        wanted, wanted_level = dipy_mppca(
            noisy.astype(np.float64), mask=mask, patch_radius=radii, return_sigma=True, suppress_warning=True
        )
    reached = mask & np.isfinite(wanted_level)
    assert reached.sum() > 500
    np.testing.assert_allclose(ours[reached], wanted[reached], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(level[reached], wanted_level[reached], rtol=1e-5)
    np.testing.assert_array_equal(ours[~reached], noisy[~reached])
    np.testing.assert_array_equal(level[~reached], 0)


def test_an_eighth_of_the_patches_is_as_good(still: TemplateScan) -> None:
    """Measured: error .342 of the noise with patches two voxels apart, .339 with one for each voxel."""
    clean, noisy, mask = part_of_head(still, 36)
    reached = mask.copy()
    reached[..., 11] = False
    apart, close = (mppca(noisy, mask, (2, 2, 2), step) for step in (None, (1, 1, 1)))
    errors = [float(np.std((volumes - clean)[reached])) for volumes, _ in (apart, close)]
    assert errors[0] < 1.1 * errors[1]
    assert errors[0] < 0.75 * NOISE
    assert np.median(apart[1][mask]) == pytest.approx(NOISE, rel=0.1)


@pytest.mark.parametrize("order", ["C", "F"])
def test_every_voxel_of_the_mask_lies_in_a_patch(order: Literal["C", "F"]) -> None:
    """Single voxels too, wherever the lattice of the patches lies; not the image's edge alone, as with dipy."""
    volumes = np.random.default_rng(0).gamma(9.0, 10.0, (11, 12, 10, 30)).astype(np.float32, order=order)
    for voxel in [(5, 5, 5), (4, 5, 6), (8, 9, 7), (2, 2, 2)]:
        mask = np.zeros(volumes.shape[:3], bool)
        mask[voxel] = True
        cleaned, level = mppca(volumes, mask, (2, 2, 2))
        assert level[voxel] > 0
        assert (cleaned[mask] != volumes[mask]).any()
        np.testing.assert_array_equal(cleaned[~mask], volumes[~mask])


def test_voxels_that_no_patch_reaches_stay() -> None:
    volumes = np.random.default_rng(0).gamma(9.0, 10.0, (14, 16, 4, 32)).astype(np.float32)
    mask = np.zeros(volumes.shape[:3], bool)
    mask[0, 0] = True  # no patch has its middle at the corner
    mask[7:10, 7:10] = True
    cleaned, level = mppca(volumes, mask, (2, 2, 1))
    np.testing.assert_array_equal(cleaned[0, 0], volumes[0, 0])
    assert (level[7:10, 7:10] > 0).all()
    assert np.isfinite(cleaned).all()
    assert np.isfinite(level).all()


def test_noise_alone_has_the_variance_of_its_eigenvalues() -> None:
    noise = np.random.default_rng(0).normal(0, 3.0, (40, 125, 65))
    noise -= noise.mean(axis=1, keepdims=True)
    values = np.asarray(np.linalg.eigvalsh(noise.transpose(0, 2, 1) @ noise / 125), dtype=np.float64)
    assert np.mean(noise_variance(values, 125)) == pytest.approx(9.0, rel=0.03)
    values[:, -3:] += 500.0  # three components of signal do not count
    assert np.mean(noise_variance(values, 125)) == pytest.approx(9.0, rel=0.1)


def test_an_image_of_nothing_stays_nothing() -> None:
    volumes = np.zeros((8, 8, 8, 30), np.float32)
    cleaned, level = mppca(volumes, np.ones((8, 8, 8), bool), (2, 2, 2))
    assert not cleaned.any()
    assert not level.any()
