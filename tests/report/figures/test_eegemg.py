"""The figure of EEG and EMG."""

from __future__ import annotations

from pathlib import Path

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.eegemg import draw_signals
from tests.helpers.figures import recording


def test_each_recording_has_its_figure_named_by_its_entities(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, "01", "02")
    first = recording(outputs)
    second = tuple(path.rename(path.with_name(path.name.replace("task-move", "task-rest_run-1"))) for path in first)
    paths = (*recording(outputs), *second)
    drawn = dict(draw_signals(outputs, {"eegemg": StepReport(outputs={"eegemg": paths})}))
    assert list(drawn) == ["task-move", "task-rest_run-1"]
    assert drawn["task-rest_run-1"].get_suptitle() == "task rest run 1: 1 of 2 windows kept"
