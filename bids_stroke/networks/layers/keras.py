"""Layers that behave as Keras' do, for the network that was released in Keras, with ways that are fast on the CPU.

What is fast is used only where nothing is trained, in single precision; the numbers are the same but for last digits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bids_stroke.networks.layers import depth_norm
from bids_stroke.networks.layers.depth_norm import How, NormFunction

EPS, MOMENTUM = 1e-3, 0.01
"""Of every batch normalisation: Keras' defaults (its momentum of 0.99 is torch's 0.01)."""


class DepthNorm(nn.BatchNorm1d):
    """Batch normalisation along the third spatial axis: (n, c, x, y, z), one scale and shift per z.

    Parameters
    ----------
    depth : int
        Length of the third spatial axis.
    activate : bool
        Whether a ReLU follows; done in the same pass over the memory where nothing is trained.
    """

    def __init__(self, depth: int, *, activate: bool = False) -> None:
        super().__init__(depth, eps=EPS, momentum=MOMENTUM)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised features.

        In evaluation mode without gradients ``x`` is overwritten: it is the output of a convolution that nobody
        else reads, and at 91 x 109 x 91 voxels the memory's speed decides.
        """
        if self.training and computes_on_cpu(x):
            return self.train_step(x)
        if self.training or torch.is_grad_enabled():
            y = super().forward(x.movedim(4, 1).flatten(2)).reshape(x.movedim(4, 1).shape).movedim(1, 4)
            return functional.relu(y) if self.activate else y
        return self.overwrite(x, *self.scale_and_shift(x.shape[1]))

    def overwrite(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Normalise in place."""
        torch.addcmul(shift, x, scale, out=x)
        return x.relu_() if self.activate else x

    def train_step(self, x: Tensor, *, pooled: bool = False) -> Tensor:
        """Normalise by the batch and move the statistics; ReLU and pooling, if any, come in the same pass."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        y: Tensor
        y, mean, variance = NormFunction.apply(x, self.weight, self.bias, How(self.eps, self.activate, pooled))
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance, share)
        return y

    def scale_and_shift(self, channels: int) -> tuple[Tensor, Tensor]:
        """What evaluation mode multiplies with and adds, (channels, 1, 1, depth) each.

        Repeated for every channel, channels side by side in memory as `Conv3d` leaves them: one pass without jumps.
        """
        assert self.running_mean is not None and self.running_var is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        shift = self.bias - self.running_mean * scale
        return _beside(scale, channels), _beside(shift, channels)


def _beside(planes: Tensor, channels: int) -> Tensor:
    """Numbers of each z repeated for every channel, with those side by side in memory: (channels, 1, 1, z)."""
    return planes[:, None].expand(-1, channels).contiguous().t()[:, None, None]


class SamePool(nn.Module):
    """Average pooling 3 x 3 x 3, stride 2, by TensorFlow's 'same' rule: n -> ceil(n / 2) per side.

    The rule pads one voxel on both sides of an odd side and only after an even one; voxels outside do not count.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled features."""
        if infers_on_cpu(x):
            return depth_norm.pool(x)
        return pool(x, [side % 2 for side in x.shape[2:]])


def pool(x: Tensor, padding: list[int]) -> Tensor:
    """Average of 3 x 3 x 3 voxels, stride 2, over those that there are after ``padding`` (0 or 1) in front."""
    # A side of 1 or 2 is averaged whole: the same result, but torch refuses a kernel longer than the side.
    kernel = [min(3, side) for side in x.shape[2:]]
    padding = [min(before, side // 2) for before, side in zip(padding, kernel, strict=True)]
    return functional.avg_pool3d(x, kernel, 2, padding, ceil_mode=True, count_include_pad=False)


class Conv3d(nn.Conv3d):
    """Convolution that takes oneDNN, with the channels last in memory, wherever nothing is trained on the CPU.

    torch's own choice falls on a far slower kernel for few channels or small maps: 208 instead of 138 ms for the
    first convolution at 91 x 109 x 91, 18 instead of 4 ms for the one from 16 to 64 channels (one thread). With the
    channels first, oneDNN's result is copied into that order: 10.6 instead of 1.0 ms for 7 rows of the first one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolved features."""
        return self.convolve(x, self.padding) if infers_on_cpu(x) else super().forward(x)

    def convolve(self, x: Tensor, padding: Any) -> Tensor:
        """Convolve by oneDNN with another padding; the result has its channels last in memory."""
        x = x.to(memory_format=torch.channels_last_3d)
        return torch.mkldnn_convolution(x, self.weight, self.bias, padding, self.stride, self.dilation, self.groups)


def infers_on_cpu(x: Tensor) -> bool:
    """Whether the ways that only inference on the CPU in single precision may take are open."""
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return there and computes_on_cpu(x) and not torch.is_grad_enabled()


def computes_on_cpu(x: Tensor) -> bool:
    """Whether this is the CPU, in single precision."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
