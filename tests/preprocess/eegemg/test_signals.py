"""Filters, windows and resampling of signals as arrays: what is planted is kept, found or taken out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from bids_stroke.preprocess.eegemg.signals import (
    Band,
    clean_band,
    constant_channels,
    flat_windows,
    large_windows,
    mains_frequencies,
    mains_ratio_db,
    marked_windows,
    outlying_channels,
    power_spectrum,
    resampled,
    split_windows,
    usable_band,
)
from tests.helpers.eeg import RATE, noise


def tone(frequency: float, seconds: float = 40.0, rate: float = RATE) -> np.ndarray:
    return 1e-5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def power_at(data: np.ndarray, frequency: float, rate: float = RATE) -> float:
    frequencies, power = welch(data, rate, nperseg=int(4 * rate))
    return float(power[np.abs(frequencies - frequency) < 1].sum())


@pytest.mark.parametrize("frequency", [1.0, 10.0, 22.0, 45.0, 100.0])
def test_rhythms_inside_the_band_keep_their_power(frequency: float) -> None:
    data = tone(frequency)[None]
    inner = slice(1000, -1000)
    cleaned = clean_band(data, RATE, Band(0.5, 112.5), (50.0,))
    assert power_at(cleaned[0, inner], frequency) == pytest.approx(power_at(data[0, inner], frequency), rel=0.05)


def test_filters_do_not_shift_in_time() -> None:
    burst = tone(10) * np.exp(-0.5 * ((np.arange(10000) - 5000) / 50) ** 2)
    cleaned = clean_band(burst[None], RATE, Band(0.5, 112.5), (50.0,))[0]
    lag = np.argmax(np.correlate(cleaned, burst, "full")) - (len(burst) - 1)
    assert lag == 0


@pytest.mark.parametrize("drift_hz", [0.0, 0.2])
def test_mains_and_harmonics_fall_by_20_db(drift_hz: float) -> None:
    data = tone(50 + drift_hz) + tone(100 + 2 * drift_hz) + 0.1 * noise(1)
    cleaned = clean_band(data, RATE, Band(0.5, 112.5), (50.0, 100.0))
    for frequency in (50 + drift_hz, 100 + 2 * drift_hz):
        assert 10 * np.log10(power_at(data[0], frequency) / power_at(cleaned[0], frequency)) > 20
    assert mains_ratio_db(data, RATE, 50) > 15
    assert mains_ratio_db(cleaned, RATE, 50) < 0


def test_drift_is_taken_out() -> None:
    ramp = np.linspace(0, 500e-6, 10000)[None]
    assert (
        np.abs(clean_band(ramp + tone(10), RATE, Band(0.5, 112.5))[0, 1000:-1000] - tone(10)[1000:-1000]).max() < 2e-6
    )


@pytest.mark.parametrize(
    ("wanted", "rate", "expected"),
    [
        (Band(0.5, 150), 1000, Band(0.5, 150)),
        (Band(0.5, 150), 250, Band(0.5, 112.5)),
        (Band(20, 450), 1000, Band(20, 450)),
        (Band(20, 450), 128, Band(20, 57.6)),
        (Band(20, 450), 64, None),
    ],
)
def test_band_is_cut_below_nyquist(wanted: Band, rate: float, expected: Band | None) -> None:
    assert usable_band(wanted, rate) == expected


@pytest.mark.parametrize(
    ("mains", "band", "rate", "expected"),
    [
        (50.0, Band(0.5, 150), 1000, (50, 100, 150)),
        (60.0, Band(0.5, 112.5), 250, (60, 120)),
        (60.0, Band(0.5, 57.6), 128, (60,)),
        (50.0, Band(0.5, 36), 80, ()),
        (None, Band(0.5, 150), 1000, ()),
    ],
)
def test_notches_cover_the_band_and_its_edge(
    mains: float | None, band: Band, rate: float, expected: tuple[float, ...]
) -> None:
    assert mains_frequencies(mains, band, rate) == expected


def test_broken_channels_are_found_and_no_others() -> None:
    data = noise(10)
    data[2] = 3e-6
    data[4, 100] = np.nan
    assert np.flatnonzero(constant_channels(data)).tolist() == [2, 4]
    data = noise(10)
    data[1] *= 20
    data[7] /= 50
    data[3, ::500] += 3e-4  # blinks are not a broken channel
    assert np.flatnonzero(outlying_channels(data)).tolist() == [1, 7]
    assert not outlying_channels(data[:3]).any()


def test_windows_follow_each_other_without_overlap() -> None:
    data = np.arange(2 * 1050, dtype=float).reshape(2, 1050)
    windows = split_windows(data, 100)
    assert windows.shape == (10, 2, 100)
    np.testing.assert_array_equal(windows[3, 1], data[1, 300:400])
    np.testing.assert_array_equal(windows[9, 0], data[0, 900:1000])


def test_windows_are_judged_each_for_itself() -> None:
    data = noise(5, 40)
    data[0, 2500:5000] = 0
    data[:2, 6000] = 0.01
    data[0, 8000] = 0.01
    assert flat_windows(data, 2500).tolist() == [False, True, False, False]
    assert large_windows(data, 2500, 3e-4).tolist() == [False, False, True, False]
    assert large_windows(data[:0], 2500, 3e-4).tolist() == [False] * 4
    assert marked_windows([(9.5, 1.0), (30.0, 0.5)], 10.0, 10.0 * np.arange(4)).tolist() == [True, True, False, True]
    assert marked_windows([(10.0, 10.0)], 10.0, 10.0 * np.arange(4)).tolist() == [False, True, False, False]


@pytest.mark.parametrize("drift", [2e-5, -3e-5, 7e-5, 5e-4])
@pytest.mark.parametrize("nominal", [1.0, 0.5, 0.4])
def test_a_clocks_drift_is_followed_however_small(drift: float, nominal: float) -> None:
    """Rhythms far below both Nyquist frequencies, five minutes long: samples lie where the ratio says."""
    rate, ratio = 250.0, nominal * (1 + drift)
    time = np.arange(round(300 * rate)) / rate
    rhythms = np.array([3.0, 11.0, 27.0])[:, None]
    found = resampled(np.sin(2 * np.pi * rhythms * time), ratio)
    assert found.shape[1] == int(np.ceil(len(time) * ratio))
    wanted = np.sin(2 * np.pi * rhythms * np.arange(found.shape[1]) / (rate * ratio))
    middle = slice(200, -200)
    assert np.abs(found - wanted)[:, middle].max() < 2e-3


@pytest.mark.parametrize("ratio", [0.4, 1.0003, 0.9998, 1000 / 1925.926, 2.0])
def test_resampling_keeps_waves_at_their_time(ratio: float) -> None:
    """At both ends as well: MNE shifts by up to half a sample."""
    wave = 0.6 * np.pi * min(1.0, ratio)  # 0.6 of the lower Nyquist frequency
    found = resampled(np.sin(wave * np.arange(4001))[None], ratio)[0]
    assert len(found) == pytest.approx(4001 * ratio, abs=1)
    inner = slice(100, -100)
    np.testing.assert_allclose(found[inner], np.sin(wave * np.arange(len(found)) / ratio)[inner], atol=3e-3)


def test_filters_and_spectra_end_at_joints() -> None:
    data = noise(2, 60) + np.array([0.0, 1e-3])[:, None]
    data[:, 5000:] += 5e-4  # a step where the recording paused
    parts = np.split(data, [5000], axis=1)
    band = Band(0.5, 100)
    found = clean_band(data, RATE, band, (50.0,), [5000])
    alone = np.concatenate([clean_band(part.copy(), RATE, band, (50.0,)) for part in parts], axis=1)
    np.testing.assert_array_equal(found, alone)
    assert np.abs(clean_band(data, RATE, band, (50.0,)) - found).max() > 1e-4
    frequencies, power = power_spectrum(data, RATE, 1000, [5000])
    expected = sum(len(part[0]) / 15000 * welch(part, RATE, nperseg=1000)[1] for part in parts)
    np.testing.assert_allclose(power, expected, rtol=1e-12)
    assert power_spectrum(data, RATE, 1000, [500])[0][1] == 2 * frequencies[1]  # no segment is longer than a piece
