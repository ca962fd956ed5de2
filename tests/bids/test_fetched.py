"""Datasets of which not everything has been fetched: what is not here is named, and costs only what needs it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from bids_stroke.app.dry_run import print_plan
from bids_stroke.app.plan import missing_inputs
from bids_stroke.bids.sessions import Selection, find_sessions, read_description
from bids_stroke.core.errors import NotBidsError
from bids_stroke.core.settings import Settings
from tests.helpers.bids import make_dataset

NAMES = (
    "anat/sub-01_T1w.nii.gz", "anat/sub-01_T1w.json", "dwi/sub-01_dwi.nii.gz", "dwi/sub-01_dwi.bval",
    "dwi/sub-01_dwi.bvec", "func/sub-01_task-rest_bold.nii.gz", "eeg/sub-01_task-x_eeg.vhdr",
    "eeg/sub-01_task-x_eeg.eeg",
    "eeg/sub-01_task-x_eeg.vmrk", "eeg/sub-01_task-x_channels.tsv", "eeg/sub-01_task-x_events.json",
    "emg/sub-01_task-x_emg.edf",
)  # fmt: skip
POINTER = "/annex/objects/MD5E-s207--0123456789abcdef\n"
EVERYTHING = {"t1w", "dwi", "bold", "eeg", "emg"}


def person(folder: Path, away: str, *, link: bool = True) -> Path:
    """A person with everything, of which one file has not been fetched (git-annex, locked or not)."""
    files = {f"sub-01/{name}": "{}" if name.endswith(".json") else None for name in NAMES}
    raw = make_dataset(folder, {**files, "participants.tsv": "participant_id\nsub-01\n"})
    path = raw / away
    path.unlink(missing_ok=True)
    if link:
        path.symlink_to(".git/annex/objects/x")
    else:
        path.write_text(POINTER)
        (raw / ".git").mkdir()
    return raw


@pytest.mark.inputs(
    "An image that has not been fetched is left out, and so is one whose sidecar, gradients, channels, events or data "
    "file have not: the modality is missing (`not-fetched`), the person's others are used."
)
@pytest.mark.parametrize("link", [True, False], ids=["link", "pointer"])
@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("sub-01/anat/sub-01_T1w.nii.gz", {"t1w"}),
        ("sub-01/anat/sub-01_T1w.json", {"t1w"}),
        ("sub-01/dwi/sub-01_dwi.nii.gz", {"dwi"}),
        ("sub-01/dwi/sub-01_dwi.bvec", {"dwi"}),
        ("dwi.json", {"dwi"}),
        ("task-rest_bold.json", {"bold"}),
        ("sub-01/eeg/sub-01_task-x_eeg.eeg", {"eeg"}),
        ("sub-01/eeg/sub-01_task-x_channels.tsv", {"eeg"}),
        ("sub-01/eeg/sub-01_task-x_events.json", {"eeg"}),
        ("sub-01/emg/sub-01_task-x_emg.edf", {"emg"}),
    ],
)
def test_what_is_not_fetched_costs_what_needs_it(tmp_path: Path, name: str, lost: set[str], *, link: bool) -> None:
    raw = person(tmp_path, name, link=link)
    unit = find_sessions(Selection(raw))[0]
    assert (unit.error, unit.not_fetched) == ("", lost)
    assert {query for query in EVERYTHING if unit.files(query)} == EVERYTHING - lost
    [(file, why)] = unit.left_out.items()
    assert f"its content is not here (git-annex): datalad get {raw / name}" in why
    assert any(query in file.lower() for query in lost)
    said = io.StringIO()
    print_plan(Console(file=said), [unit], Settings())
    assert re.search(rf"{re.escape(file)} +left out: ", said.getvalue())


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("sub-01/dwi/sub-01_dwi.nii.gz", {"fa", "md", "rd", "ad"}),
        ("sub-01/func/sub-01_task-rest_bold.nii.gz", {"bold"}),
        ("sub-01/anat/sub-01_T1w.nii.gz", {"gm", "wm"}),
    ],
)
def test_the_reason_is_that_of_the_modality(tmp_path: Path, name: str, missing: set[str]) -> None:
    unit = find_sessions(Selection(person(tmp_path, name)))[0]
    reasons = missing_inputs(unit, Settings())
    assert {modality for modality, reason in reasons.items() if reason == "not-fetched"} == missing


def test_of_several_runs_the_others_are_used(tmp_path: Path) -> None:
    raw = person(tmp_path, "sub-01/dwi/sub-01_run-2_dwi.nii.gz")
    unit = find_sessions(Selection(raw))[0]
    assert [file.path.name for file in unit.files("dwi")] == ["sub-01_dwi.nii.gz"]
    assert list(unit.left_out) == ["sub-01_run-2_dwi.nii.gz"]


def test_a_field_image_that_is_not_fetched_does_not_cost_the_series(tmp_path: Path) -> None:
    raw = person(tmp_path, "sub-01/anat/sub-01_T1w.json")
    fmap = make_dataset(raw, {f"sub-01/fmap/sub-01_dir-{label}_epi.nii.gz": None for label in ("AP", "PA")})
    make_dataset(fmap, {"sub-01/fmap/sub-01_dir-AP_epi.json": {"PhaseEncodingDirection": "j"}})
    (raw / "sub-01" / "fmap" / "sub-01_dir-PA_epi.json").symlink_to(".git/annex/objects/x")
    unit = find_sessions(Selection(raw))[0]
    assert [file.path.name for file in unit.files("epi")] == ["sub-01_dir-AP_epi.nii.gz"]
    assert len(unit.files("dwi")) == 1
    assert set(unit.left_out) == {"sub-01_T1w.nii.gz", "sub-01_dir-PA_epi.nii.gz"}


def test_maps_and_masks_that_are_not_fetched_are_named_too(tmp_path: Path) -> None:
    raw = person(tmp_path / "raw", "sub-01/anat/sub-01_label-L_mask.nii.gz")
    maps = make_dataset(tmp_path / "maps")
    (maps / "sub-01" / "anat").mkdir(parents=True)
    name = "sub-01_space-MNI152NLin6Asym_label-GM_probseg.nii.gz"
    (maps / "sub-01" / "anat" / name).symlink_to("../.git/annex/objects/x")
    unit = find_sessions(Selection(raw, derivatives={"maps": maps}))[0]
    assert (unit.maps, unit.lesion, len(unit.files("t1w"))) == ({}, (), 1)
    assert set(unit.left_out) == {name, "sub-01_label-L_mask.nii.gz"}


def test_a_mask_whose_sidecar_is_not_fetched_costs_the_lesion_alone(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path / "raw", {"sub-01/anat/sub-01_T1w.nii.gz": None})
    masks = make_dataset(tmp_path / "masks", {"sub-01/anat/sub-01_label-L_mask.nii.gz": None})
    (masks / "sub-01" / "anat" / "sub-01_label-L_mask.json").symlink_to("../.git/annex/objects/x")
    (unit,) = find_sessions(Selection(raw, derivatives={"masks": masks}))
    assert (unit.error, unit.lesion, len(unit.files("t1w"))) == ("", (), 1)
    assert "datalad get" in unit.left_out["sub-01_label-L_mask.nii.gz"]


def test_a_person_of_whom_nothing_is_fetched_is_reported_and_no_empty_folder(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path, {"participants.tsv": "participant_id\nsub-01\n"})
    for name in NAMES:
        (raw / "sub-01" / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / "sub-01" / name).symlink_to("../.git/annex/objects/x")
    [unit] = find_sessions(Selection(raw, participant_labels=("01",)))
    assert (unit.error, unit.inputs, unit.not_fetched) == ("", (), EVERYTHING)
    assert set(missing_inputs(unit, Settings()).values()) == {"not-fetched", "no-lesion"}


@pytest.mark.inputs("A dataset whose dataset_description.json has not been fetched is refused (16), with the command.")
def test_a_description_that_is_not_fetched_says_so(tmp_path: Path) -> None:
    raw = person(tmp_path, "dataset_description.json")
    with pytest.raises(NotBidsError, match=r"its content is not here \(git-annex\): datalad get"):
        read_description(raw)
