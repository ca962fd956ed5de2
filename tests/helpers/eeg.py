"""EEG of 19 sites with all that is planted at once, and of 16 sites over the centre."""

from __future__ import annotations

import numpy as np

from bids_stroke.preprocess.eegemg.clock import Recording
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
CENTRAL_SITES = ["P4", "CP2", "FC5", "C3", "P3", "C2", "FC6", "C4", "CP6", "F3", "FC2", "FC1", "F4", "CP5", "C1", "CP1"]


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


def noise(n_channels: int, seconds: float = 40.0, seed: int = 0) -> np.ndarray:
    return 1e-5 * np.random.default_rng(seed).standard_normal((n_channels, round(seconds * RATE)))
