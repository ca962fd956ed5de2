"""What decides the result of a step besides its input files, part by part, and in words how two of these differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

Recipe = Mapping[str, Any]
"""As JSON holds it. A part is a digest (``code``), a value (``seed``), or a mapping of digests or values by name
(``settings``, ``libraries``, ``earlier steps``)."""

METADATA = "metadata"
"""The part with a digest for each input file. Of files that are new or gone `file_changes` tells."""
_DIGEST = re.compile("[0-9a-f]{64}")
_SHOWN = 3


def recipe_changes(old: Recipe, new: Recipe) -> list[str]:
    """What differs between two recipes, in words.

    >>> old = {"code": "a" * 64, "settings": {"fit": "wls", "motion": True}}
    >>> recipe_changes(old, {"code": "b" * 64, "settings": {"fit": "restore", "motion": True}})
    ['code changed', 'settings changed: fit wls -> restore']
    """
    if not old:
        return ["made by another version"]
    words = []
    for part in dict.fromkeys([*new, *old]):
        was, now = old.get(part), new.get(part)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            names = [name for name in dict.fromkeys([*now, *was]) if was.get(name) != now.get(name)]
            if part == METADATA:
                names = [name for name in names if name in was and name in now]
            words += [f"{part} changed: {few(_item(name, was, now) for name in names)}"] if names else []
        elif was != now:
            words.append(f"{part} changed" + ("" if _is_digest(was) or _is_digest(now) else f": {_shift(was, now)}"))
    return words


def file_changes(old: Iterable[str], new: Iterable[str]) -> list[str]:
    """In words, which of the new paths are not among the old ones, and the reverse."""
    before, after = set(old), set(new)
    added, gone = sorted(after - before), sorted(before - after)
    if added and sorted(map(_name, added)) == sorted(map(_name, gone)):
        return [f"inputs moved: {few(map(_name, added))}"]
    names = [f"{_name(path)} (new)" for path in added] + [f"{_name(path)} (gone)" for path in gone]
    return [f"inputs changed: {few(names)}"] if names else []


def few(items: Iterable[str]) -> str:
    """Items in a row; of many the first ones.

    >>> few("abcde")
    'a, b, c and 2 more'
    """
    items = list(items)
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _item(name: str, was: Recipe, now: Recipe) -> str:
    if name not in was or name not in now:
        return f"{name} ({'new' if name in now else 'gone'})"
    return name if _is_digest(now[name]) else f"{name} {_shift(was[name], now[name])}"


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _shift(was: object, now: object) -> str:
    return " -> ".join(value if isinstance(value, str) else json.dumps(value) for value in (was, now))


def _name(path: str) -> str:
    return PurePath(path).name
