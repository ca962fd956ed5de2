"""Weights as libraries publish them."""

from __future__ import annotations

import timm
import torch
import torchvision
from torch import Tensor

from bids_stroke.networks.slice_cnn import BACKBONES


def published(backbone: str, seed: int = 3) -> dict[str, Tensor]:
    """State of the library's own network with its 1000 classes, which is what ImageNet files hold."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        timm_has_it = BACKBONES[backbone].library == "timm"
        model = timm.create_model(backbone) if timm_has_it else torchvision.models.get_model(backbone)
    return dict(model.state_dict())
