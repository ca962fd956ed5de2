"""The backbones for slices, whichever library they come from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bids_stroke.core.errors import ModelError
from bids_stroke.networks.base import POOR_LOGIT, feature_layer
from bids_stroke.networks.slice_cnn import BACKBONES
from tests.helpers.networks import SAMPLES, batch, make

SAMPLE = SAMPLES["slice_cnn"]
each_backbone = pytest.mark.parametrize("backbone", BACKBONES)


@each_backbone
def test_feature_layer_of_a_backbone_gives_a_differentiable_map(backbone: str) -> None:
    model = make(SAMPLE.but(backbone=backbone)).eval()
    maps: list[Tensor] = []
    feature_layer(model).register_forward_hook(lambda _m, _i, output: maps.append(output))
    output = model(*batch(SAMPLE, n=2))
    (gradient,) = torch.autograd.grad(output[:, POOR_LOGIT].sum(), maps[0])
    assert maps[0].ndim == 4
    assert maps[0].shape[2:] == (2, 2)  # 64 pixels, stride 32
    assert torch.count_nonzero(gradient) > 0


@each_backbone
def test_other_channel_counts_are_built(backbone: str) -> None:
    model = make(SAMPLE.but(backbone=backbone, in_channels=1)).eval()
    assert model(torch.zeros(1, 1, 64, 64), torch.zeros(1, 0)).shape == (1, 2)


def test_a_folder_of_starting_weights_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match="no/such/folder is not a folder"):
        make(SAMPLE.but(pretrained_dir="no/such/folder"))
