"""A person with two labels that are spelled differently is caught, in tables, in a cohort and in a model's ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_stroke.app.request import Request
from bids_stroke.app.train import labelled_cohort
from bids_stroke.bids.labels import (
    has_folder,
    ledger_hash,
    participant_hash,
    same_dataset,
    same_person,
    strangers,
    twins,
)
from bids_stroke.bids.phenotype import check_labels
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.ensemble.bundle import Bundle, write_bundle
from tests.helpers.bids import make_dataset
from tests.helpers.units import tiny_contents


def dataset(tmp_path: Path, table: str, *labels: str) -> Path:
    files = {"participants.tsv": "participant_id\tfma_le\n" + table}
    return make_dataset(
        tmp_path / "raw", files | {f"sub-{label}/anat/sub-{label}_T1w.nii.gz": None for label in labels}
    )


@pytest.mark.parametrize("label", ["sub-01", "01", "1", "SUB-001", " sub-1 "])
def test_all_spellings_are_one(label: str) -> None:
    assert same_person(label) == "sub-1"


@pytest.mark.parametrize(
    ("one", "other"), [("sub-10", "sub-1"), ("sub-a1", "sub-b1"), ("sub-1a2", "sub-12"), ("0", "")]
)
def test_other_people_stay_others(one: str, other: str) -> None:
    assert same_person(one) != same_person(other)


def test_zeros_within_a_label_and_case_do_not_matter() -> None:
    assert same_person("sub-P007x02") == same_person("sub-p7x2") != same_person("sub-p70x2")
    assert same_dataset(" Stroke  Cohort") == same_dataset("stroke cohort")


def test_twins_and_strangers_are_named() -> None:
    assert twins(["sub-01", "sub-1", "sub-2", "sub-A", "sub-a"]) == [("sub-01", "sub-1"), ("sub-A", "sub-a")]
    assert strangers(["sub-01", "2", "sub-3"], ["sub-01", "sub-02"]) == [("2", "sub-02")]


def test_two_folders_of_one_person_are_refused(tmp_path: Path) -> None:
    raw = dataset(tmp_path, "sub-01\t10\nsub-1\t10\n", "01", "1")
    with pytest.raises(UsageError, match=r"sub-01 and sub-1 .* differ only in spelling") as caught:
        check_labels(raw, ["sub-01", "sub-1"])
    assert caught.value.reason == "label-spelled-twice"
    check_labels(raw, ["sub-01", "sub-02"])


@pytest.mark.parametrize(("row", "said"), [("1", "'1'"), ("SUB-1", "'SUB-1'"), ("sub-001", "'sub-001'")])
def test_a_row_spelled_otherwise_than_the_folder_is_refused(tmp_path: Path, row: str, said: str) -> None:
    raw = dataset(tmp_path, f"{row}\t10\nsub-02\t20\n", "01", "02")
    with pytest.raises(UsageError, match=f"participants.tsv has {said} where the folder is sub-01"):
        check_labels(raw, ["sub-01", "sub-02"])


def test_a_person_twice_in_the_table_with_two_values_is_refused(tmp_path: Path) -> None:
    raw = dataset(tmp_path, "sub-01\t10\nsub-01\t30\n", "01")
    with pytest.raises(InputError, match=r"fma_le of sub-01 is '10' in line 2 and '30' in line 3"):
        check_labels(raw, ["sub-01"])


@pytest.mark.parametrize("row", ["01", "SUB-01", "Sub-01"])
def test_a_row_in_capitals_or_without_its_prefix_is_found_and_no_matter(tmp_path: Path, row: str) -> None:
    check_labels(dataset(tmp_path, f"{row}\t10\n", "01"), ["sub-01"])


def test_people_of_the_table_without_a_folder_are_no_matter(tmp_path: Path) -> None:
    """Unless their label is another spelling of a folder's."""
    check_labels(dataset(tmp_path / "other", "sub-01\t10\nsub-77\t30\n", "01"), ["sub-01"])
    with pytest.raises(UsageError, match="has 'sub-1' where the folder is sub-01"):
        check_labels(dataset(tmp_path / "same", "sub-01\t10\nsub-1\t30\n", "01"), ["sub-01"])


def test_training_refuses_such_a_cohort(tmp_path: Path) -> None:
    raw = dataset(tmp_path, "sub-01\t10\nsub-1\t10\n", "01", "1")
    (raw / "dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.11.1"}')
    run = Request("train", tmp_path / "out", Selection(raw), Settings(), Execution())
    with pytest.raises(UsageError, match="differ only in spelling"):
        labelled_cohort(run, find_sessions(run.selection), "tiny")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    contents = tiny_contents()
    people = {
        "train": (ledger_hash(contents.salt, "Tiny", "sub-00"),),
        "test": (ledger_hash("salt", "tiny", "sub-05"),),
    }
    return write_bundle(tmp_path / "model", replace(contents, participants=people))


@pytest.mark.parametrize(("name", "label"), [("Tiny", "sub-00"), ("tiny", "sub-0"), ("TINY ", "SUB-000")])
def test_the_ledger_knows_a_person_by_every_spelling(bundle: Bundle, name: str, label: str) -> None:
    assert bundle.saw(name, label) is True


@pytest.mark.parametrize(("name", "label"), [("tiny", "sub-1"), ("other", "sub-00"), ("tiny", "sub-05")])
def test_the_ledger_does_not_know_others_nor_those_it_was_tested_on(bundle: Bundle, name: str, label: str) -> None:
    assert bundle.saw(name, label) is False


def test_a_ledger_of_labels_as_they_were_is_still_read(tmp_path: Path) -> None:
    old = write_bundle(tmp_path / "model", tiny_contents())
    assert old.saw("tiny", "sub-00") is True
    assert old.saw("tiny", "sub-02") is False


def test_hash_depends_on_salt_dataset_and_person() -> None:
    marks = {
        participant_hash(*parts)
        for parts in (("s", "d", "sub-1"), ("t", "d", "sub-1"), ("s", "e", "sub-1"), ("s", "d", "sub-2"))
    }
    assert len(marks) == 4
    assert participant_hash("a", "bc", "d") != participant_hash("ab", "c", "d")


def test_a_name_that_is_too_long_has_no_folder(tmp_path: Path) -> None:
    (tmp_path / "sub-01").mkdir()
    assert has_folder(tmp_path, "sub-01")
    assert not has_folder(tmp_path, "sub-02")
    assert not has_folder(tmp_path, "sub-" + "a" * 300)
    assert not has_folder(tmp_path, "a\0b")
