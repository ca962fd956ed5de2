"""One made-up recording with a pause, as different programs write it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import edfio
import mne
import numpy as np
import pybv
from scipy.io import savemat

from bids_stroke.core.records import BidsFile
from tests.helpers.recordings import EEG, EMG, RATE, planted

NAMES = EEG + EMG
JOINT_S, PAUSE_S, SECONDS = 23, 40.0, 47
EVENTS_S = (5.0, 15.0, 30.0, 41.0)
"""Where the events lie in the file."""
TYPES = ["EEG"] * len(EEG) + ["EMG"] * len(EMG)


def on_clock(seconds: float) -> float:
    return seconds + (PAUSE_S if seconds >= JOINT_S else 0.0)


def signals(click: bool = True) -> np.ndarray:
    """EEG and EMG in volts; with a click in the muscles at each event."""
    given = planted(SECONDS)
    data = np.concatenate([given.eeg, given.emg])
    data[len(EEG) :] *= 0.1
    if click:
        for onset in EVENTS_S:
            data[len(EEG) :, round(onset * RATE)] += 2e-3
    return data


def stem(root: Path, kind: str = "eeg") -> Path:
    folder = root / "sub-01" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text('{"Name": "test", "BIDSVersion": "1.11.1"}')
    return folder / "sub-01_task-leg"


def beside(path: Path, names: tuple[str, ...] = NAMES, types: list[str] | None = None, **metadata: Any) -> BidsFile:
    """Sidecars of a recording, and its record."""
    kind = path.stem.rsplit("_", 1)[1]
    described = {"TaskName": "leg", "PowerLineFrequency": 50, "SamplingFrequency": RATE, **metadata}
    path.with_suffix(".json").write_text(json.dumps(described))
    if types is not None:
        rows = "".join(f"{name}\t{item}\tuV\tgood\n" for name, item in zip(names, types, strict=True))
        table = path.with_name(path.name.rsplit("_", 1)[0] + "_channels.tsv")
        table.write_text(f"name\ttype\tunits\tstatus\n{rows}")
    return BidsFile(path, {"subject": "01", "task": "leg"}, described, f"bids:raw:sub-01/{kind}/{path.name}")


def write_events(item: BidsFile, rows: list[tuple[float, float, str]]) -> None:
    table = item.path.with_name(item.path.name.rsplit("_", 1)[0] + "_events.tsv")
    text = "".join(f"{onset:g}\t{duration:g}\t{kind}\n" for onset, duration, kind in rows)
    table.write_text(f"onset\tduration\ttrial_type\n{text}")


def late_records(path: Path, onsets: np.ndarray, mark: bytes = b"EDF+D") -> None:
    """Give the records (1 s each) of an EDF+ or BDF+ file other onsets."""
    content = path.read_bytes()
    first, rest = content.split(b"+0\x14\x14", 1)
    parts = [b"+0\x14\x14" + rest]
    for second in range(1, len(onsets)):
        before, after = parts.pop().split(b"+%d\x14\x14" % second, 1)
        parts += [before, b"+%d\x14\x14" % second + after]
    renamed = []
    for part, second, onset in zip(parts, range(len(onsets)), onsets, strict=True):
        old, new = b"+%d\x14\x14" % second, f"+{onset:.12g}".encode() + b"\x14\x14"
        gap = len(new) - len(old)
        # what the longer onset takes comes from the zeros behind it
        zeros = re.match(rb"[^\x00]*\x00(?:\+[^\x00]*\x00)*(\x00*)", part[len(old) :])
        assert zeros is not None and len(zeros[1]) >= gap
        at = len(old) + zeros.end(1)
        renamed.append(new + part[len(old) : at - gap] + part[at:])
    path.write_bytes((first + b"".join(renamed)).replace(mark[:4] + b"C", mark, 1))


def edf_d(
    root: Path, ending: str = "edf", kind: str = "eeg", click: bool = True, bad: tuple[float, float] | None = None
) -> BidsFile:
    """EDF+D or BDF+D: records of 1 s, those after the pause with late onsets; ``bad``: onset and duration of a mark."""
    rows = slice(None) if kind == "eeg" else slice(len(EEG), None)
    path = Path(f"{stem(root, kind)}_{kind}.{ending}")
    make, signal = (edfio.Edf, edfio.EdfSignal) if ending == "edf" else (edfio.Bdf, edfio.BdfSignal)
    channels = [
        signal(row, RATE, label=name[:16], physical_dimension="uV")
        for row, name in zip(1e6 * signals(click)[rows], NAMES[rows], strict=True)
    ]
    notes = [edfio.EdfAnnotation(0, None, "start"), *([edfio.EdfAnnotation(*bad, "BAD_x")] if bad else [])]
    make(channels, annotations=notes, data_record_duration=1.0).write(path)
    late_records(path, np.array([on_clock(second) for second in range(SECONDS)]), f"{ending.upper()}+D".encode())
    return beside(path, NAMES[rows], TYPES[rows])


def brainvision(root: Path, dates: bool = True) -> BidsFile:
    """BrainVision with two New Segment markers, with or without the time of day."""
    base = stem(root)
    path = Path(f"{base}_eeg.vhdr")
    events = [{"onset": round(onset * RATE), "duration": 1, "type": "Stimulus", "description": 1} for onset in EVENTS_S]
    pybv.write_brainvision(
        data=signals(),
        sfreq=RATE,
        ch_names=list(NAMES),
        fname_base=path.stem,
        folder_out=str(path.parent),
        events=events,
    )
    markers = path.with_suffix(".vmrk")
    first, second = (f",{date}" if dates else "" for date in ("20200131115930500000", "20200131120033500000"))
    markers.write_text(
        markers.read_text().rstrip()
        + f"\nMk5=New Segment,,1,1,0{first}\nMk6=New Segment,,{round(JOINT_S * RATE) + 1},1,0{second}\n"
    )
    return beside(path, types=TYPES)


def write_set(
    path: Path, names: tuple[str, ...], events: list[tuple[str, float, float]], fields: dict[str, Any] | None = None
) -> None:
    """EEGLAB's .set by scipy; events as type, latency (samples, from 1) and duration (samples)."""
    data = signals()
    kinds = [("labels", "O"), ("type", "O")]
    found = np.array(events, dtype=[("type", "O"), ("latency", "O"), ("duration", "O")])
    whole = {
        "setname": "leg", "nbchan": len(names), "trials": 1, "pnts": data.shape[-1], "srate": RATE, "xmin": 0.0,
        "data": (1e6 * data).astype(np.float32), "xmax": (data.shape[-1] - 1) / RATE, "event": found,
        "chanlocs": np.array([(name, "") for name in names], dtype=kinds), "chaninfo": {"plotrad": 0.5}, "ref": "Cz",
    }  # fmt: skip
    savemat(path, {"EEG": whole | (fields or {})}, appendmat=False)


def eeglab(root: Path) -> BidsFile:
    """EEGLAB with a boundary whose duration says how much is missing."""
    path = Path(f"{stem(root)}_eeg.set")
    events: list[tuple[str, float, float]] = [("boundary", JOINT_S * RATE + 0.5, PAUSE_S * RATE)]
    events += [("go", onset * RATE + 1, 0.0) for onset in EVENTS_S]
    write_set(path, NAMES, sorted(events, key=lambda item: item[1]))
    return beside(path, types=TYPES)


def skipped(root: Path) -> BidsFile:
    """Zeros where there was no recording, and MNE's annotation that says so, in events.tsv."""
    data, joint = signals(), round(JOINT_S * RATE)
    nothing = np.zeros((len(NAMES), round(PAUSE_S * RATE)))
    path = Path(f"{stem(root)}_eeg.bdf")
    whole = 1e6 * np.concatenate([data[:, :joint], nothing, data[:, joint:]], axis=1)
    channels = [
        edfio.BdfSignal(row, RATE, label=name[:16], physical_dimension="uV")
        for row, name in zip(whole, NAMES, strict=True)
    ]
    edfio.Bdf(channels, data_record_duration=1.0).write(path)
    return beside(path, types=TYPES)


def exported(root: Path) -> BidsFile:
    """Two runs put together and exported by MNE: EDF+C with ``EDGE boundary`` and ``BAD boundary`` inside."""
    path = Path(f"{stem(root)}_eeg.edf")
    info = mne.create_info(list(NAMES), RATE, [kind.lower() for kind in TYPES], verbose="error")
    parts = np.split(signals(), [round(JOINT_S * RATE)], axis=1)
    raws = [mne.io.RawArray(part, info, verbose="error") for part in parts]
    whole = mne.concatenate_raws(raws, verbose="error")
    mne.export.export_raw(path, whole, physical_range=(-3000.0, 3000.0), verbose="error")
    return beside(path, types=TYPES)
