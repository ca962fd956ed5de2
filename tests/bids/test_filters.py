"""Filter files in the words of fMRIPrep and of pybids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bids_stroke.bids.filters import read_filter_file, why_filtered
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import UsageError
from tests.helpers.bids import make_dataset

PLAIN, NORM, OTHER = {"suffix": "T1w"}, {"reconstruction": "norm", "run": "01"}, {"reconstruction": "x", "run": "2"}


@pytest.mark.inputs(
    "In a filter file `null` (or `Query.NONE`) asks for files without the entity, `*` (`Query.ANY`, `Query.REQUIRED`) "
    "for any value of it, `Query.OPTIONAL` for both, and a list for any of what it holds.",
    "A value that no file can have is refused with its key.",
)
@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (None, [True, False, False]),
        ("Query.NONE", [True, False, False]),
        ("<Query.NONE: 1>", [True, False, False]),
        ("*", [False, True, True]),
        ("Query.ANY", [False, True, True]),
        ("Query.REQUIRED", [False, True, True]),
        ("Query.OPTIONAL", [True, True, True]),
        ("norm", [False, True, False]),
        ([None, "x"], [True, False, True]),
        (["Query.NONE", "norm"], [True, True, False]),
    ],
)
def test_words_of_filters(tmp_path: Path, wanted: Any, fits: list[bool]) -> None:
    path = tmp_path / "filter.json"
    path.write_text(json.dumps({"t1w": {"reconstruction": wanted}}))
    filters = read_filter_file(path)["t1w"]
    assert [not why_filtered(filters, file) for file in (PLAIN, NORM, OTHER)] == fits
    for bad in ([], "", True, {"a": 1}, "Query.SOME", [[1]]):
        path.write_text(json.dumps({"t1w": {"reconstruction": bad}}))
        with pytest.raises(UsageError, match="'reconstruction' under 't1w' is"):
            read_filter_file(path)


def test_reasons_name_what_was_asked_for() -> None:
    assert why_filtered({"run": ["1", None]}, OTHER) == "--bids-filter-file asks for run 1 or files without run"
    assert not why_filtered({"run": 2.0}, OTHER)
    assert why_filtered({"acquisition": "*"}, NORM) == "--bids-filter-file asks for files with acquisition"


@pytest.mark.parametrize(
    ("wanted", "used"), [(None, ["sub-01_T1w.nii.gz"]), ("*", ["sub-01_rec-norm_T1w.nii.gz"]), ([None, "norm"], [0, 1])]
)
def test_files_of_a_dataset_are_filtered(tmp_path: Path, wanted: Any, used: list[Any]) -> None:
    """As in fMRIPrep's documentation, with datatype and suffix beside it."""
    names = ["sub-01_T1w.nii.gz", "sub-01_rec-norm_T1w.nii.gz"]
    raw = make_dataset(tmp_path / "raw", {f"sub-01/anat/{name}": None for name in names})
    filters = {"t1w": {"datatype": "anat", "reconstruction": wanted, "suffix": "T1w"}}
    unit = find_sessions(Selection(raw, filters=filters))[0]
    kept = {file.path.name for file in unit.files("t1w")}
    assert kept == {names[item] if isinstance(item, int) else item for item in used}
    assert set(unit.left_out) == set(names) - kept
