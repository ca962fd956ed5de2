"""Temporal convolutional network over windows of EEG and EMG: what an LSTM does, in fewer and larger pieces of work.

Source: Bai, Kolter, Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
Modeling" (2018): residual blocks of two causal convolutions, dilated twice as far from block to block, with weight
normalisation. Here the mean over time goes to the dense layer, not the last step: a rhythm may be anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from bids_stroke.networks.base import Arguments, Network, dense_head, require, require_dropout


@dataclass(frozen=True)
class TcnArguments(Arguments):
    """Size of a `Tcn`; with the defaults a number of the last block sees the 505 samples up to it (2 s at 250 Hz).

    Attributes
    ----------
    n_channels : int
        EEG and EMG channels.
    widths : tuple of int
        Channels of each block, first to last; each one's convolutions are dilated twice as far as the one's before.
    kernel : int
        Samples that a convolution reads.
    dropout : float
        Dropout after each convolution and before the dense layer, 0 to 1.
    """

    n_channels: int = 22
    widths: tuple[int, ...] = (32, 32, 32, 32, 32, 32)
    kernel: int = 5
    dropout: float = 0.2

    def check(self) -> None:
        """Check the ranges."""
        require(
            self.n_channels >= 1 and len(self.widths) >= 1 and min(*self.widths, self.kernel) >= 1,
            f"n_channels={self.n_channels}, widths={self.widths} and kernel={self.kernel} must be positive.",
        )
        require_dropout(self.dropout)


class Causal(nn.Module):
    """Convolution of each sample with those before it, weights normalised: (n, channels, time), the length is kept."""

    def __init__(self, sizes: tuple[int, int], kernel: int, dilation: int) -> None:
        super().__init__()
        self.before = (kernel - 1) * dilation
        self.conv = weight_norm(nn.Conv1d(*sizes, kernel, dilation=dilation))

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolved sequence."""
        y: Tensor = self.conv(functional.pad(x, (self.before, 0)))
        return y


class Block(nn.Module):
    """Two causal convolutions beside a shortcut."""

    def __init__(self, sizes: tuple[int, int], arguments: TcnArguments, dilation: int) -> None:
        super().__init__()
        kernel, dropout = arguments.kernel, arguments.dropout
        self.branch = nn.Sequential(
            Causal(sizes, kernel, dilation), nn.ReLU(), nn.Dropout(dropout),
            Causal((sizes[1], sizes[1]), kernel, dilation), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.shortcut = nn.Identity() if sizes[0] == sizes[1] else nn.Conv1d(*sizes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum."""
        return functional.relu(self.branch(x) + self.shortcut(x))


class Tcn(Network):
    """Blocks one upon the other, the mean of the last one's sequence through a dense layer.

    Input: windows (n, time, n_channels), each channel with zero mean and unit variance.

    >>> from torch import zeros
    >>> Tcn(TcnArguments(n_channels=3))(zeros(2, 50, 3), zeros(2, 0)).shape
    torch.Size([2, 2])
    """

    arguments_class = TcnArguments

    def __init__(self, arguments: TcnArguments) -> None:
        super().__init__(arguments)
        self.input_shape = (None, arguments.n_channels)
        sizes = pairwise((arguments.n_channels, *arguments.widths))
        self.blocks = nn.Sequential(*(Block(pair, arguments, 2**i) for i, pair in enumerate(sizes)))
        self.head = dense_head(arguments.widths[-1], (), arguments.dropout)

    @classmethod
    def from_input(cls, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As many channels as are read."""
        return {"n_channels": len(inputs["channels"])}

    @property
    def stages(self) -> Iterable[nn.Module]:
        """Each block."""
        return self.blocks

    def compute(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Windows (n, time, n_channels) -> outputs (n, 2)."""
        output: Tensor = self.head(self.blocks(image.transpose(1, 2)).mean(dim=2))
        return output
