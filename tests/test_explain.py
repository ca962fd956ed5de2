"""Grad-CAM finds the place that a network was taught to look for, and changes nothing of the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bids_stroke import networks
from bids_stroke.errors import ModelError
from bids_stroke.explain import grad_cam

Array = NDArray[np.float32]

CASES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "cbam_resnet3d": ({"widths": (8, 8, 8, 8), "n_plain_blocks": 0, "dense": 4, "dropout": 0.0}, (1, 32, 36, 32)),
    "slice_cnn": ({"backbone": "shufflenet_v2_x0_5"}, (3, 128, 128)),
}


def pictures(shape: tuple[int, ...], corners: Array, rng: np.random.Generator) -> Array:
    """Noise with a bright box of a quarter of each side at the given corners (n, axes); NaN: no box."""
    samples = rng.normal(0, 0.1, (len(corners), *shape)).astype(np.float32)
    for sample, corner in zip(samples, corners, strict=True):
        if np.isfinite(corner).all():
            box = (slice(None), *(slice(int(a), int(a) + n // 4) for a, n in zip(corner, shape[1:], strict=True)))
            sample[box] += 3.0
    return samples


def taught(name: str, n_covariates: int = 0) -> nn.Module:
    """A network that tells pictures with a box anywhere from those without."""
    arguments, shape = CASES[name]
    rng = np.random.default_rng(0)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = networks.build(name, **arguments, **({"n_covariates": n_covariates} if n_covariates else {}))
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        target = torch.tensor([1.0, 0.0] * 6)
        for step in range(50):
            if step == 40:  # the last ones only settle the statistics, as the trainer does
                optimiser.param_groups[0]["lr"] = 0.0
                for norm in (module for module in model.modules() if isinstance(module, _BatchNorm)):
                    norm.reset_running_stats()
                    norm.momentum = None
            corners = rng.uniform(0, 0.75, (12, len(shape) - 1)) * np.array(shape[1:])
            corners[1::2] = np.nan
            output = model(torch.from_numpy(pictures(shape, corners, rng)), torch.zeros(12, n_covariates))
            loss = nn.functional.binary_cross_entropy_with_logits(output[:, networks.POOR_LOGIT], target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert loss.item() < 0.3
    return model.eval()


@pytest.mark.parametrize("name", CASES)
def test_the_map_shows_the_planted_place(name: str) -> None:
    shape = CASES[name][1]
    size = np.array(shape[1:])
    rng = np.random.default_rng(1)
    corners = np.stack([size * 0.0, size * 0.75, np.where(np.arange(len(size)) % 2, 0, size * 0.75)])
    samples = pictures(shape, corners, rng)
    model = taught(name)
    logits = model(torch.from_numpy(samples), torch.zeros(3, 0))[:, networks.POOR_LOGIT]
    assert float(logits.min().detach()) > 0
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = grad_cam(model, samples, np.zeros((3, 0), dtype=np.float32))
    assert found.shape == (3, *shape[1:])
    assert found.dtype == np.float32
    assert (found >= 0).all()
    for evidence, corner in zip(found, corners, strict=True):
        grid = np.indices(evidence.shape)
        centre = (grid * evidence).sum(axis=tuple(range(1, grid.ndim))) / evidence.sum()
        box = corner + size / 8
        others = [other + size / 8 for other in corners if not np.array_equal(other, corner)]
        away = [float(np.linalg.norm((centre - place) / size)) for place in (box, *others)]
        assert away[0] < 0.3 and away[0] < 0.6 * min(away[1:]), (centre, box)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())


def test_cases_do_not_depend_on_each_other_and_repeat() -> None:
    model, shape = taught("cbam_resnet3d", n_covariates=2), CASES["cbam_resnet3d"][1]
    samples = pictures(shape, np.array([[2.0, 4.0, 3.0], [20.0, 9.0, 11.0]]), np.random.default_rng(2))
    covariates = np.ones((2, 4), dtype=np.float32)  # the network takes two of them
    both = grad_cam(model, samples, covariates)
    np.testing.assert_allclose(both[1:], grad_cam(model, samples[1:], covariates[1:]), rtol=1e-4, atol=1e-6)
    assert both.tobytes() == grad_cam(model, samples, covariates).tobytes()
    with torch.inference_mode(False), torch.no_grad():
        assert both.tobytes() == grad_cam(model, samples, covariates).tobytes()


def test_a_network_without_feature_maps_is_refused() -> None:
    model = networks.build("lstm", n_channels=3, hidden=(4,))
    with pytest.raises(ModelError, match="no feature map"):
        grad_cam(model, np.zeros((1, 20, 3), dtype=np.float32), np.zeros((1, 0), dtype=np.float32))
