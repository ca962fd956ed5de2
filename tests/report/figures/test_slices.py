"""Axial slices: which way round they are, their values, their heights."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bids_stroke.report.figures.slices import Outline, Panel, draw_slices, slice_heights
from tests.helpers.figures import AFFINE, SHAPE, brain, world_x


def test_colours_are_shown_as_they_are() -> None:
    """Red is drawn red, on the side where it is."""
    data = np.zeros((*SHAPE, 3), np.uint8)
    data[world_x() < 0] = (255, 0, 0)
    data[world_x() > 0] = (0, 0, 255)
    figure = draw_slices("", [Panel(nib.Nifti1Image(data, AFFINE), "colour FA", bar=False)], [20.0], brain())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.axes[0].get_window_extent()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    row = pixels[round(pixels.shape[0] - (box.y0 + box.y1) / 2), round(box.x0) : round(box.x1)]
    assert tuple(row[len(row) // 5]) == (0, 0, 255)  # the person's right
    assert tuple(row[-len(row) // 5]) == (255, 0, 0)


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "PSL"])
def test_left_of_the_patient_is_on_the_right_of_the_picture(orientation: str) -> None:
    """The left half of the head (x < 0) is bright; however it is stored, it comes out on the right."""
    image = brain(np.where(world_x() < 0, 1.0, 0.2))
    change = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt(orientation)
    )
    stored = image.as_reoriented(change)
    assert nib.aff2axcodes(stored.affine) == tuple(orientation)
    figure = draw_slices("", [Panel(stored, "", limits=(0, 1), bar=False)], [20.0], stored)
    axes = figure.axes[0]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert {text.get_text(): text.get_position()[0] > 0.5 for text in axes.texts if text.get_text() in "RL"} == {
        "R": False,
        "L": True,
    }
    pixels = np.asarray(canvas.buffer_rgba())[..., 0].astype(float)
    box = axes.get_window_extent()
    inside = pixels[round(pixels.shape[0] - box.y1) : round(pixels.shape[0] - box.y0), round(box.x0) : round(box.x1)]
    middle = inside[inside.shape[0] // 2]
    third = len(middle) // 3
    assert np.median(middle[-third:]) > np.median(middle[:third]) + 100


def test_values_are_scaled_and_shown_with_units_and_outlines() -> None:
    image = brain(8e-4)
    panel = Panel(
        image, "MD", "10⁻³ mm²/s", (0, 3), factor=1000, outlines=(Outline(brain(), "gold", "standard brain"),)
    )
    figure = draw_slices("Title", [panel], slice_heights(image, 3), image)
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == 3
    assert all(np.max(values) == pytest.approx(0.8, rel=1e-5) for values in shown)
    assert [axes.get_ylabel() for axes in figure.axes if "mm²" in axes.get_ylabel()] == ["10⁻³ mm²/s"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["standard brain"]


def test_slices_lie_inside_what_is_filled() -> None:
    heights = slice_heights(brain(), 5)
    assert len(heights) == 5 and heights == sorted(heights)
    assert heights[0] >= -40 and heights[-1] <= 76
    assert slice_heights(brain(0.0), 5) == []
