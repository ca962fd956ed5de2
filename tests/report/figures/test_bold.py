"""The figures of BOLD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.bold import draw_bold
from bids_stroke.report.figures.unit import caption, draw_unit_figures
from tests.helpers.bold_series import confounds_table, noise_series


def test_each_run_has_its_picture_with_the_same_bytes(tmp_path: Path) -> None:
    outputs, files = Outputs(tmp_path, "01"), {}
    for index, end in enumerate(("", "_2"), 1):
        names = {"task": "rest", "run": str(index)}
        path = outputs.standard("bold", res="3", **names)
        files[f"bold_standard{end}"] = outputs.save_image(path, noise_series(np.random.default_rng(0)), {})
        path = outputs.path("confounds", **names)
        files[f"confounds{end}"] = outputs.save_table(path, confounds_table(), {})
    reports = {"bold": StepReport(files=files)}
    drawn = draw_unit_figures(outputs, reports)
    assert drawn == tuple(outputs.path("figure", desc="carpet", task="rest", run=run) for run in ("1", "2"))
    assert caption(drawn[1])[0] == "BOLD signal over time (carpet plot): task rest, run 2"
    before = drawn[0].read_bytes()
    assert draw_unit_figures(outputs, reports)[0].read_bytes() == before
    with Image.open(drawn[0]) as picture:
        assert np.asarray(picture.convert("L")).std() > 10


def test_maps_have_their_units_in_words_and_others_are_not_drawn(
    unit: tuple[Outputs, dict[str, StepReport]],
) -> None:
    outputs, reports = unit
    mean, alff, falff, reho = reports["bold"].outputs["bold"]
    outputs.save_sidecar(falff, {"Units": "1"})
    outputs.save_sidecar(reho, {})
    tsnr = outputs.standard("bold_map", task="rest", res="3", stat="tsnr")
    outputs.save(tsnr, lambda path: path.write_bytes(mean.read_bytes()), {})
    report = StepReport(outputs={"bold": (mean, alff, tsnr, falff, reho)})
    ((entities, figure),) = draw_bold(outputs, {"bold": report})
    assert entities == "task-rest"
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels == ["mean", "a.u.", "ALFF", "a.u.", "fALFF", "no unit", "ReHo", "arbitrary units"]
