"""Relative band power of EEG and EMG windows: the classical numbers of a recording.

Windows are z-scored per channel, so a channel's whole power says nothing; its division among the bands does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bids_stroke.networks.base import require
from bids_stroke.networks.shallow import ShallowArguments, ShallowNetwork

BANDS = ((1.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 100.0))
"""Delta, theta, alpha, beta, gamma (Hz); those of EMG are not named."""
NYQUIST_SHARE = 0.9
"""Of the sampling rate's half that is used."""
LEAST_SHARE = 1e-4
"""Of the power, below which a band counts as empty."""


@dataclass(frozen=True)
class BandPowerArguments(ShallowArguments):
    """What a `BandPower` network measures.

    Attributes
    ----------
    n_channels : int
        EEG and EMG channels.
    rate : float
        Hz.
    """

    n_channels: int = 22
    rate: float = 250.0

    def check(self) -> None:
        """Check the ranges, and that the rate holds two bands."""
        require(self.n_channels >= 1, f"n_channels={self.n_channels} must be positive.")
        require(
            len(self.bands) >= 2,
            f"a rate of {self.rate:g} Hz holds fewer than two bands.",
            "Give inputs.rate of 20 Hz or more.",
        )

    @property
    def bands(self) -> tuple[tuple[float, float], ...]:
        """Bands below the highest frequency that the rate allows, the last one cut there."""
        highest = NYQUIST_SHARE * self.rate / 2
        return tuple((low, min(high, highest)) for low, high in BANDS if low < highest - 1)


class BandPower(ShallowNetwork):
    """Linear functions, or small trees, of each channel's logarithmic relative band powers.

    Input: windows (n, time, n_channels), each channel with zero mean and unit variance.

    >>> BandPower(BandPowerArguments(n_channels=3))(torch.zeros(2, 500, 3), torch.zeros(2, 0)).shape
    torch.Size([2, 2])
    """

    arguments_class = BandPowerArguments
    arguments: BandPowerArguments

    def __init__(self, arguments: BandPowerArguments) -> None:
        super().__init__(arguments, arguments.n_channels * len(arguments.bands))
        self.input_shape = (None, arguments.n_channels)

    @classmethod
    def from_input(cls, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As many channels as are read, at the reader's rate."""
        return {"n_channels": len(inputs["channels"]), "rate": inputs["rate"]}

    @property
    def blocks(self) -> tuple[int, ...]:
        """All channels of a band together."""
        return (self.arguments.n_channels,) * len(self.arguments.bands)

    def column_names(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """Band and channel."""
        bands = [f"{low:g} to {high:g} Hz" for low, high in self.arguments.bands]
        return tuple(f"{band}, {channel}" for band in bands for channel in inputs["channels"])

    def features(self, image: Tensor) -> Tensor:
        """Natural logarithm of the share of each band in each channel's power, band by band.

        Parameters
        ----------
        image : Tensor, shape (n, time, n_channels), float32
            Windows, each channel with zero mean and unit variance; a flat channel is 0 and counts as even.

        Returns
        -------
        Tensor, shape (n, bands * n_channels), float64
        """
        signal = image.double()
        taper = torch.hann_window(signal.shape[1], dtype=torch.float64, device=signal.device)
        power = torch.fft.rfft(signal * taper[None, :, None], dim=1).abs() ** 2
        frequency = torch.fft.rfftfreq(signal.shape[1], 1 / self.arguments.rate, device=signal.device)
        bands = self.arguments.bands
        sums = torch.stack([power[:, (frequency >= low) & (frequency < high)].sum(1) for low, high in bands], dim=1)
        total = sums.sum(1, keepdim=True)
        share = torch.where(total > 0, sums / total.clamp(min=1e-300), 1 / len(bands))
        return torch.log(share.clamp(min=LEAST_SHARE)).flatten(1)
