"""The EEG/EMG step on small BIDS recordings of known content, in both layouts, whole and short."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.outputs import Outputs, write_dataset_files
from bids_stroke.preprocess.eegemg.step import run
from bids_stroke.preprocess.registry import StepContext
from tests.helpers.recordings import (
    EEG,
    EMG,
    RATE,
    apart,
    planted,
    process,
    read,
    together,
    windows_of,
    write_file,
    write_scans,
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[StepReport, Path]:
    root = tmp_path_factory.mktemp("together")
    return process(together(root / "raw", planted(), bad=("P3",)), root / "out"), root / "out"


def test_outputs_bear_the_names_of_the_contract(done: tuple[StepReport, Path]) -> None:
    report, out = done
    path = Outputs(out, "01").path
    windows, eeg, emg = path("windows", "eeg", task="leg"), path("eeg", task="leg"), path("emg", task="leg")
    assert report.outputs["eegemg"] == (windows, eeg, emg)
    sidecar = json.loads(report.outputs["eegemg"][1].with_suffix(".json").read_text())
    assert sidecar["EEGReference"] == "average"
    assert sidecar["PowerLineFrequency"] == 50
    assert sidecar["InterpolatedChannels"] == ["P3"]
    assert sidecar["Sources"] == ["bids:raw:sub-01/eeg/sub-01_task-leg_eeg.edf"]


def test_eeg_and_emg_share_clock_and_length(done: tuple[StepReport, Path]) -> None:
    (eeg, eeg_names, eeg_rate), (emg, emg_names, emg_rate) = (read(path) for path in done[0].outputs["eegemg"][1:])
    assert eeg_rate == emg_rate == RATE
    assert eeg.shape == (10, 35 * RATE)
    assert emg.shape == (3, 35 * RATE)
    assert eeg_names == list(EEG)
    assert emg_names == list(EMG)


def test_windows_are_exact(done: tuple[StepReport, Path]) -> None:
    table = windows_of(done[0])
    assert list(table.columns) == ["onset", "duration", "trial_type", "status", "reason"]
    assert table["onset"].tolist() == [0, 10, 20]
    assert (table["duration"] == 10).all()
    assert (table["status"] == "good").all()
    assert done[0].qc["n_windows"] == done[0].qc["n_windows_kept"] == 3


def test_hum_goes_and_the_rhythm_stays(done: tuple[StepReport, Path]) -> None:
    qc = done[0].qc
    assert qc["eeg_mains_ratio_before_db"] > 10
    assert qc["eeg_mains_ratio_after_db"] < 0
    assert qc["emg_mains_ratio_after_db"] < 0
    eeg, names, _ = read(done[0].outputs["eegemg"][1])
    truth = planted().eeg
    rhythm = np.exp(-2j * np.pi * 10 * np.arange(eeg.shape[1]) / RATE)
    back, centre = names.index("O1"), names.index("C3")  # their difference does not depend on the reference
    kept = np.abs((eeg[back] - eeg[centre]) @ rhythm) / np.abs((truth[back] - truth[centre]) @ rhythm)
    assert kept == pytest.approx(1, rel=0.025)  # 5 % of power


def test_a_bad_site_is_interpolated_and_said(done: tuple[StepReport, Path]) -> None:
    report, out = done
    assert report.qc["n_bad_channels"] == report.qc["n_interpolated_channels"] == 1
    channels = pd.read_csv(Outputs(out, "01").path("channels", "eeg", task="leg"), sep="\t")
    assert channels.loc[channels["name"] == "P3", "status_description"].item() == "interpolated from its neighbours"
    assert any("interpolated: P3" in note for note in report.warnings)
    eeg, names, _ = read(report.outputs["eegemg"][1])
    rhythm = np.exp(-2j * np.pi * 10 * np.arange(eeg.shape[1]) / RATE)
    restored, healthy = (np.abs((eeg[names.index(site)] - eeg[names.index("C3")]) @ rhythm) for site in ("P3", "P4"))
    assert 0.4 * healthy < restored < 1.5 * healthy


def test_cut_bands_are_said(done: tuple[StepReport, Path]) -> None:
    assert "task-leg: EEG: low-pass cut from 150 to 90 Hz (sampling rate 200 Hz)" in done[0].warnings
    assert "task-leg: EMG: low-pass cut from 450 to 90 Hz (sampling rate 200 Hz)" in done[0].warnings


def test_a_second_run_gives_the_same_bytes(done: tuple[StepReport, Path], tmp_path: Path) -> None:
    process(together(tmp_path / "raw", planted(), bad=("P3",)), tmp_path / "out")
    names = sorted(path.relative_to(done[1]) for path in done[1].rglob("*") if path.is_file())
    assert len(names) == 14
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (done[1] / name).read_bytes(), name


def test_output_is_valid_bids(done: tuple[StepReport, Path], tmp_path: Path) -> None:
    shutil.copytree(done[1], tmp_path / "out")
    write_dataset_files(tmp_path / "out", "raw", {})
    command = Path(sys.executable).with_name("bids-validator-deno")
    found = subprocess.run([command, tmp_path / "out", "--format", "json"], capture_output=True, text=True, check=False)
    issues = json.loads(found.stdout)["issues"]["issues"]
    errors = [(item["code"], item.get("location")) for item in issues if item["severity"] == "error"]
    assert errors == []


def test_both_layouts_give_the_same_windows(tmp_path: Path) -> None:
    signals = planted()
    one = process(together(tmp_path / "a", signals), tmp_path / "out_a")
    session = apart(tmp_path / "b", signals, signals)
    write_scans(tmp_path / "b", "2000-01-01T12:00:00")
    two = process(session, tmp_path / "out_b")
    for first, second in zip(one.outputs["eegemg"][1:], two.outputs["eegemg"][1:], strict=True):
        np.testing.assert_allclose(read(first)[0], read(second)[0], atol=1e-3 * read(first)[0].std())
    assert windows_of(one).equals(windows_of(two))
    assert not any("assumed" in note for note in two.warnings)


@pytest.mark.inputs("Nothing is said of EEG where none was recorded: EMG alone is a recording.")
def test_eeg_alone_and_emg_alone(tmp_path: Path) -> None:
    both = apart(tmp_path / "raw", planted(), planted())
    eeg = process(replace(both, raw={"eeg": both.files("eeg")}), tmp_path / "eeg")
    path = Outputs(tmp_path / "eeg", "01").path
    assert eeg.outputs["eegemg"] == (path("windows", "eeg", task="leg"), path("eeg", task="leg"))
    assert "task-leg: no usable EMG channel" in eeg.warnings
    emg = process(replace(both, raw={"emg": both.files("emg")}), tmp_path / "emg")
    path = Outputs(tmp_path / "emg", "01").path
    assert emg.outputs["eegemg"] == (path("windows", "emg", task="leg"), path("emg", task="leg"))
    assert [note for note in emg.warnings if "EEG channel" in note] == []


def test_eeg_that_was_recorded_and_is_lost_is_said(tmp_path: Path) -> None:
    signals = planted()
    signals.eeg[:] = 0
    report = process(together(tmp_path / "a", signals), tmp_path / "out_a")
    assert "task-leg: no usable EEG channel" in report.warnings
    types = ["MISC"] * len(EEG) + ["EMG"] * len(EMG)
    report = process(together(tmp_path / "b", planted(), types=types), tmp_path / "out_b")
    assert "task-leg: no usable EEG channel" in report.warnings


def test_every_task_is_used_and_short_ones_are_said(tmp_path: Path) -> None:
    files = [
        write_file(tmp_path / "raw", "emg", planted(seconds).emg, EMG, RATE, task=task)
        for task, seconds in (("a", 21), ("b", 6), ("c", 12))
    ]
    report = process(Session("01", None, raw={"emg": tuple(files)}), tmp_path / "out")
    assert len(report.outputs["eegemg"]) == 4
    assert report.qc["n_recordings"] == 2
    assert report.qc["n_windows"] == 3
    assert any("task-b: 6 s of EEG/EMG are less than one window" in note for note in report.warnings)


@pytest.mark.real
def test_real_recordings(real_data: Path, tmp_path: Path) -> None:
    from bids_stroke.bids.layout import Dataset

    dataset = Dataset.open(real_data / "bids_real_open", "raw")
    expected = {"07": (23, 30, 0), "08": (1, 0, 4), "09": (3, 0, 4)}
    for subject, (n_windows, n_eeg, n_emg) in expected.items():
        files = dataset.raw_files(dataset.folders(subject))
        session = Session(subject, None, raw={"eeg": files["eeg"], "emg": files["emg"]})
        report = run(StepContext(session, Outputs(tmp_path, subject), Settings(), {}, tmp_path))
        found = tuple(report.qc[key] for key in ("n_windows_kept", "n_eeg_channels", "n_emg_channels"))
        assert found == (n_windows, n_eeg, n_emg)
        assert all(path.is_file() for path in report.outputs["eegemg"])


def test_a_recording_shorter_than_a_window_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingModalityError, match="3 s of EEG/EMG are less than one window of 10 s") as caught:
        process(together(tmp_path / "raw", planted(3)), tmp_path / "out")
    assert caught.value.reason == "recording-too-short"
    report = process(together(tmp_path / "raw", planted(3)), tmp_path / "out", window_seconds=1)
    assert report.qc["n_windows"] == 3


def test_lost_and_marked_signal_is_left_out(tmp_path: Path) -> None:
    signals = planted()
    signals.emg[0, 2100:3900] = 0
    signals.emg[0, 2000:4000] = signals.emg[0, 2000]
    session = together(tmp_path / "raw", signals)
    events = tmp_path / "raw/sub-01/eeg/sub-01_task-leg_events.tsv"
    events.write_text("onset\tduration\ttrial_type\n1.0\t2.0\tflexion\n21.0\t1.0\tBAD_movement\n")
    report = process(session, tmp_path / "out")
    assert windows_of(report)["reason"].tolist() == ["n/a", "flat", "marked"]
    assert windows_of(report)["status"].tolist() == ["good", "bad", "bad"]
    copied = Outputs(tmp_path / "out", "01").path("events", "eeg", task="leg").read_text()
    assert copied == events.read_text()


def test_nothing_usable_is_missing_with_its_reason(tmp_path: Path) -> None:
    signals = planted()
    signals.eeg[:] *= 1000
    with pytest.raises(MissingModalityError, match="eeg-amplitude") as caught:
        process(together(tmp_path / "a", signals), tmp_path / "out")
    assert caught.value.reason == "no-good-window"
    signals.eeg[:], signals.emg[:] = 0, 0
    with pytest.raises(MissingModalityError) as caught:
        process(together(tmp_path / "b", signals), tmp_path / "out")
    assert caught.value.reason == "no-usable-channel"
    session = together(tmp_path / "c", planted(), types=["MISC"] * 13)
    with pytest.raises(MissingModalityError, match=r"channels\.tsv") as caught:
        process(session, tmp_path / "out")
    assert caught.value.reason == "no-eeg-or-emg-channels"
