"""Small BIDS recordings of EEG and EMG of known content, in both layouts, and the step run on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd

from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_preprocess import EegEmgSettings
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.preprocess.eegemg.edf import EdfHeader, edf_labels, write_edf
from bids_stroke.preprocess.eegemg.step import run
from bids_stroke.preprocess.registry import StepContext

RATE = 200.0
EEG = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2")
EMG = ("rectus femoris", "biceps femoris", "vastus medialis")


@dataclass(frozen=True)
class Planted:
    """Signals of a made-up person, in volts."""

    eeg: np.ndarray
    emg: np.ndarray
    rate: float = RATE


def planted(seconds: float = 35.0, seed: int = 0, rate: float = RATE) -> Planted:
    """White noise with a 10 Hz rhythm over the back, 50 Hz hum, and EMG in bursts."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate)) / rate
    hum = 1e-5 * np.sin(2 * np.pi * 50 * times)
    rhythm = np.array([[name[0] in "PO"] for name in EEG]) * 2e-5 * np.sin(2 * np.pi * 10 * times)
    eeg = 5e-6 * rng.standard_normal((len(EEG), len(times))) + rhythm + hum
    burst = (np.sin(2 * np.pi * 0.2 * times) > 0) + 0.1
    emg = 5e-5 * burst * rng.standard_normal((len(EMG), len(times))) + hum
    return Planted(eeg, emg, rate)


def write_file(
    root: Path, kind: str, data: np.ndarray, names: tuple[str, ...], rate: float, **more: object
) -> BidsFile:
    """Write one EDF recording with its sidecars; ``task``, ``types`` and ``bad`` as in channels.tsv.

    ``entities`` come after the task in its name, as ``_acq-x_run-1``.
    """
    folder = root / "sub-01" / kind
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"sub-01_task-{more.get('task', 'leg')}{more.get('entities', '')}"
    path = folder / f"{stem}_{kind}.edf"
    whole = data[:, : int(data.shape[1] // rate * rate)]
    write_edf(path, whole, EdfHeader(tuple(edf_labels(names)), rate, ""))
    metadata = {
        "TaskName": "leg",
        "PowerLineFrequency": 50,
        "SamplingFrequency": rate,
        f"{kind.upper()}Reference": "Cz",
    }
    (folder / f"{stem}_{kind}.json").write_text(json.dumps(metadata))
    types = more.get("types") or ["EMG" if name in EMG else "EEG" for name in names]
    channels = pd.DataFrame({"name": edf_labels(names), "type": types, "units": "uV", "status": "good"})
    channels.loc[channels["name"].isin(more.get("bad", ())), "status"] = "bad"
    channels.to_csv(folder / f"{stem}_channels.tsv", sep="\t", index=False)
    (root / "dataset_description.json").write_text('{"Name": "test", "BIDSVersion": "1.11.1"}')
    return BidsFile(path, {"subject": "01", "task": "leg"}, metadata, f"bids:raw:sub-01/{kind}/{path.name}")


def together(root: Path, signals: Planted, **more: Any) -> Session:
    data = np.concatenate([signals.eeg, signals.emg])
    return Session("01", None, raw={"eeg": (write_file(root, "eeg", data, EEG + EMG, signals.rate, **more),)})


def apart(root: Path, eeg: Planted, emg: Planted) -> Session:
    files = {"eeg": (write_file(root, "eeg", eeg.eeg, EEG, eeg.rate),)}
    return Session("01", None, raw={**files, "emg": (write_file(root, "emg", emg.emg, EMG, emg.rate),)})


def process(session: Session, out: Path, **settings: float) -> StepReport:
    chosen = Settings(eegemg=EegEmgSettings(**settings))
    return run(StepContext(session, Outputs(out, "01"), chosen, {}, out / "work"))


def read(path: Path) -> tuple[np.ndarray, list[str], float]:
    raw = mne.io.read_raw_edf(path, verbose="error")
    return raw.get_data(), raw.ch_names, raw.info["sfreq"]


def windows_of(report: StepReport) -> pd.DataFrame:
    return pd.read_csv(report.outputs["eegemg"][0], sep="\t", keep_default_na=False)


def write_scans(root: Path, emg_time: str) -> None:
    rows = f"eeg/sub-01_task-leg_eeg.edf\t2000-01-01T12:00:00\nemg/sub-01_task-leg_emg.edf\t{emg_time}\n"
    (root / "sub-01" / "sub-01_scans.tsv").write_text("filename\tacq_time\n" + rows)


def write_phases(root: Path, seconds: float) -> None:
    onsets = np.arange(0, seconds - 5, 5.0)
    kinds = ["flexion", "extension"] * len(onsets)
    rows = [f"{onset:g}\t2.5\t{kind}" for onset, kind in zip(onsets, kinds, strict=False)]
    path = root / "sub-01" / "eeg" / "sub-01_task-leg_events.tsv"
    path.write_text("onset\tduration\ttrial_type\n" + "\n".join(rows) + "\n")
