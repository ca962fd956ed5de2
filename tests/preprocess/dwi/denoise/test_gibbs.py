"""Gibbs ringing: removed as by DIPY, and only where the sidecar excludes partial Fourier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from dipy.denoise.gibbs import gibbs_removal
from numpy.typing import NDArray
from scipy.ndimage import zoom

from bids_stroke.preprocess.dwi.denoise.gibbs import remove_ringing, ringing_kept, slice_axis
from tests.helpers.diffusion import series_of
from tests.helpers.phantom import Phantom, make_phantom

Volume = NDArray[np.float32]
FULL: dict[str, object] = {"PartialFourier": 1}


@pytest.fixture(scope="module")
def head() -> Phantom:
    """Finer than what the scanner will see."""
    return make_phantom(shape=(90, 108, 12), voxel_mm=2.0, n_directions=6, n_b0=1, snr=1000.0)


def seen(head: Phantom, *, ringing: bool, size: tuple[int, int] = (60, 72)) -> Volume:
    """The head's slices with fewer frequencies: cut off (ringing), or faded out as voxels of 3 mm do."""
    spectrum = scipy.fft.fftshift(scipy.fft.fft2(head.clean, axes=(0, 1)), axes=(0, 1))
    whole = spectrum.shape[:2]
    if not ringing:
        x, y = (np.arange(-(n // 2), n - n // 2) / (2.0 * n) for n in whole)
        fade = np.exp(-2 * (np.pi * 3.0 / 2.355) ** 2 * (x[:, None] ** 2 + y[None] ** 2))
        spectrum *= fade[:, :, None, None]
    kept = [slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(whole, size, strict=True)]
    low = scipy.fft.ifft2(scipy.fft.ifftshift(spectrum[kept[0], kept[1]], axes=(0, 1)), axes=(0, 1))
    return np.abs(low * np.prod(size) / np.prod(whole)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size", [(60, 72), (55, 64)])
def test_ringing_removal_equals_dipy(head: Phantom, axis: int, size: tuple[int, int]) -> None:
    ringed = seen(head, ringing=True, size=size)[..., 4:8, ::3]
    noise = np.random.default_rng(0).normal(0, 8, ringed.shape)
    turned = np.moveaxis(np.abs(ringed + noise).astype(np.float32), 2, axis)
    peer = gibbs_removal(turned.astype(np.float64), slice_axis=axis, inplace=False)
    found = remove_ringing(turned, axis)
    assert found.dtype == np.float32
    difference = np.abs(found - peer) / np.median(peer[peer > 100])
    assert np.quantile(difference, 0.999) < 3e-5  # single precision; measured: 1.8e-5
    assert difference.max() < 1e-3
    assert np.abs(turned - peer).max() > 0.1 * peer.max()


def test_ringing_goes(head: Phantom) -> None:
    smooth, ringed = seen(head, ringing=False), seen(head, ringing=True)
    mask = zoom(head.mask.astype(np.float32), (2 / 3, 2 / 3, 1), order=1) > 0.5
    found = remove_ringing(ringed)
    before, after = (np.std((volumes - smooth)[mask]) for volumes in (ringed, found))
    assert after < 0.75 * before


def test_what_does_not_vary_stays() -> None:
    flat = np.full((10, 11, 2, 2), 7.0, np.float32)
    flat[..., 1] = 0
    np.testing.assert_allclose(remove_ringing(flat), flat, atol=1e-5)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "does not exclude partial Fourier"),
        (FULL, ""),
        ({"PartialFourier": 1.0}, ""),
        ({"PartialFourier": 0.75}, "partial Fourier (0.75)"),
        ({"PartialFourierDirection": "PHASE"}, "partial Fourier (PHASE)"),
        ({"PartialFourierDirection": "None"}, ""),
        (FULL | {"AcquisitionMatrixPE": 8}, "interpolated: 8 lines measured, 12 in the image"),
        (FULL | {"AcquisitionMatrixPE": 12}, ""),
        (FULL | {"ImageType": ["ORIGINAL", "PRIMARY", "DIS2D"]}, "corrected on the scanner"),
    ],
)
def test_auto_removes_only_what_is_surely_there(tmp_path: Path, metadata: dict[str, object], reason: str) -> None:
    series = series_of(tmp_path, metadata)
    found = ringing_kept(series, "auto")
    assert (found == "") == (reason == "")
    assert reason in found
    assert ringing_kept(series, "on") == ""
    assert ringing_kept(series, "off") == "dwi.gibbs is off"


def test_one_run_with_partial_fourier_is_enough_to_leave_it(tmp_path: Path) -> None:
    first, second = series_of(tmp_path / "a", FULL), series_of(tmp_path / "b", {"PartialFourier": 0.8})
    both = replace(first, sources=(*first.sources, *second.sources))
    assert ringing_kept(both, "auto") == "partial Fourier (0.8)"


def test_slices_are_where_the_sidecar_says(tmp_path: Path) -> None:
    assert slice_axis(series_of(tmp_path, {})) == 2
    assert slice_axis(series_of(tmp_path, {"SliceEncodingDirection": "i-"})) == 0
