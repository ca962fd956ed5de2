"""The EEG/EMG step on recordings that are short, broken or at odds with their sidecars."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pybv
import pytest

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.preprocess.eegemg.read import read_source
from tests.preprocess.eegemg.test_step import (
    EEG,
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


def test_a_recording_shorter_than_a_window_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingModalityError, match="3 s of EEG/EMG are less than one window of 10 s") as caught:
        process(together(tmp_path / "raw", planted(3)), tmp_path / "out")
    assert caught.value.reason == "recording-too-short"
    report = process(together(tmp_path / "raw", planted(3)), tmp_path / "out", window_seconds=1)
    assert report.qc["n_windows"] == 3


def test_a_broken_channel_is_found(tmp_path: Path) -> None:
    signals = planted()
    signals.eeg[4] *= 40
    signals.eeg[9] = 0
    signals.emg[1] = 0
    report = process(together(tmp_path / "raw", signals), tmp_path / "out")
    assert report.qc["n_bad_channels"] == 3
    assert any("interpolated: C3, O2" in note for note in report.warnings)
    assert any("EMG channels left out as bad: biceps femoris" in note for note in report.warnings)
    assert read(report.outputs["eegemg"][2])[1] == ["rectus femoris", "vastus medialis"]


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
    copied = (tmp_path / "out/sub-01/eeg/sub-01_task-leg_desc-preproc_events.tsv").read_text()
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


def test_emg_too_slow_for_its_high_pass_is_left_out(tmp_path: Path) -> None:
    report = process(together(tmp_path / "raw", planted(rate=80.0)), tmp_path / "out")
    assert len(report.outputs["eegemg"]) == 2
    assert "task-leg: EMG: 80 Hz is too slow for a high-pass of 20 Hz" in report.warnings


def test_few_channels_keep_their_reference(tmp_path: Path) -> None:
    item = write_file(tmp_path / "raw", "eeg", planted().eeg[:3], EEG[:3], RATE)
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out")
    assert json.loads(report.outputs["eegemg"][1].with_suffix(".json").read_text())["EEGReference"] == "Cz"
    assert any("keeps its reference" in note for note in report.warnings)


def test_a_header_without_its_data_file_is_named_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "sub-01" / "eeg"
    folder.mkdir(parents=True)
    pybv.write_brainvision(
        data=planted(12).eeg, sfreq=RATE, ch_names=list(EEG), fname_base="sub-01_task-leg_eeg", folder_out=str(folder)
    )
    (folder / "sub-01_task-leg_eeg.eeg").unlink()
    header = folder / "sub-01_task-leg_eeg.vhdr"
    with pytest.raises(DataError) as caught:
        process(Session("01", None, raw={"eeg": (BidsFile(header, {}),)}), tmp_path / "out")
    assert caught.value.reason == "missing-data-file"
    assert str(header) in caught.value.message
    assert "sub-01_task-leg_eeg.eeg" in caught.value.message


@pytest.mark.parametrize("keep, reason", [(0.5, "truncated-recording"), (0.001, "unreadable-recording")])
def test_a_file_that_is_cut_short_fails(tmp_path: Path, keep: float, reason: str) -> None:
    session = together(tmp_path / "raw", planted(12))
    path = session.files("eeg")[0].path
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * keep)])
    with pytest.raises(DataError) as caught:
        process(session, tmp_path / "out")
    assert caught.value.reason == reason
    assert str(path) in caught.value.message


def change_channels(session: Session, change: Callable[[list[str]], list[str]]) -> None:
    """Change the rows of channels.tsv, the first of which holds the names of the columns."""
    path = session.files("eeg")[0].path.with_name("sub-01_task-leg_channels.tsv")
    path.write_text("".join(f"{row}\n" for row in change(path.read_text().splitlines())))


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (
            lambda rows: [row.replace("C3", "X9") for row in rows],
            "channels-mismatch",
            r"channels\.tsv is at odds with .*: only in the table: X9; only in the file: C3\.",
        ),
        (
            lambda rows: [rows[0], rows[2], rows[1], *rows[3:]],
            "channels-mismatch",
            r"the order differs, first in row 1 \(Fp2 instead of Fp1\)",
        ),
        (lambda rows: [row.split("\t")[0] for row in rows], "bad-channels-table", "has no column type"),
        (lambda rows: [], "bad-channels-table", r"channels\.tsv is no table"),
    ],
)
def test_channels_at_odds_with_the_file_fail(
    tmp_path: Path, change: Callable[[list[str]], list[str]], reason: str, words: str
) -> None:
    session = together(tmp_path / "raw", planted(12))
    change_channels(session, change)
    with pytest.raises(DataError, match=words) as caught:
        process(session, tmp_path / "out")
    assert caught.value.reason == reason


def test_rows_too_few_or_too_many_and_unknown_types_are_named(tmp_path: Path) -> None:
    session = together(tmp_path / "raw", planted(12))
    change_channels(session, lambda rows: [row.replace("O2\tEEG", "O2\tSPLEEN") for row in rows[:-1]])
    report = process(session, tmp_path / "a")
    assert any("without a row in channels.tsv and left out: vastus medialis" in note for note in report.warnings)
    assert any("a type that is not of BIDS are left out (SPLEEN)" in note for note in report.warnings)
    assert (report.qc["n_eeg_channels"], report.qc["n_emg_channels"]) == (9, 2)
    change_channels(session, lambda rows: [*rows, "vastus medialis\tEMG\tuV\tgood", "soleus\tEMG\tuV\tgood"])
    report = process(session, tmp_path / "b")
    assert any("names channels that are not in sub-01_task-leg_eeg.edf: soleus" in note for note in report.warnings)
    assert report.qc["n_emg_channels"] == 3


def test_channels_that_are_always_negative_are_as_good_as_any(tmp_path: Path) -> None:
    signals, shifted = planted(), planted()
    shifted.eeg[3] -= 3e-4
    shifted.emg[1] -= 2e-3
    assert shifted.eeg[3].max() < 0
    assert shifted.emg[1].max() < 0
    reports = [process(together(tmp_path / name, item), tmp_path / f"out_{name}")
               for name, item in (("a", signals), ("b", shifted))]  # fmt: skip
    assert reports[1].qc["n_bad_channels"] == 0
    for first, second in zip(reports[0].outputs["eegemg"][1:], reports[1].outputs["eegemg"][1:], strict=True):
        one, two = read(first)[0], read(second)[0]
        np.testing.assert_allclose(one, two, atol=0.02 * one.std())  # 16 bits of a file with an offset


def test_acq_time_that_is_no_time_fails(tmp_path: Path) -> None:
    session = apart(tmp_path / "raw", planted(12), planted(12))
    write_scans(tmp_path / "raw", "noon")
    with pytest.raises(DataError, match=r"scans\.tsv: acq_time 'noon'"):
        process(session, tmp_path / "out")


def test_files_of_the_same_run_are_not_used_twice(tmp_path: Path) -> None:
    session = apart(tmp_path / "raw", planted(12), planted(12))
    second = session.files("emg")[0].path.with_name("sub-01_task-leg_recording-right_emg.edf")
    second.write_bytes(session.files("emg")[0].path.read_bytes())
    report = process(
        replace(session, raw={**session.raw, "emg": (*session.files("emg"), BidsFile(second, {}))}), tmp_path / "out"
    )
    assert any("is left out" in note for note in report.warnings)
    assert report.qc["n_recordings"] == 1


def test_eeg_that_is_the_same_everywhere_is_no_signal(tmp_path: Path) -> None:
    signals = planted()
    signals.eeg[:] = signals.eeg[0]
    with pytest.raises(MissingModalityError, match="flat") as caught:
        process(together(tmp_path / "raw", signals), tmp_path / "out")
    assert caught.value.reason == "no-good-window"


def test_nothing_is_written_into_the_dataset(example: Path) -> None:
    """mne-bids puts lock files beside sidecars, for moments: seen at the system call, not afterwards."""
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if watching and (writes or event in ("os.mkdir", "os.remove", "os.rename")):
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    for item in find_sessions(Selection(example, participant_labels=("04",)))[0].files("eeg"):
        read_source(item)
    watching = False
    assert opened, "the hook saw nothing at all"
    assert [path for path in opened if path.startswith(str(example))] == []
