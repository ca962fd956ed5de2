"""What is estimated without data is what is alive with data."""

from __future__ import annotations

import pytest
import torch

from bids_stroke.networks.live_memory import BATCHES, STATES, Live, Load, prediction_bytes, step_bytes
from tests.helpers.networks import SAMPLES, Sample, make

LARGER = {
    "cbam_resnet3d": (1, 40, 44, 40),
    "miccai2025": (1, 30, 32, 17),
    "slice_cnn": (3, 96, 96),
    "lstm": (400, 3),
    "tcn": (400, 3),
}
TRAINED = [SAMPLES[name].but(hidden=(64, 32)) if name == "lstm" else SAMPLES[name] for name in LARGER]


def load_of(item: Sample, n: int = 6) -> Load:
    return Load(item.network, item.arguments, LARGER[item.network], n)


@pytest.mark.parametrize("sparing", [False, True])
@pytest.mark.parametrize("item", TRAINED, ids=str)
def test_the_estimate_of_a_step_is_what_is_alive(item: Sample, sparing: bool) -> None:
    load, model = load_of(item), make(item)
    model.sparing = sparing
    image, covariates = torch.randn(load.n, *load.shape), torch.randn(load.n, model.arguments.n_covariates)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    with Live(training=False) as live:  # the LSTM's workspace is real here
        torch.nan_to_num(model(image, covariates)).sum().backward()  # type: ignore[no-untyped-call]
    found = live.peak + (1 + STATES) * weights + BATCHES * image.nbytes
    assert 0.88 * found < step_bytes(load, sparing=sparing) < 1.2 * found


@pytest.mark.parametrize("item", [item for item in TRAINED if item.network != "miccai2025"], ids=str)
def test_the_estimate_of_a_prediction_is_what_is_alive(item: Sample) -> None:
    load, model = load_of(item), make(item).eval()
    image, covariates = torch.randn(load.n, *load.shape), torch.randn(load.n, model.arguments.n_covariates)
    with Live(training=False) as live, torch.no_grad():
        model(image, covariates)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    assert prediction_bytes(load) == pytest.approx(live.peak + weights + image.nbytes, rel=0.15)


def test_it_grows_with_the_batch_and_draws_no_random_number() -> None:
    before = torch.get_rng_state()
    two, eight = (step_bytes(load_of(SAMPLES["cbam_resnet3d"], n)) for n in (2, 8))
    assert 3 < eight / two <= 4
    assert torch.equal(torch.get_rng_state(), before)


def test_the_default_network_at_full_size_needs_no_memory_to_be_estimated() -> None:
    """Nearly 4 GB of tensors in a step of 8 maps; a quarter of it where memory is spared."""
    load = Load("cbam_resnet3d", {"n_covariates": 6}, (1, 91, 109, 91), 8)
    assert 3.5e9 < step_bytes(load) < 4.5e9
    assert step_bytes(load, sparing=True) < 0.35 * step_bytes(load)


def test_what_is_gone_does_not_count() -> None:
    with Live(training=True) as live:
        for _ in range(3):
            made = torch.zeros(1000)
            del made
        assert live.now == 0
        kept = torch.zeros(500)[:100]  # a view holds all
        assert (live.now, live.peak) == (2000, 4000)
    del kept
