"""A number of the sequence depends on what came before it only; a rhythm is found wherever it is."""

from __future__ import annotations

import math

import torch
from torch import nn

from bids_stroke.networks import registry
from bids_stroke.networks.base import POOR_LOGIT
from tests.helpers.networks import SAMPLES, batch, make


def test_what_comes_later_changes_nothing_and_what_is_too_early_neither() -> None:
    model = make(SAMPLES["tcn"]).eval()  # kernel 3, two blocks: 1 + 2 * 2 * (1 + 2) = 13 samples
    sequence = batch(SAMPLES["tcn"], n=1)[0].transpose(1, 2)
    plain = model.get_submodule("blocks")(sequence)
    changed = sequence.clone()
    changed[:, :, 5] += 1
    other = (model.get_submodule("blocks")(changed) != plain).any(1)[0]
    assert not other[:5].any() and other[5] and not other[5 + 13 :].any()
    assert other[5 + 7 :].any()


def test_the_defaults_see_two_seconds() -> None:
    model = registry.build("tcn", n_channels=1).eval()
    x = torch.zeros(1, 1, 600)
    other = x.clone()
    other[:, :, 0] = 1
    seen = (model.get_submodule("blocks")(x) != model.get_submodule("blocks")(other)).any(1)[0]
    assert int(seen.nonzero().max()) <= 504


def test_a_rhythm_is_found_in_people_it_was_not_trained_on() -> None:
    """A short burst, somewhere in the window, of one of two frequencies."""
    torch.manual_seed(0)
    poor = torch.arange(48) % 2
    time = torch.arange(120) / 20
    images = 0.3 * torch.randn(48, 120, 3)
    for i in range(48):
        start = int(torch.randint(0, 60, ()))
        wave = torch.sin(2 * math.pi * (1.5 if poor[i] else 4.0) * time[:60] + 6 * torch.rand(()))
        images[i, start : start + 60] += wave[:, None]
    model = registry.build("tcn", n_channels=3, widths=(8, 8, 8), dropout=0.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    nothing = torch.zeros(24, 0)
    for _ in range(60):
        loss = nn.functional.binary_cross_entropy_with_logits(
            model(images[:24], nothing)[:, POOR_LOGIT], poor[:24].float()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    said = model.eval()(images[24:], nothing)[:, POOR_LOGIT] > 0
    assert (said == poor[24:].bool()).float().mean() > 0.9
