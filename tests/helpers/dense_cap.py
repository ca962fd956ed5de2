"""EEG of 64 sites of the 10-10 system: what is planted spreads over the head as from sources below it."""

from __future__ import annotations

import mne
import numpy as np

from tests.helpers.eeg import pink

RATE = 250.0
SITES = tuple(mne.channels.make_standard_montage("biosemi64").ch_names)
_EYES = np.array([0.0, 0.94, -0.34])
"""Direction from the centre of the head."""


def angles(directions: np.ndarray) -> np.ndarray:
    """Between each site and each direction (n, 3), radians."""
    places = mne.channels.make_standard_montage("biosemi64").get_positions()["ch_pos"]
    sites = np.array([places[site] / np.linalg.norm(places[site]) for site in SITES])
    return np.arccos(np.clip(sites @ np.atleast_2d(directions).T, -1, 1))


def planted(seed: int, seconds: float, background: float = 12e-6) -> dict[str, np.ndarray]:
    """What each cause gives to each site, in volts: (64, n) each.

    The background is that of 80 sources of 1/f noise (standard deviation in volts); the 10 Hz rhythm lies over the
    occiput; blinks of 150 to 300 uV at Fp1 and Fp2, one to three in a row every 4 s or so, fall off towards Cz.
    """
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * RATE)
    times = np.arange(n_samples) / RATE
    sources = rng.standard_normal((80, 3))
    gains = np.exp(-0.5 * (angles(sources / np.linalg.norm(sources, axis=1, keepdims=True)) / 0.6) ** 2)
    noise = gains @ pink(rng, 80, n_samples)
    occiput = np.exp(-0.5 * (angles(np.array([0.0, -0.99, 0.1])) / 0.5) ** 2)
    depth = np.exp(-(angles(_EYES) ** 2))
    onsets = np.cumsum(rng.uniform(2.0, 6.0, round(seconds)))
    blinks = np.zeros(n_samples)
    for onset in onsets[onsets < seconds - 1]:
        for index in range(rng.integers(1, 4)):
            width, size = rng.uniform(0.06, 0.1), rng.uniform(1.5e-4, 3e-4)
            blinks += size * np.exp(-0.5 * ((times - onset - 0.25 * index) / width) ** 2)
    return {
        "noise": background * noise / noise.std() + 5e-7 * rng.standard_normal(noise.shape),
        "alpha": 1e-5 * occiput * (1 + 0.5 * np.sin(0.2 * np.pi * times)) * np.sin(2 * np.pi * 10 * times),
        "blinks": depth / depth[SITES.index("Fp1")] * blinks,
    }
