"""Training that keeps less for its gradient comes to the same weights and statistics, and does keep less."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from bids_stroke.networks.base import POOR_LOGIT, Network
from bids_stroke.networks.layers.sparing import Stage, case_by_case, recomputed
from tests.helpers.networks import SAMPLES, Sample, batch, make

TRAINED = [item for item in SAMPLES.values() if list(make(item).stages)]
PLACES = torch.tensor([1.0, 0.0, 1.0, 0.0])


def trained(item: Sample, *, sparing: bool, steps: int = 3) -> Network:
    model = make(item)
    model.sparing = sparing
    image, covariates = batch(item)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    torch.manual_seed(1)
    for _ in range(steps):
        output = model(image, covariates)
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(output[:, POOR_LOGIT], PLACES).backward()
        optimiser.step()
    return model


def kept(item: Sample, *, sparing: bool) -> int:
    """Bytes that a network keeps for its gradient, besides its weights and its input."""
    model = make(item)
    model.sparing = sparing
    image, covariates = batch(item)
    known = {image.data_ptr(), *(parameter.data_ptr() for parameter in model.parameters())}
    found: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in known:
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        model(image, covariates)
    return sum(found.values())


def test_every_network_that_is_trained_by_epochs_can_be_sparing() -> None:
    assert {item.network for item in TRAINED} == {"cbam_resnet3d", "miccai2025", "slice_cnn", "lstm", "tcn"}


@pytest.mark.parametrize("item", TRAINED, ids=str)
def test_it_comes_to_the_same_weights_and_statistics(item: Sample) -> None:
    plain, sparing = trained(item, sparing=False).state_dict(), trained(item, sparing=True).state_dict()
    start = make(item).state_dict()
    for name, value in plain.items():
        torch.testing.assert_close(sparing[name], value, rtol=0, atol=1e-5, msg=name)
    assert max(float((plain[name].double() - start[name].double()).abs().max()) for name in plain) > 1e-4
    if item.network != "cbam_resnet3d":
        assert all(torch.equal(sparing[name], value) for name, value in plain.items())


@pytest.mark.parametrize("item", TRAINED, ids=str)
def test_it_keeps_less(item: Sample) -> None:
    assert kept(item, sparing=True) < 0.75 * kept(item, sparing=False)


class Doubled(nn.Module):
    """Normalises and draws."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm1d(3), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.norm(x).relu())


def test_statistics_move_once_and_the_same_numbers_are_drawn() -> None:
    module, x = Doubled(), torch.randn(6, 3, requires_grad=True)
    torch.manual_seed(3)
    with recomputed([module]):
        y = module(x)
    (mean, count), outcome = (module.norm.running_mean, module.norm.num_batches_tracked), y.detach().clone()
    assert mean is not None and count is not None
    before = mean.clone()
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(module.norm.running_mean, before) and int(module.norm.num_batches_tracked) == 1
    assert module.norm.momentum == 0.1 and "forward" not in vars(module)
    again, other = Doubled(), x.detach().clone().requires_grad_()
    torch.manual_seed(3)
    y = again(other)
    assert torch.equal(y, outcome)
    assert torch.equal(torch.autograd.grad(y.sum(), other)[0], gradient)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_stage_case_by_case_is_the_stage(momentum: float | None) -> None:
    """Outputs, gradients of the input and of every weight, and statistics; the mean is far from 0."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv3d(2, 4, 3), nn.BatchNorm3d(4, momentum=momentum), nn.ReLU(), nn.AvgPool3d(2))
    x = (torch.randn(5, 2, 8, 9, 7) + 3).requires_grad_()
    weights = torch.randn(5, 4, 3, 3, 2)
    found = []
    for split in (False, True):
        for _ in range(2):
            stage = Stage(layers[0], layers[1], layers[2:])  # type: ignore[arg-type]
            y = case_by_case(x, stage) if split else layers(x)
        gradients = torch.autograd.grad((y * weights).sum(), [x, *layers.parameters()])
        found.append([y, *gradients, *(buffer.clone().float() for buffer in layers[1].buffers())])
        layers[1].reset_running_stats()  # type: ignore[operator]
    for plain, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, plain, rtol=1e-4, atol=1e-5)


def test_gradients_case_by_case_are_as_near_to_those_in_double_precision_as_the_plain_ones() -> None:
    found = {}
    for way in ("exact", "plain", "sparing"):
        model, (image, covariates) = make(SAMPLES["cbam_resnet3d"].but(dropout=0.0)), batch(SAMPLES["cbam_resnet3d"])
        model.sparing = way == "sparing"
        if way == "exact":
            model, image, covariates = model.double(), image.double(), covariates.double()
        output = model(image, covariates)[:, POOR_LOGIT]
        nn.functional.binary_cross_entropy_with_logits(output, PLACES.to(output.dtype)).backward()
        found[way] = torch.cat([parameter.grad.double().flatten() for parameter in model.parameters()
                                if parameter.grad is not None])  # fmt: skip
    plain, sparing = (float((found[way] - found["exact"]).abs().max()) for way in ("plain", "sparing"))
    assert 0 < sparing < 3 * plain
    torch.testing.assert_close(found["sparing"], found["plain"], rtol=0, atol=1e-5)
    assert float(found["exact"].abs().max()) > 0.5
