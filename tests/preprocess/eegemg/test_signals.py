"""Cleaning of EEG and EMG as arrays: what is planted is kept, found or taken out."""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
import pytest
from scipy.signal import welch

from bids_stroke.preprocess.eegemg.edf import EdfHeader, edf_labels, write_edf
from bids_stroke.preprocess.eegemg.ica import remove_artefacts
from bids_stroke.preprocess.eegemg.montage import average_reference, has_site, interpolate, standard_names
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
    resampled,
    split_windows,
    usable_band,
)

RATE = 250.0
SITES = ["P4", "CP2", "FC5", "C3", "P3", "C2", "FC6", "C4", "CP6", "F3", "FC2", "FC1", "F4", "CP5", "C1", "CP1"]
DEPTH = {"F3": 1.0, "F4": 1.0, "FC5": 0.5, "FC6": 0.5, "FC1": 0.45, "FC2": 0.45}
"""How strongly a blink reaches a site."""


def tone(frequency: float, seconds: float = 40.0, rate: float = RATE) -> np.ndarray:
    return 1e-5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def power_at(data: np.ndarray, frequency: float, rate: float = RATE) -> float:
    frequencies, power = welch(data, rate, nperseg=int(4 * rate))
    return float(power[np.abs(frequencies - frequency) < 1].sum())


def noise(n_channels: int, seconds: float = 40.0, seed: int = 0) -> np.ndarray:
    return 1e-5 * np.random.default_rng(seed).standard_normal((n_channels, round(seconds * RATE)))


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
    assert marked_windows([(9.5, 1.0), (30.0, 0.5)], 10.0, 4).tolist() == [True, True, False, True]
    assert marked_windows([(10.0, 10.0)], 10.0, 4).tolist() == [False, True, False, False]


def test_names_become_those_of_the_10_20_system() -> None:
    found = standard_names(["EEG FP1-REF", "cz", "EEG c3", "T3", "O1.", "ECG", "Cz"])
    assert found == ["Fp1", "cz", "C3", "T7", "O1", "ECG", "Cz"]
    assert has_site(found).tolist() == [True, False, True, True, True, False, True]


def with_blinks(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    times = np.arange(round(60 * RATE)) / RATE
    blinks = sum(1.5e-4 * np.exp(-0.5 * ((times - at) / 0.07) ** 2) for at in np.arange(2, 59, 3.7))
    mixing = rng.standard_normal((16, 16)) / 4
    sources = clean_band(rng.laplace(size=(16, len(times))), RATE, Band(1, 40)) * 1e-5
    depth = np.array([[DEPTH.get(site, 0.05)] for site in SITES])
    return mixing @ sources, depth * blinks, blinks


def test_blinks_are_removed_and_the_rest_stays() -> None:
    brain, artefact, blinks = with_blinks()
    removal = remove_artefacts(brain + artefact, SITES, RATE, np.zeros((0, brain.shape[1])), 0)
    cleaned = removal.eeg
    assert ([item.kind for item in removal.dropped], removal.skipped) == (["ocular"], "")
    front = SITES.index("F3")
    during = blinks > 5e-5
    assert np.abs(cleaned[front] - brain[front])[during].mean() < 0.15 * artefact[front][during].mean()
    back = SITES.index("P3")
    assert np.corrcoef(cleaned[back], brain[back])[0, 1] > 0.98
    again = remove_artefacts(brain + artefact, SITES, RATE, np.zeros((0, brain.shape[1])), 0)
    np.testing.assert_array_equal(again.eeg, cleaned)


def test_an_eog_channel_shows_blinks_where_no_frontal_site_was_recorded() -> None:
    brain, artefact, blinks = with_blinks()
    names = [f"X{i}" for i in range(16)]
    assert remove_artefacts(brain + artefact, names, RATE, blinks[None], 0).count("ocular") == 1
    assert "neither an EOG nor a frontal" in remove_artefacts(brain, names, RATE, blinks[None][:0], 0).skipped


def test_eeg_without_blinks_keeps_every_component() -> None:
    brain, _, _ = with_blinks()
    removal = remove_artefacts(brain, SITES, RATE, np.zeros((0, brain.shape[1])), 0)
    assert (removal.dropped, removal.skipped) == ((), "")
    np.testing.assert_allclose(removal.eeg, brain, atol=1e-10)


@pytest.mark.parametrize(("n_channels", "seconds", "words"), [(5, 60, "too few"), (16, 10, "needs 41 s")])
def test_ica_is_left_out_where_it_cannot_work(n_channels: int, seconds: int, words: str) -> None:
    brain, artefact, _ = with_blinks()
    data = (brain + artefact)[:n_channels, : round(seconds * RATE)]
    removal = remove_artefacts(data, SITES[:n_channels], RATE, data[:0], 0)
    assert removal.dropped == ()
    assert words in removal.skipped
    np.testing.assert_array_equal(removal.eeg, data)


def test_a_bad_site_is_restored_from_its_neighbours() -> None:
    truth = np.zeros((16, 500))
    rng = np.random.default_rng(1)
    for neighbours in (["C1", "C3", "FC1", "CP1"], ["C2", "C4", "FC2", "CP2"], ["P3", "CP5"], ["F4", "FC6"]):
        truth += np.array([[site in neighbours] for site in SITES]) * rng.standard_normal(500)
    bad = np.array([site == "C1" for site in SITES])
    broken = np.where(bad[:, None], 50 * rng.standard_normal(500), truth)
    restored = interpolate(broken, SITES, bad)
    assert np.corrcoef(restored[bad][0], truth[bad][0])[0, 1] > 0.9
    np.testing.assert_array_equal(restored[~bad], truth[~bad])


def test_average_reference_sums_to_zero() -> None:
    data = noise(16)
    referred = average_reference(data)
    np.testing.assert_allclose(referred.sum(axis=0), 0, atol=1e-18)
    np.testing.assert_allclose(referred[0] - referred[1], data[0] - data[1])


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
