"""Several files of one measurement: packed and unpacked, magnitude said and not said, echoes, reconstructions."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import BinaryIO

from bids_stroke.bids.entities import named_entities
from bids_stroke.core.records import BidsFile

_CHUNK = 1 << 20
_HEADER = 348
"""Bytes of a NIfTI-1 header."""
_SPACE_OF_HEADER = ((40, 56), (70, 74), (76, 120), (252, 328))
"""Dimensions, type, voxel sizes with the scaling of values, qform and sform; the rest says nothing of the voxels."""

Kept = tuple[tuple[BidsFile, ...], dict[BidsFile, str]]
"""Files that are used, and the others with the reason."""

_ONCE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("part", ("T1w", "dwi", "bold", "epi"), "the same, magnitude or not said"),
    ("echo", ("T1w", "dwi", "epi"), "another echo of it"),
    ("rec", ("dwi", "epi"), "another reconstruction of it"),
)
"""Entity, suffixes, and what files of these are that differ in it alone. Of the echoes of a BOLD run, and of the
reconstructions of a T1w, the steps choose: it takes sidecars and images to tell which is the best."""


def one_of_each(files: Sequence[BidsFile], asked: Collection[str] = ()) -> Kept:
    """One file of each measurement.

    Parameters
    ----------
    files : sequence of BidsFile
        Of one query and any session, in order.
    asked : collection of str
        Entities that a filter file names: a user who asks for two reconstructions gets both.
    """
    kept, left_out = one_of_packed(files)
    if len(kept) < 2:
        return kept, left_out
    for entity, suffixes, what in _ONCE:
        names = {"rec": "reconstruction"}
        if names.get(entity, entity) not in asked and any(f"_{entity}-" in file.path.name for file in kept):
            kept, more = _one_in(kept, entity, suffixes, what)
            left_out |= more
    return kept, left_out


def _one_in(files: Sequence[BidsFile], entity: str, suffixes: Collection[str], what: str) -> Kept:
    """One of the files that differ in an entity alone: part-mag, else that without it, else the first."""

    def rank(file: BidsFile) -> tuple[bool, bool, int]:
        label = named_entities(file.path.name).get(entity)
        number = int(label) if label and label.isdecimal() else 0
        return label != "mag" if entity == "part" else False, label is not None, number

    return _first_by(
        files,
        lambda file: _without(file, entity, suffixes),
        rank,
        lambda _, best: f"{best.path.name} is used: {what}",
    )


def _without(file: BidsFile, entity: str, suffixes: Collection[str]) -> object:
    entities = named_entities(file.path.name)
    if entities["suffix"] not in suffixes:
        return file.path.name
    return file.path.parent, frozenset((key, value) for key, value in entities.items() if key != entity)


def one_of_packed(files: Sequence[BidsFile]) -> Kept:
    """The packed of two files that differ in ``.gz`` alone; the unpacked where the packed one's content is not here.

    Reads both to say whether they hold the same image: a difference is for a person to judge.
    """
    unpacked = {file.path.name for file in files if file.path.name.endswith(".nii")}
    if not unpacked or not any(f"{name}.gz" == file.path.name for name in unpacked for file in files):
        return tuple(files), {}
    return _first_by(
        files,
        lambda file: str(file.path).removesuffix(".gz"),
        lambda file: (not file.path.exists(), file.path.suffix != ".gz"),
        lambda file, best: _compared(file.path, best.path),
    )


def _compared(path: Path, used: Path) -> str:
    packed, plain = (path, used) if path.suffix == ".gz" else (used, path)
    try:
        same = _same_image(packed, plain)
    except (OSError, EOFError, zlib.error, struct.error, ValueError, OverflowError) as error:  # broken files, too
        return f"{used.name} is used; the two could not be compared ({error})"
    return (
        f"{used.name} is used: the same image"
        if same
        else f"{used.name} is used, but the two differ: remove one of them"
    )


def _same_image(packed: Path, plain: Path) -> bool:
    """Whether a packed and an unpacked NIfTI file hold the same voxels in the same place."""
    with plain.open("rb") as second:
        size = os.fstat(second.fileno()).st_size
        if _trailer(packed) == (_crc(second), size % 2**32):
            return True
        second.seek(0)
        with gzip.open(packed) as first:
            heads = first.read(_HEADER), second.read(_HEADER)
            if any(heads[0][low:high] != heads[1][low:high] for low, high in _SPACE_OF_HEADER):
                return False
            for stream, head in zip((first, second), heads, strict=True):
                stream.seek(_offset(head))
            while True:
                chunks = first.read(_CHUNK), second.read(_CHUNK)
                if chunks[0] != chunks[1]:
                    return False
                if not chunks[0]:
                    return True


def n_volumes(path: Path) -> int:
    """Volumes of a NIfTI-1 file by its header; 0 where there is none to be read."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(_HEADER)
        order = "<" if struct.unpack("<i", head[:4])[0] == _HEADER else ">"
        n_axes, *_, volumes = struct.unpack(f"{order}5h", head[40:50])
    except (OSError, EOFError, zlib.error, struct.error):
        return 0
    return volumes if n_axes > 3 else 1


def _offset(head: bytes) -> int:
    """Where the voxels begin: a float in the header, in either order of bytes."""
    order = "<" if struct.unpack("<i", head[:4])[0] == _HEADER else ">"
    return max(int(struct.unpack(f"{order}f", head[108:112])[0]), _HEADER)


def _trailer(packed: Path) -> tuple[int, int]:
    """Check sum and size (modulo 4 GiB) of what a gzip file holds, by its last eight bytes."""
    with packed.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        crc, size = struct.unpack("<II", file.read(8))
    return crc, size


def _crc(file: BinaryIO) -> int:
    found = 0
    while chunk := file.read(_CHUNK):
        found = zlib.crc32(chunk, found)
    return found


def _first_by(
    files: Sequence[BidsFile],
    key: Callable[[BidsFile], object],
    rank: Callable[[BidsFile], tuple[bool | int, ...]],
    why: Callable[[BidsFile, BidsFile], str],
) -> Kept:
    """Of the files of each key the one of the lowest rank, in their order."""
    best: dict[object, BidsFile] = {}
    for file in sorted(files, key=rank):
        best.setdefault(key(file), file)
    kept = tuple(file for file in files if best[key(file)] is file)
    return kept, {file: why(file, best[key(file)]) for file in files if best[key(file)] is not file}
