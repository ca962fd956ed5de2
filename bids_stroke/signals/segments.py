"""Segments of a recording: where they lie in good windows and in the phases of a trial, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

PHASES = ("preparation", "flexion", "rest", "extension")
"""Parts of a trial, as ``trial_type`` of the events calls them."""


def segment_starts(windows: pd.DataFrame, rate: float, n_samples: int) -> list[int]:
    """First samples of the segments in good windows, side by side from the start of each window.

    Parameters
    ----------
    windows : DataFrame
        With ``onset`` and ``duration`` (s) and ``status``.
    rate : float
        Hz.
    n_samples : int
        Length of a segment.
    """
    starts: list[int] = []
    for onset, duration in windows.loc[windows["status"] == "good", ["onset", "duration"]].to_numpy(dtype=np.float64):
        first = round(onset * rate)
        starts += range(first, first + round(duration * rate) - n_samples + 1, n_samples)
    return starts


def phase_starts(
    events: pd.DataFrame | None, windows: pd.DataFrame, rate: float, n_samples: int
) -> dict[str, list[int]]:
    """First samples of the segments in the events of each phase, as far as they lie in good windows.

    Parameters
    ----------
    events : DataFrame or None
        With ``onset``, ``duration`` (s) and ``trial_type``; rows without them count for nothing.
    windows, rate, n_samples : DataFrame, float, int
        As in `segment_starts`.
    """
    if events is None or not {"onset", "duration", "trial_type"} <= set(events):
        return {}
    good = [
        (round(onset * rate), round((onset + duration) * rate))
        for onset, duration in windows.loc[windows["status"] == "good", ["onset", "duration"]].to_numpy(np.float64)
    ]
    onsets, durations = (pd.to_numeric(events[name], errors="coerce") for name in ("onset", "duration"))
    found: dict[str, list[int]] = {}
    for kind, onset, duration in zip(events["trial_type"], onsets, durations, strict=True):
        phase = str(kind).strip().lower()
        if phase not in PHASES or not np.isfinite([onset, duration]).all():
            continue
        first, last = round(onset * rate), round((onset + duration) * rate)
        inside = [
            start
            for start in range(first, last - n_samples + 1, n_samples)
            if any(begin <= start and start + n_samples <= end for begin, end in good)
        ]
        found.setdefault(phase, []).extend(inside)
    return found


def cut(data: Array, starts: Sequence[int], n_samples: int) -> Array:
    """Segments (n_segments, n_channels, n_samples) of signals (n_channels, n)."""
    if not len(data):
        return np.zeros((len(starts), 0, n_samples))
    return np.stack([data[:, start : start + n_samples] for start in starts])
