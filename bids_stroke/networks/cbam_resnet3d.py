"""Attention-gated 3D residual network for one map (FA, MD, RD, AD, GM, WM or lesion) and covariates.

Source: "Attention-Based Multimodal Deep Learning Model for Post-Stroke Motor Impairment Prediction" (MICCAI 2025),
built as its text describes it: batch normalisation over channels, two convolutions in every residual block.
The attention is CBAM (Woo et al., ECCV 2018) in three dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from monai.networks.blocks.convolutions import Convolution
from torch import Tensor, nn
from torch.nn import functional

from bids_stroke.networks.base import Arguments, Network, dense_head, require, require_dropout
from bids_stroke.networks.layers.sparing import Stage, case_by_case

ATTENTION_RATIO = 8
ATTENTION_KERNEL = 7
AFTER_STEM = 3
"""Layers before it: to shrink, the first convolution, to halve."""


@dataclass(frozen=True)
class CbamResnet3dArguments(Arguments):
    """Size of a `CbamResnet3d`; the defaults are the published network.

    Attributes
    ----------
    widths : tuple of int
        Channels of the stem, of the plain blocks, of each halving block, and of the last convolution.
    n_plain_blocks : int
        Residual blocks at the stem's resolution.
    dense : int
        Units of each of the two dense layers.
    dropout : float
        Dropout in the dense layers, 0 to 1.
    downsample : int
        Factor by which the input is average-pooled first (1: not at all); keeps small ensembles fast.
    covariate_units : int
        Units of the dense layer between the covariates and the image features.
    """

    takes_covariates = True
    widths: tuple[int, ...] = (32, 16, 16, 64, 128, 256, 512)
    n_plain_blocks: int = 5
    dense: int = 256
    dropout: float = 0.3
    downsample: int = 1
    covariate_units: int = 8

    def check(self) -> None:
        """Check the ranges."""
        require(
            len(self.widths) >= 4 and min(self.widths) >= 1,
            f"widths={self.widths} needs at least 4 positive numbers.",
            "Give stem, plain blocks, one or more halving blocks, and the last convolution.",
        )
        counts = (self.dense, self.downsample, self.covariate_units)
        require(
            self.n_plain_blocks >= 0 and min(counts) >= 1,
            "n_plain_blocks must be 0 or more; dense, downsample and covariate_units 1 or more.",
        )
        require_dropout(self.dropout)


class Halve(nn.Module):
    """Average of the 3 x 3 x 3 voxels around every second voxel: n -> ceil(n / 2) per side.

    Centred on the same voxels as a convolution of stride 2; borders average the voxels that there are.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled features."""
        sides = x.shape[2:]
        # A side of 1 or 2 is averaged whole: the same result, but torch refuses a kernel longer than the side.
        kernel, padding = [min(3, side) for side in sides], [int(side > 2) for side in sides]
        return functional.avg_pool3d(x, kernel, stride=2, padding=padding, count_include_pad=False)


class ChannelAttention(nn.Module):
    """Gate per channel: (n, c, x, y, z) -> (n, c, 1, 1, 1), values in 0-1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // ATTENTION_RATIO)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate."""
        gate = torch.sigmoid(self.mlp(x.mean(dim=(2, 3, 4))) + self.mlp(x.amax(dim=(2, 3, 4))))
        return gate[:, :, None, None, None]


class SpatialAttention(nn.Module):
    """Gate per voxel: (n, c, x, y, z) -> (n, 1, x, y, z), values in 0-1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 1, ATTENTION_KERNEL, padding=ATTENTION_KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate."""
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.conv(pooled))


class Cbam(nn.Module):
    """Convolutional block attention: channels first, then voxels; the shape is kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels)
        self.spatial = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated features."""
        x = x * self.channel(x)
        x = x * self.spatial(x)
        return x


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut; `halve` pools the sum to half the size and gates the branch."""

    def __init__(self, channels_in: int, channels: int, *, halve: bool) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            _convolution(channels_in, channels), _convolution(channels, channels, activate=False)
        )
        self.shortcut: nn.Module = nn.Identity()
        if halve:
            self.branch.append(Halve()).append(Cbam(channels))
            self.shortcut = nn.Sequential(
                nn.Conv3d(channels_in, channels, 1, stride=2, bias=False), nn.BatchNorm3d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of branch and shortcut."""
        return torch.relu(self.branch(x) + self.shortcut(x))


class CbamResnet3d(Network):
    """Residual blocks with attention on one map, then dense layers on its features and the covariates.

    Input: maps (n, 1, x, y, z), each side at least 32 voxels (of the published grid: 91 x 109 x 91 at 2 mm). In
    training mode a batch needs two cases or more (batch normalisation of the dense layers).

    >>> small = CbamResnet3dArguments(widths=(2, 2, 2, 4), dense=4)
    >>> CbamResnet3d(small)(torch.zeros(2, 1, 32, 32, 32), torch.zeros(2, 0)).shape
    torch.Size([2, 2])
    """

    arguments_class = CbamResnet3dArguments

    def __init__(self, arguments: CbamResnet3dArguments) -> None:
        super().__init__(arguments)
        self.input_shape = (1, None, None, None)
        stem, plain, *halving, last = arguments.widths
        shrink = nn.Identity() if arguments.downsample == 1 else nn.AvgPool3d(arguments.downsample)
        self.features = nn.Sequential(
            shrink,
            _convolution(1, stem),
            Halve(),
            _convolution(stem, plain),
            *(ResidualBlock(plain, plain, halve=False) for _ in range(arguments.n_plain_blocks)),
            *(ResidualBlock(before, after, halve=True) for before, after in pairwise((plain, *halving))),
            _convolution(halving[-1], last, activate=False),
            Cbam(last),
        )
        units = arguments.covariate_units if arguments.n_covariates else 0
        self.covariates: nn.Module = (
            nn.Sequential(nn.Linear(arguments.n_covariates, units), nn.ReLU()) if units else nn.Identity()
        )
        self.head = dense_head(last + units, (arguments.dense, arguments.dense), arguments.dropout)

    @property
    def feature_layer(self) -> nn.Module:
        """Module whose output is the last feature map, (n, channels, x, y, z)."""
        return self.features[-1]

    @property
    def feature_layers(self) -> tuple[nn.Module, ...]:
        """All after the stem: in a narrow network on a shrunken map the last one is a single place."""
        return tuple(self.features[AFTER_STEM:])

    @property
    def stages(self) -> Iterable[nn.Module]:
        """All after the stem, which goes case by case."""
        return self.features[AFTER_STEM:]

    def compute(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Maps (n, 1, x, y, z) and covariates (n, n_covariates) -> outputs (n, 2)."""
        stem: Any  # MONAI's
        shrink, stem, halve, *rest = self.features
        if self.sparing and stem.adn.N.training:
            # Its 32 channels at full size are three quarters of what the gradient needs: 115 MB a case, several times.
            maps = case_by_case(shrink(image), Stage(stem.conv, stem.adn.N, nn.Sequential(stem.adn.A, halve)))
            for layer in rest:
                maps = layer(maps)
        else:
            maps = self.features(image)
        features = maps.mean(dim=(2, 3, 4))
        output: Tensor = self.head(torch.cat([features, self.covariates(covariates)], dim=1))
        return output


def _convolution(channels_in: int, channels: int, *, activate: bool = True) -> Convolution:
    # No bias: the batch normalisation that follows would cancel it.
    order, activation = ("NA", "RELU") if activate else ("N", None)
    return Convolution(
        3, channels_in, channels, kernel_size=3, adn_ordering=order, act=activation, norm="BATCH", bias=False
    )
