"""A separate EMG recording is put onto the clock of the EEG, by acq_time and by common events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import Session
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.preprocess.eegemg.clock import read_pair
from bids_stroke.preprocess.eegemg.pairs import Pair
from tests.helpers.paused import JOINT_S, NAMES, PAUSE_S, brainvision, edf_d, eeglab, write_set
from tests.helpers.paused import write_events as write_table
from tests.helpers.recordings import (
    EEG,
    EMG,
    RATE,
    Planted,
    apart,
    planted,
    process,
    read,
    windows_of,
    write_file,
    write_scans,
)


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


@pytest.mark.inputs("EMG channels that several devices call the same bear the label of their device.")
def test_two_devices_go_onto_the_clock_of_the_eeg(tmp_path: Path) -> None:
    """A burst at 20 s of the EEG's clock in either leg, whose recorders began 2 s before and 3 s after the EEG."""
    rows = ["eeg/sub-01_task-leg_eeg.edf\t2000-01-01T12:00:10"]
    files = []
    for side, start, rate in (("left", -2.0, 500.0), ("right", 3.0, RATE)):
        times = start + np.arange(round(45 * rate)) / rate
        burst = 1e-4 * np.exp(-0.5 * ((times - 20) / 0.1) ** 2) * np.sin(2 * np.pi * 45 * times)
        data = burst + 1e-6 * np.random.default_rng(0).standard_normal((3, len(times)))
        names = (*EMG[:2], f"sensor {side}")
        more = {"entities": f"_acq-box_recording-{side}", "types": ["EMG"] * 3, "bad": EMG[1:2] if start > 0 else ()}
        files.append(write_file(tmp_path / "raw", "emg", data, names, rate, **more))
        rows.append(f"emg/{files[-1].path.name}\t2000-01-01T12:00:{10 + start:02.0f}")
    eeg = write_file(tmp_path / "raw", "eeg", planted(50).eeg, EEG, RATE)
    (tmp_path / "raw/sub-01/sub-01_scans.tsv").write_text("filename\tacq_time\n" + "\n".join(rows) + "\n")
    report = process(Session("01", None, raw={"eeg": (eeg,), "emg": tuple(files)}), tmp_path / "out")
    path = Outputs(tmp_path / "out", "01").path
    assert report.outputs["eegemg"][2] == path("emg", task="leg")
    emg, _, rate = read(report.outputs["eegemg"][2])
    names = pd.read_csv(path("channels", "emg", task="leg"), sep="\t")["description"].tolist()
    # the other leg's biceps is good: the mark is of one device
    assert names == [
        "rectus femoris left", "biceps femoris left", "sensor left", "rectus femoris right", "sensor right",
    ]  # fmt: skip
    assert (rate, emg.shape[1]) == (RATE, 40 * RATE)  # from 3 to 43 s
    for row in emg:
        centre = np.average(np.arange(emg.shape[1]), weights=row**2 * (np.abs(row) > 2e-5)) / RATE
        assert centre == pytest.approx(17.0, abs=0.005)
    said = " ".join(report.warnings)
    assert "the EMG left starts -2 s after the EEG (acq_time)" in said
    assert "the EMG right starts 3 s after the EEG (acq_time)" in said
    assert "recording-right_emg.edf: of the same task and run as sub-01_task-leg_eeg.edf" in said
    assert "bear the label of their device: rectus femoris left, biceps femoris left, rectus femoris right" in said
    assert report.qc["emg_offset_s"] == 3.0


def test_a_device_of_another_time_is_left_out_alone(tmp_path: Path) -> None:
    files = [
        write_file(tmp_path / "raw", "emg", planted().emg, EMG, RATE, entities=f"_recording-{side}")
        for side in ("left", "right")
    ]
    times = zip(files, ("12:00:00", "13:00:00"), strict=True)
    rows = "".join(f"emg/{item.path.name}\t2000-01-01T{time}\n" for item, time in times)
    (tmp_path / "raw/sub-01/sub-01_scans.tsv").write_text(f"filename\tacq_time\n{rows}")
    report = process(Session("01", None, raw={"emg": tuple(files)}), tmp_path / "out")
    assert report.qc["n_emg_channels"] == 3
    assert any("do not overlap in time (acq_time); sub-01_task-leg_recording-right" in note for note in report.warnings)
    assert any("the EMG right starts 3600 s after the EMG left" in note for note in report.warnings)


@pytest.mark.inputs(
    "Spans that start with BAD count of every file of EEG and EMG: in its own events.tsv, and in the file itself (EDF+ "
    "annotations, EEGLAB's events, BrainVision's comments), also where events.tsv does not have them."
)
def test_bad_spans_of_the_emg_count_on_the_clock_of_the_eeg(tmp_path: Path) -> None:
    session = apart(tmp_path / "raw", planted(50), planted(50))
    write_scans(tmp_path / "raw", "2000-01-01T12:00:04")
    onsets = np.arange(5.0, 45.0, 5.0)
    write_events(tmp_path / "raw", "eeg", onsets)
    write_events(tmp_path / "raw", "emg", onsets - 4)
    table = tmp_path / "raw/sub-01/emg/sub-01_task-leg_events.tsv"
    table.write_text(table.read_text() + "12.0\t2.0\tBAD_cough\n")
    report = process(session, tmp_path / "out")
    assert windows_of(report)["reason"].tolist() == ["n/a", "marked", "n/a", "n/a"]
    assert any("(8 common events)" in note for note in report.warnings)  # the bad span is no event that both lack
    # on one table for both, by inheritance, it is the EEG's clock that counts
    table.unlink()
    shared = tmp_path / "raw" / "task-leg_events.tsv"
    (tmp_path / "raw/sub-01/eeg/sub-01_task-leg_events.tsv").unlink()
    shared.write_text("onset\tduration\ttrial_type\n35.0\t1.0\tBAD_cough\n")
    assert windows_of(process(session, tmp_path / "again"))["reason"].tolist() == ["n/a", "n/a", "n/a", "marked"]


@pytest.mark.parametrize("form", ["vhdr", "edf", "set"])
@pytest.mark.parametrize("with_table", [True, False])
def test_bad_spans_inside_files_count(tmp_path: Path, form: str, with_table: bool) -> None:
    """A span from 31 to 33 s of a file that paused at 23 s: in the window from 23 to 33 s of what is written."""
    if form == "vhdr":
        item = brainvision(tmp_path)
        markers = item.path.with_suffix(".vmrk")
        markers.write_text(markers.read_text() + f"Mk7=Comment,BAD_x,{round(31 * RATE) + 1},{round(2 * RATE)},0\n")
    elif form == "set":
        item = eeglab(tmp_path)
        joint = ("boundary", JOINT_S * RATE + 0.5, PAUSE_S * RATE)
        write_set(item.path, NAMES, [joint, ("bad_x", 31 * RATE + 1, 2 * RATE)])
    else:
        item = edf_d(tmp_path, bad=(31 + PAUSE_S, 2.0))
    if with_table:
        write_table(item, [(5.0, 1.0, "go")])
    recording = read_pair(Pair({"task": "leg"}, item), 10.0)
    assert recording.joints == (round(JOINT_S * RATE),)
    assert [onset + duration for onset, duration in recording.marked] == pytest.approx([33.0])
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out")
    assert windows_of(report)["reason"].tolist() == ["n/a", "n/a", "marked", "n/a"]


def write_events(root: Path, kind: str, onsets: np.ndarray) -> None:
    rows = [f"{onset:.6f}\t1.0\t{('flexion', 'extension')[i % 2]}" for i, onset in enumerate(onsets)]
    path = root / "sub-01" / kind / "sub-01_task-leg_events.tsv"
    path.write_text("onset\tduration\ttrial_type\n" + "\n".join(rows) + "\n")


def test_the_emg_is_put_onto_the_clock_of_the_eeg(tmp_path: Path) -> None:
    """Bursts at known times of the EEG: at the end a clock slow by 500 ppm would have them 45 ms early."""
    ratio, offset, rate = 1.0005, 0.75, 500
    times = offset + ratio * np.arange(89 * rate) / rate
    centres = np.arange(5.0, 88.0, 5.0)
    envelope = sum(np.exp(-0.5 * ((times - centre) / 0.1) ** 2) for centre in centres)
    noise = np.random.default_rng(0).standard_normal((3, len(times)))
    emg = Planted(np.zeros((0, 0)), 1e-6 * noise + 1e-4 * envelope * np.sin(2 * np.pi * 45 * times), rate)
    session = apart(tmp_path / "raw", planted(92), emg)
    write_scans(tmp_path / "raw", "2000-01-01T12:00:01")  # whole seconds
    write_events(tmp_path / "raw", "eeg", np.append(centres, 200.0))
    write_events(tmp_path / "raw", "emg", (np.append(centres, 200.0) - offset) / ratio)
    report = process(session, tmp_path / "out")
    assert report.qc["emg_offset_s"] == pytest.approx(offset, abs=1e-3)
    assert report.qc["emg_drift_ppm"] == pytest.approx(500, abs=2)
    assert any("1 of 18 events begin outside the signal" in note for note in report.warnings)
    clean, _, found_rate = read(report.outputs["eegemg"][2])
    assert found_rate == RATE
    for centre in (centres[0], centres[-1]):
        on = slice(round((centre - offset - 0.5) * RATE), round((centre - offset + 0.5) * RATE))
        middle = np.average(np.arange(on.start, on.stop), weights=clean[0, on] ** 2) / RATE + offset
        assert middle == pytest.approx(centre, abs=5e-3)


def test_another_rate_and_start_give_the_same_windows(tmp_path: Path) -> None:
    """The same EMG, below 80 Hz, once at the EEG's rate and start and once at 500 Hz from 2 s earlier."""

    def muscle(times: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(3)
        tones = [(f, rng.uniform(0, 6.3), rng.normal()) for f in rng.uniform(25, 75, 60)]
        one = sum(size * np.sin(2 * np.pi * f * times + phase) for f, phase, size in tones)
        return 2e-5 * np.stack([one] * len(EMG))

    signals = planted(60)
    same = Planted(signals.eeg, muscle(np.arange(60 * RATE) / RATE), RATE)
    other = Planted(signals.eeg, muscle(np.arange(64 * 500) / 500 - 2), 500)
    reports = []
    for name, emg, start in (("a", same, "12:00:00"), ("b", other, "11:59:58")):
        session = apart(tmp_path / name, signals, emg)
        write_scans(tmp_path / name, f"2000-01-01T{start}")
        reports.append(process(session, tmp_path / f"out_{name}"))
    assert windows_of(reports[0]).equals(windows_of(reports[1]))
    inner = slice(round(2 * RATE), -round(2 * RATE))  # the filters' ends differ: one recording goes on there
    for first, second in zip(reports[0].outputs["eegemg"][1:], reports[1].outputs["eegemg"][1:], strict=True):
        one, two = read(first)[0][:, inner], read(second)[0][:, inner]
        np.testing.assert_allclose(one, two, atol=1e-3 * one.std())


def test_acq_time_that_is_no_time_fails(tmp_path: Path) -> None:
    session = apart(tmp_path / "raw", planted(12), planted(12))
    write_scans(tmp_path / "raw", "noon")
    with pytest.raises(DataError, match=r"scans\.tsv: acq_time 'noon'"):
        process(session, tmp_path / "out")


@pytest.mark.inputs(
    "`acq_time` is found whatever the encoding of `scans.tsv`, its quotes and the capitals of its columns."
)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_acq_time_in_tables_of_other_programs(tmp_path: Path, encoding: str, quote: str) -> None:
    session = apart(tmp_path / "raw", planted(12), planted(12))
    rows = (("eeg", "M\xfcller"), ("emg", '"nachts'))
    lines = [
        f"{quote}{kind}/sub-01_task-leg_{kind}.edf{quote}\t{operator}\t2000-01-01T12:00:0{index}"
        for index, (kind, operator) in enumerate(rows)
    ]
    table = tmp_path / "raw" / "sub-01" / "sub-01_scans.tsv"
    table.write_text("\n".join(["Filename\toperator\tAcq_time", *lines]) + "\n", encoding=encoding)
    recording = read_pair(Pair({}, session.files("eeg")[0], session.files("emg")), 1.0)
    assert recording.qc["emg_offset_s"] == 1.0


def test_scans_that_are_not_fetched_are_no_common_start(tmp_path: Path) -> None:
    session = apart(tmp_path / "raw", planted(12), planted(12))
    (tmp_path / "raw" / "sub-01" / "sub-01_scans.tsv").symlink_to("../.git/annex/objects/aa/MD5E-s20--00.tsv")
    with pytest.raises(DataError, match="datalad get") as caught:
        process(session, tmp_path / "out")
    assert caught.value.reason == "not-fetched"
