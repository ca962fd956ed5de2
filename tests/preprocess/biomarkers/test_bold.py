"""Biomarkers of BOLD."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from bids_stroke.core.biomarkers import of_group
from bids_stroke.imaging.motor_areas import MOTOR_AREAS, near
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.preprocess.biomarkers.bold import bold_numbers

QUALITY = {f"{part}_{kind}_z": 0.1 for part in ("hand", "leg") for kind in ("left_right", "homotopic")}


def falff(left: float, right: float, **areas: float) -> nib.Nifti1Image:
    grid = standard_grid(3.0)
    points = apply_affine(grid.affine, np.argwhere(np.ones(grid.shape[:3], bool))).reshape(*grid.shape[:3], 3)
    data = np.where(points[..., 0] < 0, left, right).astype(np.float32)
    for name, value in areas.items():
        data[near(points, name)] = value
    return nib.Nifti1Image(data, grid.affine)


def test_all_of_the_group_are_there() -> None:
    found = bold_numbers(QUALITY, falff(0.5, 0.3))
    assert set(found) == set(of_group("bold"))
    assert found["motor_falff_asymmetry"] == pytest.approx(0.2 / 0.8)
    assert found["leg_homotopic_z"] == 0.1


def test_equal_sides_have_no_asymmetry_and_exchanged_ones_the_same() -> None:
    assert bold_numbers({}, falff(0.4, 0.4)) == {"motor_falff_asymmetry": pytest.approx(0.0, abs=1e-7)}
    assert bold_numbers({}, falff(0.5, 0.3)) == pytest.approx(bold_numbers({}, falff(0.3, 0.5)))


@pytest.mark.parametrize("area", MOTOR_AREAS)
def test_an_area_outside_the_images_gives_no_number(area: str) -> None:
    assert bold_numbers({}, falff(0.4, 0.4, **{area: 0.0})) == {}


def test_without_a_map_and_without_a_series() -> None:
    assert bold_numbers({"hand_left_right_z": 0.7}, None) == {"hand_connectivity_z": 0.7}
