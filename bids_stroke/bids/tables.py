"""A table of a dataset as it is: tab-separated, without quoting (BIDS), and what had to be forgiven to read it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bids_stroke.core.errors import InputError
from bids_stroke.core.text_files import read_text

_SEPARATORS = {",": "commas", ";": "semicolons", "|": "vertical bars", " ": "blanks"}
_BLANKS = " \t\u00a0\u200b\ufeff"
_SHOWN = 5
"""Cells of a row that a message shows."""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    line: int
    """In the file, from 1."""
    cells: Mapping[str, str]
    """By column, without blanks and quotes around them."""

    def __str__(self) -> str:
        cells = list(self.cells.values())
        return ", ".join(map(repr, cells[:_SHOWN])) + (", ..." if len(cells) > _SHOWN else "")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns and rows of a file.

    Parameters
    ----------
    path : Path
        The file.
    columns : tuple of str
        Names, without blanks around them.
    rows : tuple of Row
        Without lines that are blank.
    notes : tuple of str
        What was forgiven: encoding, blanks, quotes.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """As messages call it: ``participants.tsv``, ``phenotype/motor.tsv``."""
        folder = self.path.parent.name
        return f"{folder}/{self.path.name}" if folder == "phenotype" else self.path.name

    def column(self, name: str) -> str:
        """The column of a name, whatever its case; empty where there is none."""
        if name in self.columns:
            return name
        return next((column for column in self.columns if column.casefold() == name.casefold()), "")

    def key(self, name: str) -> str:
        """The column that tells whose rows these are.

        Raises
        ------
        InputError
            There is none.
        """
        if found := self.column(name):
            return found
        has = ", ".join(self.columns[:8]) + (", ..." if len(self.columns) > 8 else "")
        raise InputError(
            f"{self.path} has no column {name}: its columns are {has}.",
            f"Name the column {name}; columns are separated by tabs.",
            "bad-table",
        )


@lru_cache(maxsize=64)
def read_table(path: Path) -> Table | None:
    """Read a table; None where there is none.

    Raises
    ------
    InputError
        It cannot be read or was not fetched, is empty, is separated by something else than tabs, has a row with more or
        fewer cells than the header, or a column twice with different values.
    """
    if not path.is_file() and not path.is_symlink():
        return None
    text, note = read_text(path)
    lines = [(i, line) for i, line in enumerate(re.split("\r\n|\r|\n", text), 1) if line.strip(_BLANKS)]
    if not lines:
        raise InputError(f"{path} is empty.", "Write the names of its columns in its first line.", "bad-table")
    notes = _Notes()
    header = list(_cells(*lines[0], notes))
    while len(header) > 1 and not header[-1]:
        header.pop()
    if len(header) == 1 and (words := next((words for mark, words in _SEPARATORS.items() if mark in header[0]), "")):
        raise InputError(
            f"{path} is separated by {words}, not by tabs.", "Save it tab-separated, as BIDS asks.", "bad-table"
        )
    rows = [_row(path, header, line, list(_cells(line, text, notes))) for line, text in lines[1:]]
    name = Table(path, (), (), ()).name
    told = [note] if note else []
    told += [f"{name}: {sentence}" for sentence in notes.sentences()]
    return Table(path, tuple(dict.fromkeys(filter(None, header))), tuple(rows), tuple(told))


class _Notes:
    """The first of each kind of thing that was forgiven."""

    def __init__(self) -> None:
        self.first: dict[str, tuple[int, str]] = {}

    def sentences(self) -> Iterator[str]:
        for what, (line, cell) in self.first.items():
            yield f"{what} are taken away ({cell!r} in line {line})."


def _cells(line: int, text: str, notes: _Notes) -> Iterator[str]:
    """Cells of a line without what is around them: blanks, and the quotes that R and Excel write."""
    for cell in text.split("\t"):
        bare = cell.strip(_BLANKS)
        if bare != cell:
            notes.first.setdefault("blanks around cells", (line, cell))
        if len(bare) > 1 and bare[0] == bare[-1] == '"':
            notes.first.setdefault("quotes around cells, which BIDS does not know,", (line, cell))
            bare = bare[1:-1].replace('""', '"').strip(_BLANKS)
        yield bare


def _row(path: Path, header: Sequence[str], line: int, cells: list[str]) -> Row:
    while len(cells) > len(header) and not cells[-1]:
        cells.pop()
    if len(cells) != len(header):
        raise InputError(
            f"{path}: line {line} has {len(cells)} cells, the header {len(header)}.",
            "Write n/a where there is no value; cells are separated by tabs and hold none.",
            "bad-table",
        )
    found: dict[str, str] = {}
    known: dict[str, str] = {}
    for column, cell in zip(header, cells, strict=True):
        if column and known.setdefault(column.casefold(), cell) != cell:
            raise InputError(
                f"{path} has the column {column} twice, with {known[column.casefold()]!r} and {cell!r} in line {line}.",
                "Keep one of them.",
                "bad-table",
            )
        if column:
            found[column] = cell
    return Row(line, found)
