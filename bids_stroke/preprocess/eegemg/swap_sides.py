"""EEG and EMG as if the other side were affected: channels keep their signals and take each other's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bids_stroke.preprocess.eegemg.clean import Cleaned, Signals
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.hemisphere import sideless, swapped_muscle, swapped_site


def with_sides_swapped(recording: Recording, cleaned: Cleaned) -> tuple[Recording, Cleaned]:
    """A recording and its cleaned signals with the names of the sides swapped; not one sample changes.

    Only after cleaning: the template's electrodes are not exactly symmetric, and interpolation must know the true ones.
    """
    unknown = [name for name in cleaned.eeg.names if sideless(name)]
    note = f"EEG channels whose names tell no side were not swapped: {', '.join(unknown)}."
    named = replace(
        recording,
        eeg_names=tuple(map(swapped_site, recording.eeg_names)),
        emg_names=tuple(map(swapped_muscle, recording.emg_names)),
    )
    return named, replace(
        cleaned,
        eeg=_renamed(cleaned.eeg, swapped_site),
        emg=_renamed(cleaned.emg, swapped_muscle),
        warnings=(*cleaned.warnings, note) if unknown else cleaned.warnings,
    )


def _renamed(signals: Signals, rename: Callable[[str], str]) -> Signals:
    interpolated = tuple(map(rename, signals.interpolated))
    return replace(signals, names=tuple(map(rename, signals.names)), interpolated=interpolated)
