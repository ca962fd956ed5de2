"""Simulated lesions: side, size, shape and load on the tract."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.imaging.corticospinal_tract import N_POINTS, centre_line
from bids_stroke.simulate.lesion import Lesion, draw_lesion, tract_load


@pytest.fixture(scope="module")
def lesions():
    return [draw_lesion(np.random.default_rng(i)) for i in range(60)]


def test_lesions_are_in_their_own_hemisphere(lesions):
    points = np.random.default_rng(0).uniform([-80, -110, -70], [80, 80, 90], (4000, 3))
    for lesion in lesions:
        inside = points[lesion.occupancy(points) > 0.5]
        assert np.all(inside[:, 0] > 0) if lesion.side == "R" else np.all(inside[:, 0] < 0)


def test_lesion_sizes_are_those_of_strokes(lesions):
    volumes = [lesion.volume_ml for lesion in lesions]
    assert min(volumes) > 0.4
    assert max(volumes) < 120
    assert 1 < np.median(volumes) < 20
    assert {lesion.side for lesion in lesions} == {"L", "R"}


def test_a_ball_has_the_volume_of_a_ball():
    ball = Lesion("R", np.array([40.0, 0, 20]), np.full(3, 15.0), np.eye(3), np.zeros((6, 3)), np.zeros(6), "")
    assert ball.volume_ml == pytest.approx(4 / 3 * np.pi * 3.375, rel=0.1)


def test_lesions_are_irregular(lesions):
    lesion = lesions[0]
    directions = np.random.default_rng(1).standard_normal((400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    on_ellipsoid = lesion.centre + (directions * lesion.radii) @ lesion.axes
    inside = lesion.occupancy(on_ellipsoid) > 0.5
    assert 0.1 < inside.mean() < 0.9


def test_tract_load_of_a_lesion_on_and_off_the_tract():
    points, _ = centre_line()
    on_tract, off_tract = draw_lesion(np.random.default_rng(1)), draw_lesion(np.random.default_rng(1))
    mirror = np.array([1.0 if on_tract.side == "R" else -1.0, 1, 1])
    on_tract.radii[:] = 12
    on_tract.centre[:] = points[N_POINTS // 2] * mirror
    off_tract.radii[:] = 6
    off_tract.centre[:] = np.array([45.0, 45.0, 10.0]) * mirror
    load, arc = tract_load(on_tract)
    assert load > 0.9
    assert 0.35 < arc < 0.5
    assert tract_load(off_tract) == (0.0, 1.0)
