"""EEG and EMG: cleaned signals on one clock and the log of their windows, for each recording of a session.

``outputs["eegemg"]`` holds, recording after recording, the windows' table, the EEG and the EMG (roles ``windows``,
``eeg``, ``emg`` of the output names); a file that a recording lacks is left out of the row. The table lies in ``eeg/``,
or in ``emg/`` where there is no EEG. Signals are not scaled: zero mean and unit variance per window and channel is for
the reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import StepReport
from bids_stroke.preprocess.eegemg.clean import Cleaned, Signals, clean
from bids_stroke.preprocess.eegemg.clock import Recording, read_pair
from bids_stroke.preprocess.eegemg.edf import EdfHeader, write_edf
from bids_stroke.preprocess.eegemg.events_out import Events, events_in, pieces_described
from bids_stroke.preprocess.eegemg.features import COLUMNS, feature_table, summary
from bids_stroke.preprocess.eegemg.pairs import Pair, pair_recordings
from bids_stroke.preprocess.eegemg.signals import flat_windows, large_windows, marked_windows, window_starts
from bids_stroke.preprocess.eegemg.spectra import SPECTRUM_COLUMNS, spectrum_table
from bids_stroke.preprocess.eegemg.swap_sides import with_sides_swapped
from bids_stroke.preprocess.hemisphere import side_of

if TYPE_CHECKING:
    from bids_stroke.core.settings_preprocess import EegEmgSettings
    from bids_stroke.preprocess.registry import StepContext

_COLUMNS = {
    "trial_type": {"Description": "Kind of interval.", "Levels": {"window": "One sample of the network."}},
    "status": {"Description": "Whether the window is used.", "Levels": {"good": "Used.", "bad": "Left out."}},
    "reason": {
        "Description": "Why a window is left out.",
        "Levels": {
            "marked": "Touches an event that starts with BAD.",
            "flat": "A channel is constant: the signal was lost.",
            "eeg-amplitude": "More than a fifth of the EEG channels exceed the allowed peak-to-peak amplitude.",
            "emg-amplitude": "More than a fifth of the EMG channels exceed the allowed peak-to-peak amplitude.",
        },
    },
}


@dataclass(frozen=True)
class _Done:
    files: tuple[Path, ...]
    qc: Mapping[str, float]
    warnings: tuple[str, ...]


def run(context: StepContext) -> StepReport:
    """Clean every recording of the session and log its windows.

    Raises
    ------
    DataError
        A recording is broken.
    MissingModalityError
        No recording gives a usable window (``recording-too-short``, ``no-good-window``, ``no-eeg-or-emg-channels``).
    """
    pairs, notes = pair_recordings(context.session.files("eeg"), context.session.files("emg"))
    done: list[_Done] = []
    refused: list[MissingModalityError] = []
    for pair in pairs:
        try:
            done.append(_process(context, pair))
        except MissingModalityError as error:
            refused.append(error)
    if not done:
        raise refused[0]
    notes += [note for item in done for note in item.warnings] + [error.message for error in refused]
    return StepReport(
        outputs={"eegemg": tuple(path for item in done for path in item.files)},
        qc=_summary([item.qc for item in done]),
        warnings=tuple(notes),
    )


def _process(context: StepContext, pair: Pair) -> _Done:
    settings = context.settings.eegemg
    recording = read_pair(pair, settings.window_seconds)
    _check_usable(recording, pair, settings)
    try:
        cleaned = clean(recording, settings, context.settings.seed)
    except MissingModalityError as error:  # it knows of signals only, not whose
        raise MissingModalityError(f"{pair.label}: {error.message}", error.remedy, error.reason) from error
    mirrored = side_of(context).mirrored
    if mirrored:
        recording, cleaned = with_sides_swapped(recording, cleaned)
    windows = window_table(recording, cleaned, settings)
    kept = int((windows["status"] == "good").sum())
    if not kept:
        reasons = ", ".join(sorted(set(windows["reason"])))
        raise MissingModalityError(
            f"{pair.label}: none of {len(windows)} windows of EEG/EMG is usable ({reasons}).",
            "Look at the signals and at the units in the file's header; the limits are eegemg.eeg_max_uv and "
            "eegemg.emg_max_uv.",
            "no-good-window",
        )
    seconds = recording.eeg.shape[1] / recording.rate
    events, outside = events_in(recording)
    files = _save(context, pair, cleaned, windows, events)
    phases = None if events is None else events[0]
    features = feature_table(recording, cleaned, windows, phases)
    _save_features(context, pair, cleaned, features)
    _save_spectra(context, pair, cleaned, spectrum_table(recording, cleaned))
    qc = {
        "n_recordings": 1.0,
        "n_windows": float(len(windows)),
        "n_windows_kept": float(kept),
        "duration_s": seconds,
        "sampling_rate_hz": recording.rate,
        **recording.qc,
        **cleaned.qc,
        **summary(features),
    }
    if mirrored:
        qc["mirrored"] = float(bool(cleaned.eeg.sides_swapped or cleaned.emg.sides_swapped))
    said = (*cleaned.warnings, *_lacking(pair, recording, cleaned), *outside)
    notes = [note if note.startswith(pair.label) else f"{pair.label}: {note}" for note in said]
    return _Done(files, qc, (*recording.warnings, *notes))


def _lacking(pair: Pair, recording: Recording, cleaned: Cleaned) -> list[str]:
    """What there is no channel of; of EEG nothing is said where none was recorded, for EMG alone is a recording."""
    recorded = {"eeg": pair.eeg is not None or bool(recording.eeg_names), "emg": True}
    return [
        f"no usable {item.kind.upper()} channel"
        for item in (cleaned.eeg, cleaned.emg)
        if not len(item.data) and recorded[item.kind]
    ]


def _check_usable(recording: Recording, pair: Pair, settings: EegEmgSettings) -> None:
    if not recording.eeg_names and not recording.emg_names:
        raise MissingModalityError(
            f"{pair.files[0].path} has no channel of type EEG or EMG.",
            "Give the types in its channels.tsv.",
            "no-eeg-or-emg-channels",
        )
    longest = max((piece.stop - piece.start for piece in recording.timeline.pieces), default=0)
    seconds = longest / recording.rate
    if seconds < settings.window_seconds:
        which = f" (the longest of {len(recording.pieces)} pieces between pauses)" if recording.joints else ""
        raise MissingModalityError(
            f"{pair.label}: {seconds:g} s of EEG/EMG{which} are less than one window of {settings.window_seconds:g} s.",
            "Shorten eegemg.window_seconds in --config, for training and prediction alike.",
            "recording-too-short",
        )


def window_table(recording: Recording, cleaned: Cleaned, settings: EegEmgSettings) -> pd.DataFrame:
    """One row a window: onset and duration in seconds, status good or bad, and the reason.

    Windows follow each other from the start of each piece without overlap; what remains at its end is left.
    """
    n_samples, joints = round(settings.window_seconds * recording.rate), recording.joints
    seconds = n_samples / recording.rate
    starts = np.array(window_starts(recording.eeg.shape[1], n_samples, joints))
    onset = starts / n_samples * seconds
    large = {
        "emg-amplitude": large_windows(cleaned.emg.data, n_samples, settings.emg_max_uv * 1e-6, joints),
        "eeg-amplitude": large_windows(cleaned.eeg.data, n_samples, settings.eeg_max_uv * 1e-6, joints),
    }
    reason = np.full(len(starts), "n/a", dtype=object)
    for name, found in large.items():
        reason[found] = name
    for signals in (cleaned.unfiltered, cleaned.eeg.data, cleaned.emg.data):
        reason[flat_windows(signals, n_samples, joints)] = "flat"
    reason[marked_windows(recording.marked, seconds, onset)] = "marked"
    return pd.DataFrame(
        {
            "onset": onset,
            "duration": seconds,
            "trial_type": "window",
            "status": np.where(reason == "n/a", "good", "bad"),
            "reason": reason,
        }
    )


def _save(
    context: StepContext, pair: Pair, cleaned: Cleaned, windows: pd.DataFrame, events: Events | None
) -> tuple[Path, ...]:
    outputs = context.outputs
    sources = outputs.sources(pair.files)
    signals = [item for item in (cleaned.eeg, cleaned.emg) if len(item.data)]
    folder = signals[0].kind
    table = outputs.path("windows", folder, **pair.entities)
    outputs.save_table(table, windows, {**_COLUMNS, "Sources": sources})
    if events is not None:
        path = outputs.path("events", folder, **pair.entities)
        outputs.save_table(path, events[0], {**events[1], "Sources": sources})
    files = [table]
    for item in signals:
        path = outputs.path(item.kind, **pair.entities)
        sidecar = _sidecar(item, pair, cleaned) | {"Sources": sources}
        table_of_channels = item.channels(cleaned.rate)
        header = EdfHeader(tuple(table_of_channels["name"]), cleaned.rate, item.filters)
        outputs.save(path, partial(write_edf, data=item.data, header=header), sidecar)
        channels = outputs.path("channels", item.kind, **pair.entities)
        outputs.save_table(channels, table_of_channels, {"Sources": sources, **_swapped(item)})
        files.append(path)
    return tuple(files)


def _save_features(context: StepContext, pair: Pair, cleaned: Cleaned, table: pd.DataFrame) -> None:
    """Write the features beside the log of the windows."""
    folder = "eeg" if len(cleaned.eeg.data) else "emg"
    path = context.outputs.path("features", folder, **pair.entities)
    context.outputs.save_table(path, table, {**COLUMNS, **_of_both(pair, cleaned, context)})


def _save_spectra(context: StepContext, pair: Pair, cleaned: Cleaned, table: pd.DataFrame) -> None:
    """Write the spectra before and after cleaning, for the report."""
    folder = "eeg" if len(cleaned.eeg.data) else "emg"
    path = context.outputs.path("spectrum", folder, **pair.entities)
    context.outputs.save_table(path, table, {**SPECTRUM_COLUMNS, **_of_both(pair, cleaned, context)})


def _of_both(pair: Pair, cleaned: Cleaned, context: StepContext) -> dict[str, Any]:
    """For the sidecar of a table of EEG and EMG."""
    eeg, emg = (_swapped(item, item.kind.upper()) if len(item.data) else {} for item in (cleaned.eeg, cleaned.emg))
    return {"Sources": context.outputs.sources(pair.files), **eeg, **emg}


def _swapped(item: Signals, prefix: str = "") -> dict[str, bool]:
    return {} if item.sides_swapped is None else {f"{prefix}ChannelSidesSwapped": item.sides_swapped}


def _sidecar(item: Signals, pair: Pair, cleaned: Cleaned) -> dict[str, Any]:
    kind = item.kind.upper()
    raw = next((file for file in reversed(pair.files) if f"{kind}Reference" in file.metadata), pair.files[0])
    reference = raw.metadata.get(f"{kind}Reference", "n/a")
    placement = _placement(raw.metadata) if kind == "EMG" else {}
    filters: dict[str, dict[str, Any]] = {}
    filters["FIR band-pass, zero phase"] = {"low cutoff (Hz)": item.band.low, "high cutoff (Hz)": item.band.high}
    if item.notches:
        filters["FIR notch, zero phase"] = {"frequencies (Hz)": list(item.notches), "width (Hz)": 1.0}
    return (
        {
            "TaskName": raw.metadata.get("TaskName", pair.entities.get("task", "n/a")),
            f"{kind}Reference": "average" if item.average_reference else reference,
            "SamplingFrequency": cleaned.rate,
            "PowerLineFrequency": cleaned.mains or "n/a",
            "SoftwareFilters": filters,
            "RecordingType": "discontinuous" if cleaned.pieces else "continuous",
            "RecordingDuration": item.data.shape[1] / cleaned.rate,
            f"{kind}ChannelCount": len(item.names),
            "ComponentsRemoved": [component.reason for component in item.dropped],
            "InterpolatedChannels": list(item.interpolated),
            "Units": "uV",
        }
        | _swapped(item)
        | placement
        | pieces_described(cleaned.pieces, cleaned.rate)
    )


def _placement(metadata: Mapping[str, Any]) -> dict[str, str]:
    """How the electrodes of the muscles were placed, as far as the raw recording tells; BIDS asks what ``Other`` is."""
    scheme = str(metadata.get("EMGPlacementScheme", "Other"))
    said = metadata.get("EMGPlacementSchemeDescription", "Not told of the raw recording." if scheme == "Other" else "")
    return {"EMGPlacementScheme": scheme} | ({"EMGPlacementSchemeDescription": str(said)} if said else {})


def _summary(qc: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Counts of windows and seconds added up; the rest averaged over the recordings that have it."""
    added = {"n_recordings", "n_windows", "n_windows_kept", "duration_s"}
    keys = dict.fromkeys(key for item in qc for key in item)
    values = {key: [item[key] for item in qc if key in item] for key in keys}
    return {key: float(np.sum(found) if key in added else np.mean(found)) for key, found in values.items()}
