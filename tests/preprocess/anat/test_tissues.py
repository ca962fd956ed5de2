"""Tissues: three classes are told apart through noise, a lesion does not change them, fluid leaves no trace."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import template
from bids_stroke.preprocess.anat.tissues import fluid_level, segment, tissue_priors, without_fluid
from tests.helpers.lesion_heads import dice

MEANS = (35.0, 95.0, 140.0)


def head(noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1w, true class (-1 outside), and a blurred, shifted prior: shells of CSF, GM, WM."""
    grid = np.indices((40, 44, 42)) - np.array([20, 22, 21])[:, None, None, None]
    radius = np.sqrt((grid**2).sum(0))
    ripple = radius + 1.2 * np.sin(grid[0] / 2.5) * np.cos(grid[1] / 3.0)
    truth = np.select([radius > 19, ripple > 16.5, ripple > 10], [-1, 0, 1], 2)
    t1w = np.where(truth >= 0, np.array(MEANS)[truth], 0.0)
    t1w = t1w + noise * np.random.default_rng(seed).standard_normal(t1w.shape)
    shifted = np.roll(radius, 1, axis=0)
    white = 1 / (1 + np.exp((shifted - 10) / 0.8))
    grey = 1 / (1 + np.exp((shifted - 16.5) / 0.8)) - white
    return t1w.astype(np.float32), truth, tissue_priors(grey.astype(np.float32), white.astype(np.float32))


@pytest.mark.parametrize(("noise", "at_least"), [(3.0, 0.99), (15.0, 0.93)])
def test_classes_are_found(noise: float, at_least: float) -> None:
    t1w, truth, prior = head(noise)
    tissues = segment(t1w, truth >= 0, prior)
    found = np.argmax(tissues.probability, axis=-1)
    for index in range(3):
        assert dice((found == index) & (truth >= 0), truth == index) > at_least
    np.testing.assert_allclose(tissues.means, MEANS, rtol=0.06)
    assert tissues.ordered


def test_probabilities_are_probabilities() -> None:
    t1w, truth, prior = head(8.0)
    probability = segment(t1w, truth >= 0, prior).probability
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability[truth >= 0].sum(-1), 1.0, atol=1e-5)
    assert not probability[truth < 0].any()


def test_the_field_beats_the_intensities_alone() -> None:
    t1w, truth, prior = head(25.0)
    with_field = np.argmax(segment(t1w, truth >= 0, prior).probability, axis=-1)
    nearest = np.argmin(np.abs(t1w[..., None] - np.array(MEANS)), axis=-1)
    right = [(guess == truth)[truth >= 0].mean() for guess in (with_field, nearest)]
    assert right[0] > right[1] + 0.05


def test_a_lesion_outside_the_mask_changes_nothing_else() -> None:
    t1w, truth, prior = head(5.0)
    lesion = np.zeros(truth.shape, bool)
    lesion[18:28, 18:30, 16:26] = True
    broken = np.where(lesion, 60.0, t1w).astype(np.float32)
    mask = (truth >= 0) & ~lesion
    healthy, hurt = segment(t1w, mask, prior), segment(broken, mask, prior)
    np.testing.assert_array_equal(healthy.probability, hurt.probability)
    assert not hurt.probability[lesion].any()
    careless = segment(broken, truth >= 0, prior)  # the test can fail: inside the mask the lesion does count
    assert careless.probability[lesion].sum() > 0


def test_another_contrast_is_noticed() -> None:
    t1w, truth, prior = head(3.0)
    assert not segment(np.where(truth >= 0, 180.0 - t1w, 0).astype(np.float32), truth >= 0, prior).ordered


def test_priors_never_say_never() -> None:
    prior = tissue_priors(np.float32([[[1.0, 0.0, 0.7]]]), np.float32([[[0.0, 0.0, 0.5]]]))
    np.testing.assert_allclose(prior.sum(-1), 1.0, rtol=1e-6)
    assert prior[..., [0, 1, 3]].min() > 0.015
    assert list(np.argmax(prior[0, 0], axis=-1)) == [1, 0, 1]
    assert not prior[..., 2].any()
    deep = tissue_priors(np.float32([[[0.8]]]), np.float32([[[0.2]]]), np.float32([[[0.75]]]))
    np.testing.assert_allclose(deep[0, 0, 0] * 1.02, [0.02, 0.2, 0.6, 0.2], rtol=1e-5)


def test_deep_grey_is_grey() -> None:
    """Nuclei brighter than cortex, with a prior that does not decide: they are WM without a class of their own."""
    t1w, truth, prior = head(4.0)
    grid = np.indices(truth.shape) - np.array([20, 22, 21])[:, None, None, None]
    nucleus = (grid**2).sum(0) < 36
    t1w = np.where(nucleus, t1w + MEANS[1] + 0.6 * (MEANS[2] - MEANS[1]) - MEANS[2], t1w).astype(np.float32)
    truth[nucleus] = 1
    near = 1.0 / (1.0 + np.exp((np.sqrt((grid**2).sum(0)) - 8.0) / 0.5))
    white = np.where(near > 0.5, 0.5, prior[..., 3]).astype(np.float32)
    grey = np.where(near > 0.5, 0.5, prior[..., 1]).astype(np.float32)
    recall = []
    for deep in (None, near.astype(np.float32)):
        found = np.argmax(segment(t1w, truth >= 0, tissue_priors(grey, white, deep)).probability, axis=-1)
        recall.append(float((found == 1)[nucleus].mean()))
        assert dice(found == 2, truth == 2) > 0.85
    assert recall[1] > 0.97
    assert recall[0] < 0.6


def test_shared_voxels_hold_their_shares() -> None:
    """At a tissue border the probability is the share of the voxel, not a decision."""
    rng = np.random.default_rng(3)
    place = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 30, 30))
    share = np.clip(place - 22.0 + rng.uniform(-0.5, 0.5, (1, 30, 30)), 0.0, 1.0)
    t1w = MEANS[1] + (MEANS[2] - MEANS[1]) * share + 3.0 * rng.standard_normal(share.shape)
    t1w[:8] = MEANS[0] + 3.0 * rng.standard_normal(t1w[:8].shape)
    white = 1.0 / (1.0 + np.exp((24.0 - place) / 3.0))
    grey = np.where(place < 8, 0.0, 1.0 - white)
    tissues = segment(t1w.astype(np.float32), np.ones(share.shape, bool),
                      tissue_priors(grey.astype(np.float32), white.astype(np.float32)))  # fmt: skip
    mixed = (share > 0.1) & (share < 0.9)
    found = tissues.probability[..., 2]
    assert np.abs(found - share)[mixed].mean() < 0.1
    assert np.abs(found - share)[mixed].mean() < 0.5 * np.abs(found.round() - share)[mixed].mean()
    np.testing.assert_allclose(tissues.means, MEANS, rtol=0.03)
    np.testing.assert_allclose(tissues.deviations, 3.0, atol=1.0)


def folded(varies: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """T1w, true shares of the tissues, mask and prior: a folded cortex, drawn three times finer than the voxels.

    White matter is darker near the cortex, as in heads; the cortex's intensity varies from place to place.
    """
    fine, size = 3, 44
    grid = (np.indices((size * fine,) * 3) - (size * fine - 1) / 2) / fine
    radius = np.sqrt((grid**2).sum(0))
    depth = radius + 1.6 * np.sin(grid[0] / 1.3) * np.cos(grid[1] / 1.5) * np.cos(grid[2] / 1.7)
    truth = np.select([radius > 20, depth > 16.5, depth > 13.5], [-1, 0, 1], 2)
    value = np.array((*MEANS, 0.0))[truth] - np.where((truth == 2) & (depth > 11.5), 0.2 * (MEANS[2] - MEANS[1]), 0.0)

    def block(data: np.ndarray) -> np.ndarray:
        return np.asarray(data.reshape(size, fine, size, fine, size, fine).mean((1, 3, 5)))

    shares = np.stack([block(truth == index) for index in range(3)], axis=-1)
    mask = block(truth >= 0) > 0.99
    pattern = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(mask.shape), 1.0)
    t1w = block(value) + 6.0 * np.random.default_rng(0).standard_normal(mask.shape)
    t1w += varies * pattern / pattern.std() * shares[..., 1]
    shifted = np.roll(block(radius), 1, axis=0)
    white = 1 / (1 + np.exp((shifted - 13.5) / 1.5))
    grey = 1 / (1 + np.exp((shifted - 16.5) / 1.5)) - white
    prior = tissue_priors(grey.astype(np.float32), white.astype(np.float32))
    return (t1w * mask).astype(np.float32), shares, mask, prior


def test_a_cortex_that_varies_takes_nothing_from_white_matter() -> None:
    t1w, shares, mask, prior = folded(8.0)
    found = segment(t1w, mask, prior).probability
    volumes, true = (data[mask].sum(axis=0) for data in (found, shares))
    np.testing.assert_allclose(volumes / true, 1.0, atol=0.015)  # grey 1.033 and white .974 by widths of their own
    white = mask & (shares.argmax(-1) == 2)
    assert (found.argmax(-1) == 2)[white].mean() > 0.97


def test_blur_leaves_the_volumes() -> None:
    t1w, _, mask, prior = folded(8.0)
    inside = np.maximum(ndimage.gaussian_filter(mask.astype(np.float32), 0.34), 1e-3)
    volumes = segment(t1w, mask, prior).probability.sum(axis=(0, 1, 2))
    blurred = segment((ndimage.gaussian_filter(t1w, 0.34) / inside * mask).astype(np.float32), mask, prior)
    np.testing.assert_allclose(blurred.probability.sum(axis=(0, 1, 2)) / volumes, 1.0, atol=0.01)


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
