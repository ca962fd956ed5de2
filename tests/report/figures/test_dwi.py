"""The figures of the diffusion images."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.dwi import draw_color, draw_diffusion


def test_diffusivities_are_shown_in_thousandths_and_anisotropy_as_it_is(
    unit: tuple[Outputs, dict[str, StepReport]],
) -> None:
    outputs, reports = unit
    ((entities, figure),) = draw_diffusion(outputs, reports)
    assert entities == ""
    slices = [axes for axes in figure.axes if axes.images]
    assert [axes.get_ylabel() for axes in slices] == ["FA", *[""] * 5, "MD", *[""] * 5]
    for row, modality, limits, factor in ((slices[:6], "fa", (0.0, 1.0), 1.0), (slices[6:], "md", (0.0, 3.0), 1000.0)):
        assert {axes.images[0].get_clim() for axes in row} == {limits}
        shown = max(np.max(axes.images[0].get_array()) for axes in row)
        assert shown == pytest.approx(
            factor * nib.load(reports["dwi"].outputs[modality][0]).get_fdata().max(), rel=0.01
        )


def test_directions_without_the_mask_are_not_drawn(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    assert len(list(draw_color(outputs, reports))) == 1
    reports["dwi"].files["dwi_mask"].unlink()
    assert list(draw_color(outputs, reports)) == []
