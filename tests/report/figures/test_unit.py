"""All figures of a unit: which are drawn, under which names, with which captions, in which order."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.unit import FIGURES, UnitFigure, caption, draw_unit_figures, rank


def test_everything_that_exists_is_drawn_under_figures(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    paths = draw_unit_figures(outputs, reports)
    whole = ("tissues", "standard", "probabilities", "lesion", "diffusion", "sides", "color")
    assert paths == (
        *(outputs.path("figure", desc=key) for key in whole),
        outputs.path("figure", desc="bold", task="rest"),
        outputs.path("figure", desc="signals", task="move"),
        outputs.path("figure", desc="symmetry", task="move"),
    )
    assert set(paths) <= set(outputs.written)
    for path in paths:
        with Image.open(path) as picture:
            assert picture.width > 800
            assert np.asarray(picture.convert("L")).std() > 10  # not an empty page


def test_same_files_give_the_same_bytes(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    digests = [
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in draw_unit_figures(outputs, reports)]
        for _ in range(2)
    ]
    assert digests[0] == digests[1]


def test_only_steps_that_ran_and_files_that_exist_are_drawn(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    assert draw_unit_figures(outputs, {}) == ()
    reports["dwi"].outputs["fa"][0].unlink()
    reports["dwi"].outputs["md"][0].unlink()
    reports["dwi"].files["fa_color"].unlink()
    drawn = draw_unit_figures(outputs, {"dwi": reports["dwi"], "bold": reports["bold"]})
    assert drawn == (outputs.path("figure", desc="sides"), outputs.path("figure", desc="bold", task="rest"))


def test_captions() -> None:
    path = Outputs(Path(), "01").path
    heading, text = caption(path("figure", desc="signals", task="move"))
    assert heading == "EEG and EMG after cleaning: task move" and text == FIGURES[-2].text
    paths = [path("figure", desc="signals"), Path("a.png"), path("figure", desc="bold"), path("figure", desc="tissues")]
    assert sorted(paths, key=rank) == [paths[3], paths[2], paths[0], paths[1]]


def test_a_figure_that_no_entry_knows_is_called_by_its_name_and_comes_last() -> None:
    foreign = Outputs(Path(), "01").path("figure", desc="other", run="2")
    assert caption(foreign) == (f"{foreign.stem}: run 2", "")
    assert rank(foreign)[0] == len(FIGURES)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.key)
def test_every_entry_of_the_registry_is_found_by_the_name_of_its_file(figure: UnitFigure) -> None:
    path = Outputs(Path(), "01", "02").path("figure", desc=figure.key)
    assert caption(path) == (figure.heading, figure.text)
    assert FIGURES[rank(path)[0]] is figure
    assert figure.heading and figure.text.endswith(".")
