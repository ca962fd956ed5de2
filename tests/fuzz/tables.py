"""Broken tables and sidecars: of people, of recordings, of images, and those of other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz.images import READY, without_anatomy
from tests.fuzz.text import broken_json, broken_text
from tests.fuzz.trial import Trial, copy, participant, stem_of

_EEG = ("--modalities", "eegemg", "--config", "{place}/config.yml")
_OF_PEOPLE = ("participants.tsv", "participants.json", "phenotype/fma_le.tsv", "phenotype/fma_le.json",
              "sub-02/sub-02_sessions.tsv", "sessions.json")  # fmt: skip
_OF_RECORDINGS = (
    ("02", "eeg/sub-02_task-leg_channels.tsv"), ("02", "eeg/sub-02_task-leg_events.tsv"),
    ("03", "sub-03_scans.tsv"), ("03", "emg/sub-03_task-leg_channels.tsv"), ("04", "eeg/sub-04_task-leg_events.tsv"),
    ("02", "eeg/sub-02_space-CapTrak_electrodes.tsv"),
)  # fmt: skip
_SIDECARS = (
    ("02", "eeg/sub-02_task-leg_eeg.json", _EEG), ("02", "eeg/sub-02_task-leg_events.json", _EEG),
    ("03", "emg/sub-03_task-leg_emg.json", _EEG), ("04", "eeg/sub-04_task-leg_eeg.json", _EEG),
    ("02", "eeg/sub-02_space-CapTrak_coordsystem.json", _EEG),
    ("01", "func/sub-01_task-rest_bold.json", ("--modalities", "bold")),
    ("01", "dwi/sub-01_dwi.json", ("--modalities", "fa")),
    ("01", "anat/sub-01_T1w.json", ("--modalities", "gm")),
)  # fmt: skip
_READY = (
    ("sub-01/dwi/*param-md_dwimap.json", ("--modalities", "md")),
    ("sub-01/anat/*lesion_mask.json", ("--modalities", "lesion")),
    ("sub-01/func/*preproc_bold.json", ("--modalities", "bold")),
    ("sub-01/func/*confounds_timeseries.tsv", ("--modalities", "bold")),
    ("sub-01/func/*confounds_timeseries.json", ("--modalities", "bold")),
    ("dataset_description.json", ("--modalities", "fa")),
)  # fmt: skip


def _break(path: Path, rng: Random) -> str:
    change: Callable[[bytes, Random], tuple[bytes, str]] = broken_json if path.suffix == ".json" else broken_text
    content, what = change(path.read_bytes(), rng)
    path.write_bytes(content)
    return what


def people(base: Path, place: Path, rng: Random) -> Trial:
    """A table of people, or what describes it; for a prediction, for training, or for both looked at only."""
    raw = _copied(base, place)
    (raw / "sub-02" / "sub-02_sessions.tsv").write_text("session_id\tage\tfma_le\nses-01\t60\t20\n")
    (raw / "sessions.json").write_text('{"age": {"Units": "year"}, "fma_le": {"Maximum": 34}}')
    path = raw / rng.choice(_OF_PEOPLE)
    what = _break(path, rng)
    model = "{place}/model"
    ways = (
        (
            "participant",
            "--participant-label",
            "02",
            *_EEG,
            "--model",
            model,
            "--skip-bids-validation",
            "--nprocs",
            "1",
        ),
        ("train",),
        ("group",),
        ("participant", "--dry-run"),
    )
    copy(base, place, "model")
    arguments = rng.choice(ways)
    # what lacks only features or predictions is told so, whatever the table says
    return Trial(arguments, (path.name, path.stem, "out"), f"{path.name}: {what}; {arguments[0]}")


def of_recordings(base: Path, place: Path, rng: Random) -> Trial:
    """Channels, events, electrodes, or times of a recording."""
    raw = _copied(base, place)
    label, name = rng.choice(_OF_RECORDINGS)
    path = raw / f"sub-{label}" / name
    what = _break(path, rng)
    names = (path.name, stem_of(path), f"sub-{label}_task-leg", "task-leg")
    return Trial(participant("--participant-label", label, *_EEG), names, f"{path.name}: {what}")


def sidecars(base: Path, place: Path, rng: Random) -> Trial:
    """The JSON file of an image or a recording."""
    raw = _copied(base, place)
    label, name, options = rng.choice(_SIDECARS)
    path = raw / f"sub-{label}" / name
    what = _break(path, rng)
    names = (path.name, stem_of(path), stem_of(path).split("_", 1)[-1])
    return Trial(participant("--participant-label", label, *options), names, f"{path.name}: {what}")


def derivatives(base: Path, place: Path, rng: Random) -> Trial:
    """Sidecars and tables of another tool's files."""
    _copied(base, place)
    copy(base, place, "ready")
    pattern, options = rng.choice(_READY)
    path = next((place / "ready").glob(pattern))
    if "lesion" in path.name:
        without_anatomy(place)
    what = _break(path, rng)
    arguments = participant("--participant-label", "01", *options, *READY)
    return Trial(arguments, (path.name, stem_of(path)), f"{path.name}: {what}")


def description(base: Path, place: Path, rng: Random) -> Trial:
    """dataset_description.json."""
    path = _copied(base, place) / "dataset_description.json"
    what = _break(path, rng)
    copy(base, place, "model")
    ways = (("participant", "--dry-run"), participant("--participant-label", "02", *_EEG, model="{place}/model"))
    return Trial(rng.choice(ways), (path.name,), f"{path.name}: {what}")


def _copied(base: Path, place: Path) -> Path:
    copy(base, place, "raw")
    (place / "config.yml").write_bytes((base / "config.yml").read_bytes())
    raw = place / "raw"
    eeg = raw / "sub-02" / "eeg"
    rows = "".join(f"{name}\t0.01\t0.02\t0.09\n" for name in ("C3", "C4", "Fz", "Cz"))
    (eeg / "sub-02_space-CapTrak_electrodes.tsv").write_text(f"name\tx\ty\tz\n{rows}")
    (eeg / "sub-02_space-CapTrak_coordsystem.json").write_text(
        '{"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "m", "AnatomicalLandmarkCoordinates": '
        '{"NAS": [0, 0.1, 0], "LPA": [-0.07, 0, 0], "RPA": [0.07, 0, 0]}, "AnatomicalLandmarkCoordinateUnits": "m"}'
    )
    return raw
