"""Numbers of the muscles: bursts that were planted are found where they are, and noise has none."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.preprocess.biomarkers import emg

RATE = 250.0


def test_co_contraction_is_the_mean_over_the_pairs() -> None:
    burst = np.zeros((12, 1, 100))
    burst[::2] = 1.0
    both = np.concatenate([burst, 3 * burst, 1 - burst], axis=1)
    assert emg.co_contraction(both, [(0, 1)]) == pytest.approx(1)
    assert emg.co_contraction(both, [(0, 2)]) == pytest.approx(0)
    assert emg.co_contraction(both, [(0, 1), (0, 2)]) == pytest.approx(0.5)
    assert emg.co_contraction(both, []) is None


def test_median_frequency_of_flat_noise_is_the_middle_of_its_band() -> None:
    n = 400 * 250
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    rng = np.random.default_rng(0)
    rows = []
    for low, high in ((20, 100), (40, 60)):
        shape = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
        rows.append(np.fft.irfft(shape * ((frequencies >= low) & (frequencies < high)), n))
    segments = np.stack(rows).reshape(2, 400, 250).transpose(1, 0, 2)
    assert emg.median_frequency_hz(segments[:, :1], RATE) == pytest.approx(60, abs=1)
    assert emg.median_frequency_hz(segments[:, 1:], RATE) == pytest.approx(50, abs=0.5)
    silent = np.concatenate([segments, np.zeros((400, 1, 250))], axis=1)
    assert emg.median_frequency_hz(silent, RATE) == pytest.approx(55, abs=1)  # a silent muscle does not count
    assert emg.median_frequency_hz(silent[:, 2:], RATE) is None


def trials(delay: float, duration: float, rate: float = RATE, quiet: float = 0.05) -> np.ndarray:
    """Noise of 20 trials of 5 s, with a burst in the first half of each."""
    times = np.arange(round(100 * rate)) / rate % 5
    active = (times >= delay) & (times < delay + duration)
    return np.random.default_rng(1).standard_normal(len(times)) * (active + quiet)


@pytest.mark.parametrize("rate", [250.0, 1000.0])
@pytest.mark.parametrize(("delay", "duration"), [(0.3, 1.0), (0.8, 0.6), (0.0, 2.5)])
def test_planted_bursts_are_found(rate: float, delay: float, duration: float) -> None:
    active = emg.activity([trials(delay, duration, rate)], rate)
    assert active is not None
    events = [active[0][round(onset * rate) : round((onset + 2.5) * rate)] for onset in np.arange(0, 100, 5)]
    found = emg.bursts(events, rate)
    assert found is not None
    assert found.delay_s == pytest.approx(delay, abs=0.025)
    assert found.share == pytest.approx(duration / 2.5, abs=0.03)


def test_a_muscle_that_is_always_alike_has_no_bursts() -> None:
    steady = np.random.default_rng(2).standard_normal(25000)
    assert emg.activity([steady], RATE) is None
    assert emg.activity([np.zeros(1000)], RATE) is None


def test_a_pause_is_not_bridged() -> None:
    """The burst at the end of one run does not reach into the next one."""
    quiet = 0.01 * np.ones(1000)
    loud = quiet.copy()
    loud[-200:] = 1.0
    active = emg.activity([loud, quiet], RATE)
    assert active is not None
    assert active[0][-190:].all()
    assert not active[1].any()


def test_short_spikes_are_no_activity() -> None:
    event = np.zeros(500, dtype=bool)
    event[100:105] = True
    event[300:320] = True
    found = emg.bursts([event] * 3, RATE)
    assert found is not None
    assert found.delay_s == pytest.approx(300 / RATE)
    assert found.share == pytest.approx(25 / 500)


def test_events_without_activity_have_a_share_and_no_delay() -> None:
    quiet, burst = np.zeros(500, dtype=bool), np.ones(500, dtype=bool)
    assert emg.bursts([quiet] * 3, RATE) == emg.Bursts(None, 0.0)
    assert emg.bursts([quiet, burst, burst], RATE) == emg.Bursts(None, pytest.approx(2 / 3))
    assert emg.bursts([burst] * 2, RATE) is None
