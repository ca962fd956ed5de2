"""Whether a recording's file is of a format and version that can be read, and whole: before mne sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_stroke.core.errors import DataError
from bids_stroke.preprocess.eegemg.timing.edf_time import read_header

_EDF, _BDF = b"0       ", b"\xffBIOSEMI"
_OTHERS = {
    b"GDF ": "GDF",
    b"\x89HDF": "HDF5",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip",
    b"MATLAB": "a MATLAB file",
    b"Brain": "BrainVision",
    b"version https://git-lfs": "a placeholder of git LFS",
}
_BRAINVISION = re.compile(
    r"brain ?vision( core| v-amp)? data( exchange)? (header|marker) file,? version (\d+)\.(\d+)", re.I
)
_SAMPLE_BYTES = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
_MATLAB_5, _MATLAB_7_3 = (b"\x00\x01IM", b"\x01\x00MI"), (b"\x00\x02IM", b"\x02\x00MI")
"""Version and byte order, after 124 bytes of free text."""
_REMEDIES = (
    (
        "number of trials",
        "The file holds epochs. Save the continuous recording from before they were cut (EEGLAB: pop_saveset).",
    ),
    ("alleeg", "The file holds several datasets. Save each recording as a .set of its own (EEGLAB: pop_saveset)."),
    (
        ".dat",
        "The data lie in a .dat of an old EEGLAB. Open the file in a newer EEGLAB and save it again (pop_saveset).",
    ),
    (
        "encoding",
        "Its annotations are not UTF-8, as EDF+ and BDF+ want it. Export it again, or write them without accents.",
    ),
)
"""Words of mne's message, and what helps."""
_COPY = "Copy it again from its source."


@dataclass(frozen=True)
class BrainVision:
    """What a ``.vhdr`` says of its files."""

    data: Path
    markers: Path | None
    n_channels: int
    n_samples: int | None
    """None where the header does not say it, as mostly."""
    sample_bytes: int | None
    """None where the data are text."""


def check_file(path: Path) -> list[str]:
    """What to say about a file's length.

    Raises
    ------
    DataError
        It is missing (``missing-data-file``), of another format or version than its name says and the readers know
        (``unsupported-format``), or holds less than its header promises (``truncated-recording``).
    """
    if not path.is_file():
        remedy = "Put it back, or remove its sidecars."
        raise DataError(f"{path} does not exist (a broken link?).", remedy, "missing-data-file")
    suffix = path.suffix.lower()
    if suffix in (".edf", ".bdf"):
        return _check_edf(path)
    if suffix == ".vhdr":
        return _check_brainvision(path)
    if suffix == ".set":
        _check_set(path)
    return []


def _head(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(n_bytes)


def _unsupported(path: Path, what: str, remedy: str) -> DataError:
    return DataError(f"{path} {what}.", remedy, "unsupported-format")


def _other_format(head: bytes) -> str:
    return next((name for mark, name in _OTHERS.items() if head.startswith(mark)), "")


def _check_edf(path: Path) -> list[str]:
    kind = path.suffix[1:].upper()
    right, other = (_EDF, _BDF) if kind == "EDF" else (_BDF, _EDF)
    version = _head(path, 8)
    if version == other:
        real = "BDF" if kind == "EDF" else "EDF"
        remedy = f"Name it .{real.lower()}, and its sidecars stay as they are."
        raise _unsupported(path, f"is {real} by its content (24 against 16 bit), not {kind}", remedy)
    if len(version) == 8 and version.rstrip(b" \x00") != right.rstrip():
        found = _other_format(_head(path, 32)) or f"its version field is {version.decode('latin-1')!r}"
        wanted = right.rstrip().decode("latin-1")
        remedy = f"Export it as {kind} (version field {wanted!r}), or give it the ending of its format."
        raise _unsupported(path, f"is no {kind} of a version that can be read: {found}", remedy)
    try:
        header = read_header(path)
    except ValueError as error:
        raise DataError(f"{path} has no readable EDF/BDF header: {error}.", _COPY, "unreadable-recording") from error
    size, promised = path.stat().st_size, header.bytes_in_header + header.n_records * header.bytes_in_record
    if header.n_records >= 0 and size < promised:
        what = f"is cut short: {size} bytes, its header promises {promised}"
        raise DataError(f"{path} {what}.", _COPY, "truncated-recording")
    there = (size - header.bytes_in_header) // max(header.bytes_in_record, 1)
    if header.n_records < 0:
        return [f"{path.name}: the recorder was not stopped properly: its header does not know its length; "
                f"all {there} records are used"]  # fmt: skip
    if there > header.n_records:
        return [f"{path.name} has {there} records, its header tells of {header.n_records}; all are used"]
    return []


def read_brainvision(path: Path) -> BrainVision:
    """The files and counts that a BrainVision header names.

    Raises
    ------
    DataError
        It is no header of version 1 or 2.
    """
    text = path.read_bytes().decode("latin-1")
    first = text.splitlines()[0] if text.strip() else ""
    found = _BRAINVISION.search(first)
    if found is None or found[3].lower() != "header":
        raise _unsupported(path, f"is no BrainVision header: it begins with {first[:60]!r}",
                           "Export the recording again, or give the file the ending of its format.")  # fmt: skip
    if found[4] not in ("1", "2"):
        raise _unsupported(path, f"is a BrainVision header of version {found[4]}.{found[5]}; 1 and 2 can be read",
                           "Export the recording in version 1.0 or 2.0 of the format.")  # fmt: skip

    def value(key: str) -> str:
        said = re.search(rf"^{key}\s*=\s*(.*?)\s*$", text.split("[Comment]")[0], re.M | re.I)
        return said[1] if said else ""

    def named(key: str) -> str:
        return value(key).encode("latin-1").decode("utf-8", "replace").replace("$b", path.stem)

    def count(key: str) -> int:
        return int(value(key)) if value(key).isdecimal() else 0

    text_data = value("DataFormat").upper() == "ASCII"
    return BrainVision(
        path.parent / named("DataFile"),
        path.parent / named("MarkerFile") if named("MarkerFile") else None,
        count("NumberOfChannels"),
        count("DataPoints") or None,
        None if text_data else _SAMPLE_BYTES.get(value("BinaryFormat").upper()),
    )


def _check_brainvision(path: Path) -> list[str]:
    header = read_brainvision(path)
    if header.sample_bytes is None or not header.n_channels or not header.data.is_file():
        return []  # what is missing is said where it is read
    per_sample = header.n_channels * header.sample_bytes
    there, rest = divmod(header.data.stat().st_size, per_sample)
    if header.n_samples is not None and there < header.n_samples:
        raise DataError(
            f"{header.data} is cut short: {there} samples, its header promises {header.n_samples}.",
            _COPY,
            "truncated-recording",
        )
    if rest:
        return [f"{header.data.name} ends within a sample: the recording or a copy was broken off; "
                f"its {there} whole samples are used"]  # fmt: skip
    return []


def _check_set(path: Path) -> None:
    """Refuse what MATLAB wrote in a version that the reader does not know."""
    head = _head(path, 128)
    if head.startswith((b"\x89HDF", b"MATLAB 7.3")) or head[124:128] in _MATLAB_7_3:
        remedy = (
            "In EEGLAB choose the version 6 format (pop_editoptions('option_saveversion6', 1)), or save with "
            "'-v7' in MATLAB, and save it again."
        )
        raise _unsupported(path, "is a MATLAB 7.3 (HDF5) file, which cannot be read", remedy)
    other = _other_format(head)
    if other and other != "a MATLAB file":
        raise _unsupported(path, f"is {other} by its content, not EEGLAB's .set", "Give it the ending of its format.")
    if head[124:128] not in _MATLAB_5:
        raise _unsupported(path, "is no MATLAB 5 to 7 file, which EEGLAB's .set is",
                           "Open it in EEGLAB and save it again (pop_saveset).")  # fmt: skip


def check_data(path: Path, raw: Any) -> None:
    """Raise DataError where EEGLAB's ``.fdt`` holds fewer samples than its ``.set`` says.

    Parameters
    ----------
    path : Path
    raw : mne.io.BaseRaw
        Of the header; its data need not be loaded.
    """
    data = Path(raw.filenames[0]) if path.suffix.lower() == ".set" and raw.filenames[0] else path
    if data.suffix.lower() != ".fdt":
        return
    there, promised = data.stat().st_size, 4 * len(raw.ch_names) * raw.n_times
    if there < promised:
        what = f"is cut short: {there} bytes, {path.name} promises {promised}"
        raise DataError(f"{data} {what}.", _COPY, "truncated-recording")


def remedy_for(error: Exception) -> str:
    """What to do about a file that mne does not read, by what it says of it."""
    said = str(error).lower()
    for words, remedy in _REMEDIES:
        if words in said:
            return remedy
    return "Compare the file with its channels.tsv (names in the same order), or copy it again from its source."
