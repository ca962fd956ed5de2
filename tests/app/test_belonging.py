"""An OUTPUT_DIR is of one dataset: another one is refused, a moved one is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bids_stroke.app.belonging import Belonging, check_belonging, claim, read_belonging
from bids_stroke.cli.app import main
from bids_stroke.core.errors import UsageError
from bids_stroke.derivatives.names import dataset_file
from tests.helpers.bids import make_dataset

T1W = "sub-1/anat/sub-1_T1w.nii.gz"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "raw", {T1W: "head", "participants.tsv": "participant_id\nsub-1\n"})


@pytest.fixture
def out(raw: Path, tmp_path: Path) -> Path:
    claim(tmp_path / "out", raw, "Test cohort")
    return tmp_path / "out"


def test_what_is_written_is_read_back(out: Path, raw: Path) -> None:
    assert read_belonging(out) == Belonging("Test cohort", (str(raw),))
    assert read_belonging(raw) is None
    link = raw.with_name("link")
    link.symlink_to(raw)
    claim(out, raw, "Test cohort")
    claim(out, link, "Test  Cohort")
    assert read_belonging(out) == Belonging("Test cohort", (str(raw), str(link)))


@pytest.mark.inputs("An OUTPUT_DIR that holds results of another dataset (`Name`) is refused: exit code 2.")
@pytest.mark.parametrize("level", ["participant", "group", "train"])
@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_another_dataset_is_refused_and_nothing_is_written(
    out: Path, tmp_path: Path, level: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    table = "participant_id\tfma_le\nsub-1\t3\n"
    other = make_dataset(tmp_path / "b", {T1W: "b", "participants.tsv": table})
    (other / "dataset_description.json").write_text('{"Name": "Other [cohort]", "BIDSVersion": "1.11.1"}')
    before = sorted(out.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        main([str(other), str(out), level, *options])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "results of the dataset 'Test cohort'" in said and "is 'Other [cohort]'" in said
    assert sorted(out.rglob("*")) == before


def test_a_moved_dataset_a_link_and_a_copy_are_the_same(out: Path, raw: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(raw, copy)
    (copy / "participants.tsv").write_text("participant_id\tage\nsub-1\t60\n")
    check_belonging(out, copy, "Test cohort")
    (tmp_path / "link").symlink_to(raw)
    check_belonging(out, tmp_path / "link", "test cohort ")
    raw.rename(tmp_path / "moved")
    check_belonging(out, tmp_path / "moved", "Test cohort")


@pytest.mark.inputs(
    "So is one of another folder of the same name where a recording of the same person has another size."
)
def test_two_datasets_of_one_name_are_told_apart_by_their_recordings(out: Path, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "b", {T1W: "another head"})
    with pytest.raises(UsageError, match=r"another dataset .*'Test cohort': sub-1/anat/sub-1_T1w\.nii\.gz is not"):
        check_belonging(out, other, "Test cohort")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Name": 5, "Roots": []}', '{"Name": "a", "Roots": [5]}'])
def test_what_nobody_can_read_is_refused_with_the_remedy(out: Path, raw: Path, text: str) -> None:
    dataset_file(out, "dataset").write_text(text)
    with pytest.raises(UsageError, match=r"dataset\.json .* Remove dataset\.json there"):
        check_belonging(out, raw, "Test cohort")
