"""The figures of the T1-weighted image."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.anat import draw_probabilities, draw_tissues
from tests.helpers.figures import brain


def test_the_grey_scale_is_the_brains_where_fat_is_brighter(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    data = np.asarray(brain(100.0).dataobj).copy()
    data[:4] = 5000.0  # outside the box that stands for the brain
    outputs.save_image(reports["anat"].files["t1w"], nib.Nifti1Image(data, brain().affine), {})
    outputs.save_image(reports["anat"].files["wm"], brain(), {})
    ((_, figure),) = draw_tissues(outputs, reports)
    assert figure.axes[0].images[0].get_clim() == pytest.approx((0.0, 115.0))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["grey matter", "white matter", "brain mask"]


def test_a_tissue_without_a_map_is_left_out(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    outputs.standard("tissue_probability", label="WM").unlink()
    ((_, figure),) = draw_probabilities(outputs, reports)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert "GM" in labels and "CSF" in labels and "WM" not in labels
    assert list(draw_probabilities(outputs, {})) == []
