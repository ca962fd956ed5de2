"""When the records of an EDF+ or BDF+ file were taken: mne reads them as if there were no pause between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.errors import DataError

Array = NDArray[np.float64]
_ANNOTATIONS = (b"EDF Annotations", b"BDF Annotations")
_ENTRY = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14([^\x00]*?)\x14\x00")
_LEAST_PAUSE_S = 2e-3
"""Onsets are written to the millisecond at best: what is less is rounding."""


@dataclass(frozen=True)
class EdfLayout:
    """What the fixed part and the signals' part of an EDF or BDF header say.

    Attributes
    ----------
    bytes_in_header, n_records : int
        ``n_records`` is -1 where the recorder did not come to write it.
    record_s : float
        Length of a record.
    subtype : str
        ``EDF+C``, ``EDF+D``, ``BDF+C``, ``BDF+D``, or what else the field holds.
    labels : tuple of bytes
    n_samples : tuple of int
        Of each signal in a record.
    bytes_in_sample : int
        2 (EDF) or 3 (BDF).
    """

    bytes_in_header: int
    n_records: int
    record_s: float
    subtype: str
    labels: tuple[bytes, ...]
    n_samples: tuple[int, ...]
    bytes_in_sample: int

    @property
    def bytes_in_record(self) -> int:
        """Of all signals."""
        return sum(self.n_samples) * self.bytes_in_sample


@dataclass(frozen=True, eq=False)
class Records:
    """Onsets (s) of the records, from that of the first, and the file's own annotations as (onset, duration, text)."""

    onsets: Array
    header: EdfLayout
    annotations: tuple[tuple[float, float, str], ...]

    def pauses(self) -> Array:
        """Seconds (n_records - 1,) between a record's end and the next one's begin; 0 where less than rounding."""
        per_sample = self.header.record_s / max(1, *self.header.n_samples)
        pauses: Array = np.diff(self.onsets) - self.header.record_s
        return np.where(np.abs(pauses) > max(_LEAST_PAUSE_S, per_sample), pauses, 0.0)


def read_header(path: Path) -> EdfLayout:
    """Header of an EDF or BDF file (by the file's ending).

    Raises
    ------
    ValueError
        A field that should hold a number does not, or the header is cut short.
    """
    with path.open("rb") as stream:
        fixed = stream.read(256)
        n_signals = int(fixed[252:256])
        fields = stream.read(256 * n_signals)
    if len(fields) < 256 * n_signals:
        raise ValueError("the header is cut short")
    counts = fields[216 * n_signals : 224 * n_signals]
    return EdfLayout(
        bytes_in_header=int(fixed[184:192]),
        n_records=int(fixed[236:244]),
        record_s=float(fixed[244:252]),
        subtype=fixed[192:197].decode("latin-1"),
        labels=tuple(fields[16 * i : 16 * i + 16].strip(b" \x00") for i in range(n_signals)),
        n_samples=tuple(int(counts[8 * i : 8 * i + 8]) for i in range(n_signals)),
        bytes_in_sample=3 if path.suffix.lower() == ".bdf" else 2,
    )


def read_records(path: Path) -> Records | None:
    """Onsets of the records and the annotations; None where the file has no such signal (plain EDF and BDF).

    Raises
    ------
    DataError
        A file that says to have pauses (EDF+D, BDF+D) does not tell when a record began, or two at the same time.

    Notes
    -----
    EDF+ specification, 2.2.4: the first annotation of each record is its onset ("time-keeping").
    """
    header = read_header(path)
    rows = [i for i, label in enumerate(header.labels) if label in _ANNOTATIONS]
    n_records = (path.stat().st_size - header.bytes_in_header) // max(header.bytes_in_record, 1)
    if not rows or n_records < 1:
        return None
    whole = np.memmap(path, np.uint8, "r", header.bytes_in_header, (n_records, header.bytes_in_record))
    ends = np.cumsum((0, *header.n_samples)) * header.bytes_in_sample
    texts = [[bytes(record[ends[i] : ends[i + 1]]) for i in rows] for record in whole]
    keeping = [_ENTRY.match(record[0]) for record in texts]
    onsets = np.array([float(found[1]) if found else np.nan for found in keeping])
    first = float(onsets[0]) if np.isfinite(onsets[0]) else 0.0
    annotations = tuple(
        (float(found[1]) - first, float(found[2] or 0), said.decode("utf-8", "replace"))
        for record in texts for text in record for found in _ENTRY.finditer(text)
        for said in found[3].split(b"\x14") if said
    )  # fmt: skip
    records = Records(onsets - first, header, annotations)
    return _checked(path, records)


def _checked(path: Path, records: Records) -> Records:
    """The records as they are; those of a continuous file as if on time, where their onsets are nonsense."""
    header, unknown = records.header, np.flatnonzero(~np.isfinite(records.onsets))
    order = np.argsort(records.onsets, kind="stable")
    overlapping = np.flatnonzero(Records(records.onsets[order], header, ()).pauses() < 0)
    if header.subtype.endswith("D"):
        if not len(unknown) and not len(overlapping):
            return records
        record = int(unknown[0] if len(unknown) else order[overlapping[0] + 1]) + 1
        what = "does not tell when it began" if len(unknown) else "begins before another one has ended"
        raise DataError(
            f"{path} says that it has pauses ({header.subtype}), but record {record} {what}.",
            "Export it again, each part between pauses as a run of its own.",
            "bad-record-onsets",
        )
    if not len(unknown) and not (records.pauses() < 0).any():
        return records
    on_time: Array = np.arange(len(records.onsets), dtype=np.float64) * header.record_s
    return Records(on_time, header, records.annotations)
