"""What nothing reads is named with its reason; what belongs to something read is not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from bids_stroke.app.dry_run import print_plan
from bids_stroke.bids.choice.unread import MOST_OF_ONE_KIND, Place, folders_not_read, in_lines, in_sentences, why_unread
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.records import Session
from bids_stroke.core.settings import Settings
from tests.helpers.bids import make_dataset

T1W = "sub-01/anat/sub-01_T1w.nii.gz"


def units_of(root: Path, *names: str) -> list[Session]:
    return find_sessions(Selection(make_dataset(root, dict.fromkeys([T1W, *names]))))


@pytest.mark.inputs(
    "An image or recording is read where its folder, its name and its extension agree: T1w in `anat/`, dwi in `dwi/`, "
    "bold in `func/`, epi in `fmap/`, eeg in `eeg/`, below `sub-LABEL/` or `sub-LABEL/ses-LABEL/`.",
    "A file that names another person or session than its folder, or lies in another folder, is left out and named.",
)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("sub-01/anat/sub-02_T1w.nii.gz", "its name begins with sub-02, its folder is sub-01"),
        ("sub-01/anat/sub-011_T1w.nii.gz", "its name begins with sub-011"),
        ("sub-01/anat/sub-02_label-L_mask.nii.gz", "its name begins with sub-02, its folder is sub-01"),
        ("sub-01/anat/sub-02_T1w.json", "its name begins with sub-02, its folder is sub-01"),
        ("derivatives/x/sub-01/anat/sub-02_label-L_mask.nii.gz", "its name begins with sub-02, its folder is sub-01"),
        ("sub-01/sub-01_label-L_mask.nii.gz", "in no folder of a datatype"),
        ("sub-01/dwi/DTI_dwi.nii.gz", "does not begin with sub-01_"),
        ("sub-01/anat/sub-01_dwi.nii.gz", "does not lie in sub-01/dwi/"),
        ("sub-01/dwi/sub-01_dir-PA_epi.nii.gz", "does not lie in sub-01/fmap/"),
        ("sub-01/sub-01_run-2_T1w.nii.gz", "does not lie in sub-01/anat/"),
        ("sub-01/anat/old/sub-01_run-2_T1w.nii.gz", "does not lie in sub-01/anat/"),
        ("sub-01/session2/anat/sub-01_run-2_T1w.nii.gz", "does not lie in sub-01/anat/"),
        ("sub-01/fmap/sub-01_task-rest_bold.nii.gz", "does not lie in sub-01/func/"),
        ("sub-01/anat/sub-01_task-x_eeg.edf", "does not lie in sub-01/eeg/"),
        ("sub-01/raw/sub-01_task-x_emg.bdf", "in no folder of a datatype"),
    ],
)
def test_name_and_folder_must_agree(tmp_path: Path, name: str, why: str) -> None:
    (unit,) = units_of(tmp_path, name)
    assert [file.path.name for file in unit.inputs] == [Path(T1W).name]
    assert why in unit.left_out[Path(name).name]


def test_a_file_of_another_session_is_left_out_and_one_without_a_session_is_not(tmp_path: Path) -> None:
    wrong, bare = "sub-02/ses-1/anat/sub-02_ses-2_T1w.nii.gz", "sub-02/ses-1/dwi/sub-02_dwi.nii.gz"
    unit = units_of(tmp_path, wrong, bare, "sub-02/ses-3/dwi/sub-02_ses-3_dwi.nii.gz")[1]
    assert (unit.prefix, [file.path.name for file in unit.inputs]) == ("sub-02_ses-1", [Path(bare).name])
    assert "says ses-2, its folder ses-1" in unit.left_out[Path(wrong).name]


@pytest.mark.inputs(
    "What nothing reads is named with its reason: other kinds (T2w, FLAIR, sbref, asl), other formats (`.mgz`, `.mif`, "
    "`.img`, `.dcm`), and kinds in other letters (`_t1w`, `.NII.GZ`).",
    "A BrainVision `.eeg` without its `.vhdr` is named.",
)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("anat/sub-01_T2w.nii.gz", "T2w.nii.gz is not read; what is: T1w, dwi, bold, eeg, emg, epi"),
        ("anat/sub-01_FLAIR.nii", "FLAIR.nii is not read"),
        ("perf/sub-01_asl.nii.gz", "asl.nii.gz is not read"),
        ("dwi/sub-01_sbref.nii.gz", "sbref.nii.gz is not read"),
        ("anat/sub-01_t1w.nii.gz", "BIDS writes it T1w.nii.gz"),
        ("dwi/sub-01_DWI.nii.gz", "BIDS writes it dwi.nii.gz"),
        ("func/sub-01_task-rest_BOLD.nii", "BIDS writes it bold.nii"),
        ("anat/sub-01_run-2_T1w.NII.GZ", "BIDS writes it T1w.nii.gz"),
        ("anat/sub-01_T1w.mgz", "the format .mgz is not read: convert it to .nii.gz"),
        ("dwi/sub-01_dwi.mif", "the format .mif is not read"),
        ("anat/sub-01_T1w.img", "the format .img is not read"),
        ("anat/sub-01_T1w.hdr", "the format .hdr is not read"),
        ("anat/IM0001.dcm", "does not begin with sub-01_"),
        ("anat/sub-01_T1w.dcm", "the format .dcm is not read"),
        ("anat/sub-01_T1w.edf", "T1w is not read as .edf; what is: .nii, .nii.gz"),
        ("eeg/sub-01_task-x_eeg.fif", "the format .fif is not read: convert it to .vhdr, .edf, .bdf or .set"),
        ("eeg/sub-01_task-x_eeg.eeg", "there is no sub-01_task-x_eeg.vhdr to read it by"),
        ("anat/sub-01_T1w copy.nii.gz", "T1w copy.nii.gz is not read"),
        ("anat/sub-01_desc-brain_mask.nii.gz", "mask.nii.gz is not read"),
    ],
)
def test_what_nothing_reads_is_named(tmp_path: Path, name: str, why: str) -> None:
    (unit,) = units_of(tmp_path, f"sub-01/{name}")
    assert unit.left_out[Path(name).name].startswith(why) or why in unit.left_out[Path(name).name]
    assert list(unit.left_out) == [Path(name).name]


@pytest.mark.parametrize(
    "name",
    ["anat/sub-01_T1w.json", "dwi/sub-01_dwi.bval", "sub-01_sessions.tsv", "eeg/sub-01_task-x_channels.tsv",
     "anat/sub-01_label-L_desc-lesion_mask.nii.gz", "anat/sub-01_label-L_probseg.nii.gz", "eeg/sub-01_task-x_eeg.vmrk"],
)  # fmt: skip
def test_what_belongs_to_others_is_not_named(name: str) -> None:
    folder, _, file = f"sub-01/{name}".rpartition("/")
    assert why_unread(Place.of(f"{folder}/"), file) == ""


def test_a_label_that_bids_does_not_allow_is_named(tmp_path: Path) -> None:
    unit = units_of(tmp_path, "sub-02_b/anat/sub-02_b_T1w.nii.gz")[1]
    assert (unit.subject, unit.inputs) == ("02_b", ())
    assert "other characters than letters and digits" in unit.left_out["sub-02_b_T1w.nii.gz"]


@pytest.mark.inputs(
    "Names that begin with a dot are nothing, neither images nor masks nor sidecars nor gradients; macOS leaves such "
    "files on shares."
)
def test_names_that_begin_with_a_dot_are_nothing(tmp_path: Path) -> None:
    names = [
        "sub-01/anat/._sub-01_T1w.nii.gz",
        "sub-01/anat/._sub-01_T1w.json",
        "sub-01/anat/._sub-01_label-L_mask.nii.gz",
        "sub-01/dwi/._sub-01_dwi.nii.gz",
        "sub-01/dwi/._sub-01_dwi.bval",
        "derivatives/lesions/sub-01/anat/._sub-01_label-L_desc-lesion_mask.nii.gz",
        "derivatives/.lesions/sub-01/anat/sub-01_label-L_desc-lesion_mask.nii.gz",
        "derivatives/prep/sub-01/anat/._sub-01_desc-preproc_T1w.nii.gz",
        "._task-rest_bold.json",
        "._sub-02/anat/sub-02_T1w.nii.gz",
    ]
    raw = make_dataset(tmp_path, dict.fromkeys([T1W, *names]))
    selection = Selection(raw, derivatives={"prep": raw / "derivatives" / "prep"})
    (unit,) = find_sessions(selection)
    assert [file.path.name for file in unit.inputs] == [Path(T1W).name]
    assert (unit.left_out, unit.error, dict(unit.inputs[0].metadata)) == ({}, "", {})


@pytest.mark.inputs(
    "Sessions of which nothing is used make no unit; their files are named with the person's other sessions."
)
def test_files_of_a_session_without_a_unit_are_named(tmp_path: Path) -> None:
    flair = "sub-02/ses-b/anat/sub-02_ses-b_FLAIR.nii.gz"
    names = [f"sub-02/ses-{label}/anat/sub-02_ses-{label}_{kind}.nii.gz" for label in "ac" for kind in ("T1w", "T2w")]
    _, first, second = units_of(tmp_path, flair, *names)
    assert sorted(first.left_out) == ["sub-02_ses-a_T2w.nii.gz", "sub-02_ses-b_FLAIR.nii.gz"]
    assert sorted(second.left_out) == ["sub-02_ses-b_FLAIR.nii.gz", "sub-02_ses-c_T2w.nii.gz"]


@pytest.mark.inputs("More than three files that are left out for one reason are shown in one line.")
@pytest.mark.parametrize(
    ("number", "lines"), [(MOST_OF_ONE_KIND, MOST_OF_ONE_KIND), (MOST_OF_ONE_KIND + 1, 1), (40, 1)]
)
def test_many_files_of_one_kind_take_one_line(tmp_path: Path, number: int, lines: int) -> None:
    names = [f"sub-01/func/sub-01_task-rest_run-{i}_sbref.nii.gz" for i in range(1, number + 1)]
    (unit,) = units_of(tmp_path, *names)
    assert len(unit.left_out) == number
    console = Console(file=io.StringIO())
    print_plan(console, [unit], Settings())
    said = [line for line in console.file.getvalue().splitlines() if "left out: sbref.nii.gz is not read" in line]
    assert len(said) == lines == len(in_lines(unit.left_out)) == len(in_sentences(unit.left_out))
    if lines == 1:
        assert f"sub-01_task-rest_run-1_sbref.nii.gz and {number - 1} more" in said[0]


@pytest.mark.inputs(
    "Folders that look like people and are not called `sub-LABEL` (`Sub-03`, `sub_04`, `05`) are named in a warning."
)
def test_folders_that_look_like_people_are_named(tmp_path: Path) -> None:
    others = ("Sub-03", "sub_04", "05", "subject6", "sub07", "SUB-08")
    for name in (*others, "sub-01", "code", "derivatives", "sourcedata", "phenotype", "subcortical", "stimuli"):
        (tmp_path / name).mkdir()
    (tmp_path / "09").touch()
    (said,) = folders_not_read(tmp_path)
    assert said.split(": ")[1].split(". ")[0] == ", ".join(sorted(others))
    assert folders_not_read(tmp_path / "code") == []


def test_another_persons_sidecar_tells_nothing(tmp_path: Path) -> None:
    files = {T1W: None, "sub-01/anat/sub-02_T1w.json": {"EchoTime": 2}, "sub-01/sub-01_T1w.json": {"FlipAngle": 9}}
    (unit,) = find_sessions(Selection(make_dataset(tmp_path, files)))
    assert dict(unit.inputs[0].metadata) == {"FlipAngle": 9}
