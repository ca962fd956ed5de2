"""Reading EEG and EMG files: which belong together, and whether they are whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mne_bids import get_bids_path_from_fname, get_entities_from_fname, read_raw_bids

from bids_stroke.core.errors import BidsStrokeError, DataError
from bids_stroke.core.json_files import read_json_object
from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.eegemg.channels import compare, names_in_file, without_row

_EDF_SUFFIXES = (".edf", ".bdf")
_PLACES = ("_electrodes.tsv", "_coordsystem.json")
"""Not read: places are those of the template by the names of sites, and what is wrong here must not cost a recording."""


@dataclass(frozen=True)
class Pair:
    """EEG and EMG of one task and run; one of them may be lacking, or be inside the other's file."""

    entities: Mapping[str, str]
    """task, acq, run, as far as the names have them."""
    eeg: BidsFile | None
    emg: BidsFile | None

    @property
    def files(self) -> tuple[BidsFile, ...]:
        """Files to read."""
        return tuple(item for item in (self.eeg, self.emg) if item is not None)

    @property
    def label(self) -> str:
        """``task-gait_run-1``."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items())


@dataclass(frozen=True, eq=False)
class Source:
    """One file as MNE holds it: loaded, channel types and bad channels as in channels.tsv."""

    raw: Any
    mains: float | None
    warnings: tuple[str, ...] = ()


def pair_recordings(eeg: Sequence[BidsFile], emg: Sequence[BidsFile]) -> tuple[list[Pair], list[str]]:
    """Pair EEG with EMG files of the same task, acquisition and run; the second value names files left out."""
    kept: dict[tuple[str, ...], dict[str, BidsFile]] = {}
    left_out = []
    for kind, items in (("eeg", eeg), ("emg", emg)):
        for item in sorted(items, key=lambda item: item.path.name):
            found = get_entities_from_fname(item.path, verbose="error")
            key = tuple(str(found[name] or "") for name in ("task", "acquisition", "run"))
            chosen = kept.setdefault(key, {}).setdefault(kind, item)
            if chosen is not item:
                left_out.append(f"{item.path.name} is left out: {chosen.path.name} is of the same task and run")
    pairs = []
    for key in sorted(kept):
        entities = {name: value for name, value in zip(("task", "acq", "run"), key, strict=True) if value}
        pairs.append(Pair(entities, kept[key].get("eeg"), kept[key].get("emg")))
    return pairs, left_out


def read_source(item: BidsFile) -> Source:
    """Read one recording with its sidecars.

    Raises
    ------
    DataError
        The file or the data file that it names is missing, cut short, or at odds with channels.tsv.
    """
    _check_length(item.path)
    try:
        notes = compare(item.path, names_in_file(item.path))
        raw = _read(item.path)
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else str(error)
        raise DataError(
            f"{item.path}: the data file that this header names is missing ({missing}).",
            "Put the data file beside its header, under the name that the header gives.",
            "missing-data-file",
        ) from error
    except (BidsStrokeError, MemoryError):
        raise
    except Exception as error:  # a header at random makes the readers fail anywhere
        raise DataError(
            f"{item.path} cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            "Compare the file with its channels.tsv (names in the same order), or copy it again from its source.",
            "unreadable-recording",
        ) from error
    raw.set_channel_types(dict.fromkeys(without_row(item.path, raw.ch_names), "misc"), verbose="error")
    types = set(raw.get_channel_types())
    if item.path.name.rsplit("_", 1)[-1].startswith("emg.") and "emg" not in types:
        notes.append(f"{item.path.name}: no channel has type EMG in channels.tsv; all are taken as EMG")
        raw.set_channel_types(dict.fromkeys(raw.ch_names, "emg"), verbose="error")
    mains = item.metadata.get("PowerLineFrequency", raw.info["line_freq"])
    mains = float(mains) if isinstance(mains, int | float) and mains > 0 else None
    if mains is None:
        notes.append(f"{item.path.name}: PowerLineFrequency is not in the sidecar; mains hum is left in")
    return Source(raw, mains, tuple(notes))


def _read(path: Path) -> Any:
    """Read with mne-bids, in a copy of the folders: it puts lock files beside the sidecars that it reads.

    Sidecars are copied, data files are links; nothing is written into the dataset.
    """
    subject = next(folder for folder in path.parents if folder.name.startswith("sub-"))
    root = subject.parent
    folders = [folder for folder in reversed(path.parents) if folder == root or folder.is_relative_to(subject)]
    with tempfile.TemporaryDirectory() as temporary:
        for folder in folders:
            mirror = Path(temporary) / folder.relative_to(root)
            mirror.mkdir(exist_ok=True)
            for file in (entry for entry in folder.iterdir() if entry.is_file()):
                if file.name.endswith(_PLACES):
                    continue
                if file.suffix in (".json", ".tsv"):
                    shutil.copyfile(file, mirror / file.name)
                elif folder == path.parent:
                    (mirror / file.name).symlink_to(file)
        copy = Path(temporary) / path.relative_to(root)
        raw = read_raw_bids(get_bids_path_from_fname(copy, check=False, verbose="error"), verbose="error")
        raw.load_data(verbose="error")
    return raw


def _check_length(path: Path) -> None:
    """Raise DataError for an EDF or BDF file that is shorter than its header says (EDF specification, header)."""
    if path.suffix.lower() not in _EDF_SUFFIXES:
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(256)
            n_signals = int(head[252:256])
            stream.seek(256 + 216 * n_signals)
            samples = sum(int(stream.read(8)) for _ in range(n_signals))
        header, records = int(head[184:192]), int(head[236:244])
    except FileNotFoundError as error:
        remedy = "Put it back, or remove its sidecars."
        raise DataError(f"{path} does not exist (a broken link?).", remedy, "missing-data-file") from error
    except ValueError as error:
        remedy = "Copy it again from its source."
        raise DataError(f"{path} has no readable EDF/BDF header.", remedy, "unreadable-recording") from error
    expected = header + records * samples * (3 if path.suffix.lower() == ".bdf" else 2)
    if records >= 0 and path.stat().st_size < expected:
        raise DataError(
            f"{path} is cut short: {path.stat().st_size} bytes, its header promises {expected}.",
            "Copy it again from its source.",
            "truncated-recording",
        )


def events_file(item: BidsFile, extension: str = ".tsv") -> Path | None:
    """The table of a recording's events, or its sidecar, by the inheritance of BIDS."""
    path = get_bids_path_from_fname(item.path, check=False, verbose="error")
    found = path.find_matching_sidecar(suffix="events", extension=extension, on_error="ignore")
    return None if found is None else Path(found)


def events_of(item: BidsFile, begin: float) -> tuple[pd.DataFrame, dict[str, Any]] | None:
    """Events of a recording as text with onsets counted from ``begin``, and their sidecar; None if it has none."""
    path, described = events_file(item), events_file(item, ".json")
    if path is None:
        return None
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if begin and "onset" in table:
        onset = pd.to_numeric(table["onset"], errors="coerce")
        table["onset"] = [f"{value - begin:.6g}" if np.isfinite(value) else "n/a" for value in onset]
    sidecar = read_json_object(described) if described is not None else {}
    return table, sidecar


def inside(events: pd.DataFrame, seconds: float) -> tuple[pd.DataFrame, str]:
    """Events that begin within a recording of that length, and what to say about the others."""
    if "onset" not in events:
        return events, ""
    onset = pd.to_numeric(events["onset"], errors="coerce")
    outside = (onset < 0) | (onset >= seconds)
    if not outside.any():
        return events, ""
    note = (
        f"{int(outside.sum())} of {len(events)} events begin outside the signal (0 to {seconds:g} s) and are left out"
    )
    return events[~outside], note
