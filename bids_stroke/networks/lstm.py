"""Stacked LSTMs over windows of EEG and EMG.

Source: the "ShuffleNet-LSTM" study: three LSTMs of 128, 64 and 32 units and one dense layer on 10 s windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from bids_stroke.networks.base import check_inputs, dense_head, require


@dataclass(frozen=True)
class LstmArguments:
    """Size of a `StackedLstm`; the defaults are the published network (16 EEG and 6 EMG channels).

    Attributes
    ----------
    n_channels : int
        EEG and EMG channels.
    hidden : tuple of int
        Units of each LSTM, first to last.
    dropout : float
        Dropout between the LSTMs and before the dense layer, 0 to 1.
    n_covariates : int
        Always 0: this network reads no covariates.

    Raises
    ------
    ModelError
        If a value is out of range.
    """

    n_channels: int = 22
    hidden: tuple[int, ...] = (128, 64, 32)
    dropout: float = 0.3
    n_covariates: int = 0

    def __post_init__(self) -> None:
        """Accept lists, as JSON gives them, and check the ranges."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        require(
            self.n_channels >= 1 and len(self.hidden) >= 1 and min(self.hidden) >= 1,
            f"lstm: n_channels={self.n_channels} and hidden={self.hidden} must be positive.",
            "Correct the member's arguments.",
        )
        require(
            0 <= self.dropout < 1,
            f"lstm: dropout={self.dropout} is outside 0 to 1.",
            "Give a probability such as 0.3.",
        )
        require(
            self.n_covariates == 0,
            f"lstm: n_covariates={self.n_covariates}, but this network reads no covariates.",
            "Give n_covariates=0.",
        )


class StackedLstm(nn.Module):
    """Window -> logit of a poor outcome and standardised score.

    Parameters
    ----------
    arguments : LstmArguments
        Size of the network.
    """

    def __init__(self, arguments: LstmArguments) -> None:
        super().__init__()
        self.arguments = arguments
        sizes = (arguments.n_channels, *arguments.hidden)
        self.layers = nn.ModuleList(nn.LSTM(size, units, batch_first=True) for size, units in pairwise(sizes))
        self.dropout = nn.Dropout(arguments.dropout)
        self.head = dense_head(arguments.hidden[-1], (), arguments.dropout)

    def forward(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        image : Tensor, shape (n, time, n_channels), float32
            Windows, each channel with zero mean and unit variance.
        covariates : Tensor, shape (n, 0)
            Empty; part of the common contract.

        Returns
        -------
        Tensor, shape (n, 2)
            Logit of a poor outcome, standardised score.

        Raises
        ------
        ModelError
            If a shape differs from what the network was built for.
        """
        check_inputs(image, (None, self.arguments.n_channels), covariates, 0)
        sequence = image
        for i, layer in enumerate(self.layers):
            sequence, _ = layer(self.dropout(sequence) if i else sequence)
        output: Tensor = self.head(sequence[:, -1])
        return output
