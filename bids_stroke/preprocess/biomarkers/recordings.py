"""Cleaned recordings of EEG and EMG as the EEG/EMG step wrote them, with what biomarkers need to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pandas as pd

from bids_stroke.core.errors import DataError
from bids_stroke.core.json_files import read_json_object
from bids_stroke.derivatives.names import beside, is_named, run_of, sidecar_of
from bids_stroke.signals.segments import Array

_REMEDY = "Run the EEG/EMG step again."
_PER_VOLT = {"V": 1.0, "mV": 1e3, "uV": 1e6}


@dataclass(frozen=True, eq=False)
class Channels:
    """Cleaned channels of one kind.

    Attributes
    ----------
    names : tuple of str
        In full; no interpolated site is among them.
    data : (n_channels, n_samples) float64
        Volts.
    band : (float, float)
        What the filters let through, Hz.
    """

    names: tuple[str, ...]
    data: Array
    band: tuple[float, float]


@dataclass(frozen=True, eq=False)
class CleanRecording:
    """One recording.

    Attributes
    ----------
    rate : float
        Hz, of EEG and EMG, which share one clock.
    eeg, emg : Channels or None
        None where there is no such file.
    windows : DataFrame
        ``onset``, ``duration`` (s) and ``status``.
    events : DataFrame or None
        As text.
    pieces : tuple of float
        Onsets in seconds of the pieces between pauses; empty where there was no pause.
    """

    rate: float
    eeg: Channels | None
    emg: Channels | None
    windows: pd.DataFrame
    events: pd.DataFrame | None
    pieces: tuple[float, ...] = ()


def read_recordings(paths: Sequence[Path]) -> list[CleanRecording]:
    """All recordings of a unit, in order of their names.

    Parameters
    ----------
    paths : sequence of Path
        Logs of windows and EDF files, of one or several recordings, as in ``outputs["eegemg"]``.

    Raises
    ------
    DataError
        A file is lacking or cannot be read.
    """
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(run_of(path), []).append(path)
    return [_read(name, files) for name, files in sorted(groups.items())]


def _read(name: str, files: Sequence[Path]) -> CleanRecording:
    found = {role: [path for path in files if is_named(path, role)] for role in ("windows", "eeg", "emg")}
    signals = {role: _channels(path) for role in ("eeg", "emg") for path in found[role]}
    if len(found["windows"]) != 1 or not signals:
        raise DataError(f"Recording {name} lacks its log of windows or its signals.", _REMEDY)
    clocks = {(rate, channels.data.shape[1]) for channels, rate in signals.values()}
    if len(clocks) != 1:
        raise DataError(f"EEG and EMG of {name} have not one rate and length.", _REMEDY)
    log = found["windows"][0]
    windows = _table(log, ("onset", "duration", "status"))
    for column in ("onset", "duration"):
        windows[column] = pd.to_numeric(windows[column], errors="coerce")
    windows = windows[np.isfinite(windows["onset"]) & np.isfinite(windows["duration"])]
    rate, n_samples = clocks.pop()
    if (windows["onset"] + windows["duration"]).max() * rate > n_samples + 0.5:
        raise DataError(f"{log} has windows beyond the end of the signals.", _REMEDY)
    of_events = beside(log, "events")
    return CleanRecording(
        rate=rate,
        eeg=signals["eeg"][0] if "eeg" in signals else None,
        emg=signals["emg"][0] if "emg" in signals else None,
        windows=windows,
        events=_table(of_events) if of_events.is_file() else None,
        pieces=_pieces(next(iter(found["eeg"] + found["emg"]))),
    )


def _channels(path: Path) -> tuple[Channels, float]:
    """Channels of an EDF file that are no interpolations, and their rate (Hz)."""
    try:
        signals = edfio.read_edf(path).signals
        rows = [signal.data / _PER_VOLT[signal.physical_dimension] for signal in signals]
        rates = {float(signal.sampling_frequency) for signal in signals}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read: {error}.", _REMEDY) from error
    table = _table(beside(path, "channels"), ("name", "description", "low_cutoff", "high_cutoff"))
    labels = [name.strip() for name in table["name"]]
    if len(rates) != 1 or labels != [signal.label.strip() for signal in signals]:
        raise DataError(f"{path} has other channels than its channels.tsv, or several rates.", _REMEDY)
    band = (table["low_cutoff"].astype(float).max(), table["high_cutoff"].astype(float).min())
    filled = set(_sidecar(path).get("InterpolatedChannels", []))
    kept = [i for i, name in enumerate(table["description"]) if name not in filled]
    data = np.stack(rows)[kept]
    return Channels(tuple(table["description"].iloc[kept]), data, band), rates.pop()


def _pieces(path: Path) -> tuple[float, ...]:
    return tuple(float(piece["Onset"]) for piece in _sidecar(path).get("Pieces", []))


def _sidecar(path: Path) -> dict[str, Any]:
    sidecar = sidecar_of(path)
    return read_json_object(sidecar) if sidecar.is_file() else {}


def _table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A table as text, with these columns at least."""
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        missing = [name for name in columns if name not in table]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", _REMEDY) from error
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}.", _REMEDY)
    return table
