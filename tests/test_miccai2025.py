"""The network of the MICCAI 2025 study: its parts by definition, its two ways of computing, training with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bids_stroke import networks
from bids_stroke.errors import ModelError
from bids_stroke.networks.keras_layers import DepthNorm, SamePool
from bids_stroke.networks.miccai2025 import Cbam, Miccai2025
from tests.units import blob, labelled, tiny_settings, write_volume

SIDES = (19, 22, 17)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def random_network(**arguments: object) -> nn.Module:
    """Published architecture with random weights and statistics, none of them neutral."""
    model = networks.build("miccai2025", **arguments)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif name.endswith(("running_mean", "bias")):
                value.normal_(0, 0.3)
            elif value.ndim == 1 and value.is_floating_point():
                value.uniform_(0.5, 1.5)
    return model.eval()


def test_it_has_the_published_numbers_of_weights() -> None:
    model = networks.build("miccai2025")
    statistics = [value for name, value in model.named_buffers() if "running" in name]
    assert sum(value.numel() for value in model.parameters()) == 5_065_063
    assert sum(value.numel() for value in statistics) == 3_052


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 6, 7, 45, 46])
def test_pooling_follows_the_same_rule(side: int) -> None:
    line = torch.rand(side)
    before = max((-(-side // 2) - 1) * 2 + 3 - side, 0) // 2  # TensorFlow's own formula
    wanted = []
    for i in range(-(-side // 2)):
        inside = [line[k] for k in range(2 * i - before, 2 * i - before + 3) if 0 <= k < side]
        wanted.append(float(torch.stack(inside).mean()))
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = side
        found = SamePool()(line.reshape(shape))
        assert found.shape[2 + axis] == -(-side // 2)
        assert found.flatten().numpy() == pytest.approx(np.array(wanted), rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_normalisation_runs_along_the_third_axis(training: bool) -> None:
    norm = DepthNorm(5).train(training)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
        norm.running_mean.normal_()  # type: ignore[union-attr]
        norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    x = torch.randn(2, 3, 4, 6, 5)
    mean, var = (x.mean((0, 1, 2, 3)), x.var((0, 1, 2, 3), unbiased=False)) if training else (
        norm.running_mean.clone(), norm.running_var.clone()  # type: ignore[union-attr]
    )  # fmt: skip
    wanted = (x - mean) / torch.sqrt(var + 1e-3) * norm.weight + norm.bias
    assert torch.allclose(norm(x.clone()), wanted, atol=1e-5)


def test_statistics_move_as_in_keras() -> None:
    norm = DepthNorm(4).train()
    x = torch.randn(8, 3, 9, 9, 4) + 2
    norm(x)
    assert norm.running_mean is not None and norm.running_var is not None
    assert torch.allclose(norm.running_mean, 0.01 * x.mean((0, 1, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, 0.99 + 0.01 * x.var((0, 1, 2, 3), unbiased=False), atol=1e-4)


def test_attention_by_its_formula() -> None:
    attention, x = Cbam(16), torch.randn(2, 16, 5, 6, 7)

    def mlp(values: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(values @ attention.reduce.weight.T + attention.reduce.bias)
        return hidden @ attention.expand.weight.T + attention.expand.bias

    gate = torch.sigmoid(mlp(x.flatten(2).mean(2)) + mlp(x.flatten(2).amax(2)))
    gated = x * gate[..., None, None, None]
    maps = torch.stack([gated.mean(1), gated.amax(1)], 1)
    wanted = gated * torch.sigmoid(
        nn.functional.conv3d(maps, attention.spatial.weight, attention.spatial.bias, padding=3)
    )
    assert torch.allclose(attention(x), wanted, atol=1e-6)


@pytest.mark.parametrize("sides", [SIDES, (20, 17, 18), (8, 9, 5), (3, 4, 2)])
def test_the_fast_way_of_inference_gives_the_same_numbers(sides: tuple[int, int, int]) -> None:
    model = random_network(depth=sides[2])
    image, covariates = torch.randn(2, 1, *sides), torch.rand(2, 3)
    kept = image.clone()
    slow = model(image, covariates).detach()
    with torch.inference_mode():
        fast = model(image, covariates)
    assert torch.equal(image, kept)
    assert fast[:, 0].numpy() == pytest.approx(slow[:, 0].numpy(), rel=1e-4, abs=1e-5)
    assert fast.isnan().tolist() == slow.isnan().tolist() == [[False, True]] * 2


def test_prediction_does_not_depend_on_the_batch() -> None:
    model, image, covariates = random_network(depth=SIDES[2]), torch.randn(4, 1, *SIDES), torch.rand(4, 3)
    with torch.inference_mode():
        together = model(image, covariates)[:, 0]
        alone = torch.cat([model(image[i : i + 1], covariates[i : i + 1])[:, 0] for i in range(4)])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_same_seed_same_weights() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(networks.build("miccai2025").state_dict()["head.1.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_gradients_reach_image_and_every_weight() -> None:
    model = random_network(depth=SIDES[2])
    image = torch.randn(2, 1, *SIDES, requires_grad=True)
    model(image, torch.rand(2, 3))[:, networks.POOR_LOGIT].sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    dead = [name for name, value in model.named_parameters() if value.grad is None]
    assert dead == []


def test_the_last_feature_map_can_be_explained() -> None:
    model, seen = random_network(depth=17), []
    networks.feature_layer(model).register_forward_hook(lambda *parts: seen.append(parts[2].shape))
    model(torch.randn(1, 1, *SIDES), torch.rand(1, 3))
    assert seen == [(1, 512, 1, 1, 1)]


def test_bf16_is_near() -> None:
    model, image, covariates = random_network(depth=17), torch.randn(1, 1, *SIDES), torch.rand(1, 3)
    with torch.inference_mode():
        exact = model(image, covariates)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model(image, covariates)
    assert float(rough[0, 0]) == pytest.approx(float(exact[0, 0]), abs=0.1)
    assert float(rough[0, 0]) != float(exact[0, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: networks.build("miccai2025", n_covariates=0), "n_covariates"),
        (lambda: networks.build("miccai2025", depth=0), "depth"),
        (lambda: networks.build("miccai2025", dropout=1.0), "dropout"),
        (lambda: random_network()(torch.zeros(1, 1, 91, 109, 90), torch.zeros(1, 3)), "shape"),
        (lambda: random_network()(torch.zeros(1, 1, 91, 109, 91), torch.zeros(1, 6)), "covariates"),
    ],
)
def test_wrong_sizes_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        call()


def test_it_can_be_trained_and_has_no_score(tmp_path: Path) -> None:
    from bids_stroke.inference import predict
    from bids_stroke.training import train_ensemble, write_trained

    rng = np.random.default_rng(0)
    cohort = []
    for i in range(16):
        poor = bool(i % 2)
        path = write_volume(tmp_path / f"{i}.nii.gz", blob(0.5 * poor, rng))
        cohort.append(labelled(tmp_path, f"{i:02d}", 5.0 if poor else 30.0, {"fa": [path]}))
    member = {"modality": "fa", "network": "miccai2025", "depth": 7, "inputs": {"shrink": 12}}
    settings = tiny_settings(members={"fa": member}, outer_folds=2, epochs=2, batch_size=6, learning_rate=1e-3)
    bundle = write_trained(tmp_path, train_ensemble(cohort, settings, "cpu", lambda _: None), settings)
    prediction = predict(bundle, replace(cohort[0].unit, covariates={}), "cpu")
    assert prediction.predicted_score is None
    assert prediction.members["fa"].score is None
    assert 0 < prediction.probability_poor < 1
    assert isinstance(networks.build("miccai2025"), Miccai2025)
