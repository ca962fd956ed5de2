"""Power spectra of EEG and EMG as recorded and after cleaning, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from bids_stroke.preprocess.eegemg.clean import Cleaned
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.signals import Array, power_spectrum

_SEGMENT_S = 2.0
_FLOOR_DB = -120.0

SPECTRUM_COLUMNS: Mapping[str, object] = MappingProxyType(
    {
        "kind": {"Description": "EEG or EMG."},
        "frequency": {"Description": "Frequency.", "Units": "Hz"},
        "before": {
            "Description": "Power as recorded, median over the channels that are good.",
            "Units": "dB re 1 uV^2/Hz",
        },
        "after": {"Description": "The same of the same channels after cleaning.", "Units": "dB re 1 uV^2/Hz"},
    }
)


def spectrum_table(recording: Recording, cleaned: Cleaned) -> pd.DataFrame:
    """Spectra of the whole recording (Welch, segments of 2 s), channels that were filled in left out.

    The EEG has the reference of the recording before and after, so that the two differ by the cleaning alone.

    Returns
    -------
    table : DataFrame
        One row a frequency and kind; columns as in SPECTRUM_COLUMNS.
    """
    parts = []
    for signals, raw, names in (
        (cleaned.eeg, recording.eeg, recording.eeg_names),
        (cleaned.emg, recording.emg, recording.emg_names),
    ):
        kept = [name for name in signals.names if name not in signals.interpolated and name in names]
        if not kept:
            continue
        frequencies, before = _decibel(raw[[names.index(name) for name in kept]], recording)
        _, after = _decibel(signals.as_recorded[[signals.names.index(name) for name in kept]], recording)
        kind = signals.kind.upper()
        parts.append(pd.DataFrame({"kind": kind, "frequency": frequencies, "before": before, "after": after}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(SPECTRUM_COLUMNS))


def _decibel(data: Array, recording: Recording) -> tuple[Array, Array]:
    """Frequencies (Hz) and the median over channels of the power, dB re 1 uV^2/Hz."""
    frequencies, power = power_spectrum(
        data * 1e6, recording.rate, round(_SEGMENT_S * recording.rate), recording.joints
    )
    middle = np.median(10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10))), axis=0)
    return frequencies, np.round(middle, 3)
