"""EEG with all that is planted at once: rhythms stay, mains, eyes and muscles go, the broken channel is found."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.core.settings_preprocess import EegEmgSettings
from bids_stroke.features.recordings import standardise_windows
from bids_stroke.preprocess.eegemg.clean import Cleaned, clean
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.ica import remove_artefacts
from bids_stroke.preprocess.eegemg.signals import Band, clean_band

RATE = 250.0
SECONDS = 120
SITES = (
    "Fp1",
    "Fp2",
    "F7",
    "F3",
    "Fz",
    "F4",
    "F8",
    "T7",
    "C3",
    "Cz",
    "C4",
    "T8",
    "P7",
    "P3",
    "Pz",
    "P4",
    "P8",
    "O1",
    "O2",
)
ALPHA, BETA = {"O1": 1.0, "O2": 1.0, "Pz": 0.5, "P3": 0.4, "P4": 0.4}, {"C3": 1.0, "Cz": 0.4, "P3": 0.3, "F3": 0.3}
BLINK = {
    "Fp1": 1.0,
    "Fp2": 1.0,
    "F7": 0.4,
    "F8": 0.4,
    "F3": 0.4,
    "F4": 0.4,
    "Fz": 0.4,
    "Cz": 0.1,
    "C3": 0.08,
    "C4": 0.08,
}
MUSCLE = {"T7": 1.0, "F7": 0.5, "P7": 0.4, "C3": 0.1}
BROKEN = "P8"


def spread(weights: dict[str, float]) -> np.ndarray:
    return np.array([[weights.get(site, 0.0)] for site in SITES])


def pink(rng: np.random.Generator, n_rows: int, n: int) -> np.ndarray:
    """Noise with a power of 1/f, unit variance."""
    spectrum = rng.standard_normal((n_rows, n // 2 + 1)) + 1j * rng.standard_normal((n_rows, n // 2 + 1))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / RATE), 0.5))
    rows = np.fft.irfft(spectrum, n)
    return rows / rows.std(axis=1, keepdims=True)


def parts(seed: int = 0) -> dict[str, np.ndarray]:
    """What each cause gives to each site, in volts: (19, n) each."""
    rng = np.random.default_rng(seed)
    n = round(SECONDS * RATE)
    times = np.arange(n) / RATE
    mixing = np.eye(len(SITES)) + 0.3 * rng.standard_normal((len(SITES), len(SITES)))
    envelope = 1 + 0.5 * np.sin(2 * np.pi * 0.1 * times)
    blinks = sum(np.exp(-0.5 * ((times - at) / 0.08) ** 2) for at in np.arange(2, SECONDS - 1, 3.7))
    bursts = (times % 6 < 1.5) * clean_band(rng.standard_normal((1, n)), RATE, Band(20, 110))
    return {
        "noise": 4e-6 * mixing @ pink(rng, len(SITES), n) + 3e-7 * rng.standard_normal((len(SITES), n)),
        "alpha": 8e-6 * spread(ALPHA) * envelope * np.sin(2 * np.pi * 10 * times),
        "beta": 5e-6 * spread(BETA) * envelope[::-1] * np.sin(2 * np.pi * 22 * times),
        "hum": 1e-5 * np.sin(2 * np.pi * 50 * times) * rng.uniform(0.5, 1.5, (len(SITES), 1)),
        "blinks": 1.2e-4 * spread(BLINK) * blinks,
        "muscle": 2e-5 * spread(MUSCLE) * bursts,
    }


def recording(signals: np.ndarray) -> Recording:
    none = np.zeros((0, signals.shape[1]))
    return Recording(RATE, signals, none, none, SITES, (), frozenset(), 50.0)


def power_at(row: np.ndarray, frequency: float) -> float:
    wave = np.exp(-2j * np.pi * frequency * np.arange(len(row)) / RATE)
    return float(np.abs(row @ wave) ** 2)


def filtered(signals: np.ndarray) -> np.ndarray:
    return clean_band(signals, RATE, Band(0.5, 112.5), (50.0, 100.0))


@pytest.fixture(scope="module")
def done() -> Cleaned:
    signals = sum(parts().values())
    signals[SITES.index(BROKEN)] = 3e-4 * np.random.default_rng(9).standard_normal(signals.shape[1])
    return clean(recording(signals), EegEmgSettings(), 0)


def as_recorded(done: Cleaned, site: str) -> np.ndarray:
    return done.eeg.as_recorded[done.eeg.names.index(site)]


@pytest.mark.parametrize(("site", "frequency", "cause"), [("O1", 10, "alpha"), ("Pz", 10, "alpha"), ("C3", 22, "beta")])
def test_planted_rhythms_keep_their_power(done: Cleaned, site: str, frequency: float, cause: str) -> None:
    given = parts()
    truth = power_at(given[cause][SITES.index(site)] + given["noise"][SITES.index(site)], frequency)
    assert power_at(as_recorded(done, site), frequency) == pytest.approx(truth, rel=0.05)  # measured: 1.1 %


def test_mains_hum_falls_by_20_db(done: Cleaned) -> None:
    hum = parts()["hum"]
    for site in ("C3", "O1", "Fp1"):
        before = power_at(hum[SITES.index(site)], 50)
        assert 10 * np.log10(before / power_at(as_recorded(done, site), 50)) > 20


def test_the_broken_channel_and_no_other_is_found(done: Cleaned) -> None:
    assert done.eeg.interpolated == (BROKEN,)
    assert done.qc["n_bad_channels"] == 1


def test_every_component_that_went_is_named_with_its_reason(done: Cleaned) -> None:
    assert [item.kind for item in done.eeg.dropped] == ["ocular", "muscle"]
    assert (done.qc["n_ocular_components"], done.qc["n_muscle_components"]) == (1, 1)
    note = next(note for note in done.warnings if note.startswith("taken out of the EEG by ICA"))
    assert "(eyes, correlation 0.99)" in note
    assert "(muscle, " in note


@pytest.mark.parametrize("seed", [1, 2])
def test_blinks_fall_by_20_db_and_bursts_of_muscle_by_12(seed: int) -> None:
    given = {cause: filtered(signals) for cause, signals in parts(seed).items()}
    whole = sum(given.values())
    removal = remove_artefacts(whole, SITES, RATE, whole[:0], 0)
    left = removal.eeg - (whole - given["blinks"] - given["muscle"])
    front, temple = SITES.index("Fp1"), SITES.index("T7")
    slow, fast = Band(0.5, 8), Band(20, 110)

    def fall(cause: str, row: int, band: Band) -> float:
        before, after = (clean_band(item[row : row + 1], RATE, band) for item in (given[cause], left))
        return float(20 * np.log10(before.std() / after.std()))

    assert fall("blinks", front, slow) > 20  # measured: 23.4 to 24.5
    assert fall("muscle", temple, fast) > 12  # measured: 15 to 20
    for site, frequency in (("O1", 10), ("C3", 22)):
        row = SITES.index(site)
        truth = (given["noise"] + given["alpha"] + given["beta"])[row]
        assert power_at(removal.eeg[row], frequency) == pytest.approx(power_at(truth, frequency), rel=0.05)


def test_noise_of_the_amplifier_is_not_taken_for_muscle() -> None:
    flat = 1e-5 * np.random.default_rng(0).standard_normal((len(SITES), round(60 * RATE)))
    removal = remove_artefacts(flat, SITES, RATE, flat[:0], 0)
    assert removal.dropped == ()


def test_a_strong_beta_rhythm_is_not_taken_for_muscle() -> None:
    given = parts(3)
    rng = np.random.default_rng(3)
    wide = clean_band(rng.standard_normal((1, given["noise"].shape[1])), RATE, Band(15, 28))
    removal = remove_artefacts(filtered(given["noise"] + 2e-5 * spread(BETA) * wide), SITES, RATE, wide[:0], 0)
    assert removal.count("muscle") == 0


def test_windows_have_mean_0_and_variance_1() -> None:
    rng = np.random.default_rng(0)
    windows = standardise_windows(5e-6 * rng.standard_normal((4, 2500, 22)) + 1e-4)
    assert windows.dtype == np.float32
    assert np.abs(windows.astype(np.float64).mean(axis=1)).max() < 1e-6
    np.testing.assert_allclose(windows.astype(np.float64).std(axis=1), 1, atol=1e-6)
