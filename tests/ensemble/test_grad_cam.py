"""Grad-CAM finds the place that decides, is what its formula says, and changes nothing of the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bids_stroke.core.errors import ModelError
from bids_stroke.ensemble.grad_cam import coarse_evidence, grad_cam
from bids_stroke.networks import registry
from bids_stroke.networks.base import POOR_LOGIT, feature_layer

Array = NDArray[np.float32]

CASES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "cbam_resnet3d": (
        {"widths": (4, 4, 4, 8), "n_plain_blocks": 0, "dense": 4, "dropout": 0.0, "n_covariates": 2},
        (1, 32, 36, 33),
    ),
    "slice_cnn": ({"backbone": "shufflenet_v2_x0_5"}, (3, 96, 64)),
}
GRIDS = {3: (24, 28, 20), 2: (40, 36)}


class Planted(nn.Module):
    """Bright boxes speak for a poor outcome and dark ones against it, wherever they lie; the score is another thing."""

    def __init__(self, n_axes: int) -> None:
        super().__init__()
        kind, self.axes = (nn.Conv3d, nn.Conv2d)[3 - n_axes], tuple(range(2, 2 + n_axes))
        self.first = kind(1, 1, 1, bias=False)
        self.feature_layer = kind(1, 2, 4, stride=4, bias=False)
        with torch.no_grad():
            self.first.weight[:] = 1.0
            self.feature_layer.weight[0] = 1 / 4**n_axes
            self.feature_layer.weight[1] = -1 / 4**n_axes

    def forward(self, image: Tensor, covariates: Tensor) -> Tensor:
        bright, dark = functional.relu(self.feature_layer(self.first(image))).mean(dim=self.axes).T
        return torch.stack([3 * bright - 2 * dark + covariates.sum(dim=1), -50 * bright], dim=1)


def with_boxes(n_axes: int, corners: list[tuple[int, int]], values: list[float]) -> Array:
    """Pictures of low noise with two boxes of 4 voxels a side: a bright one and a dark one."""
    samples = np.random.default_rng(0).normal(0, 0.01, (len(corners), 1, *GRIDS[n_axes])).astype(np.float32)
    for sample, places in zip(samples, corners, strict=True):
        for corner, value in zip(places, values, strict=True):
            sample[(slice(None), *(slice(corner, corner + 4),) * n_axes)] = value
    return samples


@pytest.mark.parametrize("n_axes", [3, 2])
def test_the_map_shows_what_speaks_for_a_poor_outcome_and_where(n_axes: int) -> None:
    corners = [(4, 12), (12, 4)]
    found = grad_cam(Planted(n_axes), with_boxes(n_axes, corners, [1.0, -1.0]), np.zeros((2, 0), dtype=np.float32))
    assert found.shape == (2, *GRIDS[n_axes])
    assert found.dtype == np.float32
    assert (found >= 0).all()
    for evidence, (bright, dark) in zip(found, corners, strict=True):
        box = (slice(bright, bright + 4),) * n_axes
        peak = np.array(np.unravel_index(evidence.argmax(), evidence.shape))
        assert (peak >= bright).all() and (peak < bright + 4).all()
        assert evidence[box].mean() > 20 * np.median(evidence)
        assert evidence[(slice(dark, dark + 4),) * n_axes].max() < 0.05 * evidence.max()


class Small(nn.Module):
    """Two convolutions and the mean of the last feature map, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, 6, 3, stride=2, padding=1)
        self.feature_layer = nn.Sequential(nn.Conv3d(6, 8, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def forward(self, image: Tensor, covariates: Tensor) -> Tensor:
        output: Tensor = self.head(self.feature_layer(functional.relu(self.first(image))).mean(dim=(2, 3, 4)))
        return output


def test_a_trained_network_looks_at_the_planted_signal() -> None:
    """A checkered box in people with a poor outcome, wherever it lies; no brightness tells them from the others."""
    rng = np.random.default_rng(0)
    checkered = np.where(np.indices((8, 8, 8)).sum(0) % 2, 2.0, -2.0)
    samples = rng.normal(0, 0.3, (48, 1, 20, 24, 18)).astype(np.float32)
    poor = np.arange(48) % 2 == 0
    corners = rng.integers(0, 9, (48, 3))
    for sample, (x, y, z), there in zip(samples, corners, poor, strict=True):
        sample[0, x : x + 8, y : y + 8, z : z + 8] += there * checkered
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = Small()
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(60):
            logits = model(torch.from_numpy(samples[:40]), torch.zeros(40, 0))[:, POOR_LOGIT]
            loss = functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(poor[:40]).float())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    new = np.flatnonzero(poor[40:]) + 40
    found = grad_cam(model, samples[new], np.zeros((len(new), 0), dtype=np.float32))
    for evidence, (x, y, z) in zip(found, corners[new], strict=True):
        assert evidence[x : x + 8, y : y + 8, z : z + 8].sum() > 0.5 * evidence.sum()


def test_where_the_last_feature_map_is_a_single_place_an_earlier_one_is_taken() -> None:
    model = registry.build("cbam_resnet3d", widths=(2, 2, 2, 2, 4, 4), n_plain_blocks=0, dense=4)
    samples = np.random.default_rng(0).normal(size=(1, 1, 22, 27, 22)).astype(np.float32)
    assert coarse_evidence(model, samples, np.zeros((1, 0), dtype=np.float32)).shape == (1, 3, 4, 3)


@pytest.mark.parametrize("name", CASES)
def test_networks_of_the_ensemble_are_explained_by_the_formula(name: str) -> None:
    arguments, shape = CASES[name]
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = registry.build(name, **arguments)
        model(torch.randn(4, *shape), torch.randn(4, arguments.get("n_covariates", 0)))  # moves batch normalisation
        samples = torch.randn(2, *shape)
        covariates = torch.randn(2, 4)
        model.head[-1].weight.data.abs_()  # so that something speaks for a poor outcome
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = grad_cam(model, samples.numpy(), covariates.numpy())  # in training mode: explained as it predicts
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())

    maps: list[Tensor] = []
    handle = feature_layer(model.eval()).register_forward_hook(lambda _m, _i, output: maps.append(output))
    logits = model(samples, covariates[:, : arguments.get("n_covariates", 0)])[:, POOR_LOGIT]
    (gradient,) = torch.autograd.grad(logits.sum(), maps[0])
    handle.remove()
    axes = tuple(range(2, gradient.ndim))
    evidence = functional.relu((gradient.mean(dim=axes, keepdim=True) * maps[0]).sum(1, keepdim=True))
    wanted = functional.interpolate(evidence, shape[1:], mode="trilinear" if len(axes) == 3 else "bilinear")[:, 0]
    assert float(wanted.max().detach()) > 0
    torch.testing.assert_close(torch.from_numpy(found), wanted.detach(), rtol=1e-4, atol=1e-7)


def test_cases_do_not_depend_on_each_other_and_repeat() -> None:
    arguments, shape = CASES["cbam_resnet3d"]
    model = registry.build("cbam_resnet3d", **arguments)
    rng = np.random.default_rng(2)
    samples, covariates = rng.normal(size=(2, *shape)).astype(np.float32), np.ones((2, 4), dtype=np.float32)
    both = grad_cam(model, samples, covariates)
    np.testing.assert_allclose(both[1:], grad_cam(model, samples[1:], covariates[1:]), rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        assert both.tobytes() == grad_cam(model, samples, covariates).tobytes()


def test_a_network_without_feature_maps_is_refused() -> None:
    model = registry.build("lstm", n_channels=3, hidden=(4,))
    with pytest.raises(ModelError, match="no feature map"):
        grad_cam(model, np.zeros((1, 20, 3), dtype=np.float32), np.zeros((1, 0), dtype=np.float32))
