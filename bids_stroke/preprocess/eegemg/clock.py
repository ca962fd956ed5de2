"""EEG and EMG of one recording brought onto one clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import mne
import numpy as np
import pandas as pd

from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.eegemg.drift import Clock, match_clocks
from bids_stroke.preprocess.eegemg.montage import standard_names
from bids_stroke.preprocess.eegemg.pairs import Pair
from bids_stroke.preprocess.eegemg.read import Source, read_source
from bids_stroke.preprocess.eegemg.signals import Array, resampled
from bids_stroke.preprocess.eegemg.timing.acq_time import acquired
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
    """Onset and duration (s in these arrays) of what starts with BAD in the events of any of the files."""
    events: tuple[pd.DataFrame, dict[str, Any]] | None = None
    """events.tsv of the (first) file as it is, and its sidecar."""
    onsets: Array = field(default_factory=lambda: np.zeros(0))
    """Those of the rows of ``events``, on the clock of the (first) file, pauses included."""
    warnings: tuple[str, ...] = ()
    qc: Mapping[str, float] = field(default_factory=dict)
    """Start and drift of a separate EMG against the EEG, as quality numbers; of several, those farthest from 0."""

    @property
    def timeline(self) -> Timeline:
        """When these samples were taken."""
        return Timeline(self.pieces or (Piece(0, self.eeg.shape[1], 0.0),), self.rate)

    @property
    def joints(self) -> tuple[int, ...]:
        """First samples after pauses."""
        return self.timeline.joints


def read_pair(pair: Pair, shortest: float) -> Recording:
    """Read the files of a pair, all on the clock of the first, by acq_time in scans.tsv and common events.

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
    said: list[str] = []
    if pair.eeg is not None and len(sources) > 1 and _names(sources[0].raw, "emg"):
        left_out = ", ".join(item.path.name for item in pair.emg)
        said.append(f"the EMG inside the EEG file is used, {left_out} is left out")
        pair, sources = replace(pair, emg=()), sources[:1]
    said += _tell_apart(pair, sources)
    clocks = [Clock(0.0), *(_clock(pair, sources, index) for index in range(1, len(sources)))]
    said += [clock.note for clock in clocks if clock.note]
    rate = float(round(sources[0].raw.info["sfreq"]))
    placed: list[_Placed] = []
    for item, source, clock in zip(pair.files, sources, clocks, strict=True):
        found, note = _placed(item, source, rate, clock)
        said += [note] if note else []
        if not placed or shared_pieces([*(other.timeline for other in placed), found.timeline]):
            placed.append(found)
        else:
            name, before = item.path.name, " and ".join(other.item.path.name for other in placed)
            said.append(f"{before} and {name} do not overlap in time (acq_time); {name} is left out")
    shared, note = _long_enough(shared_pieces([item.timeline for item in placed]), rate, shortest)
    said += [note] if note else []
    return _recording(placed, shared, [*notes, *(f"{pair.label}: {text}" for text in said)])


@dataclass(frozen=True, eq=False)
class _Placed:
    """A source at the common rate, and when its samples were taken on the clock of the first file."""

    item: BidsFile
    source: Source
    clock: Clock
    raw: Any
    timeline: Timeline


def _recording(placed: Sequence[_Placed], shared: Sequence[tuple[Piece, ...]], notes: Sequence[str]) -> Recording:
    rate, first = placed[0].timeline.rate, placed[0].source
    raws = [item.raw for item in placed]
    spans = [[together[index] for together in shared] for index in range(len(placed))]
    signals = {
        kind: np.concatenate([_cut(_pick(raw, kind), span) for raw, span in zip(raws, spans, strict=True)])
        for kind in ("eeg", "emg", "eog")
    }
    eeg_names, emg_names = ([name for raw in raws for name in _names(raw, kind)] for kind in ("eeg", "emg"))
    standard = standard_names(eeg_names)
    renamed = dict(zip(eeg_names, standard, strict=True))
    pieces = _joined([together[0] for together in shared])
    return Recording(
        rate=rate,
        **signals,
        eeg_names=tuple(standard),
        emg_names=tuple(emg_names),
        bad=frozenset(renamed.get(name, name) for raw in raws for name in raw.info["bads"]),
        mains=next((item.source.mains for item in placed if item.source.mains), None),
        pieces=pieces,
        marked=_marked(placed, Timeline(pieces, rate)),
        events=first.events,
        onsets=first.marks[1] if first.events is not None else np.zeros(0),
        warnings=tuple(notes),
        qc=_offsets([item.clock for item in placed[1:]]),
    )


def _marked(placed: Sequence[_Placed], line: Timeline) -> tuple[tuple[float, float], ...]:
    """Spans that any of the files marks as bad, in seconds of a recording with that timeline."""
    found: list[tuple[float, float]] = []
    tables = [events_file(item.item) for item in placed]
    for index, (item, table) in enumerate(zip(placed, tables, strict=True)):
        clock = item.clock
        for marks, onset in item.source.bad(with_table=table not in tables[:index]):
            here = replace(marks, duration=clock.ratio * marks.duration)
            found += bad_intervals(here, clock.offset + clock.ratio * onset, line)
    return tuple(dict.fromkeys(found))


def _offsets(clocks: Sequence[Clock]) -> dict[str, float]:
    if not clocks:
        return {}
    offset, drift = ([clock.offset for clock in clocks], [clock.ppm for clock in clocks])
    return {"emg_offset_s": max(offset, key=abs), "emg_drift_ppm": max(drift, key=abs)}


def _tell_apart(pair: Pair, sources: Sequence[Source]) -> list[str]:
    """Give EMG channels that several devices call the same the label of their device, and say so."""
    devices = list(zip(pair.devices, sources[-len(pair.emg) :], strict=True)) if len(pair.emg) > 1 else []
    often = Counter(name for _, source in devices for name in _names(source.raw, "emg"))
    said: list[str] = []
    for label, source in devices:
        renamed = {name: f"{name} {label}" for name in _names(source.raw, "emg") if often[name] > 1}
        source.raw.rename_channels(renamed, verbose="error")
        said += renamed.values()
    return [f"channels that several devices have bear the label of their device: {', '.join(said)}"] if said else []


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


def _long_enough(shared: list[tuple[Piece, ...]], rate: float, shortest: float) -> tuple[list[tuple[Piece, ...]], str]:
    """The pieces that hold at least one window (all, where none does), and what to say about the others."""
    long = [together for together in shared if (together[0].stop - together[0].start) / rate >= shortest]
    if not long or len(long) == len(shared):
        return shared, ""
    said = (
        f"{len(shared) - len(long)} of {len(shared)} pieces between pauses are shorter than {shortest:g} s and left out"
    )
    return long, said


def _placed(item: BidsFile, source: Source, rate: float, clock: Clock) -> tuple[_Placed, str]:
    """A source at another sampling rate (Hz), its pieces on another clock, and what to say about it."""
    found, pieces = float(source.raw.info["sfreq"]), source.course.timeline.pieces

    def on_clock(piece: Piece) -> float:
        return clock.offset + clock.ratio * piece.begin

    if abs(found / clock.ratio / rate - 1) < _SAME_RATE:
        moved = tuple(Piece(piece.start, piece.stop, on_clock(piece)) for piece in pieces)
        return _Placed(item, source, clock, source.raw, Timeline(moved, rate)), ""
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
    return _Placed(item, source, clock, raw, Timeline(moved, rate)), f"{kind} resampled from {found:g} to {rate:g} Hz"


def _clock(pair: Pair, sources: Sequence[Source], index: int) -> Clock:
    """The clock of a file on that of the first, by acq_time in scans.tsv and by events that both files have."""
    items = (pair.files[0], pair.files[index])
    times = [acquired(item.path) for item in items]
    start = (times[1] - times[0]).total_seconds() if times[0] is not None and times[1] is not None else None
    names = ["EMG" if len(pair.emg) == 1 else f"EMG {label}" for label in pair.devices]
    names = names if pair.eeg is None else ["EEG", *names]
    files = [events_file(item) for item in items]
    called = (names[0], names[index])
    if None in files or files[0] == files[1]:  # one table for both, by inheritance, tells nothing of two clocks
        return match_clocks(None, None, start, called)
    return match_clocks(_timed(sources[0]), _timed(sources[index]), start, called)


def _timed(source: Source) -> pd.DataFrame | None:
    """Events of a source with onsets on its own clock, pauses included; joints and bad spans are none."""
    if source.events is None:
        return None
    table = source.events[0]
    marks, onsets = source.marks
    if not len(marks.label):
        return table
    return table.assign(onset=onsets)[~(marks.joint | marks.left_out | marks.bad)]


def _pick(raw: Any, kind: str) -> Array:
    names = _names(raw, kind)
    return np.asarray(raw.get_data(picks=names), dtype=np.float64) if names else np.zeros((0, raw.n_times))


def _names(raw: Any, kind: str) -> list[str]:
    return [name for name, item in zip(raw.ch_names, raw.get_channel_types(), strict=True) if item == kind]
