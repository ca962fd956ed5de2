"""Offset and drift between the clocks of two recorders, found from common events."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_stroke.preprocess.eegemg.drift import match_clocks


def events(onsets: np.ndarray, kinds: tuple[str, ...] = ("flexion", "extension")) -> pd.DataFrame:
    return pd.DataFrame({"onset": onsets.astype(str), "trial_type": [kinds[i % 2] for i in range(len(onsets))]})


def heard(ratio: float = 1.0, offset: float = 0.0, jitter: float = 0.001, n: int = 50) -> tuple[pd.DataFrame, ...]:
    """Events on the EEG's and on the EMG's clock, 10 s apart, with triggers that come a little late."""
    rng = np.random.default_rng(0)
    on_eeg = np.arange(n) * 10.0 + 20
    return events(on_eeg + jitter * rng.random(n)), events((on_eeg - offset) / ratio + jitter * rng.random(n))


@pytest.mark.parametrize(("ratio", "offset"), [(1.00008, 3.25), (0.99995, -1.5), (1.00003, 0.0)])
def test_offset_and_drift_are_found(ratio: float, offset: float) -> None:
    clock = match_clocks(*heard(ratio, offset), None)
    assert clock.offset == pytest.approx(offset, abs=2e-3)
    assert clock.ratio == pytest.approx(ratio, abs=1.5e-6)
    assert f"drift {clock.ppm:.0f} ppm (50 common events)" in clock.note


def test_equal_clocks_are_left_alone() -> None:
    clock = match_clocks(*heard(jitter=0.0), 0.0)
    assert (clock.offset, clock.ratio, clock.note) == (0.0, 1.0, "")
    assert match_clocks(*heard(jitter=0.004, n=6), 0.0).ratio == 1.0


def test_single_late_triggers_do_no_harm() -> None:
    eeg, emg = heard(1.0001, 2.0)
    emg.loc[10, "onset"] = str(float(emg["onset"][10]) + 3)
    clock = match_clocks(eeg, emg, None)
    assert clock.offset == pytest.approx(2.0, abs=3e-3)
    assert clock.ratio == pytest.approx(1.0001, abs=2e-6)


def test_without_common_events_the_drift_is_said_to_be_unknown() -> None:
    eeg, emg = heard()
    for other in (None, emg[:30], emg[:2], emg.assign(trial_type="rest")):
        clock = match_clocks(eeg, other, 1.5)
        assert (clock.offset, clock.ratio) == (1.5, 1.0)
        assert "drift of their clocks is not known" in clock.note
    assert "a common start is assumed" in match_clocks(None, None, None).note


def test_events_that_cannot_be_the_same_are_not_used() -> None:
    clock = match_clocks(*heard(1.05, 0.0), 1.5)
    assert (clock.offset, clock.ratio) == (1.5, 1.0)
    assert "do not fit together" in clock.note
    clock = match_clocks(*heard(offset=0.0), 3.5)
    assert clock.offset == 3.5
    assert "acq_time is used" in clock.note
