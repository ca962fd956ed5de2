"""Mirrored sites of an EEG beside each other: over the whole recording, and where they differ most."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_stroke.core.channels import MONTAGE_SITES
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import Drawn, Reports, feature_files
from bids_stroke.report.figures.recordings import Recording, Signal, cut_windows, find_recordings, read_signal
from bids_stroke.signals.sides import other_site

_BAND = (1.0, 25.0)
"""Hz, as the brain symmetry index has it (van Putten 2007, Clin Neurophysiol 118:2362)."""
_MOST_PAIRS = 6
_SHOWN = 4.0
"""Seconds of a window: over a longer stretch traces hide each other."""
_COLOURS = {"left": "tab:blue", "right": "tab:red"}

Powers = NDArray[np.float64]


def draw_symmetry(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw the two sides of each recording that has an EEG with mirrored sites and a window that was kept."""
    for recording in find_recordings(feature_files(reports, "eegemg")):
        if figure := _draw(recording):
            entities = [part for part in recording.name.split("_") if not part.startswith(("sub-", "ses-"))]
            yield "_".join(entities), figure


def pairs_of(labels: Sequence[str]) -> list[tuple[int, int]]:
    """Places of mirrored sites, the left one first.

    >>> pairs_of(["C4", "Cz", "C3", "P3", "LTA"])
    [(2, 0)]
    """
    place = {label: number for number, label in enumerate(labels) if label in MONTAGE_SITES}
    odd = [label for label in place if (digits := "".join(filter(str.isdigit, label))) and int(digits) % 2]
    return [(place[label], place[other_site(label)]) for label in odd if other_site(label) in place]


def _draw(recording: Recording) -> Figure | None:
    table = recording.windows
    good = table[table["status"] == "good"] if "status" in table else table
    if "EEG" not in recording.signals or not len(good):
        return None
    signal = read_signal(recording.signals["EEG"])
    pairs = pairs_of(signal.labels)
    onsets = pd.to_numeric(good["onset"]).to_list()
    each = [cut_windows(signal, good.iloc[[row]]) for row in range(len(good))]
    starts, pieces = [onsets[row] for row, cut in enumerate(each) if cut], [cut[0] for cut in each if cut]
    if not pairs or not pieces:
        return None
    if _swapped(recording.signals["EEG"]):  # the person's own sides are shown, not those that the model saw
        pairs = [(right, left) for left, right in pairs]
    frequencies, left, right = _powers(signal, pieces, pairs)
    apart = np.abs(_difference(left, right)).mean(axis=(1, 2))
    most = int(np.argmax(apart))
    figure = Figure(figsize=(9, 4.4), facecolor="white", layout="constrained")
    entities = [part for part in recording.name.split("_") if not part.startswith(("sub-", "ses-"))]
    sites = f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''} of sites"
    title = f"{' '.join(entities).replace('-', ' ')}: {sites}, {len(pieces)} windows".lstrip(": ")
    figure.suptitle(title, x=0.02, ha="left", fontsize=11)
    axes = figure.subplot_mosaic(
        [["power", "trace"], ["ratio", "trace"]], width_ratios=[1, 1.6], height_ratios=[2, 1.2]
    )
    for side, power in (("left", left), ("right", right)):
        level = 10 * np.log10(np.maximum(power.mean(axis=(0, 1)), 1e-12))
        axes["power"].plot(frequencies, level, color=_COLOURS[side], lw=1.1, label=side)
    axes["power"].set_ylabel(f"power (dB re 1 {signal.unit}²/Hz)", fontsize=8)
    axes["power"].legend(fontsize=7, frameon=False)
    _draw_ratio(axes["ratio"], frequencies, _difference(left, right).mean(axis=1))
    title = (
        f"window at {starts[most]:g} s, where the sides differ most ({apart[most]:.2f}; median {np.median(apart):.2f})"
    )
    axes["trace"].set_title(title, fontsize=9)
    _draw_pairs(axes["trace"], signal, pieces[most], pairs, starts[most])
    for ax in axes.values():
        ax.tick_params(labelsize=7)
    return figure


def _powers(
    signal: Signal, pieces: Sequence[NDArray[np.float64]], pairs: Sequence[tuple[int, int]]
) -> tuple[Powers, Powers, Powers]:
    """Frequencies (Hz) of the band; power of the left and the right sites, (windows, pairs, frequencies)."""
    from scipy.signal import welch

    length = min(round(2 * signal.rate), min(piece.shape[1] for piece in pieces))
    found = [welch(piece, signal.rate, nperseg=length) for piece in pieces]
    frequencies = found[0][0]
    use = (frequencies >= _BAND[0]) & (frequencies <= _BAND[1])
    power = np.stack([item[1][:, use] for item in found])
    left, right = (power[:, [pair[side] for pair in pairs]] for side in (0, 1))
    return frequencies[use], left, right


def _difference(left: Powers, right: Powers) -> Powers:
    """Left less right over their sum, -1 to 1."""
    ratio: Powers = (left - right) / np.maximum(left + right, 1e-30)
    return ratio


def _draw_ratio(ax: Axes, frequencies: Powers, ratio: Powers) -> None:
    """Median over the windows, and their middle half; ``ratio`` is (windows, frequencies)."""
    low, middle, high = np.percentile(ratio, (25, 50, 75), axis=0)
    ax.axhline(0, color="0.6", lw=0.8)
    ax.fill_between(frequencies, low, high, color="0.85")
    ax.plot(frequencies, middle, color="black", lw=1)
    end = max(0.5, float(np.abs([low, high]).max()) * 1.1)
    ax.set_ylim(-end, end)
    ax.set_xlabel("frequency (Hz)", fontsize=8)
    ax.set_ylabel("(left - right) /\n(left + right)", fontsize=8)


def _draw_pairs(
    ax: Axes, signal: Signal, piece: NDArray[np.float64], pairs: Sequence[tuple[int, int]], start: float
) -> None:
    spread = np.linspace(0, len(pairs) - 1, min(_MOST_PAIRS, len(pairs))).round().astype(int)
    chosen = [pairs[place] for place in np.unique(spread)]
    piece = piece[:, : round(_SHOWN * signal.rate)]
    centred = piece - np.median(piece, axis=1, keepdims=True)
    step = max(float(np.percentile(np.abs(centred[np.ravel(chosen)]), 99.5)) * 2, 1e-9)
    times = start + np.arange(piece.shape[1]) / signal.rate
    for row, pair in enumerate(chosen):
        for side, place in zip(_COLOURS, pair, strict=True):
            ax.plot(times, centred[place] - row * step, color=_COLOURS[side], lw=0.5)
    names = [f"{signal.labels[left]} {signal.labels[right]}" for left, right in chosen]
    ax.set_yticks(-step * np.arange(len(chosen)), names)
    ax.set(xlim=(times[0], times[-1]), ylim=(-step * len(chosen), step))
    ax.set_xlabel(f"time (s); lines {step:.3g} {signal.unit} apart", fontsize=8)


def _swapped(path: Path) -> bool:
    """Whether the sites were exchanged for a model that wants the lesion on the left."""
    sidecar = path.with_suffix(".json")
    return sidecar.is_file() and json.loads(sidecar.read_text()).get("ChannelSidesSwapped") is True
