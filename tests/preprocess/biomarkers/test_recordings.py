"""Files of the EEG/EMG step as biomarkers read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import Session
from bids_stroke.preprocess.biomarkers.recordings import read_recordings
from tests.helpers.paused import JOINT_S, edf_d
from tests.helpers.recordings import EEG, EMG, RATE, planted, process, read, together, write_phases


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    root = tmp_path_factory.mktemp("recordings")
    session = together(root / "raw", planted(), bad=("P3",))
    write_phases(root / "raw", 35.0)
    return tuple(process(session, root / "out").outputs["eegemg"])


def test_signals_are_read_as_they_were_written_without_what_was_interpolated(done: tuple[Path, ...]) -> None:
    (found,) = read_recordings(done)
    assert found.eeg is not None and found.emg is not None
    assert found.rate == RATE
    assert found.eeg.names == tuple(name for name in EEG if name != "P3")
    assert found.emg.names == EMG
    assert (found.eeg.band, found.emg.band) == ((0.5, 90.0), (20.0, 90.0))
    data, names, _ = read(done[1])
    kept = [names.index(name) for name in found.eeg.names]
    np.testing.assert_allclose(found.eeg.data, data[kept], atol=1e-12)
    np.testing.assert_allclose(found.emg.data, read(done[2])[0], atol=1e-12)


def test_windows_and_events_come_with_them(done: tuple[Path, ...]) -> None:
    (found,) = read_recordings(done)
    assert found.windows[["onset", "duration", "status"]].to_numpy().tolist() == [
        [onset, 10.0, "good"] for onset in (0.0, 10.0, 20.0)
    ]
    assert found.events is not None
    assert found.events["trial_type"].tolist() == ["flexion", "extension"] * 3
    assert found.pieces == ()


def test_pauses_are_known(tmp_path: Path) -> None:
    session = Session("01", None, raw={"eeg": (edf_d(tmp_path / "raw"),)})
    (found,) = read_recordings(process(session, tmp_path / "out").outputs["eegemg"])
    assert found.pieces == (0.0, float(JOINT_S))


def test_a_recording_without_its_log_or_with_other_channels_is_refused(done: tuple[Path, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sub-01_task-leg lacks its log of windows or its signals"):
        read_recordings(done[1:])
    with pytest.raises(DataError, match="lacks its log of windows or its signals"):
        read_recordings(done[:1])
    copies = []
    for path in done:
        copies.append(tmp_path / path.parent.name / path.name)
        copies[-1].parent.mkdir(exist_ok=True)
        for file in path.parent.glob("*desc-*"):
            (copies[-1].parent / file.name).write_bytes(file.read_bytes())
    assert len(read_recordings(copies)) == 1
    table = copies[1].with_name("sub-01_task-leg_desc-preproc_channels.tsv")
    table.write_text(table.read_text().replace("C3\t", "C9\t", 1))
    with pytest.raises(DataError, match=r"other channels than its channels\.tsv"):
        read_recordings(copies)
    copies[1].write_bytes(b"0")
    with pytest.raises(DataError, match=r"eeg.edf cannot be read"):
        read_recordings(copies)


def test_a_window_beyond_the_end_is_refused(done: tuple[Path, ...], tmp_path: Path) -> None:
    for path in done[:2]:
        for file in path.parent.glob("*desc-*"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    log = tmp_path / done[0].name
    log.write_text(log.read_text() + "30\t10\twindow\tgood\tn/a\n")
    assert json.loads((tmp_path / done[1].name).with_suffix(".json").read_text())["RecordingDuration"] == 35
    with pytest.raises(DataError, match="windows beyond the end"):
        read_recordings([log, tmp_path / done[1].name])
