"""Band powers of windows whose rhythms are known."""

from __future__ import annotations

import torch

from bids_stroke.networks.band_power import BandPower, BandPowerArguments


def test_band_powers_are_shares_of_the_rhythms_that_are_there() -> None:
    network = BandPower(BandPowerArguments(n_channels=2, rate=100.0))
    time = torch.arange(1000) / 100
    window = torch.stack([torch.sin(2 * torch.pi * 10 * time), torch.zeros(1000)], dim=1)[None]
    shares = network.features(window)[0].exp().reshape(-1, 2)
    assert len(shares) == 5
    assert shares[2, 0] > 0.99 and shares[0, 0] < 0.01  # alpha
    torch.testing.assert_close(shares[:, 1], torch.full((5,), 0.2, dtype=torch.float64))


def test_the_last_band_ends_where_the_rate_does() -> None:
    bands = BandPowerArguments(rate=100.0).bands
    assert bands[-1] == (30.0, 45.0)
    network = BandPower(BandPowerArguments(n_channels=2, rate=100.0))
    assert network.n_features == sum(network.blocks) == 2 * len(bands)
