"""Noise and ringing removed from diffusion volumes, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.settings_preprocess import DwiSettings
from bids_stroke.imaging.images import array
from bids_stroke.imaging.side_by_side import AT_ONCE
from bids_stroke.preprocess.dwi.denoise.clean import averaged, clean, patch_radii
from bids_stroke.preprocess.dwi.denoise.gibbs import remove_ringing
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.runs import like_series
from bids_stroke.preprocess.dwi.series import Series
from tests.helpers.diffusion import series_of

NOISE = 8.0


@pytest.mark.parametrize(("gibbs", "denoise"), [("on", False), ("off", False), ("on", True)])
def test_what_was_done_is_said(tmp_path: Path, gibbs: str, denoise: bool) -> None:
    series = series_of(tmp_path, {}, n=32 if denoise else 8)
    mask = np.zeros(series.image.shape[:3], bool)
    mask[3:-3, 3:-3, 1:-1] = True
    settings = DwiSettings.model_validate({"gibbs": gibbs, "denoise": denoise})
    cleaned = clean(series, mask, settings)
    found, done = cleaned.series, cleaned.done
    assert (cleaned.noise > 0) is denoise
    assert done["GibbsCorrected"] is (gibbs == "on")
    assert done["Denoised"] is denoise
    assert ("GibbsCorrectedNote" in done) == (gibbs == "off")
    volumes = array(found.image)
    if gibbs == "off":
        assert found is series
    elif not denoise:
        np.testing.assert_array_equal(volumes, array(like_series(series.image, remove_ringing(array(series.image)))))
    else:
        assert not np.array_equal(volumes, remove_ringing(array(series.image)))


@pytest.mark.parametrize(
    ("shape", "radii"),
    [
        ((96, 96, 60, 65), (2, 2, 2)),
        ((96, 96, 60, 126), (3, 3, 3)),
        ((96, 96, 6, 126), (3, 3, 2)),
        ((96, 96, 4, 30), (2, 2, 1)),
        ((96, 96, 2, 30), (3, 3, 0)),
        ((1, 96, 96, 65), (0, 4, 4)),
        ((96, 1, 1, 65), (32, 0, 0)),
        ((5, 5, 1, 30), None),
    ],
)
def test_patches_hold_a_voxel_for_each_volume(shape: tuple[int, ...], radii: tuple[int, ...] | None) -> None:
    assert patch_radii(shape) == radii


def slab(folder: Path, axis: int, thickness: int, n: int = 32) -> tuple[Series, np.ndarray]:
    """A series of known noise, thin along an axis; and what is behind the noise."""
    shape = [14, 16, 12]
    shape[axis] = thickness
    rng = np.random.default_rng(0)
    parts = np.arange(shape[(axis + 1) % 3]).reshape([-1 if i == (axis + 1) % 3 else 1 for i in range(3)]) // 5
    truth = np.full((*shape, n), 200.0) * rng.uniform(0.4, 1.0, (4, n))[np.broadcast_to(parts, shape)]
    noisy = (truth + rng.normal(0, NOISE, truth.shape)).astype(np.float32)
    small = series_of(folder, {}, n=n)
    gradients = Gradients(small.gradients.bvals, small.gradients.bvecs)
    return replace(small, image=nib.Nifti1Image(noisy, np.diag([2.0, 2, 2, 1])), gradients=gradients), truth


@pytest.mark.inputs(
    "A series of few slices, or voxels along another axis, is denoised in flatter patches, and not at all where the "
    "whole image has fewer voxels than a patch needs; both are said."
)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("thickness", [1, 2, 3, 4])
def test_thin_images_are_denoised_in_flatter_patches(tmp_path: Path, axis: int, thickness: int) -> None:
    series, truth = slab(tmp_path, axis, thickness)
    mask = np.ones(truth.shape[:3], bool)
    cleaned = clean(series, mask, DwiSettings.model_validate({"gibbs": "off"}))
    assert cleaned.done["Denoised"] is True
    assert cleaned.noise == pytest.approx(NOISE, rel=0.1)
    assert np.std(array(cleaned.series.image) - truth) < 0.5 * NOISE
    (said,) = cleaned.warnings
    assert f"only {thickness} voxels thick" in said
    assert ["left to right", "back to front", "bottom to top"][axis] in said
    assert f"patches of {' x '.join(str(2 * r + 1) for r in patch_radii(truth.shape) or ())} voxels" in said


def test_images_smaller_than_a_patch_are_not_denoised(tmp_path: Path) -> None:
    series, _ = slab(tmp_path, 2, 1)
    series = replace(series, image=nib.Nifti1Image(array(series.image)[:5, :5], series.image.affine))
    cleaned = clean(series, np.ones((5, 5, 1), bool), DwiSettings.model_validate({"gibbs": "off"}))
    assert cleaned.series is series
    assert cleaned.done["Denoised"] is False
    assert cleaned.done["DenoisedNote"] == "5 x 5 x 1 voxels are too few to tell noise from signal in 32 volumes"
    assert "They were not denoised." in cleaned.warnings[0]


def test_the_same_bytes_however_much_is_done_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it: patches, ringing, averages."""
    series = series_of(tmp_path, {}, n=32)
    mask = np.zeros(series.image.shape[:3], bool)
    mask[3:-3, 3:-3, 1:-1] = True
    settings = DwiSettings.model_validate({"gibbs": "on"})
    found = []
    for at_once in ("1", "3"):
        monkeypatch.setenv(AT_ONCE, at_once)
        cleaned = clean(series, mask, settings)
        found.append(array(averaged(cleaned.series, mask, cleaned.noise).image).tobytes())
    assert found[0] == found[1]


def test_only_thin_images_are_warned_of(tmp_path: Path) -> None:
    cube = series_of(tmp_path, {}, n=32)
    mask = np.ones(cube.image.shape[:3], bool)
    assert clean(cube, mask, DwiSettings.model_validate({"gibbs": "off"})).warnings == ()
    thin, _ = slab(tmp_path, 2, 2)
    settings = DwiSettings.model_validate({"gibbs": "off", "denoise": False})
    assert clean(thin, np.ones((14, 16, 2), bool), settings).warnings == ()
