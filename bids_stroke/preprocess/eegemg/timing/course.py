"""The course of a recording in time: its pieces, by what its file and its events say, and the clock of its events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import mne
import numpy as np

from bids_stroke.preprocess.eegemg.formats import read_brainvision
from bids_stroke.preprocess.eegemg.timing.edf_time import read_records
from bids_stroke.preprocess.eegemg.timing.events import Array, Marks
from bids_stroke.preprocess.eegemg.timing.pieces import Joint, Timeline

_SAME_EVENT_S = 2e-3
_EEGLAB_BOUNDARY = re.compile(r"boundary|-99(\.0)?")
_SEGMENT = re.compile(r"^Mk\d+=New Segment,[^,]*,(\d+),[^,\n]*,[^,\n]*(?:,(\d{14,20}))?", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Course:
    """When the samples of a recording were taken.

    Attributes
    ----------
    timeline : Timeline
        In samples of the file.
    own : Marks
        Events that the file itself holds, on the recording's clock (s since it began, pauses included).
    in_file : bool
        Whether events.tsv counts seconds of the file, as if there were no pauses, instead of time.
    """

    timeline: Timeline
    own: Marks
    in_file: bool = False

    def when(self, onset: Array) -> Array:
        """Onsets of events.tsv on the recording's clock."""
        return self.timeline.on_clock(onset) if self.in_file else onset

    def said(self, with_table: bool) -> list[str]:
        """What a person should know of pauses and, with an events.tsv, of its clock; empty if there are none."""
        pauses = self.timeline.pauses()
        if not pauses:
            return []
        known = [f"{pause:.6g} s" for pause in pauses if pause > 0.5 / self.timeline.rate]
        where = ", ".join(f"{piece.start / self.timeline.rate:.6g}" for piece in self.timeline.pieces[1:])
        text = f"recorded in {len(pauses) + 1} pieces (joints at {_few(where)} s of the file"
        text += f", pauses of {_few(', '.join(known))}" if known else ", how long it paused is not known"
        text += ", not in the order of time" if min(pauses) < 0 else ""
        text += "); filters and windows end at the joints"
        if self.timeline.paused and with_table:
            text += (
                f"; events.tsv is taken to count {'seconds of the file' if self.in_file else 'time, pauses included'}"
            )
        return [text]


def course_of(path: Path, n_samples: int, rate: float, table: Marks) -> Course:
    """Find the pieces of a recording.

    Parameters
    ----------
    path : Path
    n_samples, rate : int, float
        Of the file as mne reads it; Hz.
    table : Marks
        Of events.tsv.

    Raises
    ------
    DataError
        An EDF+D or BDF+D file does not tell when its records began.
    """
    joints, own = _of_file(path, n_samples, rate)
    joints = joints or _cut_out(table, n_samples, rate)
    line = Timeline.of(n_samples, rate, joints)
    if path.suffix.lower() not in (".edf", ".bdf"):  # their own events count samples, those of EDF+ and BDF+ time
        own = Marks(line.on_clock(own.onset), own.duration, own.label)
    in_file = _counts_file(table, own, line)
    more, left_out = list(joints), list[tuple[int, int]]()
    for marks, onset in ((own, own.onset), (table, line.on_clock(table.onset) if in_file else table.onset)):
        at = marks.joint & np.isfinite(onset)
        more += [Joint(_sample(place, rate)) for place in line.in_file(onset[at], fill=True)]
        for index in np.flatnonzero(marks.left_out & np.isfinite(onset)):
            found = line.stretches(onset[index], marks.duration[index])
            left_out += [(round(begin * rate), round(end * rate)) for begin, end in found]
    whole = Timeline.of(n_samples, rate, more, left_out)
    return Course(whole, own, in_file)


def _of_file(path: Path, n_samples: int, rate: float) -> tuple[list[Joint], Marks]:
    """Joints by the file's own records or marks, and its events with onsets as the format counts them."""
    suffix = path.suffix.lower()
    if suffix in (".edf", ".bdf"):
        return _of_edf(path, rate)
    if suffix not in (".set", ".vhdr"):
        return [], Marks.none()
    markers = path
    if suffix == ".vhdr":
        named = read_brainvision(path).markers
        if named is None or not named.is_file():
            return [], Marks.none()
        markers = named
    with mne.use_log_level("error"):
        found = mne.read_annotations(markers, **({"sfreq": rate} if suffix == ".vhdr" else {}))
    duration = np.nan_to_num(np.asarray(found.duration, dtype=np.float64))
    own = Marks(np.asarray(found.onset, dtype=np.float64), duration, tuple(map(str, found.description)))
    if suffix == ".vhdr":
        return _segments(markers, rate), own
    at = np.array([_EEGLAB_BOUNDARY.fullmatch(label.strip()) is not None for label in own.label], dtype=bool)
    pairs = zip(own.onset[at], own.duration[at], strict=True)
    return [Joint(_sample(onset, rate), max(pause, 0.0)) for onset, pause in pairs], own


def _of_edf(path: Path, rate: float) -> tuple[list[Joint], Marks]:
    records = read_records(path)
    if records is None:
        return [], Marks.none()
    pauses = records.pauses()
    per_record = records.header.record_s * rate
    joints = [Joint(round((i + 1) * per_record), float(pauses[i])) for i in np.flatnonzero(pauses)]
    onset, duration, label = zip(*records.annotations, strict=True) if records.annotations else ((), (), ())
    return joints, Marks(np.array(onset, dtype=np.float64), np.array(duration, dtype=np.float64), tuple(label))


def _segments(markers: Path, rate: float) -> list[Joint]:
    """Joints of a BrainVision file: each New Segment is one; where two have dates, the pause is known."""
    found = _SEGMENT.findall(markers.read_bytes().decode("latin-1"))
    joints: list[Joint] = []
    before: tuple[int, float] | None = None
    for sample, date in sorted((int(position) - 1, date) for position, date in found):
        now = (sample, _seconds(date)) if date and int(date) else None
        gone = now[1] - before[1] - (sample - before[0]) / rate if now and before else 0.0
        joints.append(Joint(sample, max(gone, 0.0)))
        before = now or before
    return joints


def _seconds(date: str) -> float:
    """Seconds of a date like 20200131120000123456."""
    stamp = np.datetime64(
        f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:14]}.{date[14:].ljust(6, '0')}"
    )
    return float((stamp - np.datetime64("2000-01-01T00:00:00")) / np.timedelta64(1, "us")) * 1e-6


def _cut_out(table: Marks, n_samples: int, rate: float) -> list[Joint]:
    """Joints by the boundaries of events.tsv that tell how much is missing, where its events go on beyond the file."""
    at = np.flatnonzero(table.joint & np.isfinite(table.onset) & (table.duration > 0))
    if not len(at) or not (table.onset[np.isfinite(table.onset)] > n_samples / rate).any():
        return []
    joints, gone = list[Joint](), 0.0
    for index in at[np.argsort(table.onset[at], kind="stable")]:
        joints.append(Joint(_sample(table.onset[index] - gone, rate), float(table.duration[index])))
        gone += float(table.duration[index])
    return joints


def _counts_file(table: Marks, own: Marks, line: Timeline) -> bool:
    """Whether events.tsv counts seconds of the file: most of the file's own events have it so.

    BIDS counts time; what EEGLAB and MNE write from a file with joints counts its samples. Only what lies after a
    pause can tell the two apart.
    """
    if not line.paused:
        return False
    onset = table.onset[np.isfinite(table.onset)]
    place = line.in_file(own.onset)
    near = max(_SAME_EVENT_S, 1 / line.rate)
    later = np.isfinite(place) & (np.abs(place - own.onset) > near)
    starts = np.array([piece.start / line.rate for piece in line.pieces[1:]])
    begins = np.array([piece.begin for piece in line.pieces[1:]])
    by_file, by_time = np.append(place[later], starts), np.append(own.onset[later], begins)
    return _n_shared(onset, by_file, near) > _n_shared(onset, by_time, near)


def _n_shared(onset: Array, known: Array, near: float) -> int:
    """How many of the known times are among the onsets."""
    if not len(onset) or not len(known):
        return 0
    return int((np.abs(onset[None] - known[:, None]).min(axis=1) <= near).sum())


def _sample(onset: float, rate: float) -> int:
    """The first sample after a joint; EEGLAB puts its boundaries half a sample before it."""
    return int(np.ceil(onset * rate - 1e-3))


def _few(text: str, most: int = 5) -> str:
    parts = text.split(", ")
    return text if len(parts) <= most else ", ".join(parts[:most]) + f" and {len(parts) - most} more"


def bad_intervals(marks: Marks, onset: Array, line: Timeline) -> tuple[tuple[float, float], ...]:
    """Onset and duration (s of a file with that timeline) of marks of bad signal.

    Parameters
    ----------
    marks : Marks
    onset : (n,) float64
        Theirs, on the recording's clock.
    line : Timeline
    """
    at = np.flatnonzero(marks.bad & np.isfinite(onset))
    if not line.joints:
        return tuple((float(onset[i] - line.pieces[0].begin), float(marks.duration[i])) for i in at)
    found = [stretch for i in at for stretch in line.stretches(onset[i], marks.duration[i])]
    return tuple((begin, end - begin) for begin, end in found)
