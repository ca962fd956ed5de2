from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel

from bids_stroke.imaging.corticospinal_tract import N_POINTS, centre_line
from bids_stroke.simulate.anatomy import bias_field, simulate_t1w
from bids_stroke.simulate.bold import network_maps, simulate_bold, slow_signal
from bids_stroke.simulate.diffusion import Degeneration, move_volume, simulate_dwi, to_fsl
from bids_stroke.simulate.head import Pose, add_rician_noise, draw_head, draw_pose, scanner_affine, view
from bids_stroke.simulate.lesion import Lesion
from bids_stroke.simulate.options import RESOLUTIONS
from bids_stroke.simulate.template import grid_points, sample

SIZES = RESOLUTIONS["coarse"]


def a_lesion(side):
    """A ball of 6 ml around the internal capsule."""
    sign = 1.0 if side == "R" else -1.0
    smooth = {"waves": np.zeros((6, 3)), "phases": np.zeros(6)}
    centre = np.array([sign * 24.0, -14.0, 10.0])
    return Lesion(side, centre, np.full(3, 11.3), np.eye(3), **smooth, territory="capsular")


def a_head(side="R", seed=0):
    return draw_head(np.random.default_rng(seed), a_lesion(side), 60.0, SIZES)


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


def test_template_is_mirror_symmetric_and_its_tract_is_white():
    points, _ = centre_line()
    right = sample("tract", points, 2, 2.0)
    left = sample("tract", points * [-1, 1, 1], 2, 2.0)
    np.testing.assert_allclose(left, right, atol=0.02)
    assert np.median(right) > 0.75
    assert sample("tract", np.array([[45.0, 40.0, 10.0]]), 2, 2.0)[0] == 0


def test_bias_field_is_smooth_and_mild():
    field = bias_field((20, 20, 20), np.random.default_rng(0))
    assert 0.7 < field.min() < 0.95
    assert 1.05 < field.max() < 1.4
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in range(3)) < 0.08


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


@pytest.fixture(scope="module")
def bold():
    head = a_head("L")
    image = simulate_bold(head, SIZES, 1.0, True, np.random.default_rng(5))
    return head, image, view(head, SIZES.bold_shape, image.affine)


def test_bold_has_its_tr_and_settles_after_two_volumes(bold):
    _, image, seen = bold
    assert image.header.get_zooms()[3] == 2.0
    assert image.header.get_xyzt_units() == ("mm", "sec")
    means = image.get_fdata()[seen.share("brain") > 0.9].mean(axis=0)
    assert means[0] > 1.15 * means[2:].mean()
    assert means[2:].std() < 0.02 * means[2:].mean()


def test_regions_of_one_network_go_together(bold):
    _, image, seen = bold
    maps = network_maps(seen, seen.share("gm"))
    series = image.get_fdata()[..., 2:]
    left = seen.points[..., 0] < 0

    def region(name, side):
        return np.average(series, axis=(0, 1, 2), weights=np.repeat((maps[name] * side)[..., None], series.shape[3], 3))

    brain = series[seen.share("brain") > 0.9].mean(axis=0)
    left_visual, right_visual = (region("visual", side) / brain for side in (left, ~left))
    assert np.corrcoef(left_visual, right_visual)[0, 1] > 0.7


def test_coupling_strengthens_the_sensorimotor_network():
    head, spread = a_head("L"), []
    for coupling in (0.0, 1.0):
        image = simulate_bold(head, SIZES, coupling, True, np.random.default_rng(5))
        seen = view(head, SIZES.bold_shape, image.affine)
        weight = network_maps(seen, seen.share("gm"))["sensorimotor"] > 0.5
        spread.append(image.get_fdata()[..., 2:][weight].mean(axis=0).std())
    assert spread[1] > 1.4 * spread[0]


def test_the_lesion_takes_no_part_in_a_network():
    head = a_head("R")
    head.lesion.centre[:] = (38.0, -24.0, 56.0)
    affine = scanner_affine(SIZES.bold_shape, SIZES.bold_mm, np.eye(3), True)
    seen = view(head, SIZES.bold_shape, affine)
    maps = network_maps(seen, seen.tissues()["gm"])
    assert maps["sensorimotor"][seen.lesion > 0.95].max() < 0.05


def test_slow_signal_is_in_the_band():
    signal = slow_signal(400, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(signal - signal.mean())) ** 2
    frequency = np.fft.rfftfreq(400, 2.0)
    assert power[(frequency > 0.008) & (frequency < 0.11)].sum() > 0.95 * power.sum()


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
