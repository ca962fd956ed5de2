"""Pauses are found in whatever way a file or its events tell of them, and the clock of the events with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.eegemg.read import Source, read_source
from bids_stroke.preprocess.eegemg.timing.course import course_of
from bids_stroke.preprocess.eegemg.timing.events import Marks
from bids_stroke.preprocess.eegemg.timing.pieces import Joint, Piece, Timeline
from tests.helpers.paused import (
    EVENTS_S,
    JOINT_S,
    PAUSE_S,
    SECONDS,
    brainvision,
    edf_d,
    eeglab,
    exported,
    on_clock,
    skipped,
    write_events,
)
from tests.helpers.recordings import RATE

Writer = Callable[[Path], BidsFile]
JOINT, END = round(JOINT_S * RATE), round(SECONDS * RATE)
LATE = (Piece(0, JOINT, 0.0), Piece(JOINT, END, JOINT_S + PAUSE_S))
IN_TIME = [(on_clock(onset), 1.0, "go") for onset in EVENTS_S]
IN_FILE = [(onset, 1.0, "go") for onset in EVENTS_S]


def clock_of(source: Source) -> np.ndarray:
    marks, onset = source.marks
    return onset[[label == "go" for label in marks.label]]


@pytest.mark.inputs(
    "Pauses are taken from the onsets of the records (EDF+D, BDF+D), EEGLAB's `boundary` with its duration, the times "
    "of BrainVision's `New Segment` markers, and MNE's `BAD_ACQ_SKIP`.",
    "Onsets in `events.tsv` count time, pauses included, as BIDS has it.",
)
@pytest.mark.parametrize("write", [edf_d, partial(edf_d, ending="bdf"), brainvision, eeglab])
def test_a_pause_is_found_whoever_wrote_it(write: Writer, tmp_path: Path) -> None:
    item = write(tmp_path)
    write_events(item, IN_TIME)
    source = read_source(item)
    assert source.course.timeline.pieces == LATE
    np.testing.assert_allclose(clock_of(source), [onset for onset, _, _ in IN_TIME])
    assert any("2 pieces (joints at 23 s of the file, pauses of 40 s)" in note for note in source.warnings)
    assert any("events.tsv is taken to count time" in note for note in source.warnings)


def test_a_stretch_without_recording_is_left_out(tmp_path: Path) -> None:
    item = skipped(tmp_path)
    write_events(item, [*IN_TIME, (JOINT_S, PAUSE_S, "BAD_ACQ_SKIP")])
    source = read_source(item)
    after = round((JOINT_S + PAUSE_S) * RATE)
    assert source.course.timeline.pieces == (LATE[0], Piece(after, after + END - JOINT, JOINT_S + PAUSE_S))
    np.testing.assert_allclose(clock_of(source), [onset for onset, _, _ in IN_TIME])


@pytest.mark.inputs(
    "A joint whose pause is not known (MNE's `EDGE boundary`, a `New Segment` without a time, a `boundary` without a "
    "duration) splits the recording and shifts no event.",
)
@pytest.mark.parametrize(
    ("write", "row"),
    [
        (exported, None),
        (partial(brainvision, dates=False), None),
        (skipped, (float(JOINT_S), 0.0, "boundary")),
        (skipped, (float(JOINT_S), 0.0, "EDGE boundary")),
        (skipped, (float(JOINT_S), 0.0, "New Segment/")),
    ],
)
def test_a_joint_of_unknown_length_shifts_nothing(
    write: Writer, row: tuple[float, float, str] | None, tmp_path: Path
) -> None:
    item = write(tmp_path)
    if row is not None:
        write_events(item, [*IN_FILE, row])
    source = read_source(item)
    assert source.course.timeline.joints == (JOINT,)
    assert not source.course.timeline.paused
    if row is not None:
        np.testing.assert_allclose(clock_of(source), EVENTS_S)
    assert any("how long it paused is not known" in note for note in source.warnings)


@pytest.mark.inputs(
    "Where most of the file's own events stand in the table at their place in the file instead, as EEGLAB and MNE "
    "write it, the table is read so; which of the two was taken is said.",
)
@pytest.mark.parametrize("write", [brainvision, eeglab])
def test_a_table_that_counts_the_file_is_read_so(write: Writer, tmp_path: Path) -> None:
    item = write(tmp_path)
    write_events(item, IN_FILE)
    source = read_source(item)
    assert source.course.timeline.pieces == LATE
    np.testing.assert_allclose(clock_of(source), [onset for onset, _, _ in IN_TIME])
    assert any("count seconds of the file" in note for note in source.warnings)


def test_a_boundary_row_with_its_duration_tells_of_what_was_cut_out(tmp_path: Path) -> None:
    """In a file that knows nothing of it, and only where the events go on beyond the file."""
    path = tmp_path / "x.eeg"
    rows = [("boundary", 20.0, 30.0), ("go", 55.0, 0.0), ("boundary", 60.0, 5.0), ("go", 66.0, 0.0)]

    def found(chosen: list[tuple[str, float, float]]) -> Timeline:
        label, onset, duration = zip(*chosen, strict=True)
        return course_of(path, 4000, 100.0, Marks(np.array(onset), np.array(duration), label)).timeline

    assert found(rows) == Timeline.of(4000, 100.0, [Joint(2000, 30.0), Joint(3000, 5.0)])
    assert found(rows[:1]) == Timeline.of(4000, 100.0, [Joint(2000)])


def test_a_segment_dated_before_the_one_before_it_is_only_a_joint(tmp_path: Path) -> None:
    item = brainvision(tmp_path)
    markers = item.path.with_suffix(".vmrk")
    markers.write_text(markers.read_text().replace("20200131120033500000", "20200131115935500000"))
    assert read_source(item).course.timeline == Timeline.of(END, RATE, [Joint(JOINT)])
