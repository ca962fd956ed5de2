"""Encodings of text, and files of which only the name is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.errors import InputError
from bids_stroke.core.text_files import BAD_TEXT, NOT_FETCHED, NOT_THERE, not_fetched, read_text

ANNEX = "/annex/objects/MD5E-s207--0123456789abcdef.json\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 207\n"


@pytest.mark.inputs(
    "JSON files and tables are read as UTF-8 with or without a byte order mark; with a warning, as UTF-16 with its "
    "mark, and else as Windows-1252 (which has Latin-1's letters).",
    "What is no text in any of these is refused.",
)
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("latin-1", "is read as Windows-1252"),
        ("cp1252", "is read as Windows-1252"),
        ("utf-16", "is in UTF-16, not UTF-8"),
        ("utf-32", "is in UTF-32, not UTF-8"),
    ],
)
def test_text_is_read_in_the_encodings_in_use(tmp_path: Path, encoding: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes("Universitätsklinikum Köln, µV".encode(encoding))
    text, note = read_text(path)
    assert text == "Universitätsklinikum Köln, µV"
    assert (said in note) if said else note == ""
    for data in (b"\x81\xff", "text".encode("utf-16-le"), b"\xff\xfeodd"):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.json is no text") as error:
            read_text(path)
        assert error.value.reason == BAD_TEXT


@pytest.mark.inputs(
    "A link whose target is not here (DataLad, git-annex), and a file of git-annex or Git LFS that holds only a "
    "pointer, count as not fetched: the command that fetches them is said.",
)
@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("../.git/annex/objects/aa/MD5E-s207", "(git-annex): datalad get "),
        (ANNEX, "(git-annex): datalad get "),
        (LFS, "(Git LFS): git lfs pull --include "),
        ("/store/a.json", " is a link to /store/a.json, which does not exist"),
    ],
    ids=["link", "unlocked", "lfs", "other link"],
)
def test_what_was_not_fetched_says_how_to_get_it(tmp_path: Path, made: str, said: str) -> None:
    path = tmp_path / "a.json"
    if "\n" in made:
        path.write_text(made)
    else:
        path.symlink_to(made)
    assert said in not_fetched(path) and str(path) in not_fetched(path)
    with pytest.raises(InputError, match="its content is not here") as error:
        read_text(path)
    assert error.value.reason == NOT_FETCHED


def test_what_is_here_is_not_called_so(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert not_fetched(path) == ""
    with pytest.raises(InputError) as error:
        read_text(path)
    assert error.value.reason == NOT_THERE
    path.write_text("{}")
    (tmp_path / "link").symlink_to(path)
    long = tmp_path / "long"
    long.write_text(ANNEX + " " * 300)
    assert [not_fetched(item) for item in (path, tmp_path / "link", long, tmp_path)] == [""] * 4
    assert read_text(tmp_path / "link").text == "{}"
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert not_fetched(tmp_path / "self") == ""
