"""Reading EEG and EMG recordings in both layouts onto one clock, and writing cleaned ones as EDF."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
from edfio import Edf, EdfSignal
from mne_bids import get_bids_path_from_fname, get_entities_from_fname, read_raw_bids

from bids_stroke.errors import DataError
from bids_stroke.preprocess.eegemg_eeg import standard_names
from bids_stroke.preprocess.eegemg_signals import Array
from bids_stroke.records import BidsFile

_EDF_LABEL = 16
_EDF_SUFFIXES = (".edf", ".bdf")
_SYNTHETIC_RATE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Pair:
    """EEG and EMG of one task and run; one of them may be lacking, or be inside the other's file."""

    entities: Mapping[str, str]
    """task, acq, run, as far as the names have them."""
    eeg: BidsFile | None
    emg: BidsFile | None

    @property
    def files(self) -> tuple[BidsFile, ...]:
        """Files to read."""
        return tuple(item for item in (self.eeg, self.emg) if item is not None)

    @property
    def label(self) -> str:
        """``task-gait_run-1``."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items())


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


@dataclass(frozen=True, eq=False)
class _Source:
    """Channels of one file."""

    raw: Any
    mains: float | None
    warnings: tuple[str, ...] = field(default=())


def pair_recordings(eeg: Sequence[BidsFile], emg: Sequence[BidsFile]) -> tuple[list[Pair], list[str]]:
    """Pair EEG with EMG files of the same task, acquisition and run; the second value names files left out."""
    kept: dict[tuple[str, ...], dict[str, BidsFile]] = {}
    left_out = []
    for kind, items in (("eeg", eeg), ("emg", emg)):
        for item in sorted(items, key=lambda item: item.path.name):
            found = get_entities_from_fname(item.path, verbose="error")
            key = tuple(str(found[name] or "") for name in ("task", "acquisition", "run"))
            chosen = kept.setdefault(key, {}).setdefault(kind, item)
            if chosen is not item:
                left_out.append(f"{item.path.name} is left out: {chosen.path.name} is of the same task and run")
    pairs = []
    for key in sorted(kept):
        entities = {name: value for name, value in zip(("task", "acq", "run"), key, strict=True) if value}
        pairs.append(Pair(entities, kept[key].get("eeg"), kept[key].get("emg")))
    return pairs, left_out


def read_pair(pair: Pair) -> Recording:
    """Read a pair of files, the EMG put on the EEG's clock.

    Raises
    ------
    DataError
        A file is missing, broken, or at odds with its channels.tsv.
    """
    sources = [_read(item) for item in pair.files]
    notes = [note for source in sources for note in source.warnings]
    first = sources[0].raw
    rate = float(round(first.info["sfreq"]))
    offset = 0.0
    if len(sources) == 2:
        offset, note = _offset(*pair.files)
        notes += [note] if note else []
        if "emg" in first.get_channel_types():
            notes.append(f"{pair.label}: the EMG channels inside the EEG file are used, not {pair.files[1].path.name}")
            sources = sources[:1]
    for source in sources:
        if abs(source.raw.info["sfreq"] - rate) > _SYNTHETIC_RATE_TOLERANCE:
            notes.append(f"{pair.label}: resampled from {source.raw.info['sfreq']:g} to {rate:g} Hz")
            source.raw.resample(rate, verbose="error")
    begin, n_samples = _common_span(sources, offset, rate)
    if n_samples <= 0:
        notes.append(f"{pair.label}: EEG and EMG do not overlap in time (acq_time in scans.tsv); the EEG alone is used")
        sources, offset = sources[:1], 0.0
        begin, n_samples = _common_span(sources, offset, rate)
    starts = [round((begin - shift) * rate) for shift in (0.0, offset)]
    parts = {
        kind: [_pick(source.raw, kind)[:, start : start + n_samples]
               for source, start in zip(sources, starts, strict=False)]
        for kind in ("eeg", "emg", "eog")
    }  # fmt: skip
    names = {kind: [name for source in sources for name in _names(source.raw, kind)] for kind in ("eeg", "emg")}
    standard = standard_names(names["eeg"])
    renamed = dict(zip(names["eeg"], standard, strict=True))
    return Recording(
        rate=rate,
        **{kind: np.concatenate(part) for kind, part in parts.items()},
        eeg_names=tuple(standard),
        emg_names=tuple(names["emg"]),
        bad=frozenset(renamed.get(name, name) for source in sources for name in source.raw.info["bads"]),
        mains=next((source.mains for source in sources if source.mains), None),
        begin=begin,
        marked=_marked(first, begin),
        warnings=tuple(notes),
    )


def _read(item: BidsFile) -> _Source:
    _check_length(item.path)
    try:
        raw = read_raw_bids(get_bids_path_from_fname(item.path, check=False, verbose="error"), verbose="error")
        raw.load_data(verbose="error")
    except FileNotFoundError as error:
        missing = error.filename or str(error)
        raise DataError(
            f"{item.path}: the data file that this header names is missing ({missing}).",
            "Put the data file beside its header, under the name that the header gives.",
            "missing-data-file",
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"{item.path} cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            "Compare the file with its channels.tsv (names in the same order), or copy it again from its source.",
            "unreadable-recording",
        ) from error
    notes = []
    types = set(raw.get_channel_types())
    if item.path.name.rsplit("_", 1)[-1].startswith("emg.") and "emg" not in types:
        notes.append(f"{item.path.name}: no channel has type EMG in channels.tsv; all are taken as EMG")
        raw.set_channel_types(dict.fromkeys(raw.ch_names, "emg"), verbose="error")
    mains = item.metadata.get("PowerLineFrequency", raw.info["line_freq"])
    mains = float(mains) if isinstance(mains, int | float) and mains > 0 else None
    if mains is None:
        notes.append(f"{item.path.name}: PowerLineFrequency is not in the sidecar; mains hum is left in")
    return _Source(raw, mains, tuple(notes))


def _check_length(path: Path) -> None:
    """Raise DataError for an EDF or BDF file that is shorter than its header says (EDF specification, header)."""
    if path.suffix.lower() not in _EDF_SUFFIXES:
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(256)
            n_signals = int(head[252:256])
            stream.seek(256 + 216 * n_signals)
            samples = sum(int(stream.read(8)) for _ in range(n_signals))
        header, records = int(head[184:192]), int(head[236:244])
    except FileNotFoundError as error:
        remedy = "Put it back, or remove its sidecars."
        raise DataError(f"{path} does not exist (a broken link?).", remedy, "missing-data-file") from error
    except ValueError as error:
        remedy = "Copy it again from its source."
        raise DataError(f"{path} has no readable EDF/BDF header.", remedy, "unreadable-recording") from error
    expected = header + records * samples * (3 if path.suffix.lower() == ".bdf" else 2)
    if records >= 0 and path.stat().st_size < expected:
        raise DataError(
            f"{path} is cut short: {path.stat().st_size} bytes, its header promises {expected}.",
            "Copy it again from its source.",
            "truncated-recording",
        )


def _offset(eeg: BidsFile, emg: BidsFile) -> tuple[float, str]:
    """Start of the EMG on the EEG's clock in seconds, from acq_time in scans.tsv, and what to say about it."""
    times = [_acquired(item.path) for item in (eeg, emg)]
    if times[0] is None or times[1] is None:
        return 0.0, f"{eeg.path.name} and {emg.path.name}: no acq_time in scans.tsv; a common start is assumed"
    offset = (times[1] - times[0]).total_seconds()
    return offset, f"{emg.path.name} starts {offset:g} s after {eeg.path.name} (acq_time)" if offset else ""


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


def _common_span(sources: Sequence[_Source], offset: float, rate: float) -> tuple[float, int]:
    """Start (s) and length (samples) of what all sources have; the length is a whole number of seconds."""
    shifts = [0.0, offset][: len(sources)]
    begin = max(shifts)
    end = min(shift + source.raw.n_times / rate for shift, source in zip(shifts, sources, strict=True))
    return begin, int(np.floor(end - begin + 1e-9)) * round(rate)


def _pick(raw: Any, kind: str) -> Array:
    names = _names(raw, kind)
    return np.asarray(raw.get_data(picks=names), dtype=np.float64) if names else np.zeros((0, raw.n_times))


def _names(raw: Any, kind: str) -> list[str]:
    return [name for name, item in zip(raw.ch_names, raw.get_channel_types(), strict=True) if item == kind]


def _marked(raw: Any, begin: float) -> tuple[tuple[float, float], ...]:
    notes: mne.Annotations = raw.annotations
    return tuple(
        (float(note["onset"]) - raw.first_time - begin, float(note["duration"]))
        for note in notes
        if str(note["description"]).upper().startswith("BAD")
    )


def events_of(item: BidsFile, begin: float) -> tuple[pd.DataFrame, dict[str, Any]] | None:
    """Events of a recording as text with onsets counted from ``begin``, and their sidecar; None if it has none."""
    path = get_bids_path_from_fname(item.path, check=False, verbose="error")
    found = [
        path.find_matching_sidecar(suffix="events", extension=extension, on_error="ignore")
        for extension in (".tsv", ".json")
    ]
    if found[0] is None:
        return None
    table = pd.read_csv(found[0], sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if begin and "onset" in table:
        onset = pd.to_numeric(table["onset"], errors="coerce")
        table["onset"] = [f"{value - begin:.6g}" if np.isfinite(value) else "n/a" for value in onset]
    sidecar = json.loads(Path(found[1]).read_text(encoding="utf-8-sig")) if found[1] is not None else {}
    return table, sidecar


def edf_labels(names: Sequence[str]) -> list[str]:
    """Channel names as EDF can hold them: ASCII, at most 16 characters, none twice.

    Examples
    --------
    >>> edf_labels(["Cz", "proximal rectus femoris L", "proximal rectus femoris R"])
    ['Cz', 'proximal rectus ', 'proximal rectu~2']
    """
    labels: list[str] = []
    for name in names:
        label = name.encode("ascii", "replace").decode()[:_EDF_LABEL]
        count = 2
        while label in labels:
            mark = f"~{count}"
            label = label[: _EDF_LABEL - len(mark)] + mark
            count += 1
        labels.append(label)
    return labels


def write_edf(path: Path, data: Array, labels: Sequence[str], rate: float, filters: str) -> None:
    """Write signals as EDF+ in microvolts, 16 bit over each channel's own symmetric range, without any date or name.

    Parameters
    ----------
    path : Path
    data : (n_channels, n_samples) float64
        Volts; a whole number of seconds.
    labels : sequence of str
        As from `edf_labels`.
    rate : float
        Hz, a whole number.
    filters : str
        ``HP:0.5Hz LP:150Hz N:50Hz``.
    """
    signals = []
    for row, label in zip(data * 1e6, labels, strict=True):
        reach = max(float(np.ceil(np.abs(row).max())), 1.0)
        signals.append(
            EdfSignal(row, rate, label=label, physical_dimension="uV", physical_range=(-reach, reach),
                      digital_range=(-32767, 32767), prefiltering=filters)
        )  # fmt: skip
    Edf(signals).write(path)
