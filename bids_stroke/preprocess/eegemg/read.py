"""Reading EEG and EMG files, if they are whole, with what their sidecars say of them."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mne
import pandas as pd
from mne_bids import get_bids_path_from_fname, read_raw_bids

from bids_stroke.core.errors import BidsStrokeError, DataError, InputError
from bids_stroke.core.json_files import read_json_object
from bids_stroke.core.records import BidsFile
from bids_stroke.core.text_files import decode
from bids_stroke.preprocess.eegemg.channels import compare, name_muscles, set_types
from bids_stroke.preprocess.eegemg.formats import check_data, check_file, remedy_for
from bids_stroke.preprocess.eegemg.plausible import check_amplitudes, check_rate
from bids_stroke.preprocess.eegemg.timing.course import Course, course_of
from bids_stroke.preprocess.eegemg.timing.events import Array, Marks, events_of, marks_of

_FULL = (errno.ENOSPC, errno.EDQUOT)
"""A full disk is no fault of the recording."""
_NOT_READ = ("_electrodes.tsv", "_coordsystem.json", "_scans.tsv", "participants.tsv", "participants.json")
"""What mne-bids would read for places, dates and people, which we take elsewhere: mistakes there cost no recording."""
_MAINS = "PowerLineFrequency"
_MAINS_HZ = (10.0, 100.0)
"""50 and 60, and with room what railways have: no harmonic of less would leave anything of a band."""
_ROUNDED_S = 1.0
"""Durations in sidecars are often whole seconds."""


@dataclass(frozen=True, eq=False)
class Source:
    """One file as MNE holds it: loaded, channel types and bad channels as in channels.tsv."""

    raw: Any
    mains: float | None
    course: Course
    events: tuple[pd.DataFrame, dict[str, Any]] | None = None
    """events.tsv as it is, and its sidecar."""
    warnings: tuple[str, ...] = ()

    @property
    def marks(self) -> tuple[Marks, Array]:
        """Events of events.tsv, or without one those of the file, and their onsets on the recording's clock."""
        if self.events is None:
            return self.course.own, self.course.own.onset
        table = marks_of(self.events[0])
        return table, self.course.when(table.onset)

    def bad(self, with_table: bool = True) -> list[tuple[Marks, Array]]:
        """What may mark bad signal: events of events.tsv, if it counts, and of the file; onsets as in ``marks``."""
        own = (self.course.own, self.course.own.onset)
        return [self.marks, own] if with_table and self.events is not None else [own]


def read_source(item: BidsFile) -> Source:
    """Read one recording with its sidecars.

    Raises
    ------
    DataError
        The file or the data file that it names is missing, cut short, of a format or version that cannot be read, or
        at odds with channels.tsv.
    """
    notes = check_file(item.path)
    events = events_of(item)
    with _named(item.path):
        header = mne.io.read_raw(item.path, preload=False, verbose="error")
        check_rate(item.path, header.info["sfreq"])
        check_data(item.path, header)
        notes += compare(item.path, header.ch_names)
        course = course_of(item.path, int(header.n_times), header.info["sfreq"], marks_of(events and events[0]))
        raw = _read(item.path)
    notes += set_types(item.path, raw)
    notes += name_muscles(item.path, raw)
    notes += check_amplitudes(item.path, raw)
    notes += [f"{item.path.name}: {text}" for text in (*course.said(events is not None), *_shorter(item, course))]
    mains, why = _mains(item)
    if mains is None:
        notes.append(f"{item.path.name}: {_MAINS} {why}; mains hum is left in")
    return Source(raw, mains, course, events, tuple(notes))


def _mains(item: BidsFile) -> tuple[float | None, str]:
    """The mains frequency (Hz) that a sidecar tells; or None, and why."""
    told = item.metadata.get(_MAINS)
    if told is None:
        return None, "is not in the sidecar"
    if isinstance(told, bool) or not isinstance(told, int | float) or told <= 0:
        return None, f"tells no number of Hz ({told})"
    if not _MAINS_HZ[0] <= told <= _MAINS_HZ[1]:
        return None, f"is {told:g} Hz, which no mains has"
    return float(told), ""


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of whatever the readers raise which file it is: they raise anything, plain Exception included."""
    try:
        yield
    except (BidsStrokeError, MemoryError):
        raise
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else str(error)
        raise DataError(
            f"{path}: the data file that this header names is missing ({missing}).",
            "Put the data file beside its header, under the name that the header gives.",
            "missing-data-file",
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        said = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read: {said}.", remedy_for(error), "unreadable-recording") from error


def _shorter(item: BidsFile, course: Course) -> list[str]:
    """What to say of a recording that is shorter than its sidecar tells."""
    told = item.metadata.get("RecordingDuration")
    if not isinstance(told, int | float) or isinstance(told, bool) or not course.timeline.pieces:
        return []
    line = course.timeline
    there = line.pieces[-1].stop / line.rate
    if max(there, line.pieces[-1].end(line.rate)) >= told - _ROUNDED_S:
        return []
    return [f"holds {there:.6g} s, its sidecar says RecordingDuration {told:g} s: cut short? What is there is used"]


def _read(path: Path) -> Any:
    """Read with mne-bids, in a copy of the folders: it puts lock files beside the sidecars that it reads.

    Sidecars are copied, in UTF-8, data files are links; nothing is written into the dataset.
    """
    subject = next(folder for folder in path.parents if folder.name.startswith("sub-"))
    root = subject.parent
    folders = [folder for folder in reversed(path.parents) if folder == root or folder.is_relative_to(subject)]
    with tempfile.TemporaryDirectory() as temporary:
        for folder in folders:
            mirror = Path(temporary) / folder.relative_to(root)
            mirror.mkdir(exist_ok=True)
            for file in (entry for entry in folder.iterdir() if entry.is_file()):
                if file.name.endswith(_NOT_READ):
                    continue
                if file.suffix in (".json", ".tsv"):
                    (mirror / file.name).write_bytes(_in_utf8(file))
                elif folder == path.parent:
                    (mirror / file.name).symlink_to(file)
        copy = Path(temporary) / path.relative_to(root)
        raw = read_raw_bids(get_bids_path_from_fname(copy, check=False, verbose="error"), verbose="error")
        raw.load_data(verbose="error")
    return raw


def _in_utf8(file: Path) -> bytes:
    """Content of a text file in UTF-8 without a mark, which mne-bids insists on; of one that is no text, as it is.

    A sidecar tells no mains frequency there: we take it ourselves, and mne-bids reads no recording with a text in it.
    """
    data = file.read_bytes()
    with suppress(InputError):  # whoever needs it will say what is wrong
        if file.suffix == ".json":
            content = read_json_object(file)
            return json.dumps({key: value for key, value in content.items() if key != _MAINS}).encode()
        return decode(data, file).text.encode()
    return data
