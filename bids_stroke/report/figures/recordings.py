"""EEG and EMG as drawn in the report: power spectra and a short stretch of what was kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from edfio import read_edf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from bids_stroke.derivatives.names import beside, is_named, run_of

CHANNELS_SHOWN = 8
"""Traces in the picture of a window, spread evenly over the channels."""
_LEGEND_BELOW: Mapping[str, Any] = MappingProxyType(
    {"fontsize": 6.5, "frameon": False, "loc": "upper left", "bbox_to_anchor": (0.0, -0.2), "borderaxespad": 0.0}
)
_PHASE_COLOURS = ("#f9d9a8", "#b9d8f0", "#c5e3bb", "#e0c3e8", "#d9d9d9")


@dataclass(frozen=True, eq=False)
class Recording:
    """Files of one EEG and EMG recording; either signal may be absent."""

    name: str
    """What its files have in common: ``sub-01_task-leg``."""
    windows: pd.DataFrame
    """onset, duration (s), status (``good`` or ``bad``)."""
    signals: Mapping[str, Path]
    """EDF files by ``EEG``, ``EMG``."""
    before: pd.DataFrame | None = None
    """Spectra as recorded: kind, frequency (Hz), before (dB re 1 µV²/Hz)."""
    events: pd.DataFrame | None = None
    """onset, duration (s), trial_type."""


@dataclass(frozen=True, eq=False)
class Signal:
    """Channels at one sampling rate (Hz): data (n_channels, n_times)."""

    labels: tuple[str, ...]
    data: NDArray[np.float64]
    rate: float
    unit: str


def find_recordings(paths: Iterable[Path]) -> list[Recording]:
    """Group the feature files of EEG and EMG by recording; one without a table of windows, or without EDF, is left out.

    Parameters
    ----------
    paths : iterable of Path
        Logs of windows and signals; others are passed over.

    Returns
    -------
    list of Recording
        By name.
    """
    groups: dict[str, dict[str, Path]] = {}
    for path in paths:
        for role in ("windows", "eeg", "emg"):
            if is_named(path, role) and path.is_file():
                groups.setdefault(run_of(path), {})[role] = path
    return [
        Recording(
            name,
            pd.read_csv(files["windows"], sep="\t", na_values="n/a"),
            {kind.upper(): files[kind] for kind in ("eeg", "emg") if kind in files},
            _read_beside(files["windows"], "spectrum"),
            _read_beside(files["windows"], "events"),
        )
        for name, files in sorted(groups.items())
        if "windows" in files and len(files) > 1
    ]


def _read_beside(windows: Path, role: str) -> pd.DataFrame | None:
    """Another table of the same recording, if it was written."""
    path = beside(windows, role)
    return pd.read_csv(path, sep="\t", na_values="n/a") if path.is_file() else None


def read_signal(path: Path) -> Signal:
    """Read an EDF file whose channels share one rate: data (n_channels, n_times) in the file's own unit, mostly µV."""
    content = read_edf(path)
    first = content.signals[0]
    return Signal(
        tuple(signal.label for signal in content.signals),
        np.stack([signal.data for signal in content.signals]).astype(float),
        first.sampling_frequency,
        first.physical_dimension.replace("uV", "µV") or "arbitrary units",
    )


def draw_recording(recording: Recording) -> Figure:
    """Draw a row for each signal of a recording: its power spectrum over the kept windows, and the first kept window.

    Parameters
    ----------
    recording : Recording
        Its EDF files are read here; all windows are shown where none was kept, and the title says so.

    Returns
    -------
    Figure
        9 inches wide.
    """
    table = recording.windows
    good = table[table["status"] == "good"] if "status" in table else table
    shown = good if len(good) else table
    figure = Figure(figsize=(9, 3.2 * len(recording.signals) + 0.5), facecolor="white", layout="constrained")
    says = f"{len(good)} of {len(table)} windows kept" + ("" if len(good) else "; rejected ones are shown")
    entities = [part for part in recording.name.split("_") if not part.startswith(("sub-", "ses-"))]
    figure.suptitle(f"{' '.join(entities).replace('-', ' ')}: {says}", x=0.02, ha="left", fontsize=11)
    axes = figure.subplots(len(recording.signals), 2, squeeze=False, width_ratios=[1, 1.6])
    for (spectrum, trace), (kind, path) in zip(axes, recording.signals.items(), strict=True):
        signal = read_signal(path)
        _draw_spectrum(spectrum, kind, signal, shown)
        _draw_before(spectrum, kind, recording.before)
        _mark_mains(spectrum, path)
        spectrum.legend(**_LEGEND_BELOW, ncols=2)
        _draw_trace(trace, kind, signal, shown)
        _shade_phases(trace, recording.events)
    return figure


def cut_windows(signal: Signal, windows: pd.DataFrame) -> list[NDArray[np.float64]]:
    """The stretch of each window, (n_channels, n_times); those of less than two samples are left out."""
    spans = zip(windows["onset"], windows["duration"], strict=True)
    pieces = (signal.data[:, round(on * signal.rate) : round((on + long) * signal.rate)] for on, long in spans)
    return [piece for piece in pieces if piece.shape[1] > 1]


def _draw_spectrum(ax: Axes, kind: str, signal: Signal, windows: pd.DataFrame) -> None:
    from scipy.signal import welch

    pieces = cut_windows(signal, windows) or [signal.data]
    length = min(round(2 * signal.rate), min(piece.shape[1] for piece in pieces))
    powers = [welch(piece, signal.rate, nperseg=length) for piece in pieces]
    frequencies, power = powers[0][0], np.mean([item[1] for item in powers], axis=0)
    decibel = 10 * np.log10(np.maximum(power, 1e-12))
    low, middle, high = np.percentile(decibel, (0, 50, 100), axis=0)
    use = frequencies > 0
    ax.fill_between(frequencies[use], low[use], high[use], color="0.85", label="after, all channels")
    ax.plot(frequencies[use], middle[use], color="black", lw=1, label="after, median")
    # stop at the top of the pass band: beyond it only the filter's skirt is seen, and it stretches the scale
    visible = middle[use] > middle[use].max() - 70
    ax.set_ylim(middle[use][visible].min() - 5, high[use].max() + 5)
    ax.set_xlim(0, frequencies[use][visible].max())
    ax.set_title(f"{kind} power spectrum, {len(signal.labels)} channels", fontsize=9)
    ax.set_xlabel("frequency (Hz)", fontsize=8)
    ax.set_ylabel(f"power (dB re 1 {signal.unit}²/Hz)", fontsize=8)
    ax.tick_params(labelsize=7)


def _draw_before(ax: Axes, kind: str, table: pd.DataFrame | None) -> None:
    """The spectrum as recorded, within what is shown of the clean one upwards."""
    if table is None:
        return
    rows = table[(table["kind"] == kind) & (table["frequency"] > 0) & (table["frequency"] <= ax.get_xlim()[1])]
    if len(rows):
        ax.plot(
            rows["frequency"],
            rows["before"],
            color="tab:orange",
            lw=0.9,
            label="before, median",
            zorder=1.5,
        )
        ax.set_ylim(top=max(ax.get_ylim()[1], float(rows["before"].max()) + 5))


def _mark_mains(ax: Axes, path: Path) -> None:
    """Ticks at the mains frequency of the sidecar and its harmonics."""
    sidecar = path.with_suffix(".json")
    mains = json.loads(sidecar.read_text()).get("PowerLineFrequency") if sidecar.is_file() else None
    if isinstance(mains, int | float) and mains > 0:
        places = np.arange(mains, ax.get_xlim()[1], mains)
        top = np.full(len(places), ax.get_ylim()[0])
        ax.plot(places, top, "^", color="tab:blue", ms=5, clip_on=False, label=f"mains, {mains:g} Hz")


def _shade_phases(ax: Axes, events: pd.DataFrame | None) -> None:
    """Phases of the trial behind the traces, each kind in its colour."""
    if events is None or not {"onset", "duration", "trial_type"} <= set(events):
        return
    first, last = ax.get_xlim()
    times = events[["onset", "duration"]].apply(pd.to_numeric, errors="coerce").fillna(0.0).to_numpy(dtype=float)
    spans = zip(times[:, 0], times.sum(axis=1), events["trial_type"].astype(str), strict=True)
    seen = [span for span in spans if span[0] < last and span[1] >= first]
    kinds = list(dict.fromkeys(kind for _, _, kind in seen))[: len(_PHASE_COLOURS)]
    for start, end, kind in seen:
        if kind in kinds:
            # an event without duration is a line
            width = 1.2 if end - start < (last - first) / 500 else 0
            ax.axvspan(max(start, first), min(end, last), color=_PHASE_COLOURS[kinds.index(kind)], lw=width, zorder=0)
    if kinds:
        patches = [Patch(color=colour, label=kind) for colour, kind in zip(_PHASE_COLOURS, kinds, strict=False)]
        ax.legend(handles=patches, **_LEGEND_BELOW, ncols=len(kinds))


def _draw_trace(ax: Axes, kind: str, signal: Signal, windows: pd.DataFrame) -> None:
    first = windows.head(1)
    piece = (cut_windows(signal, first) or [signal.data])[0]
    start = float(first["onset"].iloc[0]) if len(first) else 0.0
    chosen = np.unique(np.linspace(0, len(piece) - 1, min(CHANNELS_SHOWN, len(piece))).round().astype(int))
    centred = piece[chosen] - np.median(piece[chosen], axis=1, keepdims=True)
    step = max(float(np.percentile(np.abs(centred), 99.5)) * 2, 1e-9)
    times = start + np.arange(piece.shape[1]) / signal.rate
    offsets = -step * np.arange(len(chosen))
    ax.plot(times, (centred + offsets[:, None]).T, color="black", lw=0.4)
    ax.set_yticks(offsets, [signal.labels[index] for index in chosen], fontsize=7)
    ax.set(xlim=(times[0], times[-1]), ylim=(offsets[-1] - step, step))
    some = "" if len(chosen) == len(piece) else f", {len(chosen)} of {len(piece)} channels"
    ax.set_title(f"{kind}, one window{some} (lines {step:.3g} {signal.unit} apart)", fontsize=9)
    ax.set_xlabel("time (s)", fontsize=8)
    ax.tick_params(axis="x", labelsize=7)
