"""Windows of recordings as a network reads them: standardised, channels under their known names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import Session
from bids_stroke.features.recordings import read_windows, standardise_windows
from tests.helpers.paused import edf_d
from tests.helpers.recordings import EMG, RATE, process, write_file


def test_windows_have_mean_0_and_variance_1() -> None:
    rng = np.random.default_rng(0)
    windows = standardise_windows(5e-6 * rng.standard_normal((4, 2500, 22)) + 1e-4)
    assert windows.dtype == np.float32
    assert np.abs(windows.astype(np.float64).mean(axis=1)).max() < 1e-6
    np.testing.assert_allclose(windows.astype(np.float64).std(axis=1), 1, atol=1e-6)


def test_flat_channel_becomes_zero() -> None:
    windows = standardise_windows(np.stack([np.full(10, 3.0), np.arange(10.0)], axis=1)[None])
    assert not windows[0, :, 0].any()
    assert windows[0, :, 1].std() == pytest.approx(1)


def test_pieces_between_pauses_are_resampled_each_on_its_own(tmp_path: Path) -> None:
    """The window that begins at the joint is the same whatever lies before it."""
    item = edf_d(tmp_path, kind="emg")
    found = process(Session("01", None, raw={"emg": (item,)}), tmp_path / "out").outputs["eegemg"]
    asked = {"channels": list(EMG), "rate": 125.0, "seconds": 10.0, "max_interpolated": 0}
    windows, onsets = read_windows(found, asked)
    assert onsets == (0, 10, 23, 33)
    content = bytearray(found[1].read_bytes())
    n_head, n_record = 256 * (len(EMG) + 1), 2 * 200 * len(EMG)
    content[n_head + 22 * n_record : n_head + 23 * n_record] = bytes([0, 60] * (n_record // 2))  # the second before it
    found[1].write_bytes(content)
    again, _ = read_windows(found, asked)
    np.testing.assert_array_equal(again[2:], windows[2:])
    assert np.abs(again[:2] - windows[:2]).max() > 1e-4


def test_c4_of_a_cap_that_numbers_its_electrodes_is_not_that_of_a_model(tmp_path: Path) -> None:
    names = tuple(f"{bundle}{number}" for bundle in "ABC" for number in range(1, 9))
    data = 1e-5 * np.random.default_rng(0).standard_normal((24, 2400))
    item = write_file(tmp_path, "eeg", data, names, RATE)
    found = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out").outputs["eegemg"]
    asked = {"channels": ["C3", "C4"], "rate": RATE, "seconds": 10.0, "max_interpolated": 0}
    with pytest.raises(MissingModalityError, match="needs the channels C3, C4"):
        read_windows(found, asked)
