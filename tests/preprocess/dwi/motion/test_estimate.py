"""Diffusion motion, eddy currents and lost slices: what was planted is found and undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import array, load_image
from bids_stroke.imaging.motion import realign
from bids_stroke.preprocess.dwi.gradients import Gradients, fsl_axes, rotate
from bids_stroke.preprocess.dwi.motion.eddy import Bend, Correction, Scan
from bids_stroke.preprocess.dwi.motion.estimate import estimate, join_contrasts
from bids_stroke.preprocess.dwi.motion.gaussian_process import groups, precision, residuals
from bids_stroke.preprocess.dwi.motion.outliers import replace_outliers
from bids_stroke.preprocess.dwi.resample import Distortion, resample_series
from tests.helpers.phantom import AXIS, Phantom, make_phantom

Array = NDArray[np.float64]
SMALL = {"shape": (46, 56, 44), "voxel_mm": 4.0}
AFFINE = np.array([[-3.0, 0, 0, 50], [0, 3.0, 0.3, -60], [0, -0.3, 3.5, -40], [0, 0, 0, 1]])


def scan_of(phantom: Phantom) -> Scan:
    gradients = Gradients(phantom.bvals, phantom.bvecs)
    return Scan(array(phantom.image), phantom.image.affine, gradients, phantom.b0, phantom.mask)


def planted(phantom: Phantom) -> Correction:
    bend = Bend.of(phantom.image.affine, phantom.image.shape, AXIS)
    return Correction(phantom.motions, phantom.eddy, phantom.outliers, bend)


def errors_mm(found: Correction, phantom: Phantom) -> Array:
    """Distance between where the found and the true correction put the brain's points: (n, points)."""
    points = apply_affine(phantom.image.affine, np.argwhere(phantom.mask)[::53])
    pairs = zip(found.matrices, planted(phantom).matrices, strict=True)
    return np.stack([np.linalg.norm(apply_affine(a, points) - apply_affine(b, points), axis=1) for a, b in pairs])


@pytest.fixture(scope="module")
def moved() -> Phantom:
    return make_phantom(seed=2, n_directions=16, n_b0=2, motion=1.0, eddy=0.03, outliers=4, **SMALL)


@pytest.fixture(scope="module")
def found(moved: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Correction:
    return estimate(scan_of(moved), AXIS, tmp_path_factory.mktemp("work"))


def test_motion_and_eddy_currents_are_found(moved: Phantom, found: Correction) -> None:
    nothing = replace(found, motions=np.tile(np.eye(4), (18, 1, 1)), eddy=np.zeros((18, 4)))
    assert np.median(errors_mm(nothing, moved)[1:]) > 1.5
    assert np.median(errors_mm(found, moved)) < 0.25
    assert np.median(errors_mm(found, moved), axis=1).max() < 0.35
    np.testing.assert_allclose(found.motions[0], np.eye(4), atol=1e-12)
    assert not found.eddy[moved.b0].any()


def test_lost_slices_are_found_and_no_others(moved: Phantom, found: Correction) -> None:
    assert moved.outliers.sum() == 4
    np.testing.assert_array_equal(found.outliers, moved.outliers)


def test_lost_slices_are_replaced_by_what_the_other_volumes_predict(moved: Phantom) -> None:
    scan = scan_of(moved)
    whole = replace_outliers(scan, planted(moved))
    touched = (whole != scan.volumes).any(axis=(0, 1)).T
    np.testing.assert_array_equal(touched, moved.outliers)
    nothing_lost = replace(planted(moved), outliers=np.zeros_like(moved.outliers))
    assert replace_outliers(scan, nothing_lost) is scan.volumes
    for index, height in np.argwhere(moved.outliers):
        inside = moved.mask[:, :, height]
        lost, new = (volumes[:, :, height, index][inside].mean() for volumes in (scan.volumes, whole))
        assert new / lost == pytest.approx(2.0, abs=0.15)  # it had lost half


def test_gradients_turn_with_the_head(moved: Phantom, found: Correction) -> None:
    axes = fsl_axes(moved.image.affine)
    felt = rotate(Gradients(moved.bvals, moved.bvecs), found.motions, moved.image.affine).bvecs @ axes.T
    truth = np.einsum("nji,nj->ni", moved.motions[:, :3, :3], moved.bvecs @ axes.T)
    angles = np.degrees(np.arccos(np.clip((felt * truth)[~moved.b0].sum(axis=1), -1, 1)))
    assert angles.max() < 0.5


def test_a_still_head_stays_at_a_high_b(tmp_path: Path) -> None:
    still = make_phantom(seed=2, n_directions=16, n_b0=1, b=2500.0, **SMALL)
    found = estimate(scan_of(still), None, tmp_path)
    assert np.median(errors_mm(found, still)) < 0.35
    assert not found.eddy.any()
    assert not found.outliers.any()
    again = estimate(scan_of(still), None, tmp_path)
    np.testing.assert_array_equal(again.motions, found.motions)


def test_one_interpolation_undoes_motion_eddy_currents_and_susceptibility() -> None:
    bent = make_phantom(n_directions=6, n_b0=1, motion=1.0, eddy=0.03, field_hz=40.0, snr=1e5, **SMALL)
    volumes, affine = array(bent.image), bent.image.affine
    seconds = np.array([said.readout_s * said.sign for said in bent.encodings])
    correction, distortion = planted(bent), Distortion(bent.field, seconds, AXIS)

    def error(made: NDArray[np.float32]) -> float:
        return float(np.median(np.abs(made - bent.clean)[bent.mask][:, 1:]))

    undone = error(resample_series(volumes, affine, correction, distortion))
    assert error(volumes) > 12
    assert undone < 6  # what the interpolation of 4 mm voxels leaves
    assert undone < 0.85 * error(resample_series(volumes, affine, correction))
    made = resample_series(volumes, affine, correction, distortion)
    assert made.dtype == np.float32
    assert made.min() >= 0
    squeezed = np.asarray(np.abs(bent.field) > 20)  # signal piles up there: without modulation it would stay
    ratio = made[squeezed & bent.mask].sum() / bent.clean[squeezed & bent.mask].sum()
    assert ratio == pytest.approx(1.0, abs=0.03)


def test_a_field_of_zero_and_motion_equal_the_plain_realignment() -> None:
    volume = np.random.default_rng(0).random((12, 13, 14)).astype(np.float32)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", [1, -2, 3], degrees=True).as_matrix()
    motion[:3, 3] = [0.7, -0.3, 1.1]
    correction = Correction(motion[None], np.zeros((1, 4)), np.zeros((1, 14), bool), None)
    plain = np.maximum(realign(volume, AFFINE, motion, order=3), 0)
    no_field = Distortion(np.zeros(volume.shape, np.float32), np.array([0.05]), 1)
    for distortion in (None, no_field):
        made = resample_series(volume[..., None], AFFINE, correction, distortion)[..., 0]
        np.testing.assert_allclose(made, plain, atol=2e-5)


def test_a_bend_after_a_motion_is_split_again() -> None:
    bend = Bend.of(AFFINE, (30, 40, 20), 1)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", [4, -2, 3], degrees=True).as_matrix()
    motion[:3, 3] = [1, 2, -3]
    eddy = np.array([0.0, 0.01, -0.02, 0.005])
    again, bent = bend.split(bend.matrix(eddy) @ motion)
    np.testing.assert_allclose(again, motion, atol=1e-12)
    np.testing.assert_allclose(bent, eddy, atol=1e-12)


def test_a_bend_displaces_along_the_axis_by_voxels() -> None:
    bend = Bend.of(AFFINE, (30, 40, 20), 1)
    point = bend.centre + [10.0, 0, 0]
    moved_by = apply_affine(bend.matrix(np.array([0.5, 0.02, 0, 0])), point) - point
    np.testing.assert_allclose(moved_by, 0.7 * AFFINE[:3, 1])
    correction = Correction(np.eye(4)[None], np.array([[0, 0, 0.01, 0]]), np.zeros((1, 20), bool), bend)
    assert correction.stretch == pytest.approx([1.03])  # the axis is 3 mm long, nearly along y


def test_predictions_are_those_of_a_process_fitted_without_the_volume() -> None:
    rng = np.random.default_rng(0)
    bvecs = rng.normal(size=(12, 3))
    bvecs /= np.linalg.norm(bvecs, axis=1, keepdims=True)
    fibres = rng.normal(size=(400, 3))
    fibres /= np.linalg.norm(fibres, axis=1, keepdims=True)
    clean = 300 * np.exp(-1.5 * (bvecs @ fibres.T) ** 2)
    signal = clean + rng.normal(0, 5, clean.shape)
    inverse = precision(signal, bvecs)
    np.testing.assert_allclose(inverse.sum(axis=1), 0, atol=1e-9)
    # simple kriging without one volume: the precision's block of the others gives its conditional mean
    others = np.arange(12) != 3
    expected = -inverse[3, others] @ signal[others] / inverse[3, 3]
    np.testing.assert_allclose(signal[3] - residuals(signal, inverse)[3], expected)
    changed = signal.copy()
    changed[3] += 1000
    np.testing.assert_allclose(changed[3] - residuals(changed, inverse)[3], expected)
    assert residuals(signal, inverse).std() < 0.6 * (signal - signal.mean(axis=0)).std()


def test_small_shells_join_their_neighbour() -> None:
    bvals = np.array([0.0, 300, 300, 1000, 1000, 1000, 1000, 1000, 2500, 2500])
    found = groups(Gradients(bvals, np.zeros((10, 3))), bvals == 0)
    assert [group.tolist() for group in found] == [(bvals > 0).tolist()]
    many = np.repeat([0.0, 1000, 2500], [1, 6, 6])
    assert [int(group.sum()) for group in groups(Gradients(many, np.zeros((13, 3))), many == 0)] == [6, 6]


@pytest.mark.parametrize(("walk_mm", "expected"), [(0.01, (-0.05, 0.05)), (3.0, (0.85, 1.1))])
def test_contrasts_are_joined_by_time_where_the_head_is_still(walk_mm: float, expected: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    poses = np.tile(np.eye(4), (20, 1, 1))
    poses[1:, :3, 3] = rng.normal(0, walk_mm, (19, 3))
    by_image = np.eye(4)
    by_image[0, 3] = 1.0
    b0 = np.arange(20) % 10 == 0
    joined = join_contrasts(by_image, poses, ~b0, b0, np.zeros(3))
    assert expected[0] < joined[0, 3] < expected[1]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(("name", "axis"), [("sub-04_dwi", None), ("sub-05_dwi", None), ("sub-01_dir-AP_dwi", 1)])
def test_real_heads_hardly_move(real_data: Path, tmp_path: Path, name: str, axis: int | None) -> None:
    path = real_data / "bids_real_open" / name[:6] / "dwi" / f"{name}.nii.gz"
    image = load_image(path, 4)
    bvals, bvecs = (np.loadtxt(path.with_name(f"{name}.{ending}")) for ending in ("bval", "bvec"))
    volumes, b0 = array(image), bvals < 50
    mask = np.asarray(volumes[..., b0].mean(axis=3) > 0.3 * np.percentile(volumes[..., b0], 98))
    found = estimate(Scan(volumes, image.affine, Gradients(bvals, bvecs.T), b0, mask), axis, tmp_path)
    points = apply_affine(image.affine, np.argwhere(mask)[::97])
    steps = [np.linalg.norm(apply_affine(b, points) - apply_affine(a, points), axis=1).mean()
             for a, b in zip(found.motions[:-1], found.motions[1:], strict=True)]  # fmt: skip
    assert np.median(steps) < 0.5
    assert found.outliers.mean() < 0.01
