"""Numbers of EEG and EMG for the report and for baselines: band power, coherence, fatigue, co-contraction, by phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
import pandas as pd

from bids_stroke.preprocess.eegemg.clean import Cleaned
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.signals import Array, Band, clean_band, usable_band
from bids_stroke.signals.muscles import co_contraction
from bids_stroke.signals.segments import PHASES, cut, phase_starts, segment_starts
from bids_stroke.signals.spectra import BANDS, coherence, spectra

COHERENCE_BAND = BANDS["beta"]
ALPHA = 0.05
"""Chance of one false coherence or more in all pairs, frequencies and both kinds of EMG together, in each phase."""
_SEGMENT_S = 1.0
_FEWEST_SEGMENTS = 10
_COHERENCE_FROM_HZ = 5.0

COLUMNS: Mapping[str, object] = MappingProxyType(
    {
        "phase": {
            "Description": "Part of the trial by the events, or all: every good window.",
            "Levels": dict.fromkeys(("all", *PHASES), "As in trial_type of the events."),
        },
        "feature": {
            "Description": "What is measured.",
            "Levels": {
                "relative-power": "Power in the band as a share of that from 1 to 45 Hz (EEG).",
                "coherence": "Largest magnitude-squared coherence of EEG and EMG from 13 to 30 Hz.",
                "coherence-rectified": "The same with the rectified EMG.",
                "median-frequency": "Frequency that halves the EMG's power (Hz).",
                "rms": "Root mean square of the EMG (uV).",
                "co-contraction": "Share that two muscles' rectified, smoothed EMG have in common (0 to 1).",
            },
        },
        "channel": {"Description": "EEG site or muscle."},
        "other_channel": {"Description": "Muscle of a pair."},
        "band": {"Description": "Frequency band (EEG)."},
        "frequency": {"Description": "Of the largest coherence.", "Units": "Hz"},
        "value": {"Description": "The feature's value."},
        "threshold": {
            "Description": "A coherence above it is significant at 0.05, corrected for all that were tested."
        },
        "n_segments": {"Description": "Segments of 1 s that were averaged."},
    }
)


@dataclass(frozen=True, eq=False)
class _Segments:
    """Segments of 1 s of one phase: (n_segments, n_channels, n_samples) each."""

    eeg: Array
    eeg_as_recorded: Array
    """EEG with the reference of the recording: the average would spread one site's coherence over all."""
    emg: Array
    emg_broad: Array
    """EMG from 5 Hz: coherence lies below the EMG's own band."""


def feature_table(
    recording: Recording, cleaned: Cleaned, windows: pd.DataFrame, events: pd.DataFrame | None
) -> pd.DataFrame:
    """All features of a recording, one row each (columns: COLUMNS).

    Parameters
    ----------
    recording, cleaned : Recording, Cleaned
        As measured, and after cleaning.
    windows : DataFrame
        Log of the windows; bad ones are left out.
    events : DataFrame or None
        With ``onset``, ``duration`` and ``trial_type``: a phase counts where its segments lie wholly within its events.
    """
    signals = (cleaned.eeg.data, cleaned.eeg.as_recorded, cleaned.emg.data, _broad_emg(recording, cleaned))
    n_samples = round(_SEGMENT_S * cleaned.rate)
    starts = segment_starts(windows, cleaned.rate, n_samples)
    parts = {"all": starts} | phase_starts(events, windows, cleaned.rate, n_samples)
    rows: list[dict[str, object]] = []
    for phase, chosen in parts.items():
        if len(chosen) < _FEWEST_SEGMENTS:
            continue
        found = _features(_Segments(*(cut(data, chosen, n_samples) for data in signals)), cleaned)
        rows += [{"phase": phase, **row, "n_segments": len(chosen)} for row in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summary(table: pd.DataFrame) -> dict[str, float]:
    """Quality numbers from the rows of all good windows: mean relative power, strongest coherence, EMG frequency."""
    whole = table[table["phase"] == "all"]
    found: dict[str, float] = {}
    for band in BANDS:
        power = whole[(whole["feature"] == "relative-power") & (whole["band"] == band)]["value"]
        if len(power):
            found[f"eeg_{band}_relative_power"] = float(power.mean())
    coherence = whole[whole["feature"].astype(str).str.startswith("coherence")]
    if len(coherence):
        found["coherence_largest"] = float(coherence["value"].max())
        found["n_coherent_pairs"] = float((coherence["value"] > coherence["threshold"]).sum())
    for feature, name in (("median-frequency", "emg_median_frequency_hz"), ("co-contraction", "emg_co_contraction")):
        values = whole[whole["feature"] == feature]["value"]
        if len(values):
            found[name] = float(values.mean())
    return found


def _broad_emg(recording: Recording, cleaned: Cleaned) -> Array:
    band = usable_band(Band(_COHERENCE_FROM_HZ, cleaned.emg.band.high), cleaned.rate)
    rows = [recording.emg_names.index(name) for name in cleaned.emg.names]
    if not rows or band is None:
        return cleaned.emg.data
    return clean_band(recording.emg[rows], cleaned.rate, band, cleaned.emg.notches, recording.joints)


def _features(segments: _Segments, cleaned: Cleaned) -> list[dict[str, object]]:
    eeg, emg = cleaned.eeg.names, cleaned.emg.names
    rows: list[dict[str, object]] = []
    frequencies, power = spectra(segments.eeg, cleaned.rate)
    whole = (frequencies >= BANDS["delta"][0]) & (frequencies < BANDS["gamma"][1])
    for name, (low, high) in BANDS.items():
        share = power[:, (frequencies >= low) & (frequencies < high)].sum(axis=1) / power[:, whole].sum(axis=1)
        rows += [_row("relative-power", site, value, band=name) for site, value in zip(eeg, share, strict=True)]
    if eeg and emg:
        rows += _coherences(segments, cleaned)
    frequencies, power = spectra(segments.emg, cleaned.rate)
    for muscle, spectrum in zip(emg, power, strict=True):
        middle = frequencies[np.searchsorted(np.cumsum(spectrum), 0.5 * spectrum.sum())]
        rows.append(_row("median-frequency", muscle, float(middle)))
    level = np.sqrt((segments.emg**2).mean(axis=(0, 2))) * 1e6
    rows += [_row("rms", muscle, value) for muscle, value in zip(emg, level, strict=True)]
    shared = co_contraction(np.abs(segments.emg))
    rows += [
        _row("co-contraction", emg[i], float(shared[i, j]), other_channel=emg[j])
        for i, j in combinations(range(len(emg)), 2)
    ]
    return rows


def _row(feature: str, channel: str, value: float, **more: object) -> dict[str, object]:
    return {"feature": feature, "channel": channel, "value": float(value), **more}


def coherence_threshold(n_segments: int, n_tests: int) -> float:
    """Coherence that independent signals exceed with a chance of 0.05 in one of ``n_tests`` or more (Bonferroni).

    Notes
    -----
    Halliday et al. 1995, "A framework for the analysis of mixed time series/point process data: theory and application
    to the study of physiological tremor, single motor unit discharges and electromyograms".
    """
    return float(1.0 - (ALPHA / n_tests) ** (1.0 / (n_segments - 1)))


def _coherences(segments: _Segments, cleaned: Cleaned) -> list[dict[str, object]]:
    """Beta coherence of every EEG site with every muscle, with the plain and the rectified EMG."""
    frequencies = np.fft.rfftfreq(segments.eeg.shape[2], 1 / cleaned.rate)
    inside = (frequencies >= COHERENCE_BAND[0]) & (frequencies <= COHERENCE_BAND[1])
    n_tests = 2 * segments.eeg.shape[1] * segments.emg.shape[1] * int(inside.sum())
    threshold = coherence_threshold(len(segments.eeg), n_tests)
    rows = []
    for feature, emg in (("coherence", segments.emg_broad), ("coherence-rectified", np.abs(segments.emg))):
        values = coherence(segments.eeg_as_recorded, emg)[..., inside]
        best = values.argmax(axis=2)
        for i, site in enumerate(cleaned.eeg.names):
            for j, muscle in enumerate(cleaned.emg.names):
                where = best[i, j]
                found = {"other_channel": muscle, "band": "beta", "frequency": frequencies[inside][where]}
                rows.append(_row(feature, site, values[i, j, where], **found, threshold=threshold))
    return rows
