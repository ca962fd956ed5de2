"""Integrated gradients add up to what the network says, and lie in the channel and band that it listens to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bids_stroke.ensemble.explanation.integrated_gradients import bands_of, integrated_gradients
from bids_stroke.networks import registry

RATE, TIME, CHANNELS = 64.0, 128, 3


class Listener(nn.Module):
    """The power of 10 Hz in the second channel, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.01))
        time = torch.arange(TIME) / RATE
        self.waves = torch.stack([torch.sin(20 * torch.pi * time), torch.cos(20 * torch.pi * time)])

    def forward(self, image: Tensor, covariates: Tensor) -> Tensor:
        power = self.gain * (image[:, :, 1] @ self.waves.T).square().sum(1)
        return torch.stack([power, -power], dim=1)


def windows(n: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, TIME, CHANNELS)).astype(np.float32)


@pytest.mark.parametrize(("name", "tolerance"), [("lstm", 1e-5), ("tcn", 2e-2)])
def test_attributions_add_up_to_the_difference_of_the_logits(name: str, tolerance: float) -> None:
    arguments = {"hidden": (8, 4)} if name == "lstm" else {"widths": (8, 8), "kernel": 3}
    torch.manual_seed(0)
    model = registry.build(name, n_channels=CHANNELS, **arguments)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    data = windows()
    found = integrated_gradients(model, data, RATE)
    assert model.training  # as it was
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with torch.no_grad():
        model.eval()
        ends = model(torch.from_numpy(data), torch.zeros(len(data), 0))[:, 0]
        flat = model(torch.zeros(1, TIME, CHANNELS), torch.zeros(1, 0))[:, 0]
    moved = (ends - flat).numpy()
    assert np.abs(moved).max() > 1e-3  # else anything would add up
    np.testing.assert_allclose(found.values.sum((1, 2)), moved, atol=tolerance * np.abs(moved).max())
    assert found.error <= tolerance * np.abs(moved).max()
    assert found.values.shape == (len(data), CHANNELS, len(bands_of(RATE)))


def test_all_of_it_lies_in_the_channel_and_band_that_decide() -> None:
    found = integrated_gradients(Listener(), windows(), RATE)
    share = np.abs(found.values).sum(0) / np.abs(found.values).sum()
    assert share[1, bands_of(RATE).index("8 to 13 Hz")] > 0.99
    np.testing.assert_allclose(found.values.sum((1, 2)), found.moved, rtol=1e-3)


def test_bands_cover_all_frequencies_of_a_rate_once() -> None:
    ends = [tuple(map(float, band.removesuffix(" Hz").split(" to "))) for band in bands_of(250.0)]
    assert ends[0][0] == 0 and ends[-1][1] == 125
    assert all(before[1] == after[0] for before, after in pairwise(ends))


def test_the_same_windows_give_the_same_bytes() -> None:
    torch.manual_seed(1)
    model = registry.build("lstm", n_channels=CHANNELS, hidden=(4,))
    first, second = (integrated_gradients(model, windows(), RATE).values for _ in range(2))
    assert first.tobytes() == second.tobytes()
