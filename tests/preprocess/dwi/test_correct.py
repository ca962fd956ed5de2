"""All corrections of a series together: motion, eddy currents, the field, lost slices and noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_preprocess import DwiSettings
from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi import correct as corrections
from bids_stroke.preprocess.dwi.correct import Alike, align, correct, distorted_alike, poses_of, without_losses
from bids_stroke.preprocess.dwi.denoise.clean import averaged, clean
from bids_stroke.preprocess.dwi.motion.eddy import Correction
from bids_stroke.preprocess.dwi.registration import rough_mask
from bids_stroke.preprocess.dwi.series import Series, read_series
from bids_stroke.preprocess.dwi.susceptibility.estimate import Seen, Susceptibility
from bids_stroke.preprocess.dwi.tensor.fit import unweighted
from bids_stroke.preprocess.dwi.tensor.wls import fit_tensor, scalar_maps
from tests.helpers.diffusion import bids_files, series_of
from tests.helpers.phantom import Phantom, make_phantom
from tests.helpers.template_scan import grid, head, rigid


def ball(folder: Path) -> Series:
    """A noisy ball of fibres in the middle of the grid, which is one voxel further back from the 20th volume on."""
    series = series_of(folder, {}, n=34)
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (26, 28, 22)), indexing="ij")
    texture = 1 + 0.3 * np.sin(x / 3) * np.cos(y / 2) * np.sin(z / 2)
    decay = np.exp(-series.gradients.bvals * (0.4e-3 + 1.2e-3 * series.gradients.bvecs[:, 0] ** 2))
    still = (np.sqrt(x * x + y * y + z * z) < 8)[..., None] * 700 * texture[..., None] * decay
    still[..., 20:] = np.roll(still[..., 20:], -1, axis=1)
    one, other = np.random.default_rng(1).normal(0, 25.0, (2, *still.shape))
    image = nib.Nifti1Image(np.hypot(still + one, other).astype(np.float32), np.diag([3.0, 3.0, 3.0, 1.0]))
    return replace(series, image=like(image, array(image)))


@pytest.mark.parametrize("motion", [True, False])
def test_voxels_are_averaged_when_they_show_one_place_of_the_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, motion: bool
) -> None:
    """The last of the corrections: what it gives is what `averaged` makes of all the others."""
    series, settings = ball(tmp_path), Settings(dwi=DwiSettings(motion=motion, eddy=False))
    found = corrections.correct(series, lambda _: None, settings, tmp_path)
    noise = clean(series, rough_mask(unweighted(series)), settings.dwi).noise
    assert noise == pytest.approx(25.0, rel=0.1)
    with monkeypatch.context() as patch:
        patch.setattr(corrections, "averaged", lambda series, mask, noise: series)
        before = corrections.correct(series, lambda _: None, settings, tmp_path)
    assert not np.array_equal(array(before.series.image), array(found.series.image))
    expected = averaged(before.series, before.mask, noise)
    np.testing.assert_array_equal(array(found.series.image), array(expected.image))
    assert averaged(before.series, before.mask, 0.0) is before.series


def test_lost_slices_are_predicted_within_their_own_encoding(tmp_path: Path) -> None:
    phantom = make_phantom(
        shape=(45, 54, 42), voxel_mm=4.0, n_directions=10, n_b0=2, snr=40.0, field_hz=60.0, pairs="full", outliers=3
    )
    phantom.write(tmp_path / "raw", "01", t1w=False)
    series = read_series(bids_files(tmp_path / "raw" / "sub-01" / "dwi"), 50.0)
    parts = [align(series, which, phantom.mask, (1, tmp_path, 0)) for which in distorted_alike(series)]
    found = np.zeros_like(phantom.outliers)
    for part in parts:
        found[part.which] = part.correction.outliers
    assert (found & phantom.outliers).sum() >= 2
    repaired = without_losses(series, parts, phantom.mask)
    measured = array(series.image)
    whole = make_phantom(
        shape=(45, 54, 42), voxel_mm=4.0, n_directions=10, n_b0=2, snr=1000.0, field_hz=60.0, pairs="full"
    )
    expected = array(whole.image)
    for index, height in np.argwhere(found & phantom.outliers):
        inside = phantom.mask[:, :, height]
        wrong = np.abs(repaired - expected)[:, :, height, index][inside]
        assert np.median(wrong) < 0.15 * np.median(expected[:, :, height, index][inside])
    kept = ~found.any(axis=1)
    np.testing.assert_array_equal(repaired[..., kept], measured[..., kept])


def fa_error(phantom: Phantom, series: Series) -> float:
    """Median in white matter, fitted without further ado."""
    fit = scalar_maps(fit_tensor(array(series.image)[phantom.white], series.gradients))
    return float(np.median(np.abs(fit.fa - phantom.truth["fa"][phantom.white])))


@pytest.mark.parametrize(("slices", "low_mm"), [(36, -75.0), (6, 10.0)], ids=["whole", "cut"])
def test_runs_of_other_phase_encodings_are_brought_together(tmp_path: Path, slices: int, low_mm: float) -> None:
    """Without a field; of a cut head the cut was laid on the cut, and the runs 33 mm apart."""
    where, moved = grid((34, 42, slices), low_mm=low_mm), rigid([2, -1, 3], [1, -2, 2])
    contents = [head(0.0, np.zeros(3), where, np.linalg.inv(pose)).astype(np.float32) for pose in (np.eye(4), moved)]
    one = Correction(np.eye(4)[None], np.zeros((1, 4)), np.zeros((1, slices), bool), None)
    parts = [Alike(np.array([True]), one, Seen(like(where, values), None)) for values in contents]
    mask = contents[0] > 30
    first, second = poses_of(parts, Susceptibility("none", "", ()), mask, tmp_path, 0)
    np.testing.assert_array_equal(first, np.eye(4))
    points = apply_affine(where.affine, np.argwhere(mask)[::50])
    assert np.linalg.norm(apply_affine(second, points) - apply_affine(moved, points), axis=1).mean() < 1.0


def test_motion_eddy_currents_and_the_field_are_undone(tmp_path: Path) -> None:
    phantom = make_phantom(
        shape=(45, 54, 42), voxel_mm=4.0, n_directions=12, n_b0=2, snr=40, motion=1.5, eddy=0.03, field_hz=40.0,
        pairs="b0",
    )  # fmt: skip
    phantom.write(tmp_path / "raw", "01", t1w=False)
    raw = tmp_path / "raw" / "sub-01"
    series = read_series(bids_files(raw / "dwi"), 50.0, bids_files(raw / "fmap"))
    corrected = correct(series, lambda _: None, Settings(), tmp_path)
    assert fa_error(phantom, corrected.series) < 0.5 * fa_error(phantom, series)
    assert corrected.done["SusceptibilityCorrection"] == "pair"
    assert corrected.done["MotionCorrected"] is corrected.done["EddyCorrected"] is True
    assert corrected.done["Denoised"] is False
    assert "too few" in str(corrected.done["DenoisedNote"])
