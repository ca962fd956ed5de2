"""What a header says of rate and amplitude, believed only where it can be."""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.preprocess.eegemg.plausible import check_amplitudes, check_rate

PATH = Path("sub-01_task-leg_eeg.vhdr")


def raw(*peaks: float) -> mne.io.RawArray:
    """EEG whose channels reach so many volts."""
    info = mne.create_info([f"E{i}" for i in range(len(peaks))], 100.0, "eeg")
    data = np.array([[0.0, peak, -peak / 2, np.nan] for peak in peaks])
    return mne.io.RawArray(data, info, verbose="error")


@pytest.mark.parametrize("rate", [0.0, -100.0, 1e-6, 1e302, float("inf"), float("nan")])
def test_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(DataError, match=r"task-leg_eeg\.vhdr has a sampling rate of") as caught:
        check_rate(PATH, rate)
    assert caught.value.reason == "bad-sampling-rate"


@pytest.mark.parametrize("rate", [1.0, 128.0, 250.0, 20_000.0])
def test_a_rate_that_is_one(rate: float) -> None:
    check_rate(PATH, rate)
    assert check_amplitudes(PATH, raw(1e-4, 0.4)) == []


@pytest.mark.inputs("A channel that goes beyond 5 V is a bad one; where all do, the recording is refused.")
def test_a_channel_that_no_amplifier_records_is_bad() -> None:
    found = raw(1e-4, 8.6e15, 4.9)
    notes = check_amplitudes(PATH, found)
    assert found.info["bads"] == ["E1"]
    assert notes == ["sub-01_task-leg_eeg.vhdr: bad, because they go beyond 5 V: E1"]


def test_where_all_are_too_large_the_units_are_wrong() -> None:
    with pytest.raises(DataError, match="all signals go beyond 5 V") as caught:
        check_amplitudes(PATH, raw(80.0, 120.0))
    assert caught.value.reason == "impossible-amplitude"
    assert "units" in caught.value.remedy
