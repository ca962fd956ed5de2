"""The brain in the T1w, found or not, and its bias field."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.anat import brain
from bids_stroke.preprocess.anat.choice import choose_t1w


def test_without_t1w_or_brain(tmp_path: Path) -> None:
    with pytest.raises(MissingModalityError) as caught:
        choose_t1w((), "best", tmp_path, seed=0)
    assert caught.value.reason == "no-t1w"
    with pytest.raises(MissingModalityError) as caught:
        brain.extract_brain(nib.Nifti1Image(np.full((40, 40, 40), 7, np.float32), np.diag([4, 4, 4, 1.0])))
    assert caught.value.reason == "no-brain-found"
    sphere = ((np.indices((48, 48, 48)) - 24.0) ** 2).sum(0) < 25
    noise = np.random.default_rng(0).normal(5, 1, sphere.shape) + 100 * sphere
    with pytest.raises(MissingModalityError) as caught:
        brain.extract_brain(nib.Nifti1Image(noise.astype(np.float32), np.diag([1.0, 1, 1, 1])))
    assert caught.value.reason == "no-brain-found"


def test_bias_is_taken_out_and_the_rest_kept() -> None:
    grid = standard_grid(3.0)
    truth = array(resample(template("T1w"), grid)) * 100
    inside = truth > 30
    x, _, z = np.indices(truth.shape) / np.array(truth.shape)[:, None, None, None] - 0.5
    field = np.exp(0.7 * x - 0.5 * z + 0.6 * x * z)
    before = like(grid, (truth * field).astype(np.float32))
    after = array(brain.correct_bias(before, inside, 2))
    spread = [float(np.std(np.log(data[inside] / truth[inside]))) for data in (array(before), after)]
    assert spread[1] < 0.35 * spread[0]
    assert after.min() == 0.0
    assert after.max() <= np.percentile(after[inside], 99.6)
