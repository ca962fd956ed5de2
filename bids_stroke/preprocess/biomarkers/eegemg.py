"""Biomarkers of EEG and EMG of a unit, from what the EEG/EMG step wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from bids_stroke.core.biomarkers import of_group
from bids_stroke.core.channels import canonical_name, is_site, numbered_electrodes
from bids_stroke.preprocess.biomarkers import eeg, emg
from bids_stroke.preprocess.biomarkers.legs import antagonists, leg_muscles
from bids_stroke.preprocess.biomarkers.recordings import Channels, CleanRecording, read_recordings
from bids_stroke.signals.segments import Array, cut, segment_starts
from bids_stroke.signals.sides import other_site

FEWEST_PAIRS = 3
"""Pairs of mirrored sites that stand for two hemispheres."""
FEWEST_SEGMENTS = 10
"""Of a spectrum of 2 s, and of the EMG."""
FEWEST_FOR_COHERENCE = 60
"""Segments of 1 s: of fewer a coherence is mostly chance."""
_EEG_HZ = (1.0, 30.0)
_EMG_HZ = (30.0, 100.0)
"""What the filters must have let through."""
_POSTERIOR = re.compile(r"(P|PO|O)(z|\d+)")
_CENTRAL = re.compile(r"(C|CP)(z|\d+)")
_BURST_PHASES = ("flexion", "extension")

Numbers = Mapping[str, float | None]


def numbers(paths: Sequence[Path]) -> dict[str, float]:
    """Biomarkers of the group ``eegemg``: mean over the recordings that have them; those of none are left out.

    Parameters
    ----------
    paths : sequence of Path
        As in ``outputs["eegemg"]``: logs of windows and EDF files, with what lies beside them.

    Returns
    -------
    numbers : dict of str to float
        By name, in the order of `core.biomarkers`.

    Raises
    ------
    DataError
        A file is lacking or cannot be read.
    """
    each = [_of_recording(recording) for recording in read_recordings(paths)]
    found = {}
    for name in of_group("eegemg"):
        values = [value for item in each if (value := item.get(name)) is not None and np.isfinite(value)]
        if values:
            found[name] = float(np.mean(values))
    return found


def _of_recording(recording: CleanRecording) -> Numbers:
    sites = _sites(recording.eeg) if recording.eeg is not None and _lets(recording.eeg, _EEG_HZ) else {}
    muscles = recording.emg
    found: dict[str, float | None] = {}
    if sites:
        found |= {**_of_symmetry(recording, sites), **_of_rhythms(recording, sites), **_of_coherence(recording, sites)}
    if muscles is not None:
        found |= {**_of_muscles(recording, muscles), **_of_bursts(recording, muscles)}
    if sites and muscles is not None:
        found |= _of_both(recording, sites, muscles)
    return found


def _lets(channels: Channels, wanted: tuple[float, float]) -> bool:
    return channels.band[0] <= wanted[0] and channels.band[1] >= wanted[1]


def _sites(channels: Channels) -> dict[str, Array]:
    """Signals of the 10-10 sites that were measured, by name."""
    numbered = numbered_electrodes(channels.names)
    found: dict[str, Array] = {}
    for name, row in zip(channels.names, channels.data, strict=True):
        site = canonical_name(name)
        if is_site(site) and name not in numbered:
            found.setdefault(site, row)
    return found


def _segments(recording: CleanRecording, rows: Sequence[Array], seconds: float = 1.0) -> Array:
    """Segments (n_segments, n_rows, n_samples) in good windows."""
    n_samples = round(seconds * recording.rate)
    starts = segment_starts(recording.windows, recording.rate, n_samples)
    return cut(np.stack(rows), starts, n_samples) if starts else np.zeros((0, len(rows), n_samples))


def _of_symmetry(recording: CleanRecording, sites: Mapping[str, Array]) -> Numbers:
    pairs = [(name, other) for name in sites if (other := other_site(name)) in sites and _is_left(name)]
    if len(pairs) < FEWEST_PAIRS:
        return {}
    left, right = (_segments(recording, [sites[pair[side]] for pair in pairs]) for side in (0, 1))
    return {"bsi": eeg.bsi(left, right, recording.rate), "pdbsi": eeg.pdbsi(left, right, recording.rate)}


def _is_left(site: str) -> bool:
    return site[-1] in "13579"


def _of_rhythms(recording: CleanRecording, sites: Mapping[str, Array]) -> Numbers:
    segments = _segments(recording, list(sites.values()), seconds=2.0)
    if len(segments) < FEWEST_SEGMENTS:
        return {}
    back = [i for i, name in enumerate(sites) if _POSTERIOR.fullmatch(name)]
    return {
        "delta_alpha_ratio": eeg.delta_alpha_ratio(segments, recording.rate),
        "delta_theta_alpha_beta_ratio": eeg.delta_theta_alpha_beta_ratio(segments, recording.rate),
        "alpha_peak_hz": eeg.alpha_peak_hz(segments[:, back] if back else segments, recording.rate),
    }


def _of_coherence(recording: CleanRecording, sites: Mapping[str, Array]) -> Numbers:
    if not {"C3", "C4"} <= set(sites):
        return {}
    both = _segments(recording, [sites["C3"], sites["C4"]])
    if len(both) < FEWEST_FOR_COHERENCE:
        return {}
    of_band = partial(eeg.motor_coherence, both[:, 0], both[:, 1], recording.rate)
    return {f"motor_coherence_{band}": of_band(band) for band in ("alpha", "beta")}


def _of_both(recording: CleanRecording, sites: Mapping[str, Array], muscles: Channels) -> Numbers:
    central = [row for name, row in sites.items() if _CENTRAL.fullmatch(name)]
    found: dict[str, float | None] = {}
    for name, side in (("cmc", ""), ("cmc_left", "left"), ("cmc_right", "right")):
        legs = leg_muscles(muscles.names, side)
        if not central or not legs:
            continue
        brain, active = _segments(recording, central), np.abs(_segments(recording, list(muscles.data[legs])))
        if len(brain) >= FEWEST_FOR_COHERENCE:
            found[name] = eeg.corticomuscular_coherence(brain, active, recording.rate)
    return found


def _of_muscles(recording: CleanRecording, muscles: Channels) -> Numbers:
    legs = leg_muscles(muscles.names)
    if not legs:
        return {}
    segments = _segments(recording, list(muscles.data[legs]))
    if len(segments) < FEWEST_SEGMENTS:
        return {}
    pairs = antagonists([muscles.names[i] for i in legs])
    found: dict[str, float | None] = {"co_contraction": emg.co_contraction(np.abs(segments), pairs)}
    if _lets(muscles, _EMG_HZ):
        found["emg_median_frequency_hz"] = emg.median_frequency_hz(segments, recording.rate)
    return found


def _of_bursts(recording: CleanRecording, muscles: Channels) -> Numbers:
    """Mean over the muscles of the leg that have bursts."""
    spans = _runs(recording)
    events = {phase: list(_inside(recording, spans, phase)) for phase in _BURST_PHASES}
    if not spans or not any(events.values()):
        return {}
    found: dict[str, list[float]] = {}
    for i in leg_muscles(muscles.names):
        active = emg.activity([muscles.data[i, first:last] for first, last in spans], recording.rate)
        if active is None:
            continue
        for phase, places in events.items():
            bursts = emg.bursts([active[run][first:last] for run, first, last in places], recording.rate)
            if bursts is None:
                continue
            found.setdefault(f"{phase}_burst_share", []).append(bursts.share)
            if bursts.delay_s is not None:
                found.setdefault(f"{phase}_burst_delay_s", []).append(bursts.delay_s)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _runs(recording: CleanRecording) -> list[tuple[int, int]]:
    """First and last samples (not included) of good windows that follow each other without a pause."""
    good = recording.windows[recording.windows["status"] == "good"].sort_values("onset")
    onsets = good["onset"].to_numpy(dtype=np.float64)
    ends = onsets + good["duration"].to_numpy(dtype=np.float64)
    first, last = (np.round(times * recording.rate).astype(int) for times in (onsets, ends))
    joints = {round(onset * recording.rate) for onset in recording.pieces}
    breaks = [i for i in range(1, len(first)) if first[i] > last[i - 1] or int(first[i]) in joints]
    edges = [0, *breaks, len(first)]
    return [(int(first[a]), int(last[b - 1])) for a, b in pairwise(edges) if b > a]


def _inside(recording: CleanRecording, spans: Sequence[tuple[int, int]], phase: str) -> Iterator[tuple[int, int, int]]:
    """Run, first and last sample within it (not included) of each event of a phase that lies wholly in good windows."""
    events = recording.events
    if events is None or not {"onset", "duration", "trial_type"} <= set(events):
        return
    kinds = events["trial_type"].str.strip().str.lower()
    onsets, durations = (pd.to_numeric(events[name], errors="coerce") for name in ("onset", "duration"))
    chosen = (kinds == phase) & np.isfinite(onsets) & (durations > 0) & np.isfinite(durations)
    for onset, duration in zip(onsets[chosen], durations[chosen], strict=True):
        begin, end = round(onset * recording.rate), round((onset + duration) * recording.rate)
        for i, (first, last) in enumerate(spans):
            if first <= begin < end <= last:
                yield i, begin - first, end - first
