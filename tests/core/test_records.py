"""A session gives its files by kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.modalities import QUERIES
from bids_stroke.core.records import OTHER_KINDS, BidsFile, Session


def file(name: str) -> BidsFile:
    return BidsFile(Path(name), {})


KINDS = (*QUERIES, *OTHER_KINDS)
SESSION = Session(
    "1",
    None,
    raw={query: (file(query),) for query in QUERIES},
    lesion=(file("lesion"),),
    maps={"fa": file("fa")},
    ready={role: file(role) for role in ("t1w", "dwi", "dwi_mask", "gm")},
)


@pytest.mark.parametrize("kind", KINDS)
def test_all_files_of_a_kind(kind: str) -> None:
    expected = {"maps": ["fa"], "ready_anat": ["t1w", "gm"], "ready_dwi": ["dwi", "dwi_mask"]}
    assert [item.path.name for item in SESSION.files(kind)] == expected.get(kind, [kind])
    assert Session("1", None).files(kind) == ()


def test_every_file_is_an_input_once() -> None:
    assert sorted(item.path.name for kind in KINDS for item in SESSION.files(kind)) == sorted(
        item.path.name for item in SESSION.inputs
    )


def test_no_query_has_the_name_of_another_kind() -> None:
    assert not set(QUERIES) & set(OTHER_KINDS)
