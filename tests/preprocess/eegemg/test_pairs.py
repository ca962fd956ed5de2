"""EEG and EMG of one task and run belong together, whatever their devices are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.eegemg.pairs import Pair, pair_recordings


def named(kind: str, *entities: str) -> list[BidsFile]:
    return [BidsFile(Path(f"/raw/sub-01/{kind}/sub-01_{text}_{kind}.edf"), {}) for text in entities]


def told(pairs: list[Pair]) -> list[tuple[str, str | None, tuple[str, ...]]]:
    """Label, EEG and EMG of each pair, as short as their names allow."""

    def short(item: BidsFile) -> str:
        return item.path.stem.removeprefix("sub-01_").rsplit("_", 1)[0]

    return [(pair.label, short(pair.eeg) if pair.eeg else None, tuple(map(short, pair.emg))) for pair in pairs]


@pytest.mark.inputs(
    "EEG and EMG of one task and run (and session) belong together, whatever their `acq` and `recording`, with all "
    "devices of EMG; that they are put on one clock is said where their names differ.",
)
@pytest.mark.parametrize(
    ("eeg", "emg"),
    [
        ("task-leg", ["task-leg"]),
        ("task-leg", ["task-leg_acq-delsys"]),
        ("task-leg_acq-cap64", ["task-leg"]),
        ("task-leg_acq-cap64_run-2", ["task-leg_acq-delsys_run-2"]),
        ("task-leg_run-1", ["task-leg_run-1_recording-left", "task-leg_run-1_recording-right"]),
        ("task-leg", ["task-leg_acq-delsys", "task-leg_acq-noraxon_recording-right"]),
    ],
)
def test_one_eeg_takes_all_devices_of_its_run(eeg: str, emg: list[str]) -> None:
    pairs, notes = pair_recordings(named("eeg", eeg), named("emg", *emg))
    assert told(pairs) == [(eeg, eeg, tuple(emg))]
    assert pairs[0].files == (pairs[0].eeg, *pairs[0].emg)
    names = ", ".join(item.path.name for item in pairs[0].emg)
    said = f"{names}: of the same task and run as sub-01_{eeg}_eeg.edf, and put on its clock"
    assert notes == ([] if emg == ["task-leg"] == [eeg] else [said])


def test_other_tasks_and_runs_stay_apart() -> None:
    eeg = named("eeg", "task-leg_run-1", "task-rest")
    pairs, notes = pair_recordings(eeg, named("emg", "task-leg_acq-x_run-2", "task-hand"))
    found = [(label, bool(head), len(devices)) for label, head, devices in told(pairs)]
    assert sorted(found) == [
        ("task-hand", False, 1),
        ("task-leg_acq-x_run-2", False, 1),
        ("task-leg_run-1", True, 0),
        ("task-rest", True, 0),
    ]
    assert notes == []


def test_of_several_eeg_the_acq_decides() -> None:
    eeg = named("eeg", "task-leg_acq-a", "task-leg_acq-b")
    pairs, notes = pair_recordings(eeg, named("emg", "task-leg_acq-b", "task-leg_acq-c_recording-left"))
    assert told(pairs) == [
        ("task-leg_acq-a", "task-leg_acq-a", ()),
        ("task-leg_acq-b", "task-leg_acq-b", ("task-leg_acq-b",)),
        ("task-leg_acq-c", None, ("task-leg_acq-c_recording-left",)),
    ]
    assert ["recording of its own" in note and "task-leg_acq-a_eeg.edf" in note for note in notes] == [True]


def test_emg_alone_belongs_together_where_only_the_recording_differs() -> None:
    emg = named("emg", "task-leg_recording-left", "task-leg_recording-right", "task-leg_acq-later")
    pairs, notes = pair_recordings([], emg)
    assert told(pairs) == [
        ("task-leg", None, ("task-leg_recording-left", "task-leg_recording-right")),
        ("task-leg_acq-later", None, ("task-leg_acq-later",)),
    ]
    assert len(notes) == 1


def test_one_recording_in_two_formats_counts_once() -> None:
    twice = named("emg", "task-leg")
    twice.append(BidsFile(twice[0].path.with_suffix(".bdf"), {}))
    pairs, notes = pair_recordings([], twice)
    assert [len(pair.emg) for pair in pairs] == [1]
    assert notes == ["sub-01_task-leg_emg.edf is left out: sub-01_task-leg_emg.bdf is of the same task and run"]


@pytest.mark.parametrize(
    ("emg", "labels"),
    [
        (["task-leg"], ("1",)),
        (["task-leg_recording-left", "task-leg_recording-right"], ("left", "right")),
        (["task-leg_acq-a", "task-leg_acq-b_recording-right"], ("a", "right")),
        (["task-leg_acq-a_recording-x", "task-leg_acq-b_recording-x"], ("x a", "x b")),
        (["task-leg", "task-leg_acq-a"], ("1", "2")),
    ],
)
def test_no_two_devices_have_one_label(emg: list[str], labels: tuple[str, ...]) -> None:
    assert Pair({}, None, tuple(named("emg", *emg))).devices == labels
