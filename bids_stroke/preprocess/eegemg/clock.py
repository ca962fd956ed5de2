"""EEG and EMG of one recording brought onto one clock."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import mne
import numpy as np

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.eegemg.drift import Clock, match_clocks
from bids_stroke.preprocess.eegemg.montage import standard_names
from bids_stroke.preprocess.eegemg.plausible import check_signals
from bids_stroke.preprocess.eegemg.read import Pair, Source, events_file, events_of, read_source
from bids_stroke.preprocess.eegemg.signals import Array, resampled

_SAME_RATE = 1e-7
"""Relative: 0.1 ms in a quarter of an hour."""


@dataclass(frozen=True, eq=False)
class Recording:
    """EEG, EMG and EOG in volts on one clock, from the first to the last whole second that all have.

    Arrays are (n_channels, n_samples) float64; without channels they have no rows.
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
    begin: float = 0.0
    """Start on the clock of the (first) file, seconds."""
    marked: tuple[tuple[float, float], ...] = ()
    """Onset and duration (s, from ``begin``) of annotations that start with BAD."""
    warnings: tuple[str, ...] = ()
    qc: Mapping[str, float] = field(default_factory=dict)
    """Start and drift of a separate EMG against the EEG, as quality numbers."""


def read_pair(pair: Pair) -> Recording:
    """Read a pair of files, the EMG put on the EEG's clock by acq_time in scans.tsv and common events.

    Raises
    ------
    DataError
        A file is missing, broken, or at odds with its channels.tsv.
    """
    sources = [read_source(item) for item in pair.files]
    notes = [note for source in sources for note in source.warnings]
    for item, source in zip(pair.files, sources, strict=True):
        notes += check_signals(item.path, source.raw)
    clock = Clock(0.0)
    if len(sources) == 2 and _names(sources[0].raw, "emg"):
        notes.append(f"{pair.label}: the EMG inside the EEG file is used, {pair.files[1].path.name} is left out")
        sources = sources[:1]
    if len(sources) == 2:
        clock = _clock(*pair.files)
        notes += [f"{pair.label}: {clock.note}"] if clock.note else []
    rate = float(round(sources[0].raw.info["sfreq"]))
    for index, ratio in enumerate((1.0, clock.ratio)[: len(sources)]):
        sources[index], note = _at_rate(sources[index], rate, ratio, pair.label)
        notes += [note] if note else []
    shifts = [0.0, clock.offset]
    begin, n_samples = _common_span(sources, shifts, rate)
    if n_samples <= 0 and len(sources) == 2:
        notes.append(f"{pair.label}: EEG and EMG do not overlap in time (acq_time); the EEG alone is used")
        sources = sources[:1]
        begin, n_samples = _common_span(sources, shifts, rate)
    starts = [round((begin - shift) * rate) for shift in shifts]
    cut = [(source.raw, slice(start, start + n_samples)) for source, start in zip(sources, starts, strict=False)]
    signals = {kind: np.concatenate([_pick(raw, kind)[:, span] for raw, span in cut]) for kind in ("eeg", "emg", "eog")}
    eeg_names, emg_names = ([name for raw, _ in cut for name in _names(raw, kind)] for kind in ("eeg", "emg"))
    standard = standard_names(eeg_names)
    renamed = dict(zip(eeg_names, standard, strict=True))
    return Recording(
        rate=rate,
        **signals,
        eeg_names=tuple(standard),
        emg_names=tuple(emg_names),
        bad=frozenset(renamed.get(name, name) for raw, _ in cut for name in raw.info["bads"]),
        mains=next((source.mains for source in sources if source.mains), None),
        begin=begin,
        marked=_marked(sources[0].raw, begin),
        warnings=tuple(notes),
        qc={"emg_offset_s": clock.offset, "emg_drift_ppm": clock.ppm} if len(sources) == 2 else {},
    )


def _at_rate(source: Source, rate: float, ratio: float, label: str) -> tuple[Source, str]:
    """A source at another sampling rate (Hz) and on another clock, and what to say about it."""
    found = float(source.raw.info["sfreq"])
    if abs(found / ratio / rate - 1) < _SAME_RATE:
        return source, ""
    info = source.raw.info.copy()
    with info._unlock():
        info["sfreq"], info["lowpass"] = rate, min(info["lowpass"], rate / 2)
    raw = mne.io.RawArray(resampled(source.raw.get_data(), rate * ratio / found), info, verbose="error")
    raw.set_annotations(source.raw.annotations, verbose="error")
    kind = "EMG" if _names(raw, "emg") else "EEG"
    return replace(source, raw=raw), f"{label}: {kind} resampled from {found:g} to {rate:g} Hz"


def _clock(eeg: BidsFile, emg: BidsFile) -> Clock:
    """The EMG's clock on the EEG's, by acq_time in scans.tsv and by events that both files have."""
    times = [_acquired(item.path) for item in (eeg, emg)]
    start = (times[1] - times[0]).total_seconds() if times[0] is not None and times[1] is not None else None
    files = [events_file(item) for item in (eeg, emg)]
    if None in files or files[0] == files[1]:  # one table for both, by inheritance, tells nothing of two clocks
        return match_clocks(None, None, start)
    first, second = (events_of(item, 0.0) for item in (eeg, emg))
    return match_clocks(first and first[0], second and second[0], start)


def _acquired(path: Path) -> datetime | None:
    folder = path.parent.parent
    found = re.match(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?", path.name)
    table = folder / f"{found[0] if found else ''}_scans.tsv"
    if not table.is_file():
        return None
    with table.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row.get("filename") == f"{path.parent.name}/{path.name}":
                return _time(row.get("acq_time") or "n/a", table)
    return None


def _time(text: str, table: Path) -> datetime | None:
    if text == "n/a":
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        remedy = "Write it as 2000-01-31T12:00:00, or n/a."
        raise DataError(f"{table}: acq_time {text!r} is not a date and time.", remedy, "bad-acq-time") from error


def _common_span(sources: Sequence[Source], shifts: Sequence[float], rate: float) -> tuple[float, int]:
    """Start (s) and length (samples) of what all sources have; the length is a whole number of seconds."""
    placed = list(zip(shifts, sources, strict=False))
    begin = max(shift for shift, _ in placed)
    end = min(shift + source.raw.n_times / rate for shift, source in placed)
    return begin, int(np.floor(end - begin + 1e-9)) * round(rate)


def _pick(raw: Any, kind: str) -> Array:
    names = _names(raw, kind)
    return np.asarray(raw.get_data(picks=names), dtype=np.float64) if names else np.zeros((0, raw.n_times))


def _names(raw: Any, kind: str) -> list[str]:
    return [name for name, item in zip(raw.ch_names, raw.get_channel_types(), strict=True) if item == kind]


def _marked(raw: Any, begin: float) -> tuple[tuple[float, float], ...]:
    return tuple(
        (float(note["onset"]) - raw.first_time - begin, float(note["duration"]))
        for note in raw.annotations
        if str(note["description"]).upper().startswith("BAD")
    )
