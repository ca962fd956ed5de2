"""Tables as people and programs write them: what is forgiven and said, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.bids.tables import Table, read_table
from bids_stroke.core.errors import InputError


def table(folder: Path, text: str | bytes) -> Table:
    path = folder / "participants.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_table(path)
    assert found is not None
    return found


@pytest.mark.inputs(
    "Tables have no quoting, as BIDS has it: a quote in a cell eats no text, and quotes around a whole cell are taken "
    "away, which is said."
)
@pytest.mark.parametrize("cell", ['5" left', '"left MCA', 'said "no"', "it's", '"'])
def test_a_quote_is_a_character(tmp_path: Path, cell: str) -> None:
    read = table(tmp_path, f"participant_id\tnote\tage\nsub-01\t{cell}\t50\nsub-02\tn/a\t60\n")
    assert [dict(row.cells) for row in read.rows] == [
        {"participant_id": "sub-01", "note": cell, "age": "50"},
        {"participant_id": "sub-02", "note": "n/a", "age": "60"},
    ]
    assert read.notes == ()
    (tmp_path / "r").mkdir()
    by_r = table(tmp_path / "r", '"participant_id"\t"age"\r\n"sub-01"\t53\r\n')
    assert dict(by_r.rows[0].cells) == {"participant_id": "sub-01", "age": "53"}
    assert ["quotes around cells" in note and "line 1" in note for note in by_r.notes] == [True]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(tmp_path: Path, ending: str) -> None:
    read = table(tmp_path, ending.join(["participant_id\tage", "sub-01\t50", "", "sub-02\t60\t", ""]))
    assert [(row.line, row.cells["age"]) for row in read.rows] == [(2, "50"), (4, "60")]


def test_characters_that_end_lines_elsewhere_are_text(tmp_path: Path) -> None:
    read = table(tmp_path, "participant_id\tnote\nsub-01\ta\x0bb\u2028c\x85d\n")
    assert [row.cells["note"] for row in read.rows] == ["a\x0bb\u2028c\x85d"]


@pytest.mark.inputs(
    "A table is refused that is separated by something else than tabs, lacks its column `participant_id` or "
    "`session_id`, is empty, has a column twice with two values, or has a row of more or fewer cells than its header; "
    "the message names separator, columns or line."
)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("participant_id,age\nsub-01,50\n", "is separated by commas, not by tabs"),
        ("participant_id;age\nsub-01;50\n", "is separated by semicolons"),
        ("participant_id|age\nsub-01|50\n", "is separated by vertical bars"),
        ("participant_id  age\nsub-01  50\n", "is separated by blanks"),
        ('"participant_id","age"\n"sub-01","50"\n', "is separated by commas"),
        ("subject\tage\nsub-01\t50\n", "has no column participant_id: its columns are subject, age"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("participant_id\tage\n1\tsub-01\t50\n", "line 2 has 3 cells, the header 2"),  # R writes row names so
        ("participant_id\tage\tsex\nsub-01\t50\tF\nsub-02\tM\n", "line 3 has 2 cells, the header 3"),
        ("participant_id\tage\nsub-01,50\n", "line 2 has 1 cells"),
        ("participant_id\tage\tAge\nsub-01\t50\t51\n", "the column Age twice, with '50' and '51' in line 2"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        table(tmp_path, text).key("participant_id")


def test_a_column_twice_that_says_the_same_is_one(tmp_path: Path) -> None:
    assert table(tmp_path, "participant_id\tage\tage\nsub-01\t50\t50\n").columns == ("participant_id", "age")


def test_blanks_of_all_kinds_are_taken_away_and_said_once(tmp_path: Path) -> None:
    read = table(tmp_path, " participant_id\tage \t\t\nsub-01 \t\u00a050\nsub-02\t60\t\n".encode())
    assert read.columns == ("participant_id", "age")
    assert [tuple(row.cells.values()) for row in read.rows] == [("sub-01", "50"), ("sub-02", "60")]
    assert read.notes == ("participants.tsv: blanks around cells are taken away (' participant_id' in line 1).",)


@pytest.mark.parametrize(("encoding", "notes"), [("utf-8-sig", 0), ("cp1252", 1), ("utf-16", 1)])
def test_tables_in_other_encodings(tmp_path: Path, encoding: str, notes: int) -> None:
    read = table(tmp_path, "participant_id\tcentre\nsub-01\tKöln\n".encode(encoding))
    assert dict(read.rows[0].cells) == {"participant_id": "sub-01", "centre": "Köln"}
    assert len(read.notes) == notes


def test_a_table_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_table(tmp_path / "participants.tsv") is None
