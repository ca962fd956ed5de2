"""Simulated T1w images: tissues, lesion, orientation and bias field."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.simulate.anatomy import bias_field, simulate_t1w
from bids_stroke.simulate.head import view
from bids_stroke.simulate.options import RESOLUTIONS
from tests.helpers.simulated import SIZES, a_head


@pytest.fixture(scope="module", params=["L", "R"])
def anatomy(request):
    head = a_head(request.param)
    return head, *simulate_t1w(head, SIZES, True, np.random.default_rng(1))


def test_lesion_is_dark_in_the_brain_and_on_its_side(anatomy):
    head, t1w, lesion, brain = anatomy
    inside = lesion.get_fdata() > 0
    volume_ml = inside.sum() * SIZES.t1w_mm**3 / 1000
    assert 3 < volume_ml < 9
    assert (brain.get_fdata() > 0)[inside].all()
    seen = view(head, t1w.shape, t1w.affine)
    white = (seen.share("wm") > 0.9) & (seen.lesion < 0.01)
    assert np.median(t1w.get_fdata()[inside]) < 0.7 * np.median(t1w.get_fdata()[white])
    middle = nib.affines.apply_affine(t1w.affine, np.array(np.nonzero(brain.get_fdata())).T)[:, 0].mean()
    x = nib.affines.apply_affine(t1w.affine, np.array(np.nonzero(inside)).T)[:, 0].mean() - middle
    assert x > 12 if head.lesion.side == "R" else x < -12


def test_t1w_orders_the_tissues_and_has_a_head_around_the_brain(anatomy):
    head, t1w, _, brain = anatomy
    data, seen = t1w.get_fdata(), view(head, t1w.shape, t1w.affine)
    medians = [np.median(data[(seen.share(name) > 0.75) & (seen.lesion < 0.01)]) for name in ("csf", "gm", "wm")]
    assert medians[0] < 0.7 * medians[1] < 0.7 * medians[2]
    assert np.median(data[seen.share("fat") > 0.7]) > medians[2]
    corner = data[:4, :4, -4:]
    assert 0 < corner.mean() < 8, "air holds Rician noise, not zeros"
    assert t1w.get_data_dtype() == np.int16
    assert 1.2e6 < brain.get_fdata().sum() * SIZES.t1w_mm**3 < 2.2e6


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")  # deepbet loads its weights that way
def test_brain_extraction_finds_the_true_brain():
    from deepbet.bet import BrainExtraction

    t1w, _, brain = simulate_t1w(a_head(seed=4), RESOLUTIONS["example"], False, np.random.default_rng(4))
    found = BrainExtraction(no_gpu=True).run(t1w)[1]
    true = nib.as_closest_canonical(brain).get_fdata() > 0
    mask = nib.as_closest_canonical(found).get_fdata() > 0
    assert 2 * (true & mask).sum() / (true.sum() + mask.sum()) > 0.9


def test_t1w_is_oblique(anatomy):
    _, t1w, _, _ = anatomy
    assert nib.aff2axcodes(t1w.affine) == ("L", "A", "S")
    assert np.abs(nib.affines.obliquity(t1w.affine)).max() > np.radians(0.2)


def test_people_differ_and_a_seed_repeats():
    images = [simulate_t1w(a_head(seed=s), SIZES, True, np.random.default_rng(s))[0].get_fdata() for s in (0, 0, 1)]
    np.testing.assert_array_equal(images[0], images[1])
    assert np.corrcoef(images[0].ravel(), images[2].ravel())[0, 1] < 0.97


def test_bias_field_is_smooth_and_mild():
    field = bias_field((20, 20, 20), np.random.default_rng(0))
    assert 0.7 < field.min() < 0.95
    assert 1.05 < field.max() < 1.4
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in range(3)) < 0.08
