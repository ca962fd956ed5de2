"""Files of another format, version or length than they say get the remedy for just that."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.eegemg.read import read_source
from tests.helpers.paused import (
    NAMES,
    SECONDS,
    TYPES,
    beside,
    brainvision,
    edf_d,
    eeglab,
    exported,
    signals,
    stem,
    write_set,
)
from tests.helpers.recordings import RATE


def begun(item: BidsFile, head: bytes) -> BidsFile:
    """A recording whose file begins otherwise."""
    content = item.path.read_bytes()
    item.path.write_bytes(head + content[len(head) :])
    return item


def named(item: BidsFile, ending: str) -> BidsFile:
    """A recording whose file has another ending."""
    return beside(item.path.rename(item.path.with_suffix(ending)), types=TYPES)


def matlab_7_3(root: Path) -> BidsFile:
    item = eeglab(root)
    with h5py.File(item.path, "w", userblock_size=512) as file:
        file["EEG/srate"] = RATE
    with item.path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return item


def set_of(root: Path, **fields: object) -> BidsFile:
    path = Path(f"{stem(root)}_eeg.set")
    write_set(path, NAMES, [("go", 1001.0, 0.0)], fields)
    return beside(path, types=TYPES)


def several(root: Path) -> BidsFile:
    path = Path(f"{stem(root)}_eeg.set")
    savemat(path, {"ALLEEG": {"setname": "a"}}, appendmat=False)
    return beside(path, types=TYPES)


def header_with(root: Path, old: str, new: str) -> BidsFile:
    item = brainvision(root)
    text = item.path.read_text()
    assert old in text
    item.path.write_text(text.replace(old, new))
    return item


@pytest.mark.inputs(
    "An EDF or BDF file whose version field is not that of its ending, a BrainVision header of another version than 1 "
    "and 2, and a `.set` in MATLAB 7.3 (HDF5) are refused (`unsupported-format`), each with what to do.",
    "A `.set` that holds epochs or several datasets, or whose data lie in an old `.dat`, is refused with what to save "
    "instead.",
)
@pytest.mark.parametrize(
    ("make", "words", "remedy"),
    [
        (lambda root: begun(exported(root), b"1       "), "its version field is '1       '", "version field '0'"),
        (lambda root: begun(exported(root), b"GDF 2.20"), "GDF", "the ending of its format"),
        (lambda root: named(edf_d(root, "bdf"), ".edf"), "is BDF by its content", r"Name it \.bdf"),
        (lambda root: named(edf_d(root), ".bdf"), "is EDF by its content", r"Name it \.edf"),
        (lambda root: header_with(root, "Version 1.0", "Version 3.0"), "of version 3.0; 1 and 2", "version 1.0 or 2.0"),
        (lambda root: header_with(root, "Brain Vision Data Exchange", "Some"), "is no BrainVision header", "Export"),
        (matlab_7_3, "MATLAB 7.3", "option_saveversion6"),
        (lambda root: begun(eeglab(root), b"\x89HDF\r\n\x1a\n"), "MATLAB 7.3", "option_saveversion6"),
        (lambda root: begun(eeglab(root), bytes(128)), "no MATLAB 5 to 7 file", "pop_saveset"),
        (lambda root: set_of(root, trials=2, pnts=SECONDS * 100), "number of trials is 2", "holds epochs"),
        (lambda root: set_of(root, data="old.dat"), "cannot be read", "an old EEGLAB"),
        (several, "cannot be read", "several datasets"),
    ],
)
def test_a_format_that_cannot_be_read_has_its_own_remedy(
    make: Callable[[Path], BidsFile], words: str, remedy: str, tmp_path: Path
) -> None:
    item = make(tmp_path)
    with pytest.raises(DataError, match=words) as caught:
        read_source(item)
    assert caught.value.reason in ("unsupported-format", "unreadable-recording")
    assert str(item.path) in caught.value.message
    assert re.search(remedy, caught.value.remedy)


def fdt(root: Path, keep: float) -> BidsFile:
    item = set_of(root, data="sub-01_task-leg_eeg.fdt")
    content = (1e6 * signals()).astype("<f4").T.tobytes()
    item.path.with_suffix(".fdt").write_bytes(content[: round(len(content) * keep)])
    return item


def cut_brainvision(root: Path) -> BidsFile:
    item = header_with(root, "NumberOfChannels=13", f"NumberOfChannels=13\nDataPoints={round(SECONDS * RATE)}")
    data = item.path.with_suffix(".eeg")
    data.write_bytes(data.read_bytes()[:-5000])
    return item


def cut_edf(root: Path) -> BidsFile:
    item = exported(root)
    item.path.write_bytes(item.path.read_bytes()[:-5000])
    return item


@pytest.mark.inputs(
    "A file that holds less than its header promises (records of EDF and BDF, `DataPoints` of BrainVision, the `.fdt` "
    "of a `.set`) is refused (`truncated-recording`).",
)
@pytest.mark.parametrize("make", [cut_edf, cut_brainvision, lambda root: fdt(root, 0.6)])
def test_less_than_the_header_promises_is_refused(make: Callable[[Path], BidsFile], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is cut short") as caught:
        read_source(make(tmp_path))
    assert caught.value.reason == "truncated-recording"


def unclosed(root: Path) -> BidsFile:
    item = exported(root)
    content = bytearray(item.path.read_bytes())
    content[236:244] = b"-1      "
    item.path.write_bytes(content)
    return item


def broken_off(root: Path) -> BidsFile:
    item = brainvision(root)
    data = item.path.with_suffix(".eeg")
    data.write_bytes(data.read_bytes()[:-7])
    return item


@pytest.mark.inputs(
    "What is shorter than its sidecar's `RecordingDuration` by more than a second, was broken off within a sample, or "
    "was never closed by its recorder, is used and said.",
)
@pytest.mark.parametrize(
    ("make", "words", "lost"),
    [
        (unclosed, "was not stopped properly: its header does not know its length; all 47 records", 0),
        (broken_off, "ends within a sample: the recording or a copy was broken off; its 9399 whole samples", 1),
        (
            lambda root: beside(exported(root).path, types=TYPES, RecordingDuration=60),
            "holds 47 s, its sidecar says",
            0,
        ),
        (lambda root: beside(eeglab(root).path, types=TYPES, RecordingDuration=120.5), "RecordingDuration 120.5 s", 0),
        (lambda root: beside(brainvision(root).path, types=TYPES, RecordingDuration=100), "RecordingDuration 100 s", 0),
    ],
)
def test_a_short_recording_is_used_and_said(
    make: Callable[[Path], BidsFile], words: str, lost: int, tmp_path: Path
) -> None:
    source = read_source(make(tmp_path))
    assert source.raw.n_times == round(SECONDS * RATE) - lost
    assert any(words in note for note in source.warnings)


@pytest.mark.parametrize("seconds", [47, 46.995, 47.9, 87, "n/a"])
def test_a_duration_that_fits_is_not_said(tmp_path: Path, seconds: object) -> None:
    """Also where it counts the pause of 40 s."""
    source = read_source(beside(eeglab(tmp_path).path, types=TYPES, RecordingDuration=seconds))
    assert not any("RecordingDuration" in note for note in source.warnings)


def test_the_two_files_of_eeglab_are_one_recording(tmp_path: Path) -> None:
    source = read_source(fdt(tmp_path, 1.0))
    np.testing.assert_allclose(source.raw.get_data(), signals(), atol=1e-9)
