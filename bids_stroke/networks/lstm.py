"""Stacked LSTMs over windows of EEG and EMG.

Source: the "ShuffleNet-LSTM" study: three LSTMs of 128, 64 and 32 units and one dense layer on 10 s windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from bids_stroke.networks.base import Arguments, Network, dense_head, require, require_dropout


@dataclass(frozen=True)
class LstmArguments(Arguments):
    """Size of a `StackedLstm`; the defaults are the published network (16 EEG and 6 EMG channels).

    Attributes
    ----------
    n_channels : int
        EEG and EMG channels.
    hidden : tuple of int
        Units of each LSTM, first to last.
    dropout : float
        Dropout between the LSTMs and before the dense layer, 0 to 1.
    """

    n_channels: int = 22
    hidden: tuple[int, ...] = (128, 64, 32)
    dropout: float = 0.3

    def check(self) -> None:
        """Check the ranges."""
        require(
            self.n_channels >= 1 and len(self.hidden) >= 1 and min(self.hidden) >= 1,
            f"n_channels={self.n_channels} and hidden={self.hidden} must be positive.",
        )
        require_dropout(self.dropout)


class StackedLstm(Network):
    """LSTMs one upon the other, the last one's last state through a dense layer.

    Input: windows (n, time, n_channels), each channel with zero mean and unit variance.

    >>> from torch import zeros
    >>> StackedLstm(LstmArguments(n_channels=3))(zeros(2, 50, 3), zeros(2, 0)).shape
    torch.Size([2, 2])
    """

    arguments_class = LstmArguments
    one_thread = True  # two take twice the CPU time on a quiet machine, 27 times on a busy one, for the same bytes

    def __init__(self, arguments: LstmArguments) -> None:
        super().__init__(arguments)
        self.input_shape = (None, arguments.n_channels)
        sizes = (arguments.n_channels, *arguments.hidden)
        self.layers = nn.ModuleList(nn.LSTM(size, units, batch_first=True) for size, units in pairwise(sizes))
        self.dropout = nn.Dropout(arguments.dropout)
        self.head = dense_head(arguments.hidden[-1], (), arguments.dropout)

    @classmethod
    def from_input(cls, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As many channels as are read."""
        return {"n_channels": len(inputs["channels"])}

    @property
    def stages(self) -> Iterable[nn.Module]:
        """Each LSTM."""
        return self.layers

    def compute(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Windows (n, time, n_channels) -> outputs (n, 2)."""
        # oneDNN's LSTM raises an error in bf16 on CPUs that have AVX2 only
        with torch.autocast(image.device.type, enabled=False):
            sequence = image.float()
            for i, layer in enumerate(self.layers):
                sequence, _ = layer(self.dropout(sequence) if i else sequence)
        output: Tensor = self.head(sequence[:, -1])
        return output
