"""Figures of explanations: evidence laid over the brain, cells of channels and bands with numbers in the strongest."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import standard_brain
from bids_stroke.report.figures.explained import draw_bands, draw_evidence


def test_evidence_lies_over_the_standard_brain_where_there_is_no_t1w(tmp_path: Path) -> None:
    brain = standard_brain()
    data = np.zeros(brain.shape, np.float32)
    data[40:60, 40:60, 30:50] = 7.0
    figure = draw_evidence(Outputs(tmp_path, "01"), {}, nib.Nifti1Image(data, brain.affine), "fa", own_space=False)
    over = [ax.images[1] for ax in figure.axes if len(ax.images) == 2]
    assert len(over) == 8
    shown = np.stack([image.get_array() for image in over])
    assert shown.max() == 1.0 and 0 < np.count_nonzero(shown) < 0.2 * shown.size
    assert all(np.array_equal(np.asarray(image.get_alpha()) > 0, image.get_array() > 0) for image in over)
    assert "fa" in figure.get_suptitle()


def test_cells_stand_where_their_channel_and_band_are() -> None:
    values = np.zeros((3, 2))
    values[1, 1], values[2, 0] = 0.5, -0.4
    figure = draw_bands("lstm", ["C3", "C4", "<b>"], ["0 to 1 Hz", "1 to 4 Hz"], values)
    ax = figure.axes[0]
    assert np.array_equal(ax.images[0].get_array(), values)
    assert ax.images[0].get_clim() == (-0.5, 0.5)
    assert {text.get_text(): text.get_position() for text in ax.texts} == {"+0.5": (1, 1), "-0.4": (0, 2)}


def test_a_network_that_nothing_moves_is_drawn_too() -> None:
    assert draw_bands("lstm", ["C3"], ["0 to 1 Hz"], np.zeros((1, 1))).axes[0].images[0].get_clim() == (-1.0, 1.0)
