"""The 3D network of the MICCAI 2025 study exactly as its authors released it, so that their weights can be used.

Source: "Attention-Based Multimodal Deep Learning Model for Post-Stroke Motor Impairment Prediction" (MICCAI 2025) and
its released Keras code, whose behaviour is kept where it differs from the paper: batch normalisation runs along the
third spatial axis (one scale and shift per axial slice, shared by all channels), residual blocks hold one
convolution, pooling and convolutions follow TensorFlow's 'same' rule. `cbam_resnet3d` is the network the paper means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bids_stroke.networks.base import Arguments, Network, require, require_dropout
from bids_stroke.networks.layers import depth_norm
from bids_stroke.networks.layers.keras import (  # fmt: skip
    EPS,
    MOMENTUM,
    Conv3d,
    DepthNorm,
    SamePool,
    computes_on_cpu,
    infers_on_cpu,
    pool,
)

STEM = 32
PLAIN = 16
N_PLAIN_BLOCKS = 5
HALVING = (16, 64, 128, 256)
LAST = 512
DENSE = 256
ATTENTION_RATIO = 8
ATTENTION_KERNEL = 7
SLAB = 3
"""Rows of pooled voxels that the first layers make at once in inference."""
POOR, GOOD = 0, 1
"""Order of the two classes in the last dense layer."""


@dataclass(frozen=True)
class Miccai2025Arguments(Arguments):
    """Arguments of a `Miccai2025`; the defaults are the published network.

    Attributes
    ----------
    n_covariates : int
        Columns of the covariates: age, sex and days since stroke, each divided by its maximum, in the released code.
    depth : int
        Voxels along the third axis of the map: the normalisations have one scale and shift for each.
    dropout : float
        Dropout in the dense layers, 0 to 1.
    """

    takes_covariates = True
    n_covariates: int = 3
    depth: int = 91
    dropout: float = 0.3

    def check(self) -> None:
        """Check the ranges."""
        require(
            self.n_covariates >= 1 and self.depth >= 1,
            f"n_covariates={self.n_covariates} and depth={self.depth} must be 1 or more.",
            "Leave both out for the published network (3 and 91).",
        )
        require_dropout(self.dropout)


class Stem(nn.Module):
    """The first convolution, its normalisation, ReLU and pooling: (n, 1, x, y, z) -> (n, 32, ceil(x / 2), ...)."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv = Conv3d(1, STEM, 3, padding=1)
        self.norm = DepthNorm(depth, activate=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled features.

        Inference goes slab by slab along x: the 32 channels at full size (115 MB a map) never lie in memory, each
        slab stays in the processor's cache. The numbers are those of the whole at once.
        """
        sides = x.shape[2:]
        if self.training and computes_on_cpu(x):
            return self.norm.train_step(self.conv(x), pooled=True)
        if infers_on_cpu(x) and not self.training:
            return self._by_slabs(x)
        return pool(self.norm(self.conv(x)), [side % 2 for side in sides])

    def _by_slabs(self, x: Tensor) -> Tensor:
        sides = x.shape[2:]
        before = [side % 2 for side in sides]
        affine = self.norm.scale_and_shift(STEM)
        padded = functional.pad(x, (0, 0, 0, 0, 1, 1)).to(memory_format=torch.channels_last_3d)
        rows, slabs = -(-sides[0] // 2), []
        for low in range(0, rows, SLAB):
            first = 2 * low - before[0]
            begin, end = max(first, 0), min(first + 2 * min(SLAB, rows - low) + 1, sides[0])
            part = self.norm.overwrite(self.conv.convolve(padded[:, :, begin : end + 2], (0, 1, 1)), *affine)
            slabs.append(depth_norm.pool_sums(part, [begin - first, *before[1:]])[:, :, :SLAB])
            del part  # so that the next slab lies in the same memory
        return torch.cat(slabs, dim=2)[:, :, :rows].div_(depth_norm.pool_counts(sides, before))


class Cbam(nn.Module):
    """Attention to channels, then to voxels (Woo et al., ECCV 2018), with the biases of the released code."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // ATTENTION_RATIO
        self.reduce = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, channels)
        self.spatial = Conv3d(2, 1, ATTENTION_KERNEL, padding=ATTENTION_KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gated features, same shape."""
        gate = torch.sigmoid(self._mlp(x.mean(dim=(2, 3, 4))) + self._mlp(x.amax(dim=(2, 3, 4))))
        x = x * gate[:, :, None, None, None]
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial(pooled))

    def _mlp(self, pooled: Tensor) -> Tensor:
        gate: Tensor = self.expand(functional.relu(self.reduce(pooled)))
        return gate


class PlainBlock(nn.Module):
    """One convolution beside the identity."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.conv = Conv3d(channels, channels, 3, padding=1)
        self.norm = DepthNorm(depth)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum."""
        return _sum_and_relu(self.norm(self.conv(x)), x)


class HalvingBlock(nn.Module):
    """A pooled and gated convolution beside a 1 x 1 x 1 convolution of every second voxel."""

    def __init__(self, channels_in: int, channels: int, depth: int) -> None:
        super().__init__()
        self.conv = Conv3d(channels_in, channels, 3, padding=1)
        self.norm = DepthNorm(depth)
        self.pool = SamePool()
        self.attention = Cbam(channels)
        self.shortcut = Conv3d(channels_in, channels, 1, stride=2)
        self.shortcut_norm = DepthNorm(-(-depth // 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum."""
        gated = self.attention(self.pool(self.norm(self.conv(x))))
        return _sum_and_relu(gated, self.shortcut_norm(self.shortcut(x)))


def _sum_and_relu(fresh: Tensor, other: Tensor) -> Tensor:
    """ReLU of the sum; overwrites ``fresh``, which nobody else reads, where nothing is trained."""
    return functional.relu(fresh + other) if torch.is_grad_enabled() else fresh.add_(other).relu_()


class Miccai2025(Network):
    """The released network on one map and covariates: a logit, and no score.

    Input: maps (n, 1, x, y, depth) as the released code reads them: raw values, voxel order L, A, S. Covariates are
    divided by their maxima; none may be missing. In training mode a batch needs two cases or more (batch normalisation
    of the dense layers). The default arguments are the published network: 5,068,115 numbers, 5,065,063 of them
    trainable.

    >>> Miccai2025(Miccai2025Arguments(depth=9))(torch.zeros(2, 1, 8, 9, 9), torch.zeros(2, 3)).shape
    torch.Size([2, 2])
    """

    arguments_class = Miccai2025Arguments
    has_score = False

    def __init__(self, arguments: Miccai2025Arguments) -> None:
        super().__init__(arguments)
        self.input_shape = (1, None, None, arguments.depth)
        depth = -(-arguments.depth // 2)
        layers: list[nn.Module] = [
            Stem(arguments.depth), Conv3d(STEM, PLAIN, 3, padding=1), DepthNorm(depth, activate=True)
        ]  # fmt: skip
        layers += [PlainBlock(PLAIN, depth) for _ in range(N_PLAIN_BLOCKS)]
        before = PLAIN
        for channels in HALVING:
            layers.append(HalvingBlock(before, channels, depth))
            before, depth = channels, -(-depth // 2)
        layers += [Conv3d(before, LAST, 3, padding=1), DepthNorm(depth), Cbam(LAST)]
        self.features = nn.Sequential(*layers)
        self.covariates = nn.Sequential(nn.Linear(arguments.n_covariates, 1), nn.ReLU())
        self.head = nn.Sequential(
            _norm(LAST + 1),
            nn.Linear(LAST + 1, DENSE), nn.ReLU(), nn.Dropout(arguments.dropout), _norm(DENSE),
            nn.Linear(DENSE, DENSE), nn.ReLU(), nn.Dropout(arguments.dropout), _norm(DENSE),
            nn.Linear(DENSE, 2),
        )  # fmt: skip

    @property
    def feature_layer(self) -> nn.Module:
        """Module whose output is the last feature map, (n, 512, x, y, z)."""
        return self.features[-1]

    @property
    def stages(self) -> Iterable[nn.Module]:
        """Every layer on the map."""
        return self.features

    def compute(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Maps (n, 1, x, y, depth) and covariates (n, n_covariates) -> outputs (n, 2), the score NaN."""
        features = self.features(image).mean(dim=(2, 3, 4))
        classes = self.head(torch.cat([features, self.covariates(covariates)], dim=1))
        poor = classes[:, POOR] - classes[:, GOOD]
        return torch.stack([poor, torch.full_like(poor, torch.nan)], dim=1)


def _norm(columns: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(columns, eps=EPS, momentum=MOMENTUM)
