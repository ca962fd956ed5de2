"""JSON files: an object, or one error that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.errors import InputError
from bids_stroke.core.json_files import BAD_CONTENT, MAX_DEPTH, read_json_object
from bids_stroke.core.text_files import NOT_THERE
from tests.helpers.broken_json import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_object_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sub-01_T1w.json"
    path.write_bytes(KINDS[kind].content)
    with pytest.raises(InputError, match=f"sub-01_T1w.json {KINDS[kind].message}") as error:
        read_json_object(path)
    assert (error.value.reason, bool(error.value.remedy)) == (BAD_CONTENT, True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json cannot be read: No such file") as error:
        read_json_object(tmp_path / "none.json")
    assert error.value.reason == NOT_THERE


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: Is a directory") as error:
        read_json_object(tmp_path)
    assert error.value.reason == InputError.reason


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"{}", {}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83e\\udde0 \\u00e9"}', {"a": "\U0001f9e0 \u00e9"}),
        (b'{"a": [' + b",".join([b"[1]"] * 200) + b"]}", {"a": [[1]] * 200}),
        (b'{"a": "' + b"[" * 200 + b'"}', {"a": "[" * 200}),
    ],
)
def test_what_is_right_is_read(tmp_path: Path, content: bytes, value: dict) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert read_json_object(path) == value


def test_depth_ends_where_it_is_said(tmp_path: Path) -> None:
    for depth in (MAX_DEPTH, MAX_DEPTH + 1):
        path = tmp_path / f"{depth}.json"
        path.write_text('{"a":' * depth + "1" + "}" * depth)
    assert read_json_object(tmp_path / f"{MAX_DEPTH}.json")
    with pytest.raises(InputError, match="nested more than"):
        read_json_object(tmp_path / f"{MAX_DEPTH + 1}.json")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "-1.5E+400", "9" * 310, "-" + "9" * 400])
def test_what_json_does_not_know_is_null(tmp_path: Path, word: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'{{"a": {word}, "b": [1e300, {word}, 2.5], "c": "NaN"}}')
    assert read_json_object(path) == {"a": None, "b": [1e300, None, 2.5], "c": "NaN"}
