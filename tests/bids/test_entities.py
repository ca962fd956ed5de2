"""Entities by pybids' own patterns, without pybids."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bids_stroke.bids.entities import comparable, entity_names, named_entities, raw_entities


@pytest.mark.parametrize(
    ("path", "entities"),
    [
        (
            "sub-01/ses-pre/func/sub-01_ses-pre_task-rest_run-02_echo-1_bold.nii.gz",
            {"subject": "01", "session": "pre", "task": "rest", "run": "02", "echo": "1", "suffix": "bold",
             "datatype": "func", "extension": ".nii.gz"},
        ),
        ("sub-A+1/emg/sub-A+1_task-x_emg.bdf",
         {"subject": "A+1", "task": "x", "suffix": "emg", "datatype": "emg", "extension": ".bdf"}),
        ("sub-1/fmap/sub-1_dir-AP_epi.nii",
         {"subject": "1", "direction": "AP", "suffix": "epi", "fmap": "epi", "datatype": "fmap", "extension": ".nii"}),
        ("task-rest_bold.json", {"task": "rest", "suffix": "bold", "extension": ".json"}),
        ("sub-01_T1w.json", {"subject": "01", "suffix": "T1w", "extension": ".json"}),
        ("sub-01/anat/sub-011_run-1_T1w.nii",
         {"subject": "01", "run": "1", "suffix": "T1w", "datatype": "anat", "extension": ".nii"}),
    ],
)  # fmt: skip
def test_raw_files(path: str, entities: dict[str, str]) -> None:
    assert raw_entities(path) == entities


def test_people_with_like_names_do_not_share_a_record() -> None:
    first = raw_entities("sub-01/anat/sub-01_T1w.nii")
    first["subject"] = "changed"
    assert raw_entities("sub-02/anat/sub-02_T1w.nii")["subject"] == "02"
    assert raw_entities("sub-01/anat/sub-01_T1w.nii")["subject"] == "01"


def test_derivatives_have_all_entities_of_their_names() -> None:
    found = named_entities("sub-01/dwi/sub-01_ses-2_space-T1w_model-tensor_param-fa_dwimap.nii.gz")
    assert found == {"subject": "01", "session": "2", "space": "T1w", "model": "tensor", "param": "fa",
                     "suffix": "dwimap"}  # fmt: skip


def test_runs_are_numbers_and_other_entities_are_not() -> None:
    assert comparable({"run": "01", "suffix": "bold"}) == comparable({"run": "1", "extension": ".nii"})
    assert comparable({"echo": "01"}) != comparable({"echo": "1"})


def test_filters_know_pybids_names() -> None:
    assert {"subject", "acquisition", "direction", "suffix"} <= entity_names()


def test_pybids_is_not_imported() -> None:
    code = (
        "import sys; from bids_stroke.bids.entities import raw_entities; raw_entities('sub-1/emg/sub-1_emg.edf');"
        "assert 'bids' not in sys.modules and 'sqlalchemy' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
