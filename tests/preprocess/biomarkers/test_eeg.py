"""Numbers of the EEG: what was planted comes out, and chance does not, however long the recording."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.preprocess.biomarkers import eeg

RATE = 100.0


def noise(n_segments: int, n_channels: int, seed: int, seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n_segments, n_channels, round(seconds * RATE)))


def of_spectrum(density: object, n_segments: int, seed: int) -> np.ndarray:
    """Gaussian noise of one site with a power density that is a function of frequency, cut into segments of 2 s."""
    n = round(2 * RATE) * n_segments
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    rng = np.random.default_rng(seed)
    shape = rng.standard_normal(len(frequencies)) + 1j * rng.standard_normal(len(frequencies))
    return np.fft.irfft(shape * np.sqrt(density(frequencies)), n).reshape(n_segments, 1, -1)  # type: ignore[operator]


@pytest.mark.parametrize("n_segments", [60, 600])
def test_sides_that_are_alike_differ_by_chance_alone_and_no_less_in_long_recordings(n_segments: int) -> None:
    pairs = [(noise(n_segments, 8, seed), noise(n_segments, 8, seed + 100)) for seed in range(12)]
    whole = np.mean([eeg.bsi(*pair, RATE) for pair in pairs])
    by_pair = np.mean([eeg.pdbsi(*pair, RATE) for pair in pairs])
    assert whole == pytest.approx(0.8 / np.sqrt(2 * 60 * 8 + 1), rel=0.12)
    assert by_pair == pytest.approx(0.8 / np.sqrt(2 * 60 + 1), rel=0.06)


def test_a_hemisphere_of_half_the_amplitude() -> None:
    """Powers 1 and 1/4: (1 - 1/4) / (1 + 1/4)."""
    left, right = noise(300, 6, 0), 0.5 * noise(300, 6, 1)
    for one, two in ((left, right), (right, left)):
        assert eeg.bsi(one, two, RATE) == pytest.approx(0.6, abs=0.01)
        assert eeg.pdbsi(one, two, RATE) == pytest.approx(0.6, abs=0.01)


def test_one_quiet_site_counts_by_power_in_the_one_and_by_pair_in_the_other() -> None:
    left, right = noise(600, 4, 2), noise(600, 4, 3)
    right[:, 0] *= 0.5
    assert eeg.bsi(left, right, RATE) == pytest.approx((4 - 3.25) / (4 + 3.25), abs=0.015)
    assert eeg.pdbsi(left, right, RATE) == pytest.approx((0.6 + 3 * 0.8 / np.sqrt(121)) / 4, abs=0.01)


def test_opposite_sites_cancel_in_the_hemispheres_and_not_in_the_pairs() -> None:
    left, right = noise(300, 2, 4), noise(300, 2, 5)
    right[:, 0] *= 0.5
    left[:, 1] *= 0.5
    assert eeg.bsi(left, right, RATE) < 0.08
    assert eeg.pdbsi(left, right, RATE) == pytest.approx(0.6, abs=0.02)


def test_less_than_a_block_tells_no_symmetry() -> None:
    assert eeg.bsi(noise(59, 4, 0), noise(59, 4, 1), RATE) is None
    assert eeg.pdbsi(noise(59, 4, 0), noise(59, 4, 1), RATE) is None


def bands(delta: float, theta: float, alpha: float, beta: float) -> object:
    """Density of noise with these powers in the bands, away from their edges, which a window of 2 s blurs by 1 Hz."""
    edges = {(1.75, 3.25): delta, (4.75, 7.25): theta, (8.75, 12.25): alpha, (13.75, 29.25): beta}
    return lambda f: sum(((f >= low) & (f < high)) * power / (high - low) for (low, high), power in edges.items())


def test_ratios_of_known_powers() -> None:
    one = of_spectrum(bands(3.0, 1.0, 2.0, 4.0), 200, 0)
    assert eeg.delta_alpha_ratio(one, RATE) == pytest.approx(1.5, rel=0.07)
    assert eeg.delta_theta_alpha_beta_ratio(one, RATE) == pytest.approx(4 / 6, rel=0.07)


def test_a_loud_site_counts_as_much_as_a_quiet_one() -> None:
    """Relative powers first: delta (0.2 + 0.6) / 2 over alpha (0.6 + 0.2) / 2."""
    two = [of_spectrum(bands(1, 1, 3, 0), 200, 1), 20 * of_spectrum(bands(3, 1, 1, 0), 200, 2)]
    assert eeg.delta_alpha_ratio(np.concatenate(two, axis=1), RATE) == pytest.approx(1.0, rel=0.08)


def test_silence_has_no_ratio_and_no_peak() -> None:
    silence = np.zeros((20, 3, 200))
    assert eeg.delta_alpha_ratio(silence, RATE) is None
    assert eeg.delta_theta_alpha_beta_ratio(silence, RATE) is None
    assert eeg.alpha_peak_hz(silence, RATE) is None


def background(f: np.ndarray) -> np.ndarray:
    return 1 / np.maximum(f, 0.5) ** 1.2


@pytest.mark.parametrize("hz", [7.6, 9.5, 11.3])
@pytest.mark.parametrize("n_segments", [15, 150])
def test_a_planted_rhythm_is_the_peak(hz: float, n_segments: int) -> None:
    def density(f: np.ndarray) -> np.ndarray:
        return background(f) + 0.5 * np.exp(-0.5 * ((f - hz) / 0.5) ** 2)

    sites = np.concatenate([of_spectrum(density, n_segments, seed) for seed in range(4)], axis=1)
    assert eeg.alpha_peak_hz(sites, RATE) == pytest.approx(hz, abs=0.3 if n_segments == 15 else 0.15)


@pytest.mark.parametrize("n_segments", [15, 150])
def test_no_peak_without_a_rhythm(n_segments: int) -> None:
    found = [eeg.alpha_peak_hz(of_spectrum(background, n_segments, seed), RATE) for seed in range(40)]
    assert sum(one is not None for one in found) <= 3


def test_a_rhythm_outside_of_7_to_13_hz_is_no_alpha_peak() -> None:
    for hz in (5.0, 16.0):
        planted = of_spectrum(lambda f, hz=hz: background(f) + np.exp(-0.5 * ((f - hz) / 0.4) ** 2), 100, 3)
        assert eeg.alpha_peak_hz(planted, RATE) is None


@pytest.mark.parametrize("n_segments", [20, 200])
def test_coherence_of_independent_signals_is_0_in_the_mean_however_long(n_segments: int) -> None:
    values = [
        eeg.band_coherence(noise(n_segments, 5, seed), noise(n_segments, 5, seed + 50), RATE, band)
        for seed in range(10)
        for band in ("alpha", "beta")
    ]
    assert np.mean(values) == pytest.approx(0, abs=0.1 / n_segments)  # with its bias it were 1 / n_segments


@pytest.mark.parametrize("n_segments", [60, 400])
@pytest.mark.parametrize("weight", [0.7, 1.5])
def test_coherence_of_a_common_source(n_segments: int, weight: float) -> None:
    """Common power w² and own power 1 on either side: (w² / (w² + 1))²."""
    expected = (weight**2 / (weight**2 + 1)) ** 2
    found = []
    for seed in range(10):
        source = weight * noise(n_segments, 1, seed)[:, 0]
        left, right = (source + noise(n_segments, 1, seed + start)[:, 0] for start in (50, 100))
        found.append(eeg.motor_coherence(left, 3 * right, RATE, "beta"))
    assert np.mean(found) == pytest.approx(expected, abs=0.02)


def test_coherence_is_that_of_its_band() -> None:
    """A rhythm of 20 Hz in both, with a phase that wanders, in noise of the same power in either."""
    rng = np.random.default_rng(0)
    n = 200 * 100
    rhythm = np.sin(2 * np.pi * 20 * np.arange(n) / RATE + np.cumsum(rng.normal(0, 0.1, n)))
    left, right = (rng.standard_normal(n) + rhythm for _ in range(2))
    of_band = {
        b: eeg.motor_coherence(left.reshape(200, 100), right.reshape(200, 100), RATE, b) for b in ("alpha", "beta")
    }
    assert of_band["alpha"] < 0.02
    assert of_band["beta"] > 0.1


def test_corticomuscular_coherence_is_that_of_the_best_pair() -> None:
    brain, muscles = noise(300, 6, 0), noise(300, 4, 1)
    muscles[:, 2] += brain[:, 3]
    muscles[:, 1] += 0.5 * brain[:, 0]
    assert eeg.corticomuscular_coherence(brain, muscles, RATE) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("n_segments", [60, 480])
def test_the_best_of_many_independent_pairs_has_none(n_segments: int) -> None:
    found = [
        eeg.corticomuscular_coherence(noise(n_segments, 9, seed), noise(n_segments, 6, seed + 50), RATE)
        for seed in range(20)
    ]
    best = [
        eeg.band_coherence(noise(n_segments, 9, s), noise(n_segments, 6, s + 50), RATE, "beta").max() for s in range(5)
    ]
    assert np.mean(found) < 0.25 / n_segments
    assert np.mean(best) > 0.5 / n_segments  # which it is not, because the pair is found in other segments
