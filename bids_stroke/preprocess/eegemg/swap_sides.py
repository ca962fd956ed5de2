"""EEG and EMG as if the other side were affected: channels keep their signals and take each other's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bids_stroke.preprocess.eegemg.clean import Cleaned, Signals
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.sides import other_sites
from bids_stroke.signals.sides import other_muscles


def with_sides_swapped(recording: Recording, cleaned: Cleaned) -> tuple[Recording, Cleaned]:
    """A recording and its cleaned signals with the names of the sides swapped; not one sample changes.

    Of EEG, and of EMG, all channels are swapped or none: where some names tell a side, channels whose names are not
    understood are left out and named; where none does, all keep their names. The midline, and muscles whose names tell
    no side, are understood, and stay what they are.

    Only after cleaning: the template's electrodes are not exactly symmetric, and interpolation must know the true ones.
    """
    sites, muscles = other_sites(recording.eeg_names), other_muscles(recording.emg_names)
    eeg, eeg_notes = _swapped(cleaned.eeg, sites)
    emg, emg_notes = _swapped(cleaned.emg, muscles)
    counts = {f"n_{item.kind}_channels": float(len(item.names)) for item in (eeg, emg)}
    named = replace(
        recording,
        eeg_names=tuple(sites.get(name, name) for name in recording.eeg_names),
        emg_names=tuple(muscles.get(name, name) for name in recording.emg_names),
    )
    notes = (*cleaned.warnings, *eeg_notes, *emg_notes)
    return named, replace(cleaned, eeg=eeg, emg=emg, qc={**cleaned.qc, **counts}, warnings=notes)


def _swapped(signals: Signals, others: Mapping[str, str]) -> tuple[Signals, list[str]]:
    """Signals of one kind with the names of the other side, and what to say."""
    kind = signals.kind.upper()
    unknown = [name for name in signals.names if name not in others]
    sided = [name for name in signals.names if others.get(name, name) != name]
    if not sided:
        note = f"{kind} channels whose names tell no side were not swapped: {', '.join(unknown)}."
        return replace(signals, sides_swapped=False), [note] if unknown else []
    kept = [name for name in signals.names if name in others]
    notes = []
    if unknown:
        notes.append(f"{kind} channels whose names tell no side are left out, because the others were swapped: "
                     f"{', '.join(unknown)}.")  # fmt: skip
    if signals.kind == "emg" and len(sided) < len(kept):
        alone = [name for name in kept if name not in sided]
        notes.append(f"EMG channels of muscles without a side keep their names, the others were swapped: "
                     f"{', '.join(alone)}.")  # fmt: skip
    swapped = replace(
        signals,
        data=signals.data[np.isin(signals.names, kept)],
        names=tuple(others[name] for name in kept),
        interpolated=tuple(others[name] for name in signals.interpolated),
        sides_swapped=True,
    )
    return swapped, notes
