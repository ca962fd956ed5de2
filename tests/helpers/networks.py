"""A small network of every kind in the registry, with the shape of one input: what the tests of all networks run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bids_stroke.networks import registry
from bids_stroke.networks.base import Network
from bids_stroke.networks.shallow import ShallowNetwork


@dataclass(frozen=True)
class Sample:
    """A network of the registry, small, and the shape of one input."""

    network: str
    shape: tuple[int, ...]
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        return self.network

    def but(self, **arguments: Any) -> Sample:
        """The same with other arguments."""
        return replace(self, arguments={**self.arguments, **arguments})


def sample(network: str, shape: tuple[int, ...], **arguments: Any) -> Sample:
    return Sample(network, shape, arguments)


SAMPLES = {
    item.network: item
    for item in (
        sample("cbam_resnet3d", (1, 33, 36, 32), n_covariates=4, widths=(8, 8, 8, 16), n_plain_blocks=1, dense=8),
        sample("miccai2025", (1, 19, 22, 17), depth=17),
        sample("slice_cnn", (3, 64, 64), backbone="shufflenet_v2_x0_5"),
        sample("lstm", (20, 3), n_channels=3, hidden=(8, 6, 4)),
        sample("tcn", (20, 3), n_channels=3, widths=(8, 6), kernel=3),
        sample("regions", (1, 11, 13, 11), shrink=8, n_parcels=3, n_covariates=4),
        sample("band_power", (200, 3), n_channels=3, rate=100.0, n_covariates=4),
        sample("coherence", (500, 3), n_channels=3, sites=(0, 1), n_covariates=4),
        sample("biomarkers", (3,), columns=("cst_load", "plic_fa_left", "lesion_volume_ml"), n_covariates=4),
        sample("early_fusion", (5,), part_blocks=(3, 2), n_covariates=4),
        sample("covariates", (0,), n_covariates=4),
    )
}
"""By the name of the network: a new network is one line here."""


def make(item: Sample, seed: int = 0) -> Network:
    """The network with random weights; a shallow one, which has none before it is fitted, gets some."""
    torch.manual_seed(seed)
    network = registry.build(item.network, **item.arguments)
    if isinstance(network, ShallowNetwork):
        network.prepare()
        for name in ("centre", "weight", "bias", "waves", "phase", "threshold", "value"):
            if hasattr(network, name):
                getattr(network, name).normal_()
        if network.n_trees:
            network.feature.random_(0, network.n_features)
    return network


def batch(item: Sample, n: int = 4) -> tuple[Tensor, Tensor]:
    """Images and covariates of n cases."""
    generator = torch.Generator().manual_seed(1)
    columns = registry.checked_arguments(item.network, item.arguments).n_covariates
    image = torch.randn((n, *item.shape), generator=generator)
    return image, torch.randn((n, columns), generator=generator)
