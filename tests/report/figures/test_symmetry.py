"""The two sides of an EEG: which sites are pairs, whose side is whose, and the window that is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from edfio import Edf, EdfSignal
from matplotlib.figure import Figure

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.symmetry import draw_symmetry, pairs_of


def recorded(root: Path, sites: tuple[str, ...], status: tuple[str, ...], **sidecar: Any) -> dict[str, StepReport]:
    """Two windows of 10 s at 100 Hz; slow waves on C3 in the second one."""
    outputs, rng = Outputs(root, "01"), np.random.default_rng(0)
    times = np.arange(2000) / 100
    slow = np.where(times >= 10, 60 * np.sin(2 * np.pi * 2 * times), 0)
    path = outputs.path("eeg", task="rest")
    data = {site: rng.normal(0, 10, 2000) + (slow if site == "C3" else 0) for site in sites}
    signals = [EdfSignal(values, 100, label=site, physical_dimension="uV") for site, values in data.items()]
    outputs.save(path, Edf(signals).write)
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    table = pd.DataFrame({"onset": [0.0, 10.0], "duration": 10.0, "trial_type": "window", "status": status})
    windows = outputs.save_table(outputs.path("windows", "eeg", task="rest"), table, {})
    return {"eegemg": StepReport(outputs={"eegemg": (windows, path)})}


def drawn(root: Path, reports: dict[str, StepReport]) -> dict[str, Figure]:
    return dict(draw_symmetry(Outputs(root, "01"), reports))


def slow_side(figure: Figure) -> str:
    """The side that has more power at 2 Hz."""
    left, right = figure.axes[0].lines
    at = int(np.argmin(np.abs(np.asarray(left.get_xdata()) - 2)))
    higher = left if np.asarray(left.get_ydata())[at] > np.asarray(right.get_ydata())[at] else right
    return str(higher.get_label())


def test_mirrored_sites_are_pairs_whatever_their_order() -> None:
    assert pairs_of(["FT10", "C4", "Cz", "FT9", "C3", "P3", "A1", "A2"]) == [(3, 0), (4, 1)]


def test_the_window_where_the_sides_differ_most_is_shown(tmp_path: Path) -> None:
    figure = drawn(tmp_path, recorded(tmp_path, ("C4", "C3"), ("good", "good")))["task-rest"]
    assert slow_side(figure) == "left"
    (trace,) = [axes for axes in figure.axes if axes.get_title()]
    assert trace.get_title().startswith("window at 10 s")
    assert [text.get_text() for text in trace.get_yticklabels()] == ["C3 C4"]
    assert trace.get_xlim()[0] == 10


def test_a_window_that_was_rejected_does_not_count(tmp_path: Path) -> None:
    figure = drawn(tmp_path, recorded(tmp_path, ("C4", "C3"), ("good", "bad")))["task-rest"]
    assert any(axes.get_title().startswith("window at 0 s") for axes in figure.axes)


def test_sides_that_were_exchanged_for_the_model_are_shown_as_the_person_s(tmp_path: Path) -> None:
    reports = recorded(tmp_path, ("C4", "C3"), ("good", "good"), ChannelSidesSwapped=True)
    assert slow_side(drawn(tmp_path, reports)["task-rest"]) == "right"


def test_without_a_pair_or_a_window_nothing_is_drawn(tmp_path: Path) -> None:
    assert drawn(tmp_path, recorded(tmp_path, ("C4", "P3"), ("good", "good"))) == {}
    assert drawn(tmp_path, recorded(tmp_path, ("C4", "C3"), ("bad", "bad"))) == {}
