"""Every way in which a JSON file can be no object, or one that nobody can use."""

from __future__ import annotations

from typing import NamedTuple


class Broken(NamedTuple):
    """Content of a file, and what is said of it (a pattern)."""

    content: bytes
    message: str


KINDS = {
    "null": Broken(b"null", "holds null where an object must be"),
    "number": Broken(b"3", "holds a number where"),
    "text": Broken(b'"a"', "holds a text where"),
    "list": Broken(b"[1]", "holds a list where"),
    "deep": Broken(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "has objects or lists nested more than"),
    "surrogate": Broken(b'{"a": "\\ud800"}', "holds half of a surrogate pair"),
    "digits": Broken(b'{"a": ' + b"9" * 5000 + b"}", "holds a number of thousands of digits"),
    "cut": Broken(b'{"a": ', "is not JSON: Expecting value"),
    "utf16": Broken('{"a": 1}'.encode("utf-16-le"), "is not JSON: it holds zero bytes"),
    "empty": Broken(b"", "is not JSON: Expecting value"),
}
