"""Which sidecars apply in which order, when they are read, and what one broken sidecar costs.

That inheritance is pybids' is tested in test_layout.py, on trees made at random.
"""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bids_stroke.app.dry_run import print_plan
from bids_stroke.bids.layout import Dataset
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import InputError
from bids_stroke.core.records import BidsFile
from bids_stroke.core.settings import Settings
from tests.helpers.as_pybids import by_pybids
from tests.helpers.bids import make_dataset
from tests.helpers.broken_json import KINDS


def files_of(dataset: Dataset, query: str, subject: str = "01") -> tuple[BidsFile, ...]:
    return dataset.raw_files(dataset.folders(subject))[query]


def test_of_several_beside_each_other_the_most_specific_counts(tmp_path: Path) -> None:
    """BIDS asks for one a level; where single- and multi-echo runs lie together there are more (pybids issue 1044)."""
    func = "sub-01/func/sub-01_task-rest"
    files = {
        f"{func}_echo-2_bold.nii.gz": None,
        f"{func}_bold.json": {"EchoTime": 0.01, "Only": "here"},
        f"{func}_echo-2_bold.json": {"EchoTime": 0.02},
        f"{func}_echo-1_bold.json": {"EchoTime": 0.03},
        "sub-01/task-rest_bold.json": {"EchoTime": 0.04, "Above": True},
        "task-rest_bold.json": {"EchoTime": 0.05, "Above": False},
    }
    raw = make_dataset(tmp_path, files)
    metadata = files_of(Dataset.open(raw, "raw"), "bold")[0].metadata
    assert metadata == {"EchoTime": 0.02, "Only": "here", "Above": True}
    assert set(by_pybids(raw)[f"{func}_echo-2_bold.nii.gz"][1]) == set(metadata)


def test_a_key_that_is_null_in_the_nearest_file_is_left_out(tmp_path: Path) -> None:
    files = {"sub-01/anat/sub-01_T1w.nii": None, "T1w.json": {"EchoTime": 1, "A": 2}, "sub-01/T1w.json": {"A": None}}
    assert files_of(Dataset.open(make_dataset(tmp_path, files), "raw"), "t1w")[0].metadata == {"EchoTime": 1}


def test_derivatives_inherit_by_all_entities_of_their_names(tmp_path: Path) -> None:
    anat = "sub-01/anat/sub-01"
    files = {
        f"{anat}_space-S_desc-preproc_T1w.nii.gz": None,
        f"{anat}_desc-preproc_T1w.json": {"A": "wide", "B": "wide"},
        f"{anat}_space-S_desc-preproc_T1w.json": {"A": "own"},
        f"{anat}_desc-other_T1w.json": {"A": "other"},
        "desc-preproc_T1w.json": {"B": "root", "C": "root", "desc": "said"},
    }
    dataset = Dataset.open(make_dataset(tmp_path, files), "prep")
    image = dataset.images(dataset.folders("01"))[0]
    assert image.metadata == {"A": "own", "B": "wide", "C": "root", "desc": "said"}
    assert image.uri == "bids:prep:sub-01/anat/sub-01_space-S_desc-preproc_T1w.nii.gz"


def test_sidecars_are_read_at_the_first_look_and_once(tmp_path: Path) -> None:
    files: dict[str, Any] = {f"sub-{label}/func/sub-{label}_task-rest_bold.nii": None for label in ("01", "02", "03")}
    raw = make_dataset(tmp_path, files | {"task-rest_bold.json": {"RepetitionTime": 1}})
    dataset = Dataset.open(raw, "raw")
    first, second, third = (files_of(dataset, "bold", label)[0] for label in ("01", "02", "03"))
    assert "not read yet" in repr(first.metadata)
    (raw / "task-rest_bold.json").write_text('{"RepetitionTime": 2}')
    assert first.metadata["RepetitionTime"] == 2
    (raw / "task-rest_bold.json").unlink()
    assert second.metadata == {"RepetitionTime": 2}
    assert pickle.loads(pickle.dumps(third.metadata)) == {"RepetitionTime": 2}
    assert "RepetitionTime" in repr(first.metadata)


STEMS = {
    "eeg": "eeg/sub-02_task-x_eeg",
    "emg": "emg/sub-02_task-x_emg",
    "bold": "func/sub-02_task-rest_bold",
    "dwi": "dwi/sub-02_dwi",
    "T1w": "anat/sub-02_T1w",
}
DATA = ("eeg/sub-{}_task-x_eeg.edf", "emg/sub-{}_task-x_emg.edf", "func/sub-{}_task-rest_bold.nii.gz",
        "dwi/sub-{}_dwi.nii.gz", "anat/sub-{}_T1w.nii.gz")  # fmt: skip
BROKEN = {
    **{name: f"sub-02/{stem}.json" for name, stem in STEMS.items()},
    "events": "sub-02/eeg/sub-02_task-x_events.json",
    "root": "task-rest_bold.json",
}
"""What is broken -> the file."""


def three_people(folder: Path) -> Path:
    """Three people with everything; the third has no BOLD."""
    names = [f"sub-{label}/{name.format(label)}" for label in ("01", "02", "03") for name in DATA]
    return make_dataset(
        folder, dict.fromkeys(name for name in names if name != "sub-03/func/sub-03_task-rest_bold.nii.gz")
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", BROKEN)
def test_a_broken_sidecar_costs_those_whom_it_describes_and_is_named(tmp_path: Path, place: str, kind: str) -> None:
    raw = three_people(tmp_path / "raw")
    (raw / BROKEN[place]).write_bytes(KINDS[kind].content)
    units = find_sessions(Selection(raw))
    failed = ["02"] if place != "root" else ["01", "02"]
    assert [unit.subject for unit in units if unit.error] == failed
    assert all(str(raw / BROKEN[place]) in unit.error for unit in units if unit.error)
    assert [len(unit.inputs) for unit in units if not unit.error] == ([5, 4] if place != "root" else [4])
    text = io.StringIO()
    print_plan(Console(file=text), units, Settings())
    told = [line.split()[0] for line in text.getvalue().splitlines() if f"fails: {raw / BROKEN[place]} " in line]
    assert told == [f"sub-{label}" for label in failed]


def test_a_broken_sidecar_of_what_is_not_used_costs_nothing(tmp_path: Path) -> None:
    raw = three_people(tmp_path / "raw")
    for name in ("func/sub-02_task-hand_bold", "eeg/sub-02_task-y_events", "perf/sub-02_asl", "anat/sub-02_T2w"):
        (raw / "sub-02" / name).parent.mkdir(exist_ok=True)
        (raw / "sub-02" / f"{name}.json").write_bytes(KINDS["null"].content)
        (raw / "sub-02" / f"{name}.nii.gz").touch()
    (raw / "sub-02" / "dwi" / "sub-02_dwi.json").write_bytes(KINDS["null"].content)
    units = find_sessions(Selection(raw, modalities=("gm", "bold", "eegemg")))
    assert [unit.error for unit in units] == ["", "", ""]
    assert [len(unit.inputs) for unit in units] == [4, 4, 3]


def test_a_broken_sidecar_costs_its_session_only(tmp_path: Path) -> None:
    names = [f"sub-01/ses-{label}/anat/sub-01_ses-{label}_T1w" for label in ("a", "b")]
    raw = make_dataset(tmp_path, {f"{name}.nii.gz": None for name in names} | {f"{names[0]}.json": "null"})
    first, second = find_sessions(Selection(raw))
    assert (first.prefix, f"{names[0]}.json" in first.error) == ("sub-01_ses-a", True)
    assert (second.prefix, second.error, len(second.files("t1w"))) == ("sub-01_ses-b", "", 1)


def test_a_broken_sidecar_of_a_field_image_costs_its_subject(tmp_path: Path) -> None:
    raw = three_people(tmp_path / "raw")
    make_dataset(raw, {"sub-02/fmap/sub-02_dir-AP_epi.nii.gz": None, "sub-02/fmap/sub-02_dir-AP_epi.json": "[1]"})
    units = find_sessions(Selection(raw))
    assert ["sub-02_dir-AP_epi.json holds a list" in unit.error for unit in units] == [False, True, False]


def test_electrodes_are_described_in_a_space_that_the_recording_does_not_name(tmp_path: Path) -> None:
    raw = three_people(tmp_path / "raw")
    (raw / "sub-02" / "eeg" / "sub-02_space-CapTrak_coordsystem.json").write_text(json.dumps([]))
    assert [bool(unit.error) for unit in find_sessions(Selection(raw))] == [False, True, False]


def test_the_first_look_at_a_broken_sidecar_is_an_error(tmp_path: Path) -> None:
    raw = three_people(tmp_path / "raw")
    (raw / BROKEN["T1w"]).write_text("null")
    file = files_of(Dataset.open(raw, "raw"), "t1w", "02")[0]
    for _ in range(2):
        with pytest.raises(InputError, match=r"sub-02_T1w\.json"):
            file.metadata.get("EchoTime")
