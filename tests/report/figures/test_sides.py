"""Differences between the sides: their sign, their place, and when there are none."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.sides import draw_sides, less_its_mirror
from tests.helpers.figures import AFFINE, SHAPE, brain, world_x


def test_what_is_higher_on_the_left_is_above_zero_there_and_below_it_on_the_right() -> None:
    left = world_x() < 0
    found = less_its_mirror(brain(np.where(left, 0.6, 0.4)))
    assert found is not None
    values, inside = np.asarray(found.dataobj), np.asarray(brain().dataobj) > 0
    far = np.abs(world_x()) > 20  # the smoothing mixes the sides at the midline
    assert values[inside & left & far] == pytest.approx(0.2, abs=1e-6)
    assert values[inside & ~left & far] == pytest.approx(-0.2, abs=1e-6)
    assert (values[~inside] == 0).all()


def test_where_one_side_has_no_value_there_is_no_difference() -> None:
    values = np.asarray(brain(0.5).dataobj).copy()
    values[10:14, 10:14, 10:14] = 0
    found = less_its_mirror(nib.Nifti1Image(values, AFFINE))
    assert found is not None
    shown = np.asarray(found.dataobj)
    assert (shown[10:14, 10:14, 10:14] == 0).all() and (shown[-14:-10, 10:14, 10:14] == 0).all()
    assert np.abs(shown).max() < 1e-6, "the edge of a hole is no difference"


def test_a_grid_without_a_midline_has_none() -> None:
    shifted = AFFINE.copy()
    shifted[0, 3] += 1
    assert less_its_mirror(nib.Nifti1Image(np.ones(SHAPE, np.float32), shifted)) is None


def test_maps_that_are_there_are_drawn_on_the_same_scale_for_everybody(
    unit: tuple[Outputs, dict[str, StepReport]],
) -> None:
    ((_, figure),) = draw_sides(*unit)
    slices = [axes for axes in figure.axes if axes.images]
    assert [axes.get_ylabel() for axes in slices if axes.get_ylabel()] == ["FA", "MD", "fALFF"]
    assert {axes.images[0].get_clim() for axes in slices} == {(-0.25, 0.25), (-0.5, 0.5), (-0.15, 0.15)}
    outputs, reports = unit
    assert list(draw_sides(outputs, {"anat": reports["anat"]})) == []
