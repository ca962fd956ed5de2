"""The smallest sound datasets that the cases are broken copies of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import edfio
import nibabel as nib
import numpy as np
import pybv
from scipy.io import savemat

from bids_stroke.core.records import SPACE
from bids_stroke.derivatives.outputs import write_json
from bids_stroke.ensemble.bundle import write_bundle
from bids_stroke.imaging.standard_space import standard_grid, template
from tests.helpers.units import tiny_contents

RATE, SECONDS = 100.0, 12.0
NAMES = ("C3", "C4", "Fz", "Cz", "rectus femoris")
TYPES = ("EEG", "EEG", "EEG", "EEG", "EMG")
CONFIG = {"eegemg": {"window_seconds": 2.0, "emg_low_pass": 40.0, "emg_high_pass": 10.0, "low_pass": 40.0}}
"""Settings with which the tiny recordings have windows."""


def build(base: Path) -> None:
    """Write all base datasets under a folder: ``raw``, ``ready`` (maps and a BOLD run), ``model``."""
    raw = base / "raw"
    _write(raw / "dataset_description.json", {"Name": "Fuzz", "BIDSVersion": "1.11.1", "DatasetType": "raw"})
    _tables(raw)
    _images(raw / "sub-01", "sub-01")
    signals = _signals()
    for label in ("02", "03", "04"):
        _recording(
            raw / f"sub-{label}", f"sub-{label}_task-leg", signals, {"02": "vhdr", "03": "edf", "04": "set"}[label]
        )
    _ready(base / "ready")
    write_bundle(base / "model", tiny_contents())
    (base / "config.yml").write_text(json.dumps(CONFIG))


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) if not isinstance(content, str) else content)


def _tables(raw: Path) -> None:
    rows = [f"sub-0{i}\t{50 + i}\t{'MF'[i % 2]}\t{10 * i}\t{8 * i}" for i in range(1, 5)]
    _write(raw / "participants.tsv", "\n".join(["participant_id\tage\tsex\tdays_since_stroke\tnihss", *rows]) + "\n")
    described = {"age": {"Units": "year"}, "sex": {"Levels": {"M": "male", "F": "female"}}, "nihss": {"Maximum": 42}}
    _write(raw / "participants.json", described)
    scores = "\n".join(f"sub-0{i}\t{8 * i}" for i in range(1, 5))
    _write(raw / "phenotype" / "fma_le.tsv", f"participant_id\tfma_le\n{scores}\n")
    _write(raw / "phenotype" / "fma_le.json", {"fma_le": {"Description": "Score", "Units": "1"}})


def _images(folder: Path, prefix: str) -> None:
    rng = np.random.default_rng(0)
    head = np.zeros((12, 14, 12), np.float32)
    head[2:10, 2:12, 2:10] = 100
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = [-44, -70, -44]

    def save(name: str, data: np.ndarray) -> None:
        path = folder / name.replace("PREFIX", prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(data.astype(np.int16), affine)
        if data.ndim == 4:
            image.header.set_zooms((8, 8, 8, 2))
        image.header.set_xyzt_units("mm", "sec")
        image.to_filename(path)

    save("anat/PREFIX_T1w.nii.gz", head + rng.normal(0, 2, head.shape))
    save("anat/PREFIX_label-L_desc-lesion_mask.nii.gz", (head > 0) & (np.arange(12)[:, None, None] < 4))
    n = 12
    z, angle = 1 - (np.arange(n) + 0.5) / n, np.pi * (1 + 5**0.5) * np.arange(n)
    spiral = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z])
    bvals, bvecs = np.array([0, 0] + [1000] * n), np.concatenate([np.zeros((3, 2)), spiral], axis=1)
    decay = np.exp(-0.0008 * bvals)
    save("dwi/PREFIX_dwi.nii.gz", head[..., None] * decay + rng.normal(0, 1, (*head.shape, n + 2)))
    _write(folder / f"dwi/{prefix}_dwi.bval", " ".join(map(str, bvals)) + "\n")
    _write(folder / f"dwi/{prefix}_dwi.bvec", "\n".join(" ".join(f"{v:.4f}" for v in row) for row in bvecs) + "\n")
    said = {"PhaseEncodingDirection": "j-", "TotalReadoutTime": 0.05, "EchoTime": 0.09, "MagneticFieldStrength": 3}
    _write(folder / f"dwi/{prefix}_dwi.json", said)
    _write(folder / f"anat/{prefix}_T1w.json", {"EchoTime": 0.003, "RepetitionTime": 2.3, "FlipAngle": 9})
    save("func/PREFIX_task-rest_bold.nii.gz", head[..., None] + rng.normal(0, 1, (*head.shape, 24)))
    times = {"SliceTiming": [round(2 * i / 12, 3) for i in range(12)], "EchoTime": 0.03}
    _write(folder / f"func/{prefix}_task-rest_bold.json", {"RepetitionTime": 2.0, "TaskName": "rest", **times})


def _signals() -> np.ndarray:
    rng = np.random.default_rng(1)
    times = np.arange(round(RATE * SECONDS)) / RATE
    return np.asarray(2e-5 * rng.standard_normal((len(NAMES), len(times))) + 1e-5 * np.sin(2 * np.pi * 10 * times))


def _recording(folder: Path, stem: str, signals: np.ndarray, kind: str) -> None:
    (folder / "eeg").mkdir(parents=True)
    path = folder / "eeg" / f"{stem}_eeg.{kind}"
    if kind == "vhdr":
        pybv.write_brainvision(
            data=signals, sfreq=RATE, ch_names=list(NAMES), fname_base=path.stem, folder_out=str(path.parent),
            events=np.array([[100, 1, 10], [400, 2, 10]]), resolution=0.1, unit="µV",
        )  # fmt: skip
    elif kind == "edf":
        path = path.with_suffix(".edf")
        edfio.Edf(_edf_signals(edfio.EdfSignal, signals[:4], NAMES[:4])).write(path)
        (folder / "emg").mkdir()
        bdf = folder / "emg" / f"{stem}_emg.bdf"
        edfio.Bdf(_edf_signals(edfio.BdfSignal, signals[4:], NAMES[4:])).write(bdf)
        _channels(folder / "emg" / f"{stem}_channels.tsv", NAMES[4:], TYPES[4:])
        _write(folder / "emg" / f"{stem}_emg.json", {"TaskName": "leg", "PowerLineFrequency": 50})
        rows = f"eeg/{path.name}\t2000-01-01T12:00:00\nemg/{bdf.name}\t2000-01-01T12:00:01\n"
        _write(folder / f"{folder.name}_scans.tsv", f"filename\tacq_time\n{rows}")
    else:
        savemat(path, {"EEG": set_content(signals)}, appendmat=False)
    n_channels = 4 if kind == "edf" else 5
    _channels(folder / "eeg" / f"{stem}_channels.tsv", NAMES[:n_channels], TYPES[:n_channels])
    said = {"TaskName": "leg", "PowerLineFrequency": 50, "SamplingFrequency": RATE, "RecordingDuration": SECONDS}
    _write(folder / "eeg" / f"{stem}_eeg.json", {**said, "EEGReference": "Cz", "SoftwareFilters": "n/a"})
    _write(
        folder / "eeg" / f"{stem}_events.tsv", "onset\tduration\ttrial_type\n1.0\t0.5\tflexion\n4.0\t0.5\textension\n"
    )
    _write(folder / "eeg" / f"{stem}_events.json", {"trial_type": {"Levels": {"flexion": "x", "extension": "y"}}})


def _edf_signals(kind: Any, data: np.ndarray, names: tuple[str, ...]) -> list[Any]:
    return [kind(row * 1e6, RATE, label=name, physical_dimension="uV", physical_range=(-3000, 3000))
            for row, name in zip(data, names, strict=True)]  # fmt: skip


def set_content(signals: np.ndarray) -> dict[str, Any]:
    """An EEGLAB structure with its data inside."""
    places = np.array([(name, 0.1, 0.2, 0.9) for name in NAMES],
                      dtype=[("labels", "O"), ("X", "O"), ("Y", "O"), ("Z", "O")])  # fmt: skip
    events = np.array([("flexion", 100.0, 1.0), ("boundary", 400.0, 0.0)],
                      dtype=[("type", "O"), ("latency", "O"), ("duration", "O")])  # fmt: skip
    return {
        "setname": "x",
        "nbchan": len(NAMES),
        "trials": 1,
        "pnts": signals.shape[1],
        "srate": RATE,
        "xmin": 0.0,
        "xmax": signals.shape[1] / RATE,
        "data": signals * 1e6,
        "chanlocs": places,
        "event": events,
        "epoch": [],
        "icawinv": [],
        "icasphere": [],
        "icaweights": [],
        "ref": "common",
        "urevent": [],
        "chaninfo": {"nodatchans": []},
    }


def _channels(path: Path, names: tuple[str, ...], types: tuple[str, ...]) -> None:
    rows = "".join(f"{name}\t{kind}\tuV\tgood\n" for name, kind in zip(names, types, strict=True))
    _write(path, f"name\ttype\tunits\tstatus\n{rows}")


def _ready(root: Path) -> None:
    generated = [{"Name": "fMRIPrep", "Version": "24.0.0"}]
    described = {"Name": "Ready", "BIDSVersion": "1.11.1", "DatasetType": "derivative", "GeneratedBy": generated}
    write_json(root / "dataset_description.json", described)
    brain = np.asarray(template("mask").dataobj) > 0.5
    grid = standard_grid()
    where = root / "sub-01"
    for folder in ("dwi", "anat", "func"):
        (where / folder).mkdir(parents=True)
    name = f"sub-01_space-{SPACE}_res-2"
    for kind, value in (("fa", 0.4), ("md", 0.0008)):
        path = where / "dwi" / f"{name}_model-tensor_param-{kind}_dwimap.nii.gz"
        nib.Nifti1Image((brain * value).astype(np.float32), grid.affine).to_filename(path)
        units = "mm^2/s" if kind == "md" else "1"
        _write(path.with_name(path.name.replace(".nii.gz", ".json")), {"Units": units, "Sources": []})
    lesion = np.zeros(brain.shape, np.uint8)
    lesion[30:36, 50:56, 40:46] = 1
    path = where / "anat" / f"{name}_label-L_desc-lesion_mask.nii.gz"
    nib.Nifti1Image(lesion, grid.affine).to_filename(path)
    _write(path.with_name(path.name.replace(".nii.gz", ".json")), {"Type": "Lesion"})
    _ready_bold(where / "func")


def _ready_bold(folder: Path) -> None:
    rng = np.random.default_rng(2)
    affine = np.diag([-10.0, 10.0, 10.0, 1.0])
    affine[:3, 3] = [90, -126, -72]
    stem = "sub-01_task-rest_space-MNI152NLin2009cAsym_res-2"
    data = rng.normal(1000, 5, (18, 21, 18, 24))
    image = nib.Nifti1Image(data.astype(np.float32), affine)
    image.header.set_zooms((10, 10, 10, 2))
    image.to_filename(folder / f"{stem}_desc-preproc_bold.nii.gz")
    _write(
        folder / f"{stem}_desc-preproc_bold.json", {"RepetitionTime": 2.0, "TaskName": "rest", "SkullStripped": False}
    )
    nib.Nifti1Image(np.ones(data.shape[:3], np.uint8), affine).to_filename(folder / f"{stem}_desc-brain_mask.nii.gz")
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    names += ["framewise_displacement", "csf", "white_matter", "global_signal"]
    rows = ["\t".join(names)] + ["\t".join(f"{v:.4f}" for v in rng.normal(0, 0.01, len(names))) for _ in range(24)]
    _write(folder / "sub-01_task-rest_desc-confounds_timeseries.tsv", "\n".join(rows) + "\n")
    _write(folder / "sub-01_task-rest_desc-confounds_timeseries.json", {})


def fresh(base: Path) -> Path:
    """A folder with new base datasets."""
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    build(base)
    return base
