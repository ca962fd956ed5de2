"""What is written of a recording with a pause: events stand at their samples, windows and filters end at joints."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.derivatives.outputs import Outputs
from tests.helpers.paused import (
    EVENTS_S,
    JOINT_S,
    PAUSE_S,
    brainvision,
    edf_d,
    eeglab,
    on_clock,
    signals,
    skipped,
    write_events,
)
from tests.helpers.recordings import EEG, EMG, RATE, process, read, windows_of, write_file

Writer = Callable[[Path], BidsFile]
EVENTS = [(on_clock(onset), 1.0, "go") for onset in EVENTS_S]


def written_events(out: Path, folder: str = "eeg") -> pd.DataFrame:
    return pd.read_csv(Outputs(out, "01").path("events", folder, task="leg"), sep="\t", keep_default_na=False)


@pytest.mark.inputs(
    "Windows and filters end where the recording paused: none runs across.",
    "The cleaned signals are written without the pauses, with `RecordingType` `discontinuous`, a `boundary` in the "
    "events at each joint, and `Pieces` in the sidecar, which tell when each piece was recorded.",
    "The events that are written count the seconds and samples of the file beside them.",
)
@pytest.mark.parametrize("write", [edf_d, partial(edf_d, ending="bdf"), brainvision, eeglab, skipped])
def test_events_stand_at_their_samples_and_windows_end_at_the_joint(write: Writer, tmp_path: Path) -> None:
    item = write(tmp_path)
    gap = [(float(JOINT_S), PAUSE_S, "BAD_ACQ_SKIP")] if write is skipped else []
    write_events(item, [*EVENTS[:2], *gap, (JOINT_S + 20.0, 1.0, "go"), *EVENTS[2:]])
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out")
    assert windows_of(report)["onset"].tolist() == [0, 10, 23, 33]
    table = written_events(tmp_path / "out")
    assert table["trial_type"].tolist() == ["go", "go", "boundary", "go", "go"]
    assert table["onset"].tolist() == [5, 15, JOINT_S, 30, 41]
    muscle, _, _ = read(report.outputs["eegemg"][2])
    for onset in table.loc[table["trial_type"] == "go", "onset"]:  # the clicks
        around = slice(round((onset - 1) * RATE), round((onset + 1) * RATE))
        assert np.abs(muscle[0, around]).argmax() == RATE
    assert any("1 of " in note and "in pauses or outside the signal" in note for note in report.warnings)
    sidecar = json.loads(report.outputs["eegemg"][2].with_suffix(".json").read_text())
    assert sidecar["RecordingType"] == "discontinuous"
    assert sidecar["Pieces"] == [
        {"Onset": 0.0, "Duration": 23.0, "RecordedOnset": 0.0},
        {"Onset": 23.0, "Duration": 24.0, "RecordedOnset": 63.0},
    ]


def test_pieces_are_filtered_as_if_each_were_alone(tmp_path: Path) -> None:
    """EMG, which no ICA touches: near the joint, too, it is that of the pieces on their own."""
    whole = process(Session("01", None, raw={"emg": (edf_d(tmp_path / "raw", kind="emg"),)}), tmp_path / "out")
    found = read(whole.outputs["eegemg"][1])[0]
    joint = round(JOINT_S * RATE)
    for name, span in (("a", slice(joint)), ("b", slice(joint, None))):
        item = write_file(tmp_path / name, "emg", signals()[len(EEG) :, span], EMG, RATE)
        alone = process(Session("01", None, raw={"emg": (item,)}), tmp_path / f"out_{name}")
        np.testing.assert_allclose(found[:, span], read(alone.outputs["eegemg"][1])[0], atol=2e-7)


def test_bad_signal_before_a_pause_ends_with_it(tmp_path: Path) -> None:
    item = edf_d(tmp_path, click=False)
    write_events(item, [(JOINT_S - 5.0, 5.0, "BAD_movement"), (JOINT_S + PAUSE_S + 9.9, 0.2, "BAD_cough")])
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out")
    assert windows_of(report)["reason"].tolist() == ["n/a", "marked", "marked", "marked"]
    item = edf_d(tmp_path / "b", click=False)
    write_events(item, [(JOINT_S - 2.0, PAUSE_S, "BAD_movement"), (JOINT_S + 1.0, 5.0, "BAD_pause")])
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out_b")
    assert windows_of(report)["reason"].tolist() == ["n/a", "n/a", "n/a", "n/a"]


@pytest.mark.inputs("A separate EMG may pause as well: what both have at the same time is used.")
def test_a_pause_of_the_emg_alone_cuts_both(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    emg = edf_d(raw, kind="emg")
    times = np.arange(round((JOINT_S + PAUSE_S + 24) * RATE)) / RATE
    brain = 5e-6 * np.random.default_rng(1).standard_normal((len(EEG), len(times)))
    brain[8] += 5e-5 * np.exp(-0.5 * ((times - 70) / 0.2) ** 2) * np.sin(2 * np.pi * 10 * times)
    both = {"eeg": (write_file(raw, "eeg", brain, EEG, RATE),), "emg": (emg,)}
    report = process(Session("01", None, raw=both), tmp_path / "out")
    assert windows_of(report)["onset"].tolist() == [0, 10, 23, 33]
    cleaned, muscle = (read(path)[0] for path in report.outputs["eegemg"][1:])
    assert cleaned.shape[1] == muscle.shape[1] == 47 * RATE
    # 70 s on the clock is 30 s of what is written, in both
    assert times[np.abs(cleaned[8]).argmax()] == pytest.approx(30, abs=0.1)
    assert np.abs(muscle[0, round(28 * RATE) : round(32 * RATE)]).argmax() == 2 * RATE


@pytest.mark.inputs(
    "Each piece is cut to whole seconds; pieces shorter than a window are left out and counted, and a recording "
    "without a longer one is missing (`recording-too-short`).",
)
def test_pieces_shorter_than_a_window_are_left_out(tmp_path: Path) -> None:
    item = brainvision(tmp_path)
    markers = item.path.with_suffix(".vmrk")
    lines = [f"Mk{7 + i}=New Segment,,{round(second * RATE) + 1},1,0" for i, second in enumerate((10.5, 18, 42.6))]
    markers.write_text(markers.read_text() + "\n".join(lines) + "\n")
    write_events(item, EVENTS)
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out")
    assert windows_of(report)["onset"].tolist() == [0, 10]
    assert written_events(tmp_path / "out")["onset"].tolist() == [5, 10, 17, 28]
    assert any("3 of 5 pieces between pauses are shorter than 10 s and left out" in note for note in report.warnings)
    with pytest.raises(
        MissingModalityError, match=r"19 s of EEG/EMG \(the longest of 5 pieces between pauses\)"
    ) as caught:
        process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "long", window_seconds=20)
    assert caught.value.reason == "recording-too-short"


def test_levels_name_the_boundary_where_there_are_levels(tmp_path: Path) -> None:
    """Validators refuse a value that the levels of a column do not have."""
    item = edf_d(tmp_path / "raw", kind="emg")
    write_events(item, [*EVENTS, (float("nan"), 1.0, "lost")])
    described = item.path.with_name("sub-01_task-leg_events.json")
    for name, told, expected in (
        ("a", {"Levels": {"go": "Start."}}, {"go", "boundary"}),
        ("b", {"Description": "Kind."}, None),
    ):
        described.write_text(json.dumps({"trial_type": told}))
        process(Session("01", None, raw={"emg": (item,)}), tmp_path / name)
        path = Outputs(tmp_path / name, "01").path("events", "emg", task="leg")
        found = json.loads(path.with_suffix(".json").read_text())["trial_type"]
        assert set(found["Levels"]) == expected if expected else "Levels" not in found
        assert expected or found["Description"].startswith("Kind. boundary: here the recording paused")
        assert written_events(tmp_path / name, "emg")["onset"].tolist()[-2:] == ["41", "n/a"]


def test_without_events_the_joints_are_written(tmp_path: Path) -> None:
    report = process(Session("01", None, raw={"emg": (edf_d(tmp_path, kind="emg"),)}), tmp_path / "out")
    assert written_events(tmp_path / "out", "emg").to_dict("list") == {
        "onset": [23], "duration": [0], "trial_type": ["boundary"]
    }  # fmt: skip
    assert report.qc["duration_s"] == 47
