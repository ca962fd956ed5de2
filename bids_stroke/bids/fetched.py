"""Which files of a unit have only their names here: their content lies in a store elsewhere (DataLad, Git LFS)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from bids_stroke.core.errors import InputError
from bids_stroke.core.modalities import QUERIES
from bids_stroke.core.records import BidsFile
from bids_stroke.core.text_files import NOT_FETCHED, not_fetched

_PARTS: Mapping[str, tuple[str, ...]] = {".vhdr": (".eeg", ".vmrk"), ".set": (".fdt",)}
"""Extension of a recording -> those of the files that it needs beside it, where they are there at all."""
_TABLES = ("channels.tsv", "events.tsv")
"""Without these a recording is read otherwise than it was meant."""


def absent(items: Iterable[BidsFile], bids_dir: Path, links: frozenset[str]) -> dict[BidsFile, str]:
    """Why files cannot be used: they, or what belongs to them, have not been fetched; empty where all is here.

    Parameters
    ----------
    items : iterable of BidsFile
        Files of a unit.
    bids_dir : Path
        Root of the raw dataset. Files that are no links are looked into only in a repository: it takes as long as all
        the rest of the plan. Elsewhere they are named when they are read.
    links : frozenset of str
        Paths of raw files that are links.
    """
    everything = is_repository(bids_dir)
    return {item: _why(item, None if everything or not item.uri.startswith("bids:raw:") else links) for item in items}


@lru_cache(maxsize=64)
def is_repository(folder: Path) -> bool:
    """Whether a folder lies in a repository of git, as DataLad's datasets do."""
    return any((place / ".git").exists() for place in (folder.absolute(), *folder.absolute().parents))


def _why(item: BidsFile, links: frozenset[str] | None) -> str:
    for path in _needed(item) if links is None or links else ():
        if (links is None or path in links) and (why := not_fetched(path)):
            return why if path == str(item.path) else f"{os.path.basename(path)}: {why}"  # noqa: PTH119
    try:
        len(item.metadata)
    except InputError as error:  # another one costs the unit, if the file is used
        return error.message.rstrip(".") if error.reason == NOT_FETCHED else ""
    return ""


def _needed(item: BidsFile) -> Iterator[str]:
    """The file, what its header names, and the tables that tell what is in it."""
    path, suffix, extension = str(item.path), item.entities.get("suffix", ""), item.path.suffix
    yield path
    stem = path.removesuffix(".nii.gz").removesuffix(extension)
    query = QUERIES.get(suffix)
    for own in _PARTS.get(extension, ()) + (query.companions if query else ()):
        yield f"{stem}{own}"
    if suffix in ("eeg", "emg"):
        yield from (f"{stem.removesuffix(suffix)}{name}" for name in _TABLES)
    yield from map(str, item.beside.values())
