"""Eddy currents as a bend along the phase encoding, after the motion."""

from __future__ import annotations

import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation

from bids_stroke.preprocess.dwi.motion.eddy import Bend, Correction

AFFINE = np.array([[-3.0, 0, 0, 50], [0, 3.0, 0.3, -60], [0, -0.3, 3.5, -40], [0, 0, 0, 1]])


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
