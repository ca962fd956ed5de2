"""Which files of a unit have only their names here: their content lies in a store elsewhere (DataLad, Git LFS)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from bids_stroke.core.errors import InputError
from bids_stroke.core.modalities import QUERIES
from bids_stroke.core.records import BidsFile
from bids_stroke.core.text_files import NOT_FETCHED, not_fetched

_PARTS: Mapping[str, tuple[str, ...]] = {".vhdr": (".eeg", ".vmrk"), ".set": (".fdt",)}
"""Extension of a recording -> those of the files that it needs beside it, where they are there at all."""
_TABLES = ("channels.tsv", "events.tsv", "electrodes.tsv")
"""Without these a recording is read otherwise than it was meant."""


def absent(items: Iterable[BidsFile]) -> dict[BidsFile, str]:
    """Files that cannot be used because they, or files that belong to them, have not been fetched, and what to do.

    Raises
    ------
    InputError
        A sidecar cannot be read for another reason.
    """
    found = {item: _why(item) for item in items}
    return {item: why for item, why in found.items() if why}


def _why(item: BidsFile) -> str:
    for path in _needed(item):
        if why := not_fetched(path):
            return why if path == str(item.path) else f"{os.path.basename(path)}: {why}"  # noqa: PTH119
    try:
        len(item.metadata)  # read now: this unit fails, with the file named, and no other
    except InputError as error:
        if error.reason != NOT_FETCHED:
            raise
        return error.message.rstrip(".")
    return ""


def _needed(item: BidsFile) -> Iterator[str]:
    """The file, what its header names, and the tables that tell what is in it."""
    yield str(item.path)
    suffix, extension = item.entities.get("suffix", ""), item.path.suffix
    query = QUERIES.get(suffix)
    for own in _PARTS.get(extension, ()) + (query.companions if query else ()):
        yield str(item.companion(own))
    if suffix in ("eeg", "emg"):
        around = str(item.path)[: -len(f"{suffix}{extension}")]
        yield from (f"{around}{name}" for name in _TABLES)
    yield from map(str, item.beside.values())
