"""EDF files: short labels, the signals, and no date."""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np

from bids_stroke.preprocess.eegemg.edf import EdfHeader, edf_labels, write_edf
from tests.helpers.eeg import RATE, noise


def test_edf_labels_are_short_ascii_and_unlike() -> None:
    names = ["Cz", "proximal rectus femoris L", "proximal rectus femoris R", "µscle"]
    assert edf_labels(names) == ["Cz", "proximal rectus ", "proximal rectu~2", "?scle"]


def test_edf_holds_the_signals_and_no_date(tmp_path: Path) -> None:
    data = noise(3, 4)
    data[2] = 0
    header = EdfHeader(("C3", "C4", "Cz"), RATE, "HP:0.5Hz")
    for name in ("a.edf", "b.edf"):
        write_edf(tmp_path / name, data, header)
    raw = mne.io.read_raw_edf(tmp_path / "a.edf", verbose="error")
    assert raw.ch_names == ["C3", "C4", "Cz"]
    assert raw.info["sfreq"] == RATE
    np.testing.assert_allclose(raw.get_data(), data, atol=2e-9)
    assert (tmp_path / "a.edf").read_bytes() == (tmp_path / "b.edf").read_bytes()
