"""The motor areas are mirror images."""

from __future__ import annotations

import numpy as np

from bids_stroke.imaging.motor_areas import MOTOR_AREAS, near


def test_left_and_right_are_mirror_images() -> None:
    for part in ("hand", "leg"):
        x, y, z = MOTOR_AREAS[f"{part}R"]
        assert MOTOR_AREAS[f"{part}L"] == (-x, y, z)
        assert x > 0


def test_an_area_ends_at_six_millimetres() -> None:
    centre = np.array(MOTOR_AREAS["legL"])
    points = centre + np.array([[0, 0, 0], [0, 5.99, 0], [0, 0, 6.01]])
    assert near(points, "legL").tolist() == [True, True, False]
