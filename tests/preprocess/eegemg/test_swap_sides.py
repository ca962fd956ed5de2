"""Signals swapped between the sides keep every sample and take the other side's names."""

from __future__ import annotations

import numpy as np

from bids_stroke.preprocess.eegemg.clean import Cleaned, Signals
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.signals import Band
from bids_stroke.preprocess.eegemg.swap_sides import with_sides_swapped


def test_signals_keep_every_sample_and_take_the_other_names() -> None:
    eeg = Signals("eeg", np.arange(12.0).reshape(4, 3), ("C3", "Cz", "F4", "E7"), Band(1, 40), interpolated=("C3",))
    emg = Signals("emg", np.ones((2, 3)), ("TA_L", "TA_R"), Band(20, 90))
    recording = Recording(250.0, eeg.data, emg.data, np.zeros((0, 3)), eeg.names, emg.names, frozenset(), 50.0)
    cleaned = Cleaned(250.0, 50.0, eeg, emg, eeg.data, {}, ())
    named, swapped = with_sides_swapped(recording, cleaned)
    assert swapped.eeg.names == named.eeg_names == ("C4", "Cz", "F3", "E7")
    assert swapped.emg.names == named.emg_names == ("TA_R", "TA_L")
    assert swapped.eeg.interpolated == ("C4",)
    assert swapped.eeg.data is eeg.data
    assert swapped.warnings == ("EEG channels whose names tell no side were not swapped: E7.",)
    back, again = with_sides_swapped(named, swapped)
    assert (back.eeg_names, again.emg.names) == (recording.eeg_names, emg.names)
