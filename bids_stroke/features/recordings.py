"""Cleaned EEG and EMG recordings to z-scored windows with the channels that a model expects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.channels import MONTAGE, canonical_name, is_site, numbered_electrodes
from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.derivatives.names import beside, is_named, run_of, sidecar_of

Array = NDArray[np.float32]
_FLAT = 1e-12


def read_windows(paths: Sequence[Path], inputs: Mapping[str, Any]) -> tuple[Array, tuple[float, ...]]:
    """Good windows of all recordings of a unit.

    Parameters
    ----------
    paths : sequence of Path
        Logs of windows and EDF files, of one or several recordings.
    inputs : mapping
        ``channels`` (names, in order), ``rate`` (Hz), ``seconds`` (length of a window), ``max_interpolated`` (EEG
        sites that may be filled in by spherical splines).

    Returns
    -------
    windows : (n, time, channels) float32
        Zero mean and unit variance per window and channel; a flat channel is 0.
    onsets : tuple of float
        Seconds.

    Raises
    ------
    MissingModalityError
        No recording has the channels, or none has a good window of that length.
    """
    windows, onsets, reasons = [], [], []
    for log, signals in _recordings(paths):
        try:
            data, starts = _recording_windows(log, signals, inputs)
        except MissingModalityError as error:
            reasons.append(error)
        else:
            windows.append(data)
            onsets.extend(starts)
    if not windows:
        raise reasons[0]
    return np.concatenate(windows), tuple(onsets)


def _recordings(paths: Sequence[Path]) -> list[tuple[Path, list[Path]]]:
    """Log of windows and signal files of each recording."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(run_of(path), []).append(path)
    found = []
    for name, files in sorted(groups.items()):
        logs = [path for path in files if is_named(path, "windows")]
        signals = [path for path in files if is_named(path, "eeg") or is_named(path, "emg")]
        if len(logs) != 1 or not signals:
            raise DataError(f"Recording {name} lacks its log of windows or its signals.", "Run the EEG/EMG step again.")
        found.append((logs[0], signals))
    if not found:
        raise MissingModalityError("There is no EEG/EMG recording.", reason="no-recording")
    return found


def _recording_windows(log: Path, signals: Sequence[Path], inputs: Mapping[str, Any]) -> tuple[Array, list[float]]:
    rate, seconds = float(inputs["rate"]), float(inputs["seconds"])
    import pandas as pd  # here, because predictions from maps need not wait for it

    try:
        table = pd.read_csv(log, sep="\t", na_values="n/a")[["onset", "duration", "status"]]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{log} cannot be read: {error}.", "Run the EEG/EMG step again.") from error
    good = table[(table["status"] == "good") & (np.abs(table["duration"] - seconds) < 0.5 / rate)]
    if good.empty:
        text = f"{log} has no good window of {seconds:g} s ({len(table)} windows in all)."
        raise MissingModalityError(text, reason="no-good-window")
    data = _select(_read_channels(signals, rate), tuple(inputs["channels"]), int(inputs["max_interpolated"]), signals)
    length = round(seconds * rate)
    starts = [round(onset * rate) for onset in good["onset"]]
    inside = [start for start in starts if start + length <= data.shape[1]]
    if not inside:
        raise DataError(f"{log} has windows beyond the end of {signals[0].name}.", "Run the EEG/EMG step again.")
    windows = np.stack([data[:, start : start + length].T for start in inside])
    return standardise_windows(windows), [start / rate for start in inside]


def standardise_windows(windows: NDArray[Any]) -> Array:
    """Zero mean and unit variance over time, per window and channel; flat channels become 0."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    safe: Array = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > _FLAT).astype(np.float32)
    return safe


def _read_channels(signals: Sequence[Path], rate: float) -> dict[str, NDArray[np.float64]]:
    """Signals by canonical channel name, in volts, at ``rate``; EEG and EMG share one clock.

    Raises
    ------
    DataError
        A file cannot be read.
    MissingModalityError
        Two channels are the same muscle, of the left and the right leg, say (``ambiguous-channels``).
    """
    import mne

    channels: dict[str, NDArray[np.float64]] = {}
    for path in signals:
        try:
            raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
        except (OSError, ValueError, RuntimeError, AssertionError) as error:  # mne asserts on broken headers
            raise DataError(f"{path} cannot be read: {error}.", "Run the EEG/EMG step again.") from error
        if not np.isclose(raw.info["sfreq"], rate):
            raw = _resampled(raw, path, rate)
        names = _full_names(path, raw.ch_names)
        numbered = numbered_electrodes(names)  # C4 of such a cap lies somewhere else than that of a model
        for name, row in zip(names, raw.get_data(), strict=True):
            known = f"electrode {name}" if name in numbered else canonical_name(name)
            if known in channels:
                message = f"{path.name} has more than one channel of {known} (of both sides?); {name} is one of them."
                remedy = "Keep those of the affected leg: mark the others as bad in channels.tsv."
                raise MissingModalityError(message, remedy, "ambiguous-channels")
            channels[known] = row
    return channels


def _full_names(path: Path, labels: Sequence[str]) -> list[str]:
    """Names of channels by the table beside the signals: EDF cuts them at 16 characters."""
    import pandas as pd

    table = beside(path, "channels")
    if not table.is_file():
        return list(labels)
    try:
        rows = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
        full = {label.strip(): name for label, name in zip(rows["name"], rows["description"], strict=True)}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{table} cannot be read: {error}.", "Run the EEG/EMG step again.") from error
    return [full.get(label.strip(), label) for label in labels]


def _resampled(raw: Any, path: Path, rate: float) -> Any:
    """A recording at another rate (Hz), each piece between pauses on its own: a step at a joint would ring on."""
    import mne

    sidecar = sidecar_of(path)
    pieces = json.loads(sidecar.read_text(encoding="utf-8")).get("Pieces", []) if sidecar.is_file() else []
    if not pieces:
        return raw.resample(rate, verbose="error")
    found = raw.info["sfreq"]
    spans = [(round(item["Onset"] * found), round((item["Onset"] + item["Duration"]) * found)) for item in pieces]
    parts = [mne.io.RawArray(raw.get_data(start=first, stop=last), raw.info, verbose="error") for first, last in spans]
    return mne.concatenate_raws([part.resample(rate, verbose="error") for part in parts], verbose="error")


def _select(
    found: Mapping[str, NDArray[np.float64]], wanted: Sequence[str], most: int, signals: Sequence[Path]
) -> NDArray[np.float64]:
    """Rows in the wanted order; a few EEG sites may be interpolated.

    Raises
    ------
    MissingModalityError
        A muscle is missing, or more sites than may be interpolated.
    """
    keys = [canonical_name(name) for name in wanted]
    missing = [key for key in keys if key not in found]
    sites = [key for key in missing if is_site(key)]
    muscles = [key for key in missing if key not in sites]
    if muscles or len(sites) > most:
        raise MissingModalityError(
            f"{', '.join(path.name for path in signals)}: the model needs the channels {', '.join(missing)}.",
            f"At most {most} EEG sites can be interpolated; muscles cannot.",
            "channels-missing",
        )
    rows = dict(found) | (_interpolated(found, sites) if sites else {})
    return np.stack([rows[key] for key in keys])


def _interpolated(found: Mapping[str, NDArray[np.float64]], sites: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Missing sites from the others by spherical splines (Perrin et al. 1989), as mne does it."""
    import mne

    known = [name for name in found if is_site(name)]
    length = len(next(iter(found.values())))
    data = np.stack([*(found[name] for name in known), *(np.zeros(length) for _ in sites)])
    raw = mne.io.RawArray(data, mne.create_info([*known, *sites], 1.0, "eeg"), verbose="error")
    raw.set_montage(MONTAGE, verbose="error")
    raw.info["bads"] = list(sites)
    raw.interpolate_bads(reset_bads=True, verbose="error")
    return {site: raw.get_data(picks=[site])[0] for site in sites}
