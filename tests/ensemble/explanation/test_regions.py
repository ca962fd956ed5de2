"""Evidence by region: where it was put, on any grid of the standard space."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.ensemble.explanation.regions import Grid, region_shares
from bids_stroke.features.readers import GRID_AFFINE, GRID_SHAPE

COARSE = np.array([[-3.0, 0, 0, 90], [0, 3, 0, -126], [0, 0, 3, -72], [0, 0, 0, 1]])


def at(*points: tuple[float, float, float], affine: np.ndarray = GRID_AFFINE) -> Grid:
    """Evidence of 1 in the voxels of some points (mm)."""
    shape = GRID_SHAPE if affine is GRID_AFFINE else (61, 73, 61)
    data = np.zeros(shape, np.float32)
    for point in points:
        place = np.rint(np.linalg.solve(affine, [*point, 1.0])[:3]).astype(int)
        data[tuple(place)] = 1.0
    return Grid(data, affine)


TRACT, CORTEX, AIR = (22.0, -14.0, 8.0), (-40.0, -60.0, 40.0), (-88.0, 88.0, 90.0)


@pytest.mark.parametrize("affine", [GRID_AFFINE, COARSE], ids=["2 mm", "3 mm"])
def test_shares_are_where_the_evidence_is(affine: np.ndarray) -> None:
    found = region_shares(
        at(TRACT, CORTEX, (-42.0, -60.0, 42.0), AIR, affine=affine), at(CORTEX, (-42.0, -60.0, 42.0)), "L"
    )
    assert found is not None
    assert found["tract"] == pytest.approx(0.25)
    assert (found["left"], found["right"]) == (pytest.approx(0.5), pytest.approx(0.25))
    assert (found["ipsilesional"], found["contralesional"]) == (found["left"], found["right"])
    assert found["outside_brain"] == pytest.approx(0.25)
    if affine is GRID_AFFINE:
        assert found["lesion"] == pytest.approx(0.5)


def test_what_cannot_be_told_is_none() -> None:
    found = region_shares(at(TRACT), None)
    assert found is not None
    assert (found["lesion"], found["ipsilesional"], found["contralesional"]) == (None, None, None)
    assert region_shares(at(), None) is None  # no evidence at all


def test_the_affected_side_is_that_of_the_person() -> None:
    found = region_shares(at(TRACT), None, "R")
    assert found is not None
    assert (found["ipsilesional"], found["contralesional"]) == (1.0, 0.0)
