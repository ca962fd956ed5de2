"""EEG and EMG of one recording brought onto one clock."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd

from bids_stroke.core.errors import DataError
from bids_stroke.core.text_files import read_text
from bids_stroke.preprocess.eegemg.drift import Clock, match_clocks
from bids_stroke.preprocess.eegemg.montage import standard_names
from bids_stroke.preprocess.eegemg.read import Pair, Source, read_source
from bids_stroke.preprocess.eegemg.signals import Array, resampled
from bids_stroke.preprocess.eegemg.timing.course import bad_intervals
from bids_stroke.preprocess.eegemg.timing.events import events_file
from bids_stroke.preprocess.eegemg.timing.pieces import Piece, Timeline, shared_pieces

_SAME_RATE = 1e-7
"""Relative: 0.1 ms in a quarter of an hour."""


@dataclass(frozen=True, eq=False)
class Recording:
    """EEG, EMG and EOG in volts on one clock: what all have, each piece cut to whole seconds.

    Arrays are (n_channels, n_samples) float64, the pieces one after the other; without channels they have no rows.
    """

    rate: float
    eeg: Array
    emg: Array
    eog: Array
    eeg_names: tuple[str, ...]
    emg_names: tuple[str, ...]
    bad: frozenset[str]
    """Names with status bad in channels.tsv."""
    mains: float | None
    pieces: tuple[Piece, ...] = ()
    """In samples of these arrays; ``begin`` on the clock of the (first) file. Empty: one piece from 0 s."""
    marked: tuple[tuple[float, float], ...] = ()
    """Onset and duration (s in these arrays) of events that start with BAD."""
    events: tuple[pd.DataFrame, dict[str, Any]] | None = None
    """events.tsv of the (first) file as it is, and its sidecar."""
    onsets: Array = field(default_factory=lambda: np.zeros(0))
    """Those of the rows of ``events``, on the clock of the (first) file, pauses included."""
    warnings: tuple[str, ...] = ()
    qc: Mapping[str, float] = field(default_factory=dict)
    """Start and drift of a separate EMG against the EEG, as quality numbers."""

    @property
    def timeline(self) -> Timeline:
        """When these samples were taken."""
        return Timeline(self.pieces or (Piece(0, self.eeg.shape[1], 0.0),), self.rate)

    @property
    def joints(self) -> tuple[int, ...]:
        """First samples after pauses."""
        return self.timeline.joints


def read_pair(pair: Pair, shortest: float) -> Recording:
    """Read a pair of files, the EMG put on the EEG's clock by acq_time in scans.tsv and common events.

    Parameters
    ----------
    pair : Pair
    shortest : float
        Seconds: of a recording with pauses, pieces that are shorter are left out, unless all are.

    Raises
    ------
    DataError
        A file is missing, broken, or at odds with its channels.tsv.
    """
    sources = [read_source(item) for item in pair.files]
    notes = [note for source in sources for note in source.warnings]
    clock = Clock(0.0)
    if len(sources) == 2 and _names(sources[0].raw, "emg"):
        notes.append(f"{pair.label}: the EMG inside the EEG file is used, {pair.files[1].path.name} is left out")
        sources = sources[:1]
    if len(sources) == 2:
        clock = _clock(pair, sources)
        notes += [f"{pair.label}: {clock.note}"] if clock.note else []
    rate = float(round(sources[0].raw.info["sfreq"]))
    placed = []
    for source, each in zip(sources, (Clock(0.0), clock), strict=False):
        found, note = _placed(source, rate, each, pair.label)
        placed.append(found)
        notes += [note] if note else []
    shared = shared_pieces(placed[0].timeline, placed[-1].timeline)
    if not shared and len(placed) == 2:
        notes.append(f"{pair.label}: EEG and EMG do not overlap in time (acq_time); the EEG alone is used")
        placed = placed[:1]
        shared = shared_pieces(placed[0].timeline, placed[0].timeline)
    shared, note = _long_enough(shared, rate, shortest)
    notes += [f"{pair.label}: {note}"] if note else []
    return _recording(sources[: len(placed)], placed, shared, notes, clock)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A source at the common rate, and when its samples were taken on the EEG's clock."""

    raw: Any
    timeline: Timeline


def _recording(
    sources: Sequence[Source],
    placed: Sequence[_Placed],
    shared: Sequence[tuple[Piece, Piece]],
    notes: Sequence[str],
    clock: Clock,
) -> Recording:
    rate = placed[0].timeline.rate
    raws = [item.raw for item in placed]
    spans = [[pair[index] for pair in shared] for index in range(len(placed))]
    signals = {
        kind: np.concatenate([_cut(_pick(raw, kind), span) for raw, span in zip(raws, spans, strict=True)])
        for kind in ("eeg", "emg", "eog")
    }
    eeg_names, emg_names = ([name for raw in raws for name in _names(raw, kind)] for kind in ("eeg", "emg"))
    standard = standard_names(eeg_names)
    renamed = dict(zip(eeg_names, standard, strict=True))
    pieces = _joined([piece for piece, _ in shared])
    marks, onsets = sources[0].marks
    return Recording(
        rate=rate,
        **signals,
        eeg_names=tuple(standard),
        emg_names=tuple(emg_names),
        bad=frozenset(renamed.get(name, name) for raw in raws for name in raw.info["bads"]),
        mains=next((source.mains for source in sources if source.mains), None),
        pieces=pieces,
        marked=bad_intervals(marks, onsets, Timeline(pieces, rate)),
        events=sources[0].events,
        onsets=onsets if sources[0].events is not None else np.zeros(0),
        warnings=tuple(notes),
        qc={"emg_offset_s": clock.offset, "emg_drift_ppm": clock.ppm} if len(sources) == 2 else {},
    )


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The same pieces as they lie one after the other."""
    lengths = [piece.stop - piece.start for piece in pieces]
    starts = [0, *accumulate(lengths)]
    return tuple(
        Piece(start, start + length, piece.begin)
        for start, length, piece in zip(starts, lengths, pieces, strict=False)
    )  # fmt: skip


def _cut(data: Array, pieces: Sequence[Piece]) -> Array:
    parts = [data[:, piece.start : piece.stop] for piece in pieces]
    return np.concatenate(parts, axis=1) if parts else data[:, :0]


def _long_enough(
    shared: list[tuple[Piece, Piece]], rate: float, shortest: float
) -> tuple[list[tuple[Piece, Piece]], str]:
    """The pieces that hold at least one window (all, where none does), and what to say about the others."""
    long = [pair for pair in shared if (pair[0].stop - pair[0].start) / rate >= shortest]
    if not long or len(long) == len(shared):
        return shared, ""
    said = (
        f"{len(shared) - len(long)} of {len(shared)} pieces between pauses are shorter than {shortest:g} s and left out"
    )
    return long, said


def _placed(source: Source, rate: float, clock: Clock, label: str) -> tuple[_Placed, str]:
    """A source at another sampling rate (Hz), its pieces on another clock, and what to say about it."""
    found, pieces = float(source.raw.info["sfreq"]), source.course.timeline.pieces

    def on_clock(piece: Piece) -> float:
        return clock.offset + clock.ratio * piece.begin

    if abs(found / clock.ratio / rate - 1) < _SAME_RATE:
        moved = tuple(Piece(piece.start, piece.stop, on_clock(piece)) for piece in pieces)
        return _Placed(source.raw, Timeline(moved, rate)), ""
    info = source.raw.info.copy()
    with info._unlock():
        info["sfreq"], info["lowpass"] = rate, min(info["lowpass"], rate / 2)
    data = source.raw.get_data()
    parts = [resampled(data[:, piece.start : piece.stop], rate * clock.ratio / found) for piece in pieces]
    ends = list(accumulate(part.shape[1] for part in parts))
    moved = tuple(
        Piece(end - part.shape[1], end, on_clock(piece)) for end, part, piece in zip(ends, parts, pieces, strict=True)
    )
    raw = mne.io.RawArray(np.concatenate(parts, axis=1), info, verbose="error")
    kind = "EMG" if _names(raw, "emg") else "EEG"
    return _Placed(raw, Timeline(moved, rate)), f"{label}: {kind} resampled from {found:g} to {rate:g} Hz"


def _clock(pair: Pair, sources: Sequence[Source]) -> Clock:
    """The EMG's clock on the EEG's, by acq_time in scans.tsv and by events that both files have."""
    times = [_acquired(item.path) for item in pair.files]
    start = (times[1] - times[0]).total_seconds() if times[0] is not None and times[1] is not None else None
    files = [events_file(item) for item in pair.files]
    if None in files or files[0] == files[1]:  # one table for both, by inheritance, tells nothing of two clocks
        return match_clocks(None, None, start)
    first, second = (_timed(source) for source in sources)
    return match_clocks(first, second, start)


def _timed(source: Source) -> pd.DataFrame | None:
    """Events of a source with onsets on its own clock, pauses included; joints are no events."""
    if source.events is None:
        return None
    table = source.events[0]
    marks, onsets = source.marks
    if not len(marks.label):
        return table
    return table.assign(onset=onsets)[~(marks.joint | marks.left_out)]


def _acquired(path: Path) -> datetime | None:
    folder = path.parent.parent
    found = re.match(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?", path.name)
    table = folder / f"{found[0] if found else ''}_scans.tsv"
    if not table.is_file():
        return None
    lines = StringIO(read_text(table).text)
    try:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    except csv.Error as error:
        raise DataError(f"{table} is no table: {error}.", "Save it tab-separated.", "bad-scans-table") from error
    name = f"{path.parent.name}/{path.name}"
    return next((_time(row.get("acq_time") or "n/a", table) for row in rows if row.get("filename") == name), None)


def _time(text: str, table: Path) -> datetime | None:
    if text == "n/a":
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        remedy = "Write it as 2000-01-31T12:00:00, or n/a."
        raise DataError(f"{table}: acq_time {text!r} is not a date and time.", remedy, "bad-acq-time") from error


def _pick(raw: Any, kind: str) -> Array:
    names = _names(raw, kind)
    return np.asarray(raw.get_data(picks=names), dtype=np.float64) if names else np.zeros((0, raw.n_times))


def _names(raw: Any, kind: str) -> list[str]:
    return [name for name, item in zip(raw.ch_names, raw.get_channel_types(), strict=True) if item == kind]
