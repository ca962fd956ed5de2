"""Noise and ringing removed from diffusion volumes, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.settings_preprocess import DwiSettings
from bids_stroke.imaging.images import array
from bids_stroke.preprocess.dwi.denoise.clean import clean, denoise
from bids_stroke.preprocess.dwi.denoise.gibbs import remove_ringing
from bids_stroke.preprocess.dwi.runs import like_series
from tests.helpers.diffusion import series_of
from tests.helpers.template_scan import TemplateScan


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


def test_denoising_takes_noise_away_and_leaves_the_outside(still: TemplateScan) -> None:
    clean = np.repeat(array(still.image)[10:22, 15:27, 12:24], 3, axis=3)[..., :36]
    noisy = clean + np.random.default_rng(1).normal(0, 8, clean.shape).astype(np.float32)
    mask = np.zeros(clean.shape[:3], bool)
    mask[2:10, 2:10, 2:10] = True
    cleaned, level = denoise(np.maximum(noisy, 0), mask)
    assert np.median(level[mask]) == pytest.approx(8, rel=0.1)
    assert np.std((cleaned - clean)[mask]) < 0.75 * np.std((noisy - clean)[mask])
    np.testing.assert_array_equal(cleaned[~mask], np.maximum(noisy, 0)[~mask])
