"""EEG and leg EMG of flexion and extension trials: rhythms, blinks, mains hum, bursts, cortico-muscular coupling."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pybv
from mne_bids import BIDSPath, write_raw_bids
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from bids_stroke.derivatives.outputs import write_json, write_text
from bids_stroke.simulate.options import Resolution

Array = NDArray[np.float64]

EEG_SITES = (
    "P4", "CP2", "FC5", "C3", "P3", "C2", "FC6", "C4", "CP6", "F3", "FC2", "FC1", "F4", "CP5", "C1", "CP1",
)  # fmt: skip
"""Sites of the 10-20 system, in the published study's order."""
EMG_CHANNELS = {
    "rectus femoris": "rectus femoris",
    "vastus medialis": "vastus medialis",
    "biceps femoris": "biceps femoris, long head",
    "gluteus maximus": "gluteus maximus",
    "semitendinosus": "semitendinosus",
    "prox rectus fem": "proximal rectus femoris",
}
"""Leg muscles of the published study: channel name (EDF and BDF allow 16 characters) and muscle."""
MONTAGE = "easycap-M1"
TASK = "legmove"
LINE_FREQUENCY = 50.0
_TRIAL_SECONDS, _MOVE_SECONDS = 5.0, 2.5
_FLEXORS = frozenset({"biceps femoris", "semitendinosus"})
_UV = 1e-6
_MICROVOLT_STEP = 0.1
_RECORDED_AT = datetime(2000, 1, 1, 12, tzinfo=UTC)
"""Made up, and the same for everybody."""


@dataclass(frozen=True)
class Recording:
    """EEG and EMG on one clock.

    Attributes
    ----------
    eeg : (16, n) float64
        Volts, rows as EEG_SITES.
    emg : (6, n) float64
        Volts, rows as EMG_CHANNELS.
    onsets : (k,) float64
        Seconds; the trials alternate, flexion first.
    sampling_rate : float
        Hz.
    """

    eeg: Array
    emg: Array
    onsets: Array
    sampling_rate: float


def simulate_recording(sizes: Resolution, coupling: float, affected_leg: str, rng: np.random.Generator) -> Recording:
    """Record EEG and EMG while the affected leg flexes and extends.

    Parameters
    ----------
    sizes : Resolution
        Sampling rate and duration.
    coupling : float
        0-1: amplitude of the motor cortex's beta rhythm within the EMG of the moving leg.
    affected_leg : str
        "L" or "R"; the motor cortex of the other side drives it.
    rng : numpy Generator
        Everything random.
    """
    n = round(sizes.duration * sizes.sampling_rate)
    times = np.arange(n) / sizes.sampling_rate
    onsets = np.arange(1.0, sizes.duration - _MOVE_SECONDS, _TRIAL_SECONDS)
    drive = _band_noise((12, 28), n, sizes.sampling_rate, rng)
    eeg = _eeg(times, drive, affected_leg, rng, sizes.sampling_rate)
    emg = _emg(times, onsets, coupling * drive, rng, sizes.sampling_rate)
    hum = np.sin(2 * np.pi * LINE_FREQUENCY * times + rng.uniform(0, 2 * np.pi))
    eeg += rng.uniform(1, 5, (len(eeg), 1)) * hum
    emg += rng.uniform(2, 10, (len(emg), 1)) * hum
    return Recording(eeg * _UV, emg * _UV, onsets, sizes.sampling_rate)


def _band_noise(band: tuple[float, float], n: int, rate: float, rng: np.random.Generator) -> Array:
    """Noise of SD 1 within a band (Hz); the upper edge is held under the Nyquist frequency."""
    sos = butter(3, [band[0], min(band[1], 0.45 * rate)], btype="bandpass", fs=rate, output="sos")
    noise: Array = sosfiltfilt(sos, rng.standard_normal(n))
    noise /= noise.std()
    return noise


def _eeg(times: Array, drive: Array, affected_leg: str, rng: np.random.Generator, rate: float) -> Array:
    """EEG in microvolts."""
    n = len(times)
    positions = mne.channels.make_standard_montage(MONTAGE).get_positions()["ch_pos"]
    sites = np.array([positions[name] for name in EEG_SITES])

    def spread(name: str, reach_mm: float = 45.0) -> Array:
        """Weight of a source under one site in all sites (n_sites, 1)."""
        distance = np.linalg.norm(sites - positions[name], axis=1, keepdims=True) * 1000
        weight: Array = np.exp(-0.5 * (distance / reach_mm) ** 2)
        return weight

    spectrum = np.fft.rfft(rng.standard_normal((len(EEG_SITES), n)), axis=1)
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / rate), 0.5)
    pink = np.fft.irfft(spectrum / np.sqrt(frequency), n, axis=1)
    eeg: Array = 5 * pink / pink.std(axis=1, keepdims=True) + 1.0 * rng.standard_normal((len(EEG_SITES), n))
    for site, size in (("O1", 14.0), ("O2", 14.0)):
        swell = 1 + 0.6 * np.sin(2 * np.pi * 0.12 * times + rng.uniform(0, 6))
        eeg += spread(site, 60) * size * swell * _band_noise((8.5, 11.5), n, rate, rng)
    motor, other = ("C2", "C1") if affected_leg == "L" else ("C1", "C2")
    eeg += spread(motor, 30) * 6 * drive
    eeg += spread(other, 30) * 6 * _band_noise((12, 28), n, rate, rng)
    blinks = np.zeros(n)
    for start in np.cumsum(rng.uniform(2.5, 7, size=int(times[-1] / 2.5) + 1)):
        blinks += 230 * np.exp(-0.5 * ((times - start) / 0.07) ** 2)
    return eeg + spread("Fpz", 55) * blinks


def _emg(times: Array, onsets: Array, drive: Array, rng: np.random.Generator, rate: float) -> Array:
    """EMG in microvolts: bursts of flexors in flexion and extensors in extension; ``drive`` rides on the bursts."""
    lag = round(0.03 * rate)
    arrived = np.concatenate([np.zeros(lag), drive[:-lag]])
    rows = []
    for muscle in EMG_CHANNELS:
        envelope = np.zeros(len(times))
        for trial, onset in enumerate(onsets):
            is_flexion = trial % 2 == 0
            strength = 60.0 if is_flexion == (muscle in _FLEXORS) else 12.0
            edge = 0.15
            burst = np.clip((times - onset) / edge, 0, 1) * np.clip((onset + _MOVE_SECONDS - times) / edge, 0, 1)
            envelope += strength * rng.uniform(0.8, 1.2) * burst
        fibres = _band_noise((20, 150), len(times), rate, rng)
        rows.append(4.0 * rng.standard_normal(len(times)) + envelope * (fibres + 0.9 * arrived))
    return np.stack(rows)


def write_recording(recording: Recording, path: BIDSPath, emg_apart: bool) -> None:
    """Write a recording into a BIDS dataset.

    Parameters
    ----------
    recording : Recording
        What was recorded.
    path : BIDSPath
        Root, subject, session and task.
    emg_apart : bool
        False: one BrainVision file under ``eeg/`` with the EMG channels typed EMG. True: EEG alone there, and the
        EMG as BDF under ``emg/``, from the same clock and with the same events.
    """
    annotations = _annotations(recording)
    names = list(EEG_SITES) if emg_apart else [*EEG_SITES, *EMG_CHANNELS]
    data = recording.eeg if emg_apart else np.concatenate([recording.eeg, recording.emg])
    eeg_path = path.copy().update(datatype="eeg", suffix="eeg")
    with tempfile.TemporaryDirectory() as scratch:
        raw = _brainvision(data, names, recording.sampling_rate, Path(scratch))
        raw.set_channel_types({name: "emg" for name in names if name in EMG_CHANNELS}, verbose="error")
        raw.set_montage(mne.channels.make_standard_montage(MONTAGE), verbose="error")
        raw.set_annotations(annotations, verbose="error")
        write_raw_bids(raw, eeg_path, overwrite=True, verbose="error")
    _complete(eeg_path, {"EEGReference": "FCz", "EEGGround": "Fpz"})
    if not emg_apart:
        return
    emg_path = path.copy().update(datatype="emg", suffix="emg")
    info = mne.create_info(list(EMG_CHANNELS), recording.sampling_rate, "emg", verbose="error")
    raw = mne.io.RawArray(recording.emg, info, verbose="error")
    raw.info["line_freq"] = LINE_FREQUENCY
    raw.set_meas_date(_RECORDED_AT)
    raw.set_annotations(annotations, verbose="error")
    write_raw_bids(
        raw, emg_path, allow_preload=True, format="BDF", emg_placement="Measured", overwrite=True, verbose="error"
    )
    _complete(emg_path, {"EMGReference": "bipolar, 2 cm apart", "EMGGround": "patella"})


def _annotations(recording: Recording) -> mne.Annotations:
    names = ["flexion" if i % 2 == 0 else "extension" for i in range(len(recording.onsets))]
    return mne.Annotations(recording.onsets, _MOVE_SECONDS, names, orig_time=_RECORDED_AT)


def _brainvision(data: Array, names: list[str], rate: float, folder: Path) -> Any:
    """Write 16-bit BrainVision and read it back lazily: mne-bids copies such files, others it turns into 32 bits."""
    pybv.write_brainvision(
        data=data, sfreq=rate, ch_names=names, fname_base="recording", folder_out=str(folder),
        resolution=_MICROVOLT_STEP, unit="µV", fmt="binary_int16", meas_date=_RECORDED_AT,
    )  # fmt: skip
    raw = mne.io.read_raw_brainvision(folder / "recording.vhdr", verbose="error")
    raw.info["line_freq"] = LINE_FREQUENCY
    return raw


def _complete(path: BIDSPath, fields: dict[str, str]) -> None:
    """Add to the sidecar and to channels.tsv what mne-bids cannot know."""
    sidecar = Path(path.copy().update(extension=".json").fpath)
    content = json.loads(sidecar.read_text())
    instructions = "Bend and stretch hip and knee of the affected leg."
    write_json(sidecar, content | {"Manufacturer": "Simulated", "Instructions": instructions} | fields)
    channels = Path(path.copy().update(suffix="channels", extension=".tsv").fpath)
    rows = [line.split("\t") for line in channels.read_text(encoding="utf-8-sig").splitlines()]
    column = rows[0].index("description")
    for row in rows[1:]:
        row[column] = EMG_CHANNELS.get(row[0], row[column])
    write_text(channels, "".join("\t".join(row) + "\n" for row in rows))
