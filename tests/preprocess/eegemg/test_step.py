"""The EEG/EMG step on small BIDS recordings of known content, in both layouts, whole and broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_preprocess import EegEmgSettings
from bids_stroke.derivatives.outputs import Outputs, write_dataset_files
from bids_stroke.preprocess.eegemg.edf import EdfHeader, edf_labels, write_edf
from bids_stroke.preprocess.eegemg.step import run
from bids_stroke.preprocess.registry import StepContext

RATE = 200.0
EEG = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2")
EMG = ("rectus femoris", "biceps femoris", "vastus medialis")


@dataclass(frozen=True)
class Planted:
    """Signals of a made-up person, in volts."""

    eeg: np.ndarray
    emg: np.ndarray
    rate: float = RATE


def planted(seconds: float = 35.0, seed: int = 0, rate: float = RATE) -> Planted:
    """White noise with a 10 Hz rhythm over the back, 50 Hz hum, and EMG in bursts."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate)) / rate
    hum = 1e-5 * np.sin(2 * np.pi * 50 * times)
    rhythm = np.array([[name[0] in "PO"] for name in EEG]) * 2e-5 * np.sin(2 * np.pi * 10 * times)
    eeg = 5e-6 * rng.standard_normal((len(EEG), len(times))) + rhythm + hum
    burst = (np.sin(2 * np.pi * 0.2 * times) > 0) + 0.1
    emg = 5e-5 * burst * rng.standard_normal((len(EMG), len(times))) + hum
    return Planted(eeg, emg, rate)


def write_file(
    root: Path, kind: str, data: np.ndarray, names: tuple[str, ...], rate: float, **more: object
) -> BidsFile:
    """Write one EDF recording with its sidecars; ``task``, ``types`` and ``status`` as in channels.tsv."""
    folder = root / "sub-01" / kind
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"sub-01_task-{more.get('task', 'leg')}"
    path = folder / f"{stem}_{kind}.edf"
    whole = data[:, : int(data.shape[1] // rate * rate)]
    write_edf(path, whole, EdfHeader(tuple(edf_labels(names)), rate, ""))
    metadata = {
        "TaskName": "leg",
        "PowerLineFrequency": 50,
        "SamplingFrequency": rate,
        f"{kind.upper()}Reference": "Cz",
    }
    (folder / f"{stem}_{kind}.json").write_text(json.dumps(metadata))
    types = more.get("types") or ["EMG" if name in EMG else "EEG" for name in names]
    channels = pd.DataFrame({"name": edf_labels(names), "type": types, "units": "uV", "status": "good"})
    channels.loc[channels["name"].isin(more.get("bad", ())), "status"] = "bad"
    channels.to_csv(folder / f"{stem}_channels.tsv", sep="\t", index=False)
    (root / "dataset_description.json").write_text('{"Name": "test", "BIDSVersion": "1.11.1"}')
    return BidsFile(path, {"subject": "01", "task": "leg"}, metadata, f"bids:raw:sub-01/{kind}/{path.name}")


def together(root: Path, signals: Planted, **more: Any) -> Session:
    data = np.concatenate([signals.eeg, signals.emg])
    return Session("01", None, raw={"eeg": (write_file(root, "eeg", data, EEG + EMG, signals.rate, **more),)})


def apart(root: Path, eeg: Planted, emg: Planted) -> Session:
    return Session(
        "01", None,
        raw={
            "eeg": (write_file(root, "eeg", eeg.eeg, EEG, eeg.rate),),
            "emg": (write_file(root, "emg", emg.emg, EMG, emg.rate),),
        },
    )  # fmt: skip


def process(session: Session, out: Path, **settings: float) -> StepReport:
    chosen = Settings(eegemg=EegEmgSettings(**settings))
    return run(StepContext(session, Outputs(out, "01"), chosen, {}, out / "work"))


def read(path: Path) -> tuple[np.ndarray, list[str], float]:
    raw = mne.io.read_raw_edf(path, verbose="error")
    return raw.get_data(), raw.ch_names, raw.info["sfreq"]


def windows_of(report: StepReport) -> pd.DataFrame:
    return pd.read_csv(report.outputs["eegemg"][0], sep="\t", keep_default_na=False)


def write_scans(root: Path, emg_time: str) -> None:
    rows = f"eeg/sub-01_task-leg_eeg.edf\t2000-01-01T12:00:00\nemg/sub-01_task-leg_emg.edf\t{emg_time}\n"
    (root / "sub-01" / "sub-01_scans.tsv").write_text("filename\tacq_time\n" + rows)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[StepReport, Path]:
    root = tmp_path_factory.mktemp("together")
    return process(together(root / "raw", planted(), bad=("P3",)), root / "out"), root / "out"


def test_outputs_bear_the_names_of_the_contract(done: tuple[StepReport, Path]) -> None:
    report, out = done
    assert [path.relative_to(out).as_posix() for path in report.outputs["eegemg"]] == [
        "sub-01/eeg/sub-01_task-leg_desc-windows_events.tsv",
        "sub-01/eeg/sub-01_task-leg_desc-preproc_eeg.edf",
        "sub-01/emg/sub-01_task-leg_desc-preproc_emg.edf",
    ]
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
    channels = pd.read_csv(out / "sub-01/eeg/sub-01_task-leg_desc-preproc_channels.tsv", sep="\t")
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


def test_emg_of_another_rate_and_start_is_put_on_the_clock_of_the_eeg(tmp_path: Path) -> None:
    times = np.arange(45 * 1000) / 1000
    carrier = np.sin(2 * np.pi * 40 * times)
    on = (np.abs(times - 20) < 0.5) * 1e-4  # 20 s after the start of the EMG
    emg = Planted(
        np.zeros((0, 0)), np.tile(on * carrier, (3, 1)) + 1e-6 * np.random.default_rng(0).normal(size=45000), 1000
    )
    session = apart(tmp_path / "raw", planted(50), emg)
    write_scans(tmp_path / "raw", "2000-01-01T12:00:03.500")
    report = process(session, tmp_path / "out")
    eeg, _, _ = read(report.outputs["eegemg"][1])
    clean, _, rate = read(report.outputs["eegemg"][2])
    assert rate == RATE
    assert clean.shape[1] == eeg.shape[1] == 45 * RATE
    centre = np.average(np.arange(clean.shape[1]), weights=clean[0] ** 2 * (np.abs(clean[0]) > 2e-5)) / RATE
    assert centre == pytest.approx(20, abs=0.01)
    assert any("the EMG starts 3.5 s after the EEG (acq_time)" in note for note in report.warnings)
    assert any("EMG resampled from 1000 to 200 Hz" in note for note in report.warnings)
    # the EEG is cut to the same span: its rhythm is that of 3.5 s later
    truth = planted(50).eeg[:, round(3.5 * RATE) :][:, : eeg.shape[1]]
    truth = truth - truth.mean(axis=0)
    assert np.corrcoef(eeg[8, 1000:-1000], truth[8, 1000:-1000])[0, 1] > 0.95


def test_without_acq_time_a_common_start_is_assumed_and_said(tmp_path: Path) -> None:
    report = process(apart(tmp_path / "raw", planted(), planted()), tmp_path / "out")
    assert any("a common start is assumed" in note for note in report.warnings)


def test_emg_at_another_time_is_not_mixed_in(tmp_path: Path) -> None:
    session = apart(tmp_path / "raw", planted(), planted())
    write_scans(tmp_path / "raw", "2000-01-01T13:00:00")
    report = process(session, tmp_path / "out")
    assert [path.name.rsplit("_", 1)[1] for path in report.outputs["eegemg"]] == ["events.tsv", "eeg.edf"]
    assert any("do not overlap" in note for note in report.warnings)


def test_eeg_alone_and_emg_alone(tmp_path: Path) -> None:
    both = apart(tmp_path / "raw", planted(), planted())
    eeg = process(replace(both, raw={**both.raw, "emg": ()}), tmp_path / "eeg")
    assert [path.name.rsplit("_", 1)[1] for path in eeg.outputs["eegemg"]] == ["events.tsv", "eeg.edf"]
    assert "task-leg: no usable EMG channel" in eeg.warnings
    emg = process(replace(both, raw={**both.raw, "eeg": ()}), tmp_path / "emg")
    assert [path.relative_to(tmp_path / "emg" / "sub-01").as_posix() for path in emg.outputs["eegemg"]] == [
        "emg/sub-01_task-leg_desc-windows_events.tsv",
        "emg/sub-01_task-leg_desc-preproc_emg.edf",
    ]
    assert "task-leg: no usable EEG channel" in emg.warnings


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
        session = Session(subject, None, eeg=files["eeg"], emg=files["emg"])
        report = run(StepContext(session, Outputs(tmp_path, subject), Settings(), {}, tmp_path))
        found = tuple(report.qc[key] for key in ("n_windows_kept", "n_eeg_channels", "n_emg_channels"))
        assert found == (n_windows, n_eeg, n_emg)
        assert all(path.is_file() for path in report.outputs["eegemg"])
