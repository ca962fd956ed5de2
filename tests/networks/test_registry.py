"""The networks keep the common contract, whichever one the registry holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bids_stroke.core.errors import ModelError
from bids_stroke.networks import registry
from bids_stroke.networks.base import N_OUTPUTS, POOR_LOGIT, SCORE, feature_layer
from bids_stroke.networks.cbam_resnet3d import ChannelAttention, Halve, SpatialAttention
from bids_stroke.networks.slice_cnn import BACKBONES

SMALL: dict[str, dict[str, Any]] = {
    "cbam_resnet3d": {"n_covariates": 4, "widths": (8, 8, 8, 16), "n_plain_blocks": 1, "dense": 8},
    "slice_cnn": {"backbone": "shufflenet_v2_x0_5"},
    "lstm": {"n_channels": 3, "hidden": (8, 6, 4)},
}
SHAPES = {"cbam_resnet3d": (1, 33, 36, 32), "slice_cnn": (3, 64, 64), "lstm": (20, 3)}
CASES = [(name, SMALL[name]) for name in SMALL] + [
    ("cbam_resnet3d", {**SMALL["cbam_resnet3d"], "n_covariates": 0}),
    *(("slice_cnn", {"backbone": backbone}) for backbone in BACKBONES if backbone != "shufflenet_v2_x0_5"),
]
each_case = pytest.mark.parametrize(
    ("name", "arguments"), CASES, ids=[f"{n}-{a.get('backbone', a.get('n_covariates', ''))}" for n, a in CASES]
)
each_backbone = pytest.mark.parametrize("backbone", BACKBONES)


def make(name: str, arguments: dict[str, Any], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return registry.build(name, **arguments)


def batch(name: str, arguments: dict[str, Any], n: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.randn((n, *SHAPES[name]), generator=generator)
    return image, torch.randn((n, arguments.get("n_covariates", 0)), generator=generator)


def test_every_network_of_the_registry_is_tested() -> None:
    by_epochs = {name for name, spec in registry.NETWORKS.items() if not spec.network.shallow}
    assert {*SMALL, "miccai2025"} == by_epochs  # which has no score, and tests of its own


@each_case
def test_output_is_finite_and_has_two_columns(name: str, arguments: dict[str, Any]) -> None:
    output = make(name, arguments)(*batch(name, arguments))
    assert output.shape == (4, N_OUTPUTS)
    assert output.dtype == torch.float32
    assert torch.isfinite(output).all()


@each_case
def test_gradient_reaches_every_parameter(name: str, arguments: dict[str, Any]) -> None:
    model = make(name, arguments)
    for layer in model.modules():  # some libraries close the last normalisation of a residual branch at the start
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
    output = model(*batch(name, arguments))
    (output * torch.tensor([[1.0, -2.0], [3.0, 1.0], [-1.0, 2.0], [0.5, 1.0]])).sum().backward()
    without = [key for key, p in model.named_parameters() if p.grad is None or not torch.count_nonzero(p.grad)]
    assert without == []


@each_case
def test_same_seed_same_weights_other_seed_other_weights(name: str, arguments: dict[str, Any]) -> None:
    inputs = batch(name, arguments, n=2)
    first, again, other = (make(name, arguments, seed).eval()(*inputs) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@each_case
def test_weights_survive_safetensors(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    model, fresh = make(name, arguments, 0), make(name, arguments, 1)
    inputs = batch(name, arguments)
    model(*inputs)  # moves the batch-normalisation statistics away from their start
    save_file(model.state_dict(), tmp_path / "member.safetensors")
    fresh.load_state_dict(load_file(tmp_path / "member.safetensors"))
    assert torch.equal(model.eval()(*inputs), fresh.eval()(*inputs))


@each_case
def test_prediction_does_not_depend_on_the_batch(name: str, arguments: dict[str, Any]) -> None:
    model = make(name, arguments).eval()
    image, covariates = batch(name, arguments)
    alone = torch.cat([model(image[i : i + 1], covariates[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(model(image, covariates), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_arguments_survive_json(name: str) -> None:
    written = json.loads(json.dumps({**registry.NETWORKS[name].defaults, **SMALL[name]}))
    direct, loaded = make(name, SMALL[name]), make(name, written)
    assert direct.arguments == loaded.arguments
    assert direct.state_dict().keys() == loaded.state_dict().keys()


@pytest.mark.parametrize("name", SMALL)
def test_unknown_argument_is_named_and_the_known_ones_listed(name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name} has no argument depht.*n_covariates"):
        registry.build(name, depht=3)


def test_unknown_network_is_refused_with_the_choice() -> None:
    with pytest.raises(ModelError, match=r"'vgg'.*cbam_resnet3d,.*slice_cnn"):
        registry.build("vgg")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("cbam_resnet3d", {"widths": (8, 8, 8)}, "widths"),
        ("cbam_resnet3d", {"n_covariates": -1}, "n_covariates"),
        ("cbam_resnet3d", {"downsample": 0}, "downsample"),
        ("cbam_resnet3d", {"dropout": 1.5}, "dropout"),
        ("slice_cnn", {"backbone": "vgg16"}, "vgg16.*shufflenet_v2_x1_0"),
        ("slice_cnn", {"in_channels": 0}, "in_channels"),
        ("slice_cnn", {"pretrained_dir": "no/such/folder"}, "no/such/folder is not a folder"),
        ("slice_cnn", {"n_covariates": 2}, "reads no covariates"),
        ("lstm", {"hidden": ()}, "hidden"),
        ("lstm", {"dropout": -0.1}, "dropout"),
        ("lstm", {"n_covariates": 2}, "reads no covariates"),
    ],
)
def test_argument_out_of_range_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        registry.build(name, **arguments)


@pytest.mark.parametrize("name", SMALL)
def test_wrong_input_shape_is_refused(name: str) -> None:
    model = make(name, SMALL[name]).eval()
    image, covariates = batch(name, SMALL[name])
    for wrong in (image[:, None], image.repeat(1, 2, *[2] * (image.ndim - 2))):
        with pytest.raises(ModelError, match="expects input of shape"):
            model(wrong, covariates)
    for wrong in (torch.zeros(4, 9), covariates[:2]):
        with pytest.raises(ModelError, match="expects covariates of shape"):
            model(image, wrong)


def test_attention_gates_lie_between_0_and_1() -> None:
    x = torch.randn(2, 16, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    for gate, shape in [
        (ChannelAttention(16)(x), (2, 16, 1, 1, 1)),
        (SpatialAttention()(x), (2, 1, 5, 6, 7)),
    ]:
        assert gate.shape == shape
        assert 0 < gate.min() < gate.max() < 1


def test_attention_of_a_narrow_network_keeps_one_hidden_unit() -> None:
    assert ChannelAttention(4).mlp[0].out_features == 1
    assert ChannelAttention(64).mlp[0].out_features == 8


def test_spatial_attention_sees_only_its_neighbourhood() -> None:
    torch.manual_seed(0)
    attention = SpatialAttention()
    x = torch.zeros(1, 4, 15, 15, 15)
    touched = x.clone()
    touched[:, :, 7, 7, 7] = 1.0
    changed = (attention(touched) - attention(x)).abs()[0, 0] > 1e-7
    assert changed[4:11, 4:11, 4:11].all()
    assert changed.sum() == 7**3


def test_published_cbam_resnet3d_has_the_expected_size() -> None:
    # 27 * c_in * c_out per convolution of stem, plain and halving blocks and the last one, plus what is around them.
    plain = 5 * 2 * 16 * 16
    halving = sum(a * b + b * b for a, b in [(16, 16), (16, 64), (64, 128), (128, 256)])
    convolutions = 27 * (1 * 32 + 32 * 16 + plain + halving + 256 * 512)
    size = sum(p.numel() for p in registry.build("cbam_resnet3d", n_covariates=6).parameters())
    assert convolutions < size < 1.1 * convolutions
    assert size == 7_432_479


def test_halving_averages_around_every_second_voxel() -> None:
    x = torch.arange(1.0, 6.0).reshape(1, 1, 5, 1, 1).expand(1, 1, 5, 2, 3)
    assert Halve()(x).shape == (1, 1, 3, 1, 2)
    assert Halve()(x)[0, 0, :, 0, 0].tolist() == pytest.approx([1.5, 3.0, 4.5])


def test_halving_follows_the_published_grid() -> None:
    model = make("cbam_resnet3d", {"widths": (2, 2, 2, 2, 2, 2, 2), "n_plain_blocks": 0, "dense": 2}).eval()
    maps: list[Tensor] = []
    feature_layer(model).register_forward_hook(lambda _m, _i, output: maps.append(output))
    model(torch.zeros(1, 1, 91, 109, 91), torch.zeros(1, 0))
    assert maps[0].shape == (1, 2, 3, 4, 3)


@pytest.mark.parametrize("size", [(32, 32, 32), (33, 47, 40)])
@pytest.mark.parametrize("training", [True, False])
def test_full_depth_takes_small_and_odd_volumes(size: tuple[int, int, int], training: bool) -> None:
    model = make("cbam_resnet3d", {"widths": (4, 4, 4, 4, 4, 4, 4), "dense": 4}).train(training)
    assert torch.isfinite(model(torch.randn(2, 1, *size), torch.zeros(2, 0))).all()


def test_downsample_averages_the_input_first() -> None:
    arguments = SMALL["cbam_resnet3d"]
    image, covariates = batch("cbam_resnet3d", arguments, n=2)
    large = image.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)
    plain = make("cbam_resnet3d", arguments).eval()
    pooled = make("cbam_resnet3d", {**arguments, "downsample": 2}).eval()
    torch.testing.assert_close(pooled(large, covariates), plain(image, covariates))


def test_covariates_change_the_prediction() -> None:
    model = make("cbam_resnet3d", SMALL["cbam_resnet3d"]).eval()
    image, covariates = batch("cbam_resnet3d", SMALL["cbam_resnet3d"])
    assert not torch.allclose(model(image, covariates), model(image, covariates + 1))


@each_backbone
def test_feature_layer_of_a_backbone_gives_a_differentiable_map(backbone: str) -> None:
    model = make("slice_cnn", {"backbone": backbone}).eval()
    maps: list[Tensor] = []
    feature_layer(model).register_forward_hook(lambda _m, _i, output: maps.append(output))
    output = model(*batch("slice_cnn", {}, n=2))
    (gradient,) = torch.autograd.grad(output[:, POOR_LOGIT].sum(), maps[0])
    assert maps[0].ndim == 4
    assert maps[0].shape[2:] == (2, 2)  # 64 pixels, stride 32
    assert torch.count_nonzero(gradient) > 0


def test_lstm_has_no_feature_map() -> None:
    with pytest.raises(ModelError, match="no feature map"):
        feature_layer(make("lstm", SMALL["lstm"]))


def test_lstm_reads_the_window_from_its_start_in_order() -> None:
    model = make("lstm", SMALL["lstm"]).eval()
    image, covariates = batch("lstm", {}, n=1)
    first_changed = torch.cat([image[:, :1] + 1, image[:, 1:]], dim=1)
    assert not torch.equal(model(image, covariates), model(first_changed, covariates))
    assert not torch.allclose(model(image, covariates), model(image.flip(1), covariates))


@each_backbone
def test_other_channel_counts_are_built(backbone: str) -> None:
    model = make("slice_cnn", {"backbone": backbone, "in_channels": 1}).eval()
    assert model(torch.zeros(1, 1, 64, 64), torch.zeros(1, 0)).shape == (1, 2)


def test_networks_learn_both_outputs() -> None:
    """A planted difference between cases is found by every kind within a few steps."""
    target = torch.tensor([1.0, 0.0, 1.0, 0.0])
    for name, arguments in SMALL.items():
        model = make(name, {**arguments, "dropout": 0.0})
        image, covariates = batch(name, arguments)
        image = image * 0.1 + target.reshape(4, *[1] * (image.ndim - 1))
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        losses = []
        for _ in range(25):
            output = model(image, covariates)
            loss = nn.functional.binary_cross_entropy_with_logits(output[:, POOR_LOGIT], target)
            loss = loss + nn.functional.mse_loss(output[:, SCORE], 2 * target - 1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0], name
