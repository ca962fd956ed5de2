"""Small units with feature files of known content, for the tests of features, training and inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from edfio import Edf, EdfSignal

from bids_stroke.bids.labels import participant_hash
from bids_stroke.core.records import Labelled, Member, UnitFeatures
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import beside
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.ensemble.bundle import BundleContents
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.features.covariates import CovariateScaler
from bids_stroke.features.readers import (
    GRID_AFFINE,
    GRID_SHAPE,
    complete_inputs,
)
from bids_stroke.fusion.distribution import Distribution, Line
from bids_stroke.fusion.fitted import Fusion, Scale
from bids_stroke.networks import registry

CHANNELS = ("C3", "C4", "rectus femoris")
RATE = 20
SECONDS = 2.0
THRESHOLD = 17.0
LSTM = {
    "modality": "eegemg",
    "network": "lstm",
    "hidden": [8],
    "dropout": 0.0,
    "inputs": {"channels": list(CHANNELS), "rate": float(RATE), "seconds": SECONDS},
}
VOLUME = {
    "modality": "fa",
    "widths": [4, 4, 4, 8],
    "n_plain_blocks": 0,
    "dense": 4,
    "inputs": {"shrink": 4},
    "dropout": 0.0,
}


def write_volume(path: Path, data: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(data.astype(np.float32), GRID_AFFINE).to_filename(path)
    return path


def blob(value: float, rng: np.random.Generator) -> np.ndarray:
    """A map of noise with a box of known value in its middle."""
    data = rng.normal(0.3, 0.02, GRID_SHAPE).astype(np.float32)
    data[30:60, 40:70, 30:60] += value
    return data


def lesion(rng: np.random.Generator, size: int, left: bool) -> np.ndarray:
    """A cube in one hemisphere (array index above 45 is left: the grid's first axis runs from right to left)."""
    data = np.zeros(GRID_SHAPE, np.float32)
    x, y, z = (55 if left else 25) + rng.integers(-3, 3), 50 + rng.integers(-10, 10), 45 + rng.integers(-5, 5)
    data[x : x + size, y : y + size, z : z + size] = 1
    return data


def write_recording(folder: Path, prefix: str, data: np.ndarray, channels: Sequence[str] = CHANNELS) -> list[Path]:
    """Log of windows and EDF files; ``data`` (channels, time) in microvolts at RATE; EMG channels are lower case."""
    folder.mkdir(parents=True, exist_ok=True)
    log = beside(folder / f"{prefix}_x", "windows")
    onsets = np.arange(0, data.shape[1] / RATE - SECONDS + 1e-9, SECONDS)
    rows = [f"{onset:g}\t{SECONDS:g}\twindow\tgood\tn/a" for onset in onsets]
    log.write_text("onset\tduration\ttrial_type\tstatus\treason\n" + "\n".join(rows) + "\n")
    paths = [log]
    for kind in ("eeg", "emg"):
        rows_of = [i for i, name in enumerate(channels) if name.islower() == (kind == "emg")]
        if rows_of:
            signals = [EdfSignal(data[i], RATE, label=channels[i], physical_dimension="uV") for i in rows_of]
            paths.append(beside(log, kind))
            Edf(signals).write(paths[-1])
    return paths


def rhythm(frequency: float, n_windows: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with a rhythm in every channel."""
    time = np.arange(round(n_windows * SECONDS * RATE)) / RATE
    phase = rng.uniform(0, 2 * np.pi, (len(CHANNELS), 1))
    return 20 * np.sin(2 * np.pi * frequency * time + phase) + 5 * rng.standard_normal((len(CHANNELS), len(time)))


def labelled(folder: Path, subject: str, score: float, features: dict[str, Sequence[Path]]) -> Labelled:
    age = 50 + 3.0 * (int(subject) % 10)
    first = max(0.0, score - 4 + int(subject) * 7 % 11 - 5)  # near the outcome, as a first score is, but not it
    covariates = {"age": age, "sex": "M" if int(subject) % 4 < 2 else "F", "fma_le_baseline": first}
    files = {modality: tuple(paths) for modality, paths in features.items()}
    return Labelled(UnitFeatures(subject, None, files, {}, covariates, "tiny"), score, score <= THRESHOLD)


def rhythm_cohort(folder: Path, n: int, *, signal: bool = True, seed: int = 0) -> list[Labelled]:
    """Poor outcomes have a slow rhythm, good ones a fast one; without ``signal`` the rhythm tells nothing."""
    rng = np.random.default_rng(seed)
    cohort = []
    for i in range(n):
        score = float(rng.integers(2, 16) if i % 2 else rng.integers(20, 34))
        poor = score <= THRESHOLD if signal else rng.random() < 0.5
        paths = write_recording(folder, f"sub-{i:02d}_task-leg", rhythm(1.0 if poor else 4.0, 6, rng))
        cohort.append(labelled(folder, f"{i:02d}", score, {"eegemg": paths}))
    return cohort


def tiny_settings(**training: object) -> Settings:
    members = {"lstm": LSTM}
    values = {
        "outer_folds": 3, "inner_folds": 2, "epochs": 25, "patience": 25, "learning_rate": 0.02, "batch_size": 16,
        "members": members, "name": "tiny",
    }  # fmt: skip
    return Settings.model_validate({"training": values | training})


def tiny_distribution(**changes: Any) -> Distribution:
    """Of a score from 0 to 34, of which 17 and less is poor; nothing is decided between 40 and 60 %."""
    found = Distribution(
        limits=(-25.5, -17.5, -8.5), intercepts=(1.0, 0.2, -1.0), slope=1.2, spread=0.1, reach=3.0, cut=1,
        ends=(-34.5, 0.5),
        means=(-30.0, -21.0, -13.0, -4.0), range=(-34.0, 0.0), direction=-1, levels=(0.05, 0.95), decided=(0.4, 0.6),
        coverage=0.9, others=(Line(0.1, 1.1, 0.1, 3.0), Line(0.3, 1.3, 0.1, 3.0)), refitting=0.2,
    )  # fmt: skip
    return replace(found, **changes)


def tiny_fusion(*names: str, **changes: Any) -> Fusion:
    """Of up to three members, weights 0.75, 0.25, 0; `changes` of the distribution."""
    weights = dict(zip(names, (0.75, 0.25, 0.0), strict=False))
    scales = tuple(Scale((0.1, 0.8), (17.0, -9.0)) for _ in weights)
    return Fusion(weights, scales, tiny_distribution(**changes))


def tiny_contents(names: Sequence[str] = ("a", "b"), **changes: object) -> BundleContents:
    """A bundle of untrained LSTMs with weights 0.75 and 0.25, trained (it says) on sub-00 and sub-01 of "tiny"."""
    names_of_covariates = ("age", "sex", "days_since_stroke")
    scaler = CovariateScaler(names_of_covariates, (60.0, 0.5, 14.0), (10.0, 0.5, 7.0), (40.0, 0, 1), (80.0, 1, 30))
    arguments = {"n_channels": len(CHANNELS), "hidden": [4], "dropout": 0.0}
    members, states = [], {}
    for i, name in enumerate(names):
        member = Member(name, "eegemg", "lstm", arguments, complete_inputs("eegemg", LSTM["inputs"]))
        members.append(BundleMember(member, scaler, 17.0, 8.0))
        with torch.random.fork_rng([]):
            torch.manual_seed(i)
            states[name] = registry.build("lstm", **arguments).state_dict()
    salt = "salt"
    people = pd.DataFrame({"dataset": "tiny", "participant_id": ["sub-00", "sub-01"], "session_id": None})
    values = {
        "name": "tiny", "version": "1.0.0", "outcome": "fma_le<=17", "demonstration": False,
        "members": tuple(members), "states": states,
        "fusion": tiny_fusion(*names),
        "salt": salt,
        "participants": {"train": tuple(participant_hash(salt, "tiny", name) for name in people["participant_id"])},
        "splits": people.assign(repeat=0, fold=[0, 1]),
        "out_of_fold": people.assign(
            fold=[0, 1], repeat=0, poor=[0, 1], probability_poor=[0.3, 0.6], prediction=["good", "poor"]
        ),
        "facts": {"participants": 2},
    }  # fmt: skip
    return BundleContents(**{**values, **changes})  # type: ignore[arg-type]


def bold_maps(folder: Path, shape: tuple[int, int, int] = (40, 50, 30)) -> list[Path]:
    """A brain that is full in slices 10-19, and a tenth of that in slices 5-9."""
    rng = np.random.default_rng(1)
    paths = []
    for name in ("mean", "alff", "falff", "reho"):
        data = np.zeros(shape, dtype=np.float32)
        data[5:35, 5:45, 10:20] = rng.normal(100, 10, (30, 40, 10))
        data[5:15, 5:17, 5:10] = rng.normal(100, 10, (10, 12, 5))
        paths.append(Outputs(folder, "01").standard("bold_map", stat=name))
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(data, np.diag([-3, 3, 3, 1])).to_filename(paths[-1])
    return paths
