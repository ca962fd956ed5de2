"""Coherence of EEG sites and muscles, against scipy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy.signal import butter, coherence, sosfiltfilt

from bids_stroke.core.errors import ModelError
from bids_stroke.networks.coherence import Coherence, CoherenceArguments


def test_coherence_is_that_of_scipy_and_finds_the_pair_that_shares_a_rhythm() -> None:
    rng = np.random.default_rng(0)
    window = rng.standard_normal((1, 2500, 5))
    beta = sosfiltfilt(butter(3, (15, 25), "bandpass", fs=250, output="sos"), rng.standard_normal(2500))
    window[0, :, 1] += 3 * beta
    window[0, :, 4] += 3 * beta
    window[0, :, 2] = 0
    network = Coherence(CoherenceArguments(n_channels=5, sites=(0, 1, 2)))
    found = network.features(torch.from_numpy(window))[0].numpy()
    assert network.n_features == len(found) == sum(network.blocks) == 12
    pairs = np.zeros((3, 2))
    for (i, site), (j, muscle) in product(enumerate((0, 1)), enumerate((3, 4))):
        signals = window[0, :, site], window[0, :, muscle]
        frequency, squared = coherence(*signals, fs=250, nperseg=125, noverlap=63, detrend="constant")
        pairs[i, j] = np.arctanh(np.sqrt(squared[(frequency >= 13) & (frequency <= 30)].mean()))
    expected = [pairs.mean(), *pairs.mean(axis=1), *pairs.mean(axis=0)]
    np.testing.assert_allclose(found[:6], expected, rtol=1e-9)
    assert found[3] == 0 and found[2] > 2 * found[1] and found[5] > 2 * found[4] and found[2] > 2 * found[8]


def test_sites_and_muscles_are_told_by_their_names() -> None:
    inputs = {"channels": ["rectus femoris", "C4", "vm", "EEG C3"], "rate": 250.0}
    assert Coherence.from_input("eegemg", inputs) == {"n_channels": 4, "rate": 250.0, "sites": [1, 3]}


def test_windows_too_short_for_a_coherence_are_refused() -> None:
    network = Coherence(CoherenceArguments(n_channels=3, sites=(0, 1)))
    network(torch.zeros(1, 500, 3), torch.zeros(1, 0))
    with pytest.raises(ModelError, match=r"windows of 1\.996 s are too short"):
        network(torch.zeros(1, 499, 3), torch.zeros(1, 0))
