"""Text that people and other programs have written: its encoding, and files whose content was not fetched."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import NamedTuple

from bids_stroke.core.errors import InputError

NOT_THERE = "no-such-file"
"""Reason code of a file that does not exist."""
NOT_FETCHED = "not-fetched"
"""Reason code of a file of which only the name is here: its content lies in a store elsewhere (git-annex, Git LFS)."""
BAD_TEXT = "bad-text"
"""Reason code of a file that is no text."""
_POINTERS = {b"/annex/objects/": "git-annex", b"version https://git-lfs": "Git LFS"}
"""How a small file begins that stands for one whose content is elsewhere -> what has put it there."""
_POINTER_BEGINS = tuple(_POINTERS)
_POINTER_SIZE = 256
"""Bytes; a pointer has fewer (its key, of 64 digits at most, with the size and the ending of the file)."""
_FETCH = {"git-annex": "datalad get", "Git LFS": "git lfs pull --include"}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class Text(NamedTuple):
    """Text of a file."""

    text: str
    note: str
    """What should be said of how it was read; empty for UTF-8."""


def read_text(path: Path | str, *, any_bytes: bool = False) -> Text:
    """Text in UTF-8, with or without byte order mark; else in what its mark tells, else in Windows-1252, and said.

    Windows-1252 is Latin-1 with letters in place of control characters: what older Windows programs and scanners write.

    Parameters
    ----------
    path : Path or str
    any_bytes : bool
        Take what is in neither as Latin-1, which has a character for each byte: of a file with a grammar of its own,
        in which scanners write the hospital's name in Shift-JIS or GB 18030.

    Raises
    ------
    InputError
        The file is not there (NOT_THERE), has not been fetched (NOT_FETCHED), cannot be read, or is no text (BAD_TEXT).
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 (thousands of small files: making a Path costs as much)
            data = stream.read()
    except OSError as error:
        if why := not_fetched(path):
            raise _not_here(path, why) from None
        reason = NOT_THERE if isinstance(error, FileNotFoundError) else None
        message = f"{path} cannot be read: {error.strerror}."
        raise InputError(message, "Check the path and its permissions.", reason) from None
    if data.startswith(_POINTER_BEGINS) and (why := not_fetched(path)):
        raise _not_here(path, why)
    return decode(data, path, any_bytes=any_bytes)


def decode(data: bytes, path: Path | str, *, any_bytes: bool = False) -> Text:
    """Bytes of a file as text, as :func:`read_text`.

    Raises
    ------
    InputError
        It is no text in any of these encodings.
    """
    note = ""
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:  # so does whatever begins with a mark of UTF-16 or UTF-32
        text, note = _otherwise(data, path, error.start, any_bytes)
    if "\0" in text:
        raise _no_text(path, "it holds zero bytes, as UTF-16 without a byte order mark does")
    return Text(text, note and f"{Path(path).name} {note}. Save it as UTF-8.")


def _otherwise(data: bytes, path: Path | str, start: int, any_bytes: bool) -> tuple[str, str]:
    """Text that is not in UTF-8, and how it was read; ``start``: the first byte that is not."""
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    try:
        text = data.decode(marked or "cp1252").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if any_bytes and not marked:
            return data.decode("latin-1"), "is neither in UTF-8 nor in Windows-1252: its letters are not known"
        why = f"it begins as {marked.upper()} and is none at byte {error.start}"
        raise _no_text(path, why if marked else f"neither UTF-8 (byte {start}) nor Windows-1252") from None
    if marked:
        return text, f"is in {marked.upper()}, not UTF-8"
    where = f"{data[start]:#x} at byte {start}"
    return text, f"is not in UTF-8 ({where}), and is read as Windows-1252: look at its letters with accents"


def not_fetched(path: Path | str) -> str:
    """Why the content of a file is not here; empty where it is, or where there is no such file at all.

    Such a file is a link that leads nowhere, or (git-annex unlocked, Git LFS) a few bytes that name their content.
    """
    try:
        size = os.stat(path).st_size  # noqa: PTH116 (as above)
    except FileNotFoundError:
        return _of_link(path) if os.path.islink(path) else ""  # noqa: PTH114
    except OSError:  # whoever reads it says what is wrong
        return ""
    if not 0 < size < _POINTER_SIZE:
        return ""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            begin = stream.read(32)
    except OSError:
        return ""
    store = next((store for pointer, store in _POINTERS.items() if begin.startswith(pointer)), "")
    return _of_store(path, store) if store else ""


def _of_link(path: Path | str) -> str:
    target = os.readlink(path)  # noqa: PTH115
    if "annex/objects" in target:
        return _of_store(path, "git-annex")
    return f"its content is not here: {path} is a link to {target}, which does not exist"


def _of_store(path: Path | str, store: str) -> str:
    return f"its content is not here ({store}): {_FETCH[store]} {path}"


def _not_here(path: Path | str, why: str) -> InputError:
    return InputError(f"{Path(path).name}: {why}.", "Fetch it, or leave out what needs it.", NOT_FETCHED)


def _no_text(path: Path | str, why: str) -> InputError:
    return InputError(f"{path} is no text: {why}.", "Save it as UTF-8.", BAD_TEXT)
