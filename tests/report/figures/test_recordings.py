"""Drawings of an EEG and EMG recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfSignal

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.recordings import draw_recording, find_recordings
from tests.helpers.figures import recording


def test_spectrum_has_its_peak_where_the_rhythm_is(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, "01")
    paths = list(recording(outputs))
    times = np.arange(2000) / 100
    rhythm = 30 * np.sin(2 * np.pi * 10 * times) + np.random.default_rng(0).normal(size=2000)
    Edf([EdfSignal(rhythm, 100, label="Cz", physical_dimension="uV")]).write(paths[1])
    figure = draw_recording(find_recordings(paths)[0])
    line = figure.axes[0].lines[0]
    assert line.get_xdata()[np.argmax(line.get_ydata())] == pytest.approx(10)  # type: ignore[index, arg-type]
    start, end = figure.axes[1].get_xlim()
    assert start == 10 and end == pytest.approx(20, abs=0.02)  # the second window is the one that was kept
    assert "1 of 2 windows kept" in figure.get_suptitle()


def test_recording_without_a_kept_window_says_so(tmp_path: Path) -> None:
    figure = draw_recording(find_recordings(recording(Outputs(tmp_path, "01"), kept="bad"))[0])
    assert "0 of 2 windows kept; rejected ones are shown" in figure.get_suptitle()
