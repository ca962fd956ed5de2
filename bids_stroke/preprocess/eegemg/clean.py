"""From a recording to clean signals: filters, broken channels, eyes and muscles, interpolation, reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.preprocess.eegemg import montage, signals
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.edf import edf_labels
from bids_stroke.preprocess.eegemg.ica import Dropped, Sampling, remove_artefacts
from bids_stroke.preprocess.eegemg.signals import Array, Band
from bids_stroke.preprocess.eegemg.timing.pieces import Piece

if TYPE_CHECKING:
    from bids_stroke.core.settings_preprocess import EegEmgSettings

_MOST_INTERPOLATED = 0.3
"""Share of EEG channels above which splines would invent rather than restore."""
_FEWEST_FOR_SPLINES = 4
_REMEDY = "Look at the signals, and at status in channels.tsv."


@dataclass(frozen=True, eq=False)
class Signals:
    """Clean channels of one kind.

    Attributes
    ----------
    kind : str
        ``eeg`` or ``emg``.
    data : (n_channels, n_samples) float64
        Volts; no rows where there is nothing usable.
    names : tuple of str
    band : Band
        What was kept, Hz.
    notches : tuple of float
        Hz.
    """

    kind: str
    data: Array
    names: tuple[str, ...]
    band: Band
    notches: tuple[float, ...] = ()
    interpolated: tuple[str, ...] = ()
    average_reference: bool = False
    dropped: tuple[Dropped, ...] = ()
    """Independent components that were taken out."""
    average: Array | None = None
    """(n_samples,) mean over channels that was subtracted."""
    sides_swapped: bool | None = None
    """Whether channels have the names of the other side (``lesion_side: normalise``); None where not asked for."""

    @property
    def as_recorded(self) -> Array:
        """The channels with the reference of the recording."""
        return self.data if self.average is None else self.data + self.average

    @property
    def filters(self) -> str:
        """Filters as EDF headers name them."""
        notch = f" N:{self.notches[0]:g}Hz" if self.notches else ""
        return f"HP:{self.band.low:g}Hz LP:{self.band.high:g}Hz{notch}"

    def channels(self, rate: float) -> pd.DataFrame:
        """``channels.tsv`` of the cleaned file (BIDS specification, EEG and EMG)."""
        restored = ["interpolated from its neighbours" if name in self.interpolated else "n/a" for name in self.names]
        return pd.DataFrame(
            {
                "name": edf_labels(self.names),
                "type": self.kind.upper(),
                "units": "uV",
                "description": list(self.names),
                "sampling_frequency": rate,
                "low_cutoff": self.band.low,
                "high_cutoff": self.band.high,
                "status": "good",
                "status_description": restored,
            }
        )


@dataclass(frozen=True, eq=False)
class Cleaned:
    """EEG and EMG of one recording after cleaning; with the channels used, unfiltered, to see where signal was lost."""

    rate: float
    mains: float | None
    eeg: Signals
    emg: Signals
    unfiltered: Array
    qc: Mapping[str, float]
    warnings: tuple[str, ...]
    pieces: tuple[Piece, ...] = ()
    """Empty where the recording has no pause."""


def clean(recording: Recording, settings: EegEmgSettings, seed: int) -> Cleaned:
    """Clean a recording; what cannot be done is said in the warnings.

    Raises
    ------
    MissingModalityError
        No channel is left.
    """
    eeg_bad = _known_bad(recording.eeg, recording.eeg_names, recording.bad)
    emg_bad = _known_bad(recording.emg, recording.emg_names, recording.bad)
    eeg, eeg_qc, notes = _filter("eeg", recording, eeg_bad, Band(settings.high_pass, settings.low_pass))
    emg, emg_qc, emg_notes = _filter("emg", recording, emg_bad, Band(settings.emg_high_pass, settings.emg_low_pass))
    notes += emg_notes
    if len(eeg.data):
        loud = signals.outlying_channels(eeg.data)
        eeg_bad[np.flatnonzero(~eeg_bad)[loud]] = True
        eeg, more = _restore(eeg, recording, eeg_bad, ~loud, seed)
        notes += more
    lost = [name for name, bad in zip(recording.emg_names, emg_bad, strict=True) if bad]
    notes += [f"EMG channels left out as bad: {', '.join(lost)}"] if lost else []
    if not len(eeg.data) and not len(emg.data):
        what = "; ".join(notes) or "all channels are bad"
        raise MissingModalityError(f"No EEG or EMG channel is usable: {what}.", _REMEDY, "no-usable-channel")
    counts = {
        "n_eeg_channels": len(eeg.data),
        "n_emg_channels": len(emg.data),
        "n_bad_channels": eeg_bad.sum() + emg_bad.sum(),
        "n_interpolated_channels": len(eeg.interpolated),
        "n_ocular_components": sum(item.kind == "ocular" for item in eeg.dropped),
        "n_muscle_components": sum(item.kind == "muscle" for item in eeg.dropped),
    }
    return Cleaned(
        rate=recording.rate,
        mains=recording.mains,
        eeg=eeg,
        emg=emg,
        unfiltered=np.concatenate([recording.eeg[~eeg_bad], recording.emg[~emg_bad]]),
        qc={key: float(value) for key, value in counts.items()} | eeg_qc | emg_qc,
        warnings=tuple(notes),
        pieces=recording.pieces if recording.joints else (),
    )


def _known_bad(data: Array, names: tuple[str, ...], marked: frozenset[str]) -> NDArray[np.bool_]:
    return np.array([name in marked for name in names], dtype=bool) | signals.constant_channels(data)


def _filter(
    kind: str, recording: Recording, bad: NDArray[np.bool_], wanted: Band
) -> tuple[Signals, dict[str, float], list[str]]:
    """Band-pass and notch the good channels of one kind."""
    data, names = (recording.eeg, recording.eeg_names) if kind == "eeg" else (recording.emg, recording.emg_names)
    rate, label = recording.rate, kind.upper()
    band = signals.usable_band(wanted, rate)
    good = tuple(name for name, is_bad in zip(names, bad, strict=True) if not is_bad)
    if band is None or not good:
        note = [f"{label}: {rate:g} Hz is too slow for a high-pass of {wanted.low:g} Hz"] if good else []
        return Signals(kind, np.zeros((0, data.shape[1])), (), wanted), {}, note
    notes, qc = [], {}
    if band.high < wanted.high:
        notes.append(f"{label}: low-pass cut from {wanted.high:g} to {band.high:g} Hz (sampling rate {rate:g} Hz)")
    notches = signals.mains_frequencies(recording.mains, band, rate)
    filtered = signals.clean_band(data[~bad], rate, band, notches, recording.joints)
    if notches:
        qc[f"{kind}_mains_ratio_before_db"] = signals.mains_ratio_db(data[~bad], rate, notches[0], recording.joints)
        qc[f"{kind}_mains_ratio_after_db"] = signals.mains_ratio_db(filtered, rate, notches[0], recording.joints)
    return Signals(kind, filtered, good, band, notches), qc, notes


def _restore(
    eeg: Signals, recording: Recording, bad: NDArray[np.bool_], sound: NDArray[np.bool_], seed: int
) -> tuple[Signals, list[str]]:
    """Take out eyes and muscles, fill bad sites in, refer to the average.

    Parameters
    ----------
    eeg : Signals
        Filtered channels that were not known to be bad.
    recording : Recording
    bad : (n_channels,) bool
        Of all EEG channels of the recording.
    sound : (len(eeg.data),) bool
        Which of ``eeg`` are not bad.
    seed : int
    """
    names = np.array(recording.eeg_names)
    site = montage.has_site(recording.eeg_names)
    removal = remove_artefacts(
        eeg.data[sound], list(names[~bad]), _usable_eog(recording), Sampling(recording.rate, recording.joints), seed
    )
    notes = [*removal.notes]
    if removal.dropped:
        notes.append(f"taken out of the EEG by ICA: {', '.join(item.reason for item in removal.dropped)}")
    whole = np.zeros_like(recording.eeg)
    whole[~bad] = removal.eeg
    fill = bad & site
    if fill.sum() > _MOST_INTERPOLATED * len(bad) or (site & ~bad).sum() < _FEWEST_FOR_SPLINES:
        fill[:] = False
    if fill.any():
        whole[site] = montage.interpolate(whole[site], list(names[site]), bad[site])
        notes.append(f"bad EEG channels interpolated: {', '.join(names[fill])}")
    lost = bad & ~fill
    if lost.any():
        notes.append(f"EEG channels left out as bad: {', '.join(names[lost])}")
    kept = whole[~lost]
    refer = len(kept) >= montage.MINIMUM_FOR_REFERENCE
    if not refer:
        notes.append(f"the EEG keeps its reference: {len(kept)} channels are too few for an average")
    restored = replace(
        eeg,
        data=montage.average_reference(kept) if refer else kept,
        names=tuple(names[~lost].tolist()),
        interpolated=tuple(names[fill].tolist()),
        average_reference=refer,
        average=kept.mean(axis=0) if refer else None,
        dropped=removal.dropped,
    )
    return restored, notes


def _usable_eog(recording: Recording) -> Array:
    return recording.eog[~signals.constant_channels(recording.eog)]
