"""The registration sees the surface of the brain, not the outline of its mask."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_stroke.core.settings_preprocess import AnatSettings
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.registration import register_affine, register_deformable
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.anat.step import register
from bids_stroke.preprocess.anat.tissues import fluid_level, without_fluid
from tests.helpers.lesion_heads import dice, scan


def test_outline_in_the_fluid_leaves_no_trace() -> None:
    radius = np.linalg.norm(np.indices((20, 20, 20)) - 9.5, axis=0)
    head = np.where(radius < 6, 100.0, 30.0).astype(np.float32)
    tight, wide = (nib.Nifti1Image(head * (radius < limit), np.eye(4)) for limit in (7, 9))
    assert not np.array_equal(array(tight), array(wide))
    assert np.array_equal(array(without_fluid(tight, 30.0)), array(without_fluid(wide, 30.0)))


def test_level_follows_the_intensities_and_the_place() -> None:
    brain = template("T1w")
    level = fluid_level(brain)
    assert 0.2 < level < 0.4
    shift = np.eye(4)
    shift[:3, 3] = (10.0, -6.0, 4.0)
    moved = nib.Nifti1Image(300.0 * array(brain), shift @ brain.affine)
    assert fluid_level(moved, [shift]) == pytest.approx(300.0 * level, rel=1e-3)


def test_bright_fluid_stays_below_the_tissue() -> None:
    brain = template("T1w")
    inside = array(brain) > 0
    inverted = like(brain, (1.2 - array(brain)) * inside)
    assert fluid_level(inverted) == pytest.approx(0.5 * float(np.median(array(inverted)[inside])))


@pytest.mark.slow
def test_mask_that_holds_too_much_fluid(tmp_path: Path) -> None:
    """A mask up to 4 mm wider than the tissue: the cortex still finds its place (Dice .003 higher)."""
    seen = scan(None)
    true = seen.shares["gm"] + seen.shares["wm"] + seen.shares["csf"] > 0.5
    core = ndimage.binary_fill_holes(ndimage.binary_opening(seen.shares["gm"] + seen.shares["wm"] > 0.5))
    wide = ndimage.binary_dilation(core, iterations=2) & true
    warp = register(seen.t1w, wide, np.zeros_like(wide), AnatSettings(), tmp_path, seed=0)
    brain = like(seen.t1w, array(seen.t1w) * wide)
    affine = register_affine(brain, template("T1w"), tmp_path)
    plain = register_deformable(brain, template("T1w"), affine, tmp_path)
    truth = like(seen.t1w, seen.shares["gm"].astype(np.float32))
    grey = [
        dice(array(resample(truth, standard_grid(), [found.forward])) > 0.5, array(template("GM")) > 0.5)
        for found in (warp, plain)
    ]
    assert grey[0] > grey[1] + 0.001
