"""Motion, eddy currents and lost slices of diffusion: what was planted is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from bids_stroke.imaging.images import array, load_image
from bids_stroke.preprocess.dwi.gradients import Gradients, fsl_axes, rotate
from bids_stroke.preprocess.dwi.motion.eddy import Correction, Scan
from bids_stroke.preprocess.dwi.motion.estimate import estimate, join_contrasts
from bids_stroke.preprocess.dwi.registration import rough_mask
from tests.helpers.diffusion import WHOLE_HEAD, planted, scan_of
from tests.helpers.phantom import AXIS, Phantom, make_phantom
from tests.helpers.template_scan import grid, scan

Array = NDArray[np.float64]


def errors_mm(found: Correction, phantom: Phantom) -> Array:
    """Distance between where the found and the true correction put the brain's points: (n, points)."""
    points = apply_affine(phantom.image.affine, np.argwhere(phantom.mask)[::53])
    pairs = zip(found.matrices, planted(phantom).matrices, strict=True)
    return np.stack([np.linalg.norm(apply_affine(a, points) - apply_affine(b, points), axis=1) for a, b in pairs])


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


def test_gradients_turn_with_the_head(moved: Phantom, found: Correction) -> None:
    axes = fsl_axes(moved.image.affine)
    felt = rotate(Gradients(moved.bvals, moved.bvecs), found.motions, moved.image.affine).bvecs @ axes.T
    truth = np.einsum("nji,nj->ni", moved.motions[:, :3, :3], moved.bvecs @ axes.T)
    angles = np.degrees(np.arccos(np.clip((felt * truth)[~moved.b0].sum(axis=1), -1, 1)))
    assert angles.max() < 0.5


def test_a_still_head_stays_at_a_high_b(tmp_path: Path) -> None:
    still = make_phantom(seed=2, n_directions=16, n_b0=1, b=2500.0, **WHOLE_HEAD)
    found = estimate(scan_of(still), None, tmp_path)
    assert np.median(errors_mm(found, still)) < 0.35
    assert not found.eddy.any()
    assert not found.outliers.any()
    again = estimate(scan_of(still), None, tmp_path)
    np.testing.assert_array_equal(again.motions, found.motions)


@pytest.mark.parametrize(("slices", "low_mm"), [(18, -75.0), (10, 10.0)])
def test_a_still_head_that_is_cut_off_stays(tmp_path: Path, slices: int, low_mm: float) -> None:
    """The cuts of the contrasts were laid on each other: 6.6 and 40 mm between b=0 and the weighted volumes."""
    still = scan(grid((34, 42, slices), low_mm=low_mm), n=30)
    b0 = still.gradients.bvals == 0
    mask = rough_mask(array(still.image)[..., b0].mean(axis=3))
    found = estimate(Scan(array(still.image), still.image.affine, still.gradients, b0, mask), None, tmp_path)
    points = apply_affine(still.image.affine, np.argwhere(mask)[::53])
    moved = [np.linalg.norm(apply_affine(motion, points) - points, axis=1).mean() for motion in found.motions]
    assert max(moved) < 1.0


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
