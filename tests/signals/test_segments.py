"""Segments lie side by side in good windows, and whole within the events of a phase."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.signals.segments import cut, phase_starts, segment_starts

RATE = 10.0
WINDOWS = pd.DataFrame({"onset": [0.0, 3.0, 6.0], "duration": 2.5, "status": ["good", "bad", "good"]})


def test_segments_fill_good_windows_from_their_start() -> None:
    assert segment_starts(WINDOWS, RATE, 10) == [0, 10, 60, 70]


def test_segments_of_a_phase_lie_in_its_events_and_in_good_windows() -> None:
    events = pd.DataFrame(
        {
            "onset": ["0.2", "3", "5.5", "6", "n/a"],
            "duration": ["2.1", "2", "1.5", "2", "1"],
            "trial_type": ["Flexion", "flexion", "flexion", "rest", "rest"],
        }
    )
    # the second lies in a bad window, the third begins before a good one
    assert phase_starts(events, WINDOWS, RATE, 10) == {"flexion": [2, 12], "rest": [60, 70]}
    assert phase_starts(None, WINDOWS, RATE, 10) == {}


def test_what_is_cut_is_what_lies_there() -> None:
    data = np.arange(40.0).reshape(2, 20)
    assert cut(data, [0, 5], 3).tolist() == [[[0, 1, 2], [20, 21, 22]], [[5, 6, 7], [25, 26, 27]]]
    assert cut(data[:0], [0, 5], 3).shape == (2, 0, 3)
