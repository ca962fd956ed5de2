"""Simulated diffusion series: gradients, diffusivities, and a tract that degenerates below the lesion."""

from __future__ import annotations

import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel

from bids_stroke.imaging.corticospinal_tract import N_POINTS, centre_line
from bids_stroke.simulate.diffusion import Degeneration, move_volume, simulate_dwi, to_fsl
from bids_stroke.simulate.head import Pose, draw_pose, scanner_affine, view
from bids_stroke.simulate.options import RESOLUTIONS
from bids_stroke.simulate.template import grid_points
from tests.helpers.simulated import a_head


@pytest.mark.parametrize("first_axis_left", [True, False])
def test_move_volume_moves_as_the_pose_says(first_axis_left):
    affine = scanner_affine((24, 24, 24), 3.0, np.eye(3), first_axis_left)
    points = grid_points((24, 24, 24), affine)
    centre = points.reshape(-1, 3).mean(axis=0)
    target = centre + [6.0, 3.0, 0.0]
    blob = np.exp(-((points - centre) ** 2).sum(axis=-1) / 100).astype(np.float32)
    moved = move_volume(blob, affine, Pose(shift=np.array([6.0, 3.0, 0.0])))
    found = (points * moved[..., None]).reshape(-1, 3).sum(axis=0) / moved.sum()
    np.testing.assert_allclose(found, target, atol=0.3)


def test_fsl_bvecs_are_in_image_axes_with_x_negated_for_positive_determinants():
    world = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]])
    las, ras = np.diag([-2.0, 2.0, 2.0, 1.0]), np.diag([2.0, 2.0, 2.0, 1.0])
    expected = np.array([[-1.0, 0.0, 0.0], [0.0, 0.6, 0.8]])
    np.testing.assert_allclose(to_fsl(world, las), expected)
    np.testing.assert_allclose(to_fsl(world, ras), expected)


def tensor_fit(series):
    """FA and principal direction in world axes, from the series as FSL's convention reads it."""
    bvecs, affine = series.bvecs, series.image.affine
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    flip = [-1, 1, 1] if np.linalg.det(axes) > 0 else [1, 1, 1]
    world = (bvecs * flip) @ axes.T
    table = gradient_table(series.bvals, bvecs=world, b0_threshold=50)
    fit = TensorModel(table, fit_method="WLS").fit(np.maximum(series.image.get_fdata(), 0.5))
    return fit.fa, fit.evecs[..., 0], fit.md


@pytest.fixture(scope="module", params=[("L", True), ("R", False)], ids=["left-LAS", "right-RAS"])
def diffusion(request):
    side, first_axis_left = request.param
    pose = Pose(draw_pose(np.random.default_rng(9), 12.0, 2.0).rotation)
    head = a_head(side).moved(pose)
    sizes = RESOLUTIONS["example"]
    series = simulate_dwi(head, sizes, Degeneration(0.9, 0.45), first_axis_left, np.random.default_rng(2))
    seen = view(head, sizes.dwi_shape, series.image.affine)
    ipsilesional = seen.points[..., 0] * (1 if side == "R" else -1) > 0
    return head, series, seen, ipsilesional, tensor_fit(series)


def test_principal_direction_follows_the_tract(diffusion):
    head, _, seen, ipsilesional, (fa, direction, _) = diffusion
    tract = (seen.share("tract") > 0.6) & ~ipsilesional
    _, tangents = centre_line()
    along = tangents[np.rint(seen.share("arc")[tract] * (N_POINTS - 1)).astype(int)]
    along = along * np.where(seen.points[tract][:, :1] < 0, [-1.0, 1.0, 1.0], 1.0) @ head.pose.rotation.T
    angle = np.degrees(np.arccos(np.clip(np.abs((direction[tract] * along).sum(axis=-1)), 0, 1)))
    assert tract.sum() > 60
    assert np.median(angle) < 6
    assert np.median(fa[tract]) > 0.6


def test_tract_is_degenerated_below_the_lesion_only_on_its_side(diffusion):
    _, _, seen, ipsilesional, (fa, _, _) = diffusion
    tract, arc = seen.share("tract") > 0.6, seen.share("arc")
    below = np.median(fa[tract & ipsilesional & (arc < 0.4)])
    mirror = np.median(fa[tract & ~ipsilesional & (arc < 0.4)])
    assert below < 0.65 * mirror


def test_diffusivities_are_those_of_the_tissues(diffusion):
    _, _, seen, _, (fa, _, md) = diffusion
    white = (seen.share("wm") > 0.8) & (seen.lesion < 0.01)
    grey = (seen.share("gm") > 0.8) & (seen.lesion < 0.01)
    assert 0.3 < np.median(fa[white]) < 0.7
    assert np.median(fa[grey]) < 0.25
    assert 0.6e-3 < np.median(md[white]) < 0.95e-3
    assert np.median(md[seen.lesion > 0.9]) > 1.4e-3


def test_series_has_b0s_first_and_unit_gradients(diffusion):
    _, series, _, _, _ = diffusion
    sizes = RESOLUTIONS["example"]
    assert series.image.shape == (*sizes.dwi_shape, sizes.n_b0 + sizes.n_directions)
    assert series.bvals.tolist() == [0.0] * sizes.n_b0 + [1000.0] * sizes.n_directions
    np.testing.assert_allclose(np.linalg.norm(series.bvecs[sizes.n_b0 :], axis=1), 1)
    assert np.linalg.cond(series.bvecs[sizes.n_b0 :]) < 2


def test_without_degeneration_the_sides_are_equal():
    head = a_head("R")
    series = simulate_dwi(head, RESOLUTIONS["example"], Degeneration(0.0, 0.45), True, np.random.default_rng(2))
    seen = view(head, RESOLUTIONS["example"].dwi_shape, series.image.affine)
    fa = tensor_fit(series)[0]
    low = (seen.share("tract") > 0.6) & (seen.share("arc") < 0.35)
    right = seen.points[..., 0] > 0
    assert np.median(fa[low & right]) == pytest.approx(np.median(fa[low & ~right]), rel=0.1)
