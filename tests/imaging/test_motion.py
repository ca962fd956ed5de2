"""Rigid motion of a series: planted poses are found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.motion import (
    estimate_motion,
    framewise_displacement,
    motion_parameters,
    realign,
    realign_series,
)

AFFINE = np.array([[-3.0, 0, 0, 50], [0, 3.0, 0.3, -60], [0, -0.3, 3.5, -40], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (34, 38, 28)], indexing="ij"))
    inside = (grid**2).sum(axis=0) < 0.7
    texture = gaussian_filter(rng.standard_normal(inside.shape), 2)
    return (1000 * gaussian_filter(inside * (1 + 3 * texture), 1)).astype(np.float32)


def centre_of(head: np.ndarray) -> np.ndarray:
    return (AFFINE @ np.append(np.argwhere(head > 200).mean(axis=0), 1))[:3]


def pose(degrees: np.ndarray, shift: np.ndarray, centre: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = centre + shift - matrix[:3, :3] @ centre
    return matrix


def in_pose(head: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A volume that shows at P(x) what the head shows at x: the head resampled by P's inverse."""
    return realign(head, AFFINE, np.linalg.inv(matrix), order=3)


def errors_mm(found: np.ndarray, truth: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Mean distance of the head's points under the two poses, both relative to the middle volume."""
    middle = len(found) // 2
    points = np.argwhere(head > 200)[::20] @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    points = np.column_stack([points, np.ones(len(points))])
    difference = found @ np.linalg.inv(found[middle]) - truth @ np.linalg.inv(truth[middle])
    return np.linalg.norm((difference @ points.T)[:, :3], axis=1).mean(axis=1)


@pytest.mark.parametrize(("size", "tolerance"), [(0.3, 0.05), (1.5, 0.08)])
def test_planted_motion_is_found(head: np.ndarray, size: float, tolerance: float) -> None:
    rng = np.random.default_rng(1)
    centre = centre_of(head)
    truth = np.array([pose(rng.normal(0, size, 3), rng.normal(0, size, 3), centre) for _ in range(8)])
    series = np.stack([in_pose(head, matrix) for matrix in truth], axis=-1)
    series += rng.normal(0, 10, series.shape).astype(np.float32)
    found = estimate_motion(series, AFFINE, head > 200)
    assert errors_mm(np.tile(np.eye(4), (8, 1, 1)), truth, head).max() > size
    assert errors_mm(found, truth, head).max() < tolerance


def test_a_slow_walk_of_a_centimetre_is_followed(head: np.ndarray) -> None:
    centre = centre_of(head)
    truth = np.array([pose(np.array([0, 0, 0.8 * t]), np.array([0, 1.2 * t, 0]), centre) for t in range(9)])
    series = np.stack([in_pose(head, matrix) for matrix in truth], axis=-1)
    assert errors_mm(estimate_motion(series, AFFINE, head > 200), truth, head).max() < 0.1


def test_correcting_makes_volumes_equal(head: np.ndarray) -> None:
    moved = in_pose(head, pose(np.array([1, -1, 2]), np.array([1, 0.5, -1]), centre_of(head)))
    series = np.stack([head, moved, head], axis=-1)
    corrected = realign_series(series, AFFINE, estimate_motion(series, AFFINE, head > 200))
    inside = head > 200
    before = np.abs(series[..., 0] - series[..., 1])[inside].mean()
    after = np.abs(corrected[..., 0] - corrected[..., 1])[inside].mean()
    assert after < 0.1 * before
    assert corrected.min() >= 0


def test_no_motion_stays_no_motion_also_when_brightness_drifts(head: np.ndarray) -> None:
    series = np.stack([head, 1.05 * head + 3, 0.95 * head], axis=-1).astype(np.float32)
    parameters = motion_parameters(estimate_motion(series, AFFINE, head > 200), np.zeros(3))
    assert np.abs(parameters).max() < 0.005


def test_a_volume_with_nothing_in_common_keeps_its_neighbours_pose(head: np.ndarray) -> None:
    series = np.stack([head, head, head, np.zeros_like(head)], axis=-1)
    found = estimate_motion(series, AFFINE, head > 200)
    assert np.isfinite(found).all()
    assert np.allclose(found[3], found[2], atol=0.05)


def test_same_series_same_numbers(head: np.ndarray) -> None:
    series = np.stack([head, in_pose(head, pose(np.ones(3), np.ones(3), centre_of(head)))], axis=-1)
    first, second = (estimate_motion(series, AFFINE, head > 200) for _ in range(2))
    assert np.array_equal(first, second)


def test_parameters_are_millimetres_and_radians() -> None:
    centre = np.array([10.0, -20, 30])
    matrix = pose(np.array([1.0, 2, 3]), np.array([4.0, 5, 6]), centre)
    expected = [4, 5, 6, *np.radians([1, 2, 3])]
    assert motion_parameters(matrix[None], centre)[0] == pytest.approx(expected)


def test_framewise_displacement_is_powers() -> None:
    parameters = np.zeros((3, 6))
    parameters[1] = [1, 0, 0, 0.02, 0, 0]
    assert framewise_displacement(parameters)[1:] == pytest.approx([2.0, 2.0])
    assert np.isnan(framewise_displacement(parameters)[0])
