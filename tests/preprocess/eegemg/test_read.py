"""Reading of recordings: files that lack a part or are cut short fail; nothing is written beside them."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pybv
import pytest

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.preprocess.eegemg.channels import channels_table
from bids_stroke.preprocess.eegemg.read import read_source
from tests.helpers.recordings import EEG, RATE, planted, process, together


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


@pytest.mark.inputs("channels.tsv in another encoding (a micro sign in Latin-1) is read, and said.")
@pytest.mark.parametrize(("encoding", "said"), [("utf-8-sig", ""), ("latin-1", "Windows-1252"), ("utf-16", "UTF-16")])
def test_channels_and_sidecars_in_other_encodings(tmp_path: Path, encoding: str, said: str) -> None:
    item = together(tmp_path / "raw", planted(12)).files("eeg")[0]
    as_it_was = read_source(item)
    table = item.path.with_name("sub-01_task-leg_channels.tsv")
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_bytes(
        "".join(f"{line}\t{'über µV' if i else 'note'}\n" for i, line in enumerate(lines)).encode(encoding)
    )
    sidecar = item.path.with_suffix(".json")
    text = sidecar.read_text(encoding="utf-8").replace("{", '{"InstitutionName": "Köln",', 1)
    sidecar.write_bytes(text.encode(encoding))
    found = read_source(item)
    assert found.raw.get_channel_types() == as_it_was.raw.get_channel_types()
    assert (found.raw.get_data() == as_it_was.raw.get_data()).all()
    told = [note for note in found.warnings if "UTF-8" in note]
    assert [table.name in note and said in note for note in told] == ([True] if said else [])


def test_a_quote_in_channels_eats_no_channel(tmp_path: Path) -> None:
    item = together(tmp_path / "raw", planted(12)).files("eeg")[0]
    table = item.path.with_name("sub-01_task-leg_channels.tsv")
    text = table.read_text(encoding="utf-8")
    before = channels_table(item.path)
    lines = text.splitlines()
    lines[0] += "\tnote"
    lines[1:] = [f'{line}\t"loose' if i == 0 else f"{line}\tn/a" for i, line in enumerate(lines[1:])]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    after = channels_table(item.path)
    assert before is not None and after is not None
    assert after[1]["name"].tolist() == before[1]["name"].tolist()


@pytest.mark.inputs("Tables of electrodes' places are not read: places are those of the 10-20 template, by name.")
@pytest.mark.parametrize("places", ["name\tx\n", "", "name\tx\ty\tz\nFp1\tfar\t1e308\tnan\n"])
@pytest.mark.parametrize("system", ["{}", '{"EEGCoordinateSystem": 5}'])
def test_places_cost_no_recording(tmp_path: Path, places: str, system: str) -> None:
    session = together(tmp_path / "raw", planted(12))
    item = session.files("eeg")[0]
    before = read_source(item)
    item.path.with_name("sub-01_space-CapTrak_electrodes.tsv").write_text(places)
    item.path.with_name("sub-01_space-CapTrak_coordsystem.json").write_text(system)
    after = read_source(item)
    assert (after.raw.get_data() == before.raw.get_data()).all()
    assert after.raw.ch_names == before.raw.ch_names
    assert after.warnings == before.warnings


@pytest.mark.inputs("Odd tables of people and of scans cost no recording.")
@pytest.mark.parametrize("people", ["Participant_ID\tage\nsub-01\t53\n", "", "participant_id\nsub-09\n"])
@pytest.mark.parametrize("scans", ["Filename\tacq_time\n", "", 'file\n"eeg\n'])
def test_tables_of_people_and_scans_cost_no_recording(tmp_path: Path, people: str, scans: str) -> None:
    session = together(tmp_path / "raw", planted(12))
    item = session.files("eeg")[0]
    before = read_source(item)
    (tmp_path / "raw" / "participants.tsv").write_text(people)
    (tmp_path / "raw" / "sub-01" / "sub-01_scans.tsv").write_text(scans)
    after = read_source(item)
    assert (after.raw.get_data() == before.raw.get_data()).all()
    assert after.warnings == before.warnings


@pytest.mark.parametrize("told", [1, 1e308, True, "50", [50], {"Hz": 50}, -50, 1000])
def test_a_mains_frequency_that_is_none_leaves_the_hum(tmp_path: Path, told: object) -> None:
    item = together(tmp_path / "raw", planted(12)).files("eeg")[0]
    metadata = {**item.metadata, "PowerLineFrequency": told}
    item.path.with_suffix(".json").write_text(json.dumps(metadata))
    found = read_source(replace(item, metadata=metadata))
    assert found.mains is None
    assert any("PowerLineFrequency" in note and "mains hum is left in" in note for note in found.warnings)
