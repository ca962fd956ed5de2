"""Ways to break text, bytes and JSON, whatever they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

WORDS = (
    "",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1e308",
    "-1e308",
    "1e-320",
    "-1",
    "0",
    "-0",
    "1e5",
    "99999999999999999999",
    "n/a",
    "None",
    "true",
    "[]",
    "{}",
    "\x00",
    "é",
    "\U0001f9e0",
    "a" * 300,
    "'",
    '"',
    "\\",
    "../..",
    "/",
    "1,5",
    "0x10",
    "١٢",
    " ",
    "sub-",
    "%s",
    "{place}",
    "[red]",
    "1_000",
    "+1",
    "1.",
    ".5",
    "1e",
    "-",
    "é" * 40,
)
"""What stands where something else was expected."""
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    0.5,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    10**30,
    -(10**30),
    10**400,
    1e-320,
    "",
    "x",
    "n/a",
    "nan",
    "\ud800",
    [],
    {},
    [1],
    [[1]],
    [None],
    {"a": 1},
    {"": []},
    ["a", "b"],
    [1e308, -1e308],
    [float("nan")] * 4,
    list(range(500)),
    "a" * 5000,
)
"""Values of JSON in the place of another one."""


def broken_bytes(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Bytes with one or two things wrong with them."""
    name, change = rng.choice(_BYTES)
    return change(data, rng), name


def broken_text(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Text with a word, a line, or its encoding wrong; now and then bytes at random."""
    if rng.random() < 0.15:
        return broken_bytes(data, rng)
    name, change = rng.choice(_TEXTS)
    return change(data.decode("utf-8", "replace"), rng).encode("utf-8", "surrogatepass"), name


def broken_json(data: bytes, rng: Random) -> tuple[bytes, str]:
    """JSON with a value of another kind, without a key, or no JSON any more."""
    if rng.random() < 0.2:
        return broken_text(data, rng)
    content = json.loads(data)
    place = rng.choice(list(_places(content)))
    value = rng.choice(VALUES)
    if rng.random() < 0.15:
        return json.dumps(without(content, place)).encode(), f"without {'.'.join(map(str, place))}"
    said = repr(value)[:40]
    return json.dumps(replaced(content, place, value)).encode(), f"{'.'.join(map(str, place))} = {said}"


def _places(content: Any, above: tuple[Any, ...] = ()) -> Any:
    """Every place in JSON, the whole first."""
    yield above
    items = (
        content.items() if isinstance(content, dict) else enumerate(content[:8]) if isinstance(content, list) else ()
    )
    for key, value in items:
        yield from _places(value, (*above, key))


def replaced(content: Any, place: Sequence[Any], value: Any) -> Any:
    """JSON with another value at a place."""
    if not place:
        return value
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[place[0]] = replaced(content[place[0]], place[1:], value)
    return copy


def without(content: Any, place: Sequence[Any]) -> Any:
    """JSON without what is at a place."""
    if not place:
        return {}
    copy = dict(content) if isinstance(content, dict) else list(content)
    if len(place) == 1:
        del copy[place[0]]
    else:
        copy[place[0]] = without(content[place[0]], place[1:])
    return copy


def _span(length: int, rng: Random) -> tuple[int, int]:
    start = rng.randrange(length + 1)
    return start, min(length, start + rng.choice((1, 2, 8, 64)))


def _flip(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4)) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut_out(data: bytes, rng: Random) -> bytes:
    start, stop = _span(len(data), rng)
    return data[:start] + data[stop:]


def _twice(data: bytes, rng: Random) -> bytes:
    start, stop = _span(len(data), rng)
    return data[:stop] + data[start:]


def _put_in(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((b"\x00", b"\xff\xfe", b"\n\n", b"\t", rng.randbytes(16))) + data[at:]


def _token(text: str, rng: Random) -> str:
    found = list(re.finditer(r"[^\s,;=:{}\[\]\"]+", text))
    return _swap(text, rng.choice(found), rng) if found else rng.choice(WORDS)


def _number(text: str, rng: Random) -> str:
    found = list(re.finditer(r"-?\d+(?:\.\d+)?", text))
    return _swap(text, rng.choice(found), rng) if found else _token(text, rng)


def _swap(text: str, found: re.Match[str], rng: Random) -> str:
    return text[: found.start()] + rng.choice(WORDS) + text[found.end() :]


def _lines(text: str, rng: Random, change: Callable[[list[str], int], None]) -> str:
    lines = text.splitlines(keepends=True) or [""]
    change(lines, rng.randrange(len(lines)))
    return "".join(lines)


def _shuffled(text: str, rng: Random) -> str:
    lines = text.splitlines(keepends=True)
    rng.shuffle(lines)
    return "".join(lines)


_BYTES: tuple[tuple[str, Callable[[bytes, Random], bytes]], ...] = (
    ("bits flipped", _flip),
    ("bytes cut out", _cut_out),
    ("bytes twice", _twice),
    ("bytes put in", _put_in),
    ("cut short", lambda data, rng: data[: rng.randrange(len(data) + 1)]),
    ("empty", lambda data, rng: b""),
    ("noise", lambda data, rng: rng.randbytes(rng.choice((1, 16, 400)))),
    ("zeros", lambda data, rng: bytes(len(data))),
)
_TEXTS: tuple[tuple[str, Callable[[str, Random], str]], ...] = (
    ("another word", _token),
    ("another word", _token),
    ("another number", _number),
    ("another number", _number),
    ("a line less", lambda text, rng: _lines(text, rng, lambda lines, i: lines.pop(i) and None)),
    ("a line twice", lambda text, rng: _lines(text, rng, lambda lines, i: lines.insert(i, lines[i]))),
    ("lines shuffled", _shuffled),
    ("byte order mark", lambda text, rng: "\ufeff" + text),
    ("as from Windows", lambda text, rng: text.replace("\n", "\r\n")),
    ("one line", lambda text, rng: text.replace("\n", " ")),
    ("blanks for tabs", lambda text, rng: text.replace("\t", " ")),
    ("capitals", lambda text, rng: text.upper()),
)
