"""The network that the MICCAI 2025 paper means: its parts by definition, its size."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bids_stroke.networks import registry
from bids_stroke.networks.base import feature_layer
from bids_stroke.networks.cbam_resnet3d import ChannelAttention, Halve, SpatialAttention
from tests.helpers.networks import SAMPLES, batch, make

SAMPLE = SAMPLES["cbam_resnet3d"]


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
    model = registry.build("cbam_resnet3d", widths=(2, 2, 2, 2, 2, 2, 2), n_plain_blocks=0, dense=2).eval()
    maps: list[Tensor] = []
    feature_layer(model).register_forward_hook(lambda _m, _i, output: maps.append(output))
    model(torch.zeros(1, 1, 91, 109, 91), torch.zeros(1, 0))
    assert maps[0].shape == (1, 2, 3, 4, 3)


@pytest.mark.parametrize("size", [(32, 32, 32), (33, 47, 40)])
@pytest.mark.parametrize("training", [True, False])
def test_full_depth_takes_small_and_odd_volumes(size: tuple[int, int, int], training: bool) -> None:
    model = registry.build("cbam_resnet3d", widths=(4, 4, 4, 4, 4, 4, 4), dense=4).train(training)
    assert torch.isfinite(model(torch.randn(2, 1, *size), torch.zeros(2, 0))).all()


def test_downsample_averages_the_input_first() -> None:
    image, covariates = batch(SAMPLE, n=2)
    large = image.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)
    plain = make(SAMPLE).eval()
    pooled = make(SAMPLE.but(downsample=2)).eval()
    torch.testing.assert_close(pooled(large, covariates), plain(image, covariates))
