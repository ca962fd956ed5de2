"""Which sidecars apply to a data file (the inheritance principle), and their content, read when it is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from bids_stroke.bids.entities import Comparable, comparable
from bids_stroke.core.errors import InputError
from bids_stroke.core.json_files import JsonObject, read_json
from bids_stroke.core.text_files import NOT_FETCHED, not_fetched

_DIGITS = re.compile("([0-9]+)")
Reader = Callable[[str], Mapping[str, str]]
"""Path from the root of a dataset -> entities: ``raw_entities`` or ``named_entities``."""


@dataclass(frozen=True)
class Sidecar:
    """A JSON file that may apply to data files in its folder and below."""

    path: str
    entities: Comparable

    @cached_property
    def file(self) -> JsonObject:
        """What the file holds and how it was written, read once.

        Raises
        ------
        InputError
            From :func:`bids_stroke.core.json_files.read_json`.
        """
        return read_json(self.path)

    @property
    def content(self) -> dict[str, Any]:
        """What the file holds."""
        return self.file.content


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder of a dataset with the names of its files.

    Parameters
    ----------
    path : str
        Where it is.
    within : str
        Path from the root of the dataset, with a slash at its end; empty for the root.
    files : sequence of str
        Names of the files in it, without hidden ones.
    above : Folder or None
        The folder that it lies in; None for the root.
    links : sequence of str
        Those of the files that are links; of the root they are not known.
    """

    path: str
    within: str
    files: Sequence[str]
    above: Folder | None = None
    links: Sequence[str] = ()
    _sidecars: dict[tuple[Reader, str], list[Sidecar]] = field(default_factory=dict, repr=False)

    @cached_property
    def _json_files(self) -> Mapping[str, list[str]]:
        """Names of the JSON files, by suffix."""
        found: dict[str, list[str]] = {}
        for name in self.files:
            if name.endswith(".json"):
                found.setdefault(name[: -len(".json")].rsplit("_", 1)[-1], []).append(name)
        return found

    @cached_property
    def _described_above(self) -> Mapping[str, tuple[Folder, ...]]:
        """Suffix -> the folders above with JSON files of it, the root first. Not itself: that would be a circle."""
        if self.above is None:
            return {}
        known, last = self.above._described_above, self.above
        return {**known, **{suffix: (*known.get(suffix, ()), last) for suffix in last._json_files}}

    def sidecars(self, suffix: str, reader: Reader) -> Sequence[Sidecar]:
        """JSON files of a suffix in this folder, in the order in which they apply: the most specific last.

        Of equally many entities, the first by name is the last, as pybids has it. pybids 0.22 knows this order only
        (its issue 1044): there, a ``task-rest_bold.json`` overrules the ``task-rest_run-2_bold.json`` beside it.
        """
        names = self._json_files.get(suffix)
        if names is None:
            return ()
        key = (reader, suffix)
        if key not in self._sidecars:
            found = []
            own = f"{self.within.split('/', 1)[0]}_"
            for name in sorted(names, key=natural, reverse=True) if len(names) > 1 else names:
                if self.within and name.startswith("sub-") and not name.startswith(own):  # another person's
                    continue
                entities = reader(self.within + name)
                if entities.get("suffix") == suffix and entities.get("extension", ".json") == ".json":
                    found.append(Sidecar(f"{self.path}/{name}", comparable(entities)))
            self._sidecars[key] = sorted(found, key=lambda sidecar: len(sidecar.entities))
        return self._sidecars[key]

    def applying(self, suffix: str, entities: Comparable, reader: Reader) -> list[Sidecar]:
        """Sidecars of a file of this folder: from the root of the dataset down, each overruling those before it."""
        folders = (*self._described_above.get(suffix, ()), self)
        return [one for folder in folders for one in folder.sidecars(suffix, reader) if one.entities <= entities]


def natural(name: str) -> tuple[list[int | str], str]:
    """Key of pybids' order of names, in which run-2 comes before run-10, whatever the case of letters."""
    parts = _DIGITS.split(name)
    return [int(part) if i % 2 else part.lower() for i, part in enumerate(parts)], name


class Told(NamedTuple):
    """What the sidecars of a file say together, and what should be said of how they were read."""

    content: dict[str, Any]
    notes: tuple[str, ...] = ()


class Metadata(Mapping[str, Any]):
    """What the sidecars of a file say, read at the first look.

    Parameters
    ----------
    read : callable
        Gives what they say; called once.

    Raises
    ------
    InputError
        At the first look: a sidecar cannot be read.
    """

    __slots__ = ("_read", "_told")

    def __init__(self, read: Callable[[], Told]) -> None:
        self._read: Callable[[], Told] | None = read
        self._told = Told({})

    @property
    def told(self) -> Told:
        """All of it."""
        if self._read is not None:
            self._told, self._read = self._read(), None  # what reads it holds a whole listing: let go
        return self._told

    @property
    def content(self) -> Mapping[str, Any]:
        """All keys with their values."""
        return self._told.content if self._read is None else self.told.content

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)

    def __repr__(self) -> str:
        return f"Metadata({'not read yet' if self._read is not None else self._told.content})"

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self.content),)  # a worker gets the content


def merged(path: str, sidecars: Sequence[Sidecar]) -> Told:
    """What the sidecars of a file say, later ones overruling earlier ones; a key that is null in the end is left out.

    Raises
    ------
    InputError
        A sidecar cannot be read. Not where neither it nor the file itself has been fetched yet: then nothing is known,
        and that is what is given.
    """
    content: dict[str, Any] = {}
    notes: list[str] = []
    for sidecar in sidecars:
        try:
            content |= sidecar.content
        except InputError as error:
            if error.reason == NOT_FETCHED and not_fetched(path):
                return Told({})
            raise
        notes += [sidecar.file.note] if sidecar.file.note else []
    if None in content.values():  # hardly ever
        content = {key: value for key, value in content.items() if value is not None}
    return Told(content, tuple(notes))
