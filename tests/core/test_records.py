"""A session gives its files by kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.modalities import QUERIES
from bids_stroke.core.records import BidsFile, Session


def file(name: str) -> BidsFile:
    return BidsFile(Path(name), {})


SESSION = Session(
    "1",
    None,
    raw={query: (file(query),) for query in QUERIES},
    lesion=(file("lesion"),),
    maps={"fa": file("fa")},
    ready={role: file(role) for role in ("t1w", "dwi", "dwi_mask", "gm")},
)


@pytest.mark.parametrize("kind", [*QUERIES, "lesion", "maps", "ready_anat", "ready_dwi"])
def test_all_files_of_a_kind(kind: str) -> None:
    expected = {"maps": ["fa"], "ready_anat": ["t1w", "gm"], "ready_dwi": ["dwi", "dwi_mask"]}
    assert [item.path.name for item in SESSION.files(kind)] == expected.get(kind, [kind])
    assert Session("1", None).files(kind) == ()


def test_every_file_is_an_input_once() -> None:
    kinds = [*QUERIES, "lesion", "maps", "ready_anat", "ready_dwi"]
    assert sorted(item.path.name for kind in kinds for item in SESSION.files(kind)) == sorted(
        item.path.name for item in SESSION.inputs
    )


@pytest.mark.parametrize("kind", ["T1w", "raw", "fa", ""])
def test_a_kind_that_is_none_is_an_error(kind: str) -> None:
    with pytest.raises(KeyError):
        SESSION.files(kind)
