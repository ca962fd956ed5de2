"""JSON files that people and other programs have written: an object, or one error that names the file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from bids_stroke.core.errors import InputError
from bids_stroke.core.text_files import BAD_TEXT, read_text

MAX_DEPTH = 64
"""Objects and lists within each other. No BIDS file has ten; Python itself gives up somewhere below a thousand."""

_MOST_ITEMS = 1_000_000
"""Items in one level of a file: one that holds more is not a description of anything."""
BAD_CONTENT = "bad-json"
"""Reason code of a file that can be read but does not hold what it must."""
_KINDS = {type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
_CORRECT = 'Correct the file: {"Key": value, ...}, in UTF-8.'
_LONGEST = 300
"""Digits of a whole number that may be beyond those of 64-bit floats."""
_TOO_DEEP = f"has objects or lists nested more than {MAX_DEPTH} deep"


class JsonObject(NamedTuple):
    """An object, and what should be said of how its file was read; empty for UTF-8."""

    content: dict[str, Any]
    note: str


def read_json_object(path: Path | str) -> dict[str, Any]:
    """Content of a JSON file that must be an object; as :func:`read_json`, without the note."""
    return read_json(path).content


def read_json(path: Path | str) -> JsonObject:
    """Content of a JSON file that must be an object, and what should be said of its encoding.

    NaN and infinity, which JSON does not know, are null.

    Raises
    ------
    InputError
        The file cannot be read (or was not fetched: NOT_FETCHED), is not JSON, or is JSON but no object; or holds what
        no later step could write again: nesting beyond MAX_DEPTH, a number of thousands of digits, half of a surrogate
        pair.
    """
    try:
        text, note = read_text(path, any_bytes=True)
        content = _DECODER.decode(text)
        if "\\" in text:  # escaped characters
            json.dumps(content, ensure_ascii=False).encode()
    except InputError as error:
        if error.reason != BAD_TEXT:
            raise
        raise InputError(error.message.replace("is no text", "is not JSON"), _CORRECT, BAD_CONTENT) from None
    except UnicodeEncodeError:
        raise _bad(path, "holds half of a surrogate pair (\\ud800 to \\udfff), which is no character") from None
    except json.JSONDecodeError as error:
        raise _bad(path, f"is not JSON: {error}") from None
    except RecursionError:
        raise _bad(path, _TOO_DEEP) from None
    except ValueError:  # Python's limit on the digits of a whole number
        raise _bad(path, "holds a number of thousands of digits") from None
    if not isinstance(content, dict):
        raise _bad(path, f"holds {_KINDS[type(content)]} where an object must be")
    if text.count("[") + text.count("{") > MAX_DEPTH and depth_exceeds([content], MAX_DEPTH):
        raise _bad(path, _TOO_DEEP)
    return JsonObject(content, note)


def _no_number(_name: str) -> None:
    """NaN and infinity, which JSON does not know (RFC 8259): a value that is not told."""
    return


def _whole(text: str) -> Any:
    """A whole number; null where it is beyond what a number of 64 bits holds, and nobody could compute with it."""
    number = int(text)  # a ValueError for thousands of digits
    return number if len(text) < _LONGEST or _finite(text) is not None else None


def _finite(text: str) -> Any:
    number = float(text)
    return number if isfinite(number) else None


_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_int=_whole, parse_float=_finite)
"""Made once: there are thousands of small files."""


def _bad(path: Path | str, what: str) -> InputError:
    return InputError(f"{path} {what}.", _CORRECT, BAD_CONTENT)


def depth_exceeds(level: Iterable[Any], limit: int) -> bool:
    """Whether lists and objects lie in each other more than ``limit`` deep; without recursion, which has its limit.

    Also of what holds itself, or more and more in each level, as the anchors of YAML allow.
    """
    for _ in range(limit + 1):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        if not inner:
            return False
        level = list(islice((item for values in inner for item in values), _MOST_ITEMS))
        if len(level) == _MOST_ITEMS:
            return True
    return True
