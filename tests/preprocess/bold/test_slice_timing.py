"""Slices are brought to one moment, whichever way they were measured and stored."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import load_image, reorient
from bids_stroke.preprocess.bold.slice_timing import correct, slice_times

TR = 2.0
TIMES = [0.0, 1.0, 0.4, 1.4, 0.8, 1.8]
"""Interleaved, of the slices from the feet to the head."""


def wave(seconds: np.ndarray) -> np.ndarray:
    return 100 + 10 * np.sin(2 * np.pi * 0.05 * seconds + 0.3)


def acquired(folder: Path, order: str, metadata: dict) -> BidsFile:
    """A run of 80 volumes whose every voxel shows a wave of 0.05 Hz at the time of its slice."""
    n = 80
    data = np.empty((4, 5, 6, n), np.float32)
    for z, late in enumerate(TIMES):
        data[:, :, z] = wave(np.arange(n) * TR + late)
    image = reorient(nib.Nifti1Image(data, np.diag([3.0, 3, 4, 1])), order)
    path = folder / "sub-1_task-rest_bold.nii.gz"
    image.to_filename(path)
    return BidsFile(path, {}, metadata)


@pytest.mark.parametrize(
    ("order", "metadata"),
    [
        ("RAS", {"SliceTiming": TIMES}),
        ("LPI", {"SliceTiming": TIMES[::-1]}),
        ("LPI", {"SliceTiming": TIMES, "SliceEncodingDirection": "k-"}),
        ("PSL", {"SliceTiming": TIMES, "SliceEncodingDirection": "j"}),
        ("AIR", {"SliceTiming": TIMES, "SliceEncodingDirection": "j-"}),
    ],
)
def test_a_wave_becomes_the_same_in_all_slices(tmp_path: Path, order: str, metadata: dict) -> None:
    source = acquired(tmp_path, order, metadata)
    image = load_image(source.path, 4)
    times, warnings = slice_times(source, image, TR)
    assert warnings == []
    assert times is not None
    assert (times.axis, times.middle) == (2, 0.9)
    data = np.asarray(image.dataobj)
    expected = wave(np.arange(80) * TR + 0.9)
    assert np.abs(data - expected).max() > 2
    assert np.abs(correct(data, times, TR) - expected)[..., 5:-5].max() < 0.1


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"SliceTiming": TIMES[:5]}, "5 times for 6 slices"),
        ({"SliceTiming": [time * 1000 for time in TIMES]}, "times outside 0 to 2 s"),
        ({"SliceTiming": ["a"] * 6}, "something else than numbers"),
        ({"SliceTiming": TIMES, "SliceEncodingDirection": "z"}, "SliceEncodingDirection is 'z'"),
        ({"SliceTiming": [0.5] * 6}, ""),
        ({}, ""),
    ],
)
def test_times_that_cannot_be_right_are_not_used(tmp_path: Path, metadata: dict, said: str) -> None:
    source = acquired(tmp_path, "RAS", metadata)
    times, warnings = slice_times(source, load_image(source.path, 4), TR)
    assert times is None
    assert all(said in warning and "not corrected" in warning for warning in warnings)
    assert bool(warnings) == bool(said)
