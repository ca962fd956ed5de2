"""Text files of samples become BIDS recordings with the same numbers, or are refused with the place of the fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mne_bids import BIDSPath, read_raw_bids

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.cli.tools import main
from bids_stroke.convert.text_recordings import convert_txt
from bids_stroke.convert.text_table import TxtOptions
from bids_stroke.core.channels import CHANNELS, EEG_SITES
from bids_stroke.core.errors import DataError, InputError, UsageError
from tests.helpers.recordings import process
from tests.helpers.text_tables import samples, write

OPTIONS = TxtOptions("01", "leg", 1000.0, channels=("published",))


def test_the_recording_holds_the_numbers_of_the_text_and_runs_through(tmp_path: Path) -> None:
    values = samples()
    path, notes = convert_txt(write(tmp_path / "p.txt", values), tmp_path / "bids", OPTIONS)
    assert path == tmp_path / "bids/sub-01/eeg/sub-01_task-leg_eeg.vhdr"
    assert notes == ()
    raw = read_raw_bids(BIDSPath(subject="01", task="leg", datatype="eeg", root=tmp_path / "bids"), verbose="error")
    np.testing.assert_allclose(raw.get_data().T * 1e6, values, atol=1e-4)
    assert (raw.info["sfreq"], raw.info["line_freq"]) == (1000, 50)
    channels = pd.read_csv(path.with_name("sub-01_task-leg_channels.tsv"), sep="\t")
    assert channels["name"].tolist() == list(CHANNELS)
    assert channels["type"].tolist() == ["EEG"] * 16 + ["EMG"] * 6
    report = process(find_sessions(Selection(tmp_path / "bids"))[0], tmp_path / "out")
    found = {key: report.qc[key] for key in ("n_windows_kept", "n_eeg_channels", "n_emg_channels")}
    assert found == {"n_windows_kept": 1, "n_eeg_channels": 16, "n_emg_channels": 6}


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("1 2\n3\n", "ragged-table", r"p\.txt, line 2: 1 columns instead of 2"),
        ("1 2\n3 4\n\n5 6 7\n", "ragged-table", r"p\.txt, line 4: 3 columns instead of 2"),
        ("1 2\n3 nan\n", "not-a-number", r"line 2, column 2: not a finite number \(1 in all\)"),
        ("1 2\n3 lost\n", "not-a-number", "line 2: 'lost' is not a number"),
        ("1 2 3\n4 5 6\n", "wrong-columns", "has 3 columns, but 2 channels are given"),
        ("1 2\n", "ragged-table", "has 1 samples"),
        ("", "ragged-table", "is empty"),
    ],
)
def test_a_broken_table_is_refused_with_the_place_of_its_fault(
    tmp_path: Path, text: str, reason: str, words: str
) -> None:
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        convert_txt(tmp_path / "p.txt", tmp_path / "bids", TxtOptions("01", "leg", 500.0, channels=("C3", "C4")))
    assert caught.value.reason == reason
    assert not (tmp_path / "bids").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"channels": ()}, "has no row of names"),
        ({"unit": "furlong"}, "--unit 'furlong'"),
        ({"rate": 0.0}, "--rate 0 Hz"),
        ({"task": "leg_1"}, "--task 'leg_1' is no BIDS label"),
        ({"channels": ("C3", "C4:NOSE")}, "unknown type"),
    ],
)
def test_options_that_cannot_be_obeyed(tmp_path: Path, change: dict[str, object], words: str) -> None:
    source = write(tmp_path / "p.txt", samples(10, 2))
    options = TxtOptions(**{"subject": "01", "task": "leg", "rate": 500.0, "channels": ("C3", "C4"), **change})
    with pytest.raises(UsageError, match=words):
        convert_txt(source, tmp_path / "bids", options)


def test_a_wrong_unit_is_noticed(tmp_path: Path) -> None:
    source = write(tmp_path / "p.txt", samples(2000))
    options = TxtOptions("01", "leg", 1000.0, unit="mV", channels=("published",))
    _, notes = convert_txt(source, tmp_path / "bids", options)
    assert len(notes) == 2
    assert all("is mV the right unit?" in note for note in notes)


def test_muscles_alone_go_into_emg_and_the_rest_of_the_dataset_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bids = tmp_path / "bids"
    bids.mkdir()
    (bids / "participants.tsv").write_text("participant_id\tage\tfma_le\nsub-07\t61\t20\n")
    (bids / "participants.json").write_text('{"fma_le": {"Description": "mine"}}')
    source = write(tmp_path / "p.txt", samples(3000, 2), ("rectus femoris", "biceps femoris"))
    with pytest.raises(SystemExit) as stop:
        main(["convert-txt", str(source), str(bids), "--subject", "sub-02", "--task", "leg", "--rate", "1000"])
    assert not stop.value.code
    path = bids / "sub-02/emg/sub-02_task-leg_emg.bdf"
    assert capsys.readouterr().out.splitlines()[0] == str(path)
    assert path.is_file()
    people = "participant_id\tage\tfma_le\nsub-07\t61\t20\nsub-02\tn/a\tn/a\n"
    assert (bids / "participants.tsv").read_text() == people
    assert "mine" in (bids / "participants.json").read_text()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        convert_txt(source, bids, TxtOptions("02", "leg", 1000.0))
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="does not exist"):
        convert_txt(tmp_path / "none.txt", bids, OPTIONS)


def test_the_same_text_gives_the_same_valid_dataset(tmp_path: Path) -> None:
    source = write(tmp_path / "p.txt", samples(3000))
    for name in ("a", "b"):
        convert_txt(source, tmp_path / name, OPTIONS)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) >= 8
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    sidecar = json.loads((tmp_path / "a/sub-01/eeg/sub-01_task-leg_eeg.json").read_text())
    assert (sidecar["EEGChannelCount"], sidecar["EMGChannelCount"], sidecar["EEGReference"]) == (16, 6, "n/a")
    assert len(EEG_SITES) == 16
    command = Path(sys.executable).with_name("bids-validator-deno")
    found = subprocess.run([command, tmp_path / "a", "--format", "json"], capture_output=True, text=True, check=False)
    issues = json.loads(found.stdout)["issues"]["issues"]
    assert [(item["code"], item.get("location")) for item in issues if item["severity"] == "error"] == []
