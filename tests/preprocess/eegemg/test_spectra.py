"""Spectra before and after cleaning, and how the report draws them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.names import beside
from bids_stroke.report.figures.recordings import draw_recording, find_recordings
from tests.helpers.recordings import planted, process, together, write_phases


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> StepReport:
    root = tmp_path_factory.mktemp("spectra")
    session = together(root / "raw", planted(40))
    write_phases(root / "raw", 40.0)
    return process(session, root / "out")


def spectra(report: StepReport) -> pd.DataFrame:
    table = pd.read_csv(beside(report.outputs["eegemg"][0], "spectrum"), sep="\t")
    return table.set_index(["kind", "frequency"])


def test_the_table_has_the_power_of_what_was_planted(done: StepReport) -> None:
    table = spectra(done)
    # white noise of 5 uV over 100 Hz, one-sided: 25/100 uV^2/Hz, and nothing is lost from it by cleaning
    assert table.loc[("EEG", 70.0), "before"] == pytest.approx(10 * np.log10(25 / 100), abs=1.0)
    assert table.loc[("EEG", 70.0), "after"] == pytest.approx(10 * np.log10(25 / 100), abs=1.0)
    for kind in ("EEG", "EMG"):
        hum = table.loc[(kind, 50.0)]
        assert hum["before"] - hum["after"] > 15


def test_the_figure_shows_both_with_mains_and_phases(done: StepReport, tmp_path: Path) -> None:
    figure = draw_recording(find_recordings(done.outputs["eegemg"])[0])
    figure.savefig(tmp_path / "figure.png")
    for row, kind in enumerate(("EEG", "EMG")):
        spectrum, trace = figure.axes[2 * row : 2 * row + 2]
        lines = {str(line.get_label()): line for line in spectrum.lines}
        before = lines["before, median"]
        wanted = spectra(done)["before"].xs(kind).loc[0.5 : spectrum.get_xlim()[1]]
        np.testing.assert_allclose(np.asarray(before.get_ydata()), wanted.to_numpy())
        assert np.asarray(lines["mains, 50 Hz"].get_xdata())[0] == 50
        legend = trace.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == ["flexion", "extension"]
        assert len(trace.patches) == 2  # of 2.5 s at 0 and 5 s, in the first window of 10 s
