"""The network of the MICCAI 2025 study: its parts by definition, its two ways of computing, training with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bids_stroke.core.errors import ModelError
from bids_stroke.networks import registry
from bids_stroke.networks.base import POOR_LOGIT, feature_layer
from bids_stroke.networks.layers import depth_norm
from bids_stroke.networks.layers.keras import DepthNorm, SamePool, pool
from bids_stroke.networks.miccai2025 import Cbam, Miccai2025
from tests.helpers.units import blob, labelled, tiny_settings, write_volume

SIDES = (19, 22, 17)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def random_network(**arguments: object) -> nn.Module:
    """Published architecture with random weights and statistics, none of them neutral."""
    model = registry.build("miccai2025", **arguments)
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
    model = registry.build("miccai2025")
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


def test_gradients_reach_image_and_every_weight() -> None:
    model = random_network(depth=SIDES[2])
    image = torch.randn(2, 1, *SIDES, requires_grad=True)
    model(image, torch.rand(2, 3))[:, POOR_LOGIT].sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    dead = [name for name, value in model.named_parameters() if value.grad is None]
    assert dead == []


def test_the_last_feature_map_can_be_explained() -> None:
    model, seen = random_network(depth=17), []
    feature_layer(model).register_forward_hook(lambda *parts: seen.append(parts[2].shape))
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
        (lambda: registry.build("miccai2025", n_covariates=0), "n_covariates"),
        (lambda: registry.build("miccai2025", depth=0), "depth"),
        (lambda: registry.build("miccai2025", dropout=1.0), "dropout"),
        (lambda: random_network()(torch.zeros(1, 1, 91, 109, 90), torch.zeros(1, 3)), "shape"),
        (lambda: random_network()(torch.zeros(1, 1, 91, 109, 91), torch.zeros(1, 6)), "covariates"),
    ],
)
def test_wrong_sizes_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        call()


def test_it_can_be_trained_and_has_no_score(tmp_path: Path) -> None:
    from bids_stroke.ensemble.predict import predict
    from bids_stroke.training.ensemble import train_ensemble, write_trained

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
    assert prediction.members["fa"].score is None
    assert prediction.predicted_score is not None and 5 <= prediction.predicted_score <= 30  # the distribution's mean
    assert 0 < prediction.probability_poor < 1
    assert isinstance(registry.build("miccai2025"), Miccai2025)


@pytest.mark.parametrize("sides", [(9, 8, 7), (6, 5, 4), (1, 2, 3)])
@pytest.mark.parametrize(("relu", "pooled"), [(False, False), (True, False), (True, True)])
def test_training_on_the_cpu_has_the_gradients_of_torchs_own_layers(
    sides: tuple[int, int, int], relu: bool, pooled: bool
) -> None:
    fast, plain = DepthNorm(sides[2], activate=relu).train(), nn.BatchNorm1d(sides[2], eps=1e-3, momentum=0.01).train()
    with torch.no_grad():
        fast.weight.normal_()
        fast.bias.normal_()
    plain.load_state_dict(fast.state_dict())
    x = (torch.randn(3, 4, *sides) * 2 + torch.arange(sides[2])).requires_grad_()
    y = fast.train_step(x, pooled=pooled)
    moved = x.detach().clone().requires_grad_()
    z = plain(moved.movedim(4, 1).flatten(2)).reshape(moved.movedim(4, 1).shape).movedim(1, 4)
    z = torch.relu(z) if relu else z
    z = pool(z, [side % 2 for side in sides]) if pooled else z
    assert torch.allclose(y, z, atol=1e-5)
    direction = torch.randn_like(y)
    (y * direction).sum().backward()
    (z * direction).sum().backward()
    for found, wanted in ((x, moved), (fast.weight, plain.weight), (fast.bias, plain.bias)):
        assert found.grad is not None and wanted.grad is not None
        assert torch.allclose(found.grad, wanted.grad, rtol=1e-4, atol=1e-4)
    assert fast.num_batches_tracked == plain.num_batches_tracked == 1
    assert torch.allclose(fast.running_mean, plain.running_mean, atol=1e-5)  # type: ignore[arg-type]


def test_gradients_are_right_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for piece in (depth_norm.PIECE, 50):
        monkeypatch.setattr(depth_norm, "PIECE", piece)
        norm = DepthNorm(7, activate=True).train()
        x = torch.randn(2, 3, 5, 6, 7, generator=torch.Generator().manual_seed(3)).requires_grad_()
        norm(x).square().sum().backward()
        assert x.grad is not None
        found.append(x.grad)
    assert torch.allclose(found[0], found[1], atol=1e-5)


def test_variance_survives_a_mean_far_from_zero() -> None:
    norm = DepthNorm(5).train()
    x = torch.randn(2, 16, 9, 9, 5) + 1000
    y = norm(x)
    assert y.std().item() == pytest.approx(1, abs=0.01)
    assert y.mean().item() == pytest.approx(0, abs=0.01)


def test_statistics_can_be_the_mean_over_batches() -> None:
    norm = DepthNorm(4).train()
    norm.momentum = None
    batches = [torch.randn(2, 3, 9, 9, 4) + i for i in range(3)]
    with torch.no_grad():
        for batch in batches:
            norm(batch.clone())
    assert norm.running_mean is not None
    wanted = torch.stack([batch.mean((0, 1, 2, 3)) for batch in batches]).mean(0)
    assert torch.allclose(norm.running_mean, wanted, atol=1e-5)


def test_a_training_step_is_the_same_each_time() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        model = registry.build("miccai2025", depth=SIDES[2]).train()
        model(torch.randn(3, 1, *SIDES), torch.rand(3, 3))[:, POOR_LOGIT].sum().backward()
        found.append(torch.cat([value.grad.flatten() for value in model.parameters() if value.grad is not None]))
    assert torch.equal(found[0], found[1])
