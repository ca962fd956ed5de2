"""Onsets of the records of EDF+ and BDF+: believed where they can be true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.preprocess.eegemg.timing.edf_time import read_records
from tests.helpers.paused import SECONDS, edf_d, late_records, on_clock

LATE = np.array([on_clock(second) for second in range(SECONDS)])


def changed(root: Path, onsets: np.ndarray, ending: str = "edf", mark: str = "D") -> Path:
    """The EDF+D of the helper with other onsets: written as if it were on time, then changed."""
    path = edf_d(root, ending).path
    content = path.read_bytes()
    for second in reversed(range(1, SECONDS)):
        old, new = b"+%d\x14\x14" % LATE[second], b"+%d\x14\x14" % second
        content = content.replace(old, new + b"\x00" * (len(old) - len(new)), 1) if LATE[second] != second else content
    path.write_bytes(content.replace(b"EDF+D", b"EDF+C", 1).replace(b"BDF+D", b"BDF+C", 1))
    late_records(path, onsets, f"{ending.upper()}+{mark}".encode())
    return path


@pytest.mark.parametrize("ending", ["edf", "bdf"])
def test_onsets_are_those_of_the_records(tmp_path: Path, ending: str) -> None:
    records = read_records(edf_d(tmp_path, ending).path)
    assert records is not None
    np.testing.assert_array_equal(records.onsets, LATE)
    assert np.flatnonzero(records.pauses()).tolist() == [22]
    assert records.annotations == ((0.0, 0.0, "start"),)


@pytest.mark.inputs(
    "Records of an EDF+D file that lie in another order than that of time are used where they lie, each at its time.",
    "Two records of the same time are refused.",
)
def test_records_out_of_order_are_used_and_overlapping_ones_refused(tmp_path: Path) -> None:
    swapped = np.arange(float(SECONDS))
    swapped[10:20], swapped[20:30] = np.arange(20, 30), np.arange(10, 20)
    records = read_records(changed(tmp_path / "a", swapped))
    assert records is not None
    assert records.pauses()[[9, 19, 29]].tolist() == [10.0, -20.0, 10.0]
    twice = np.arange(float(SECONDS))
    twice[30:] -= 5
    with pytest.raises(DataError, match="EDF\\+D\\), but record 31 begins before another one has ended") as caught:
        read_records(changed(tmp_path / "b", twice))
    assert caught.value.reason == "bad-record-onsets"


def test_rounded_onsets_are_no_pauses_and_a_continuous_file_stays_so(tmp_path: Path) -> None:
    rounded = np.arange(SECONDS) + np.where(np.arange(SECONDS) % 3, 0.001, 0.0)
    records = read_records(changed(tmp_path / "a", rounded))
    assert records is not None
    assert not records.pauses().any()
    back = np.arange(float(SECONDS))
    back[20:] -= 15
    records = read_records(changed(tmp_path / "b", back, mark="C"))
    assert records is not None
    np.testing.assert_array_equal(records.onsets, np.arange(SECONDS))
    records = read_records(changed(tmp_path / "c", LATE, mark="C"))  # says that it is continuous, and is not
    assert records is not None
    assert records.pauses().max() == 40.0
