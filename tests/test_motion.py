"""Rigid motion of a series: planted poses are found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from bids_stroke.preprocess.motion import (
    estimate_motion,
    framewise_displacement,
    motion_parameters,
    resample_rigid,
)

AFFINE = np.array([[-3.0, 0, 0, 50], [0, 3.0, 0.3, -60], [0, -0.3, 3.5, -40], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (34, 38, 28)], indexing="ij"))
    inside = (grid**2).sum(axis=0) < 0.7
    texture = gaussian_filter(rng.standard_normal(inside.shape), 2)
    return (1000 * gaussian_filter(inside * (1 + 3 * texture), 1)).astype(np.float32)


def pose(degrees: tuple[float, ...], shift: tuple[float, ...], centre: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = centre + shift - matrix[:3, :3] @ centre
    return matrix


def test_planted_motion_is_found_within_a_tenth(head: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    mask = head > 200
    centre = (AFFINE @ np.append(np.argwhere(mask).mean(axis=0), 1))[:3]
    truth = [np.eye(4)]
    truth += [pose(tuple(rng.normal(0, 0.6, 3)), tuple(rng.normal(0, 0.6, 3)), centre) for _ in range(7)]
    # a volume in pose P shows at P(x) what the reference shows at x: it is the head resampled by P's inverse
    series = np.stack([resample_rigid(head, AFFINE, np.linalg.inv(m), order=3) for m in truth], axis=-1)
    series += rng.normal(0, 5, series.shape).astype(np.float32)
    found = estimate_motion(series, AFFINE, mask)
    relative = np.array([m @ np.linalg.inv(found[0]) for m in found])
    error = motion_parameters(relative, centre) - motion_parameters(np.array(truth), centre)
    assert np.median(np.abs(error[1:, :3])) < 0.1
    assert np.median(np.abs(np.degrees(error[1:, 3:]))) < 0.1


def test_correcting_makes_volumes_equal(head: np.ndarray) -> None:
    mask = head > 200
    centre = (AFFINE @ np.append(np.argwhere(mask).mean(axis=0), 1))[:3]
    moved = resample_rigid(head, AFFINE, np.linalg.inv(pose((1, -1, 2), (1, 0.5, -1), centre)), order=3)
    series = np.stack([head, moved], axis=-1)
    found = estimate_motion(series, AFFINE, mask)
    corrected = [resample_rigid(series[..., t], AFFINE, found[t], order=3) for t in range(2)]
    before = np.abs(series[..., 0] - series[..., 1])[mask].mean()
    after = np.abs(corrected[0] - corrected[1])[mask].mean()
    assert after < 0.15 * before


def test_no_motion_stays_no_motion_also_when_brightness_drifts(head: np.ndarray) -> None:
    series = np.stack([head, 1.05 * head, 0.95 * head], axis=-1).astype(np.float32)
    parameters = motion_parameters(estimate_motion(series, AFFINE, head > 200), np.zeros(3))
    assert np.abs(parameters).max() < 0.02


def test_framewise_displacement_is_powers() -> None:
    parameters = np.zeros((3, 6))
    parameters[1] = [1, 0, 0, 0.02, 0, 0]
    assert framewise_displacement(parameters)[1:] == pytest.approx([2.0, 2.0])
    assert np.isnan(framewise_displacement(parameters)[0])
