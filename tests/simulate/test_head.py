"""The simulated head: tissues, pose, noise and the grids that it is seen on."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.simulate.head import add_rician_noise, draw_head, draw_pose, scanner_affine, view
from bids_stroke.simulate.options import RESOLUTIONS
from bids_stroke.simulate.template import grid_points, sample
from tests.helpers.simulated import SIZES, a_head, a_lesion


def test_age_widens_the_csf():
    young, old = (draw_head(np.random.default_rng(3), a_lesion("L"), age, SIZES) for age in (30.0, 85.0))
    affine = scanner_affine(SIZES.bold_shape, SIZES.bold_mm, np.eye(3), True)
    csf = [view(head, SIZES.bold_shape, affine).tissues()["csf"].sum() for head in (young, old)]
    assert csf[1] > 1.05 * csf[0]


def test_the_tissues_fill_the_brain():
    affine = scanner_affine(SIZES.dwi_shape, SIZES.dwi_mm, np.eye(3), False)
    seen = view(a_head(), SIZES.dwi_shape, affine)
    shares = seen.tissues()
    total = sum(shares[name] for name in ("gm", "wm", "csf", "lesion"))
    deep = seen.share("brain") > 0.999
    np.testing.assert_allclose(total[deep], 1, atol=0.12)
    assert all(share.min() >= 0 and share.max() < 1.8 for share in shares.values())


def test_rician_noise_has_the_rayleigh_mean_in_air_and_sigma_in_tissue():
    rng = np.random.default_rng(0)
    air = add_rician_noise(np.zeros((40, 40, 40), np.float32), 2.0, rng)
    tissue = add_rician_noise(np.full((40, 40, 40), 100, np.float32), 2.0, rng)
    assert air.mean() == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.02)
    assert tissue.std() == pytest.approx(2.0, rel=0.02)


def test_pose_composition_and_template_coordinates_follow_the_head():
    rng = np.random.default_rng(2)
    head, pose = a_head(), draw_pose(rng, 5.0, 5.0)
    points = rng.uniform(-50, 50, (20, 3))
    np.testing.assert_allclose(
        head.moved(pose).to_template(points @ pose.rotation.T + pose.shift), head.to_template(points), atol=1e-6
    )


def test_every_grid_holds_the_brain():
    for name in ("coarse", "example"):
        sizes = RESOLUTIONS[name]
        for shape, mm in (
            (sizes.t1w_shape, sizes.t1w_mm),
            (sizes.dwi_shape, sizes.dwi_mm),
            (sizes.bold_shape, sizes.bold_mm),
        ):
            affine = scanner_affine(shape, mm, np.eye(3), True)
            brain = sample("brain", grid_points(shape, affine), 2, mm) > 0.5
            assert not (
                brain[0].any() or brain[-1].any() or brain[:, 0].any() or brain[:, -1].any() or brain[..., -1].any()
            )
            assert 1.7e6 < brain.sum() * mm**3 < 2.0e6, (name, mm)
