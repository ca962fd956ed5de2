"""Whether what a header says of a recording can be: its sampling rate, and how large its signals are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bids_stroke.core.errors import DataError

_LOWEST_HZ, _HIGHEST_HZ = 1.0, 1e6
_LARGEST_VOLTS = 5.0
"""No amplifier of EEG or EMG has such a range; and EDF, in microvolts, holds no more than twice as much."""
_KINDS = ("eeg", "emg", "eog")


def check_rate(path: Path, rate: float) -> None:
    """Refuse a sampling rate (Hz) that is none.

    Raises
    ------
    DataError
        It is not a number from 1 to 1,000,000 (``bad-sampling-rate``).
    """
    if not _LOWEST_HZ <= rate <= _HIGHEST_HZ:
        raise DataError(
            f"{path} has a sampling rate of {rate:g} Hz by its header.",
            "Correct the header (SamplingInterval, the duration of records, srate), or copy the file again.",
            "bad-sampling-rate",
        )


def check_amplitudes(path: Path, raw: Any) -> list[str]:
    """See that amplitudes are those of EEG or EMG; channels beyond become bad ones.

    Parameters
    ----------
    path : Path
        For messages.
    raw : mne.io.BaseRaw
        Loaded, with channel types.

    Returns
    -------
    list of str
        What to say about channels that are too large.

    Raises
    ------
    DataError
        No channel is possible (``impossible-amplitude``).
    """
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    names = [name for name in raw.ch_names if kinds[name] in _KINDS]
    large = [name for name in names if _reach(raw.get_data(picks=[name])) > _LARGEST_VOLTS]
    if large and len(large) == len(names):
        raise DataError(
            f"{path}: all signals go beyond {_LARGEST_VOLTS:g} V, which no amplifier records.",
            "Check the units in the file's header, or copy the file again.",
            "impossible-amplitude",
        )
    raw.info["bads"] = list(dict.fromkeys([*raw.info["bads"], *large]))
    if not large:
        return []
    return [f"{path.name}: bad, because they go beyond {_LARGEST_VOLTS:g} V: {', '.join(large)}"]


def _reach(data: Any) -> float:
    """Largest finite amplitude."""
    known = np.abs(data[np.isfinite(data)])
    return float(known.max()) if known.size else 0.0
