"""Relative band power of EEG and EMG windows: the classical numbers of a recording.

Windows are z-scored per channel, so a channel's whole power says nothing; its division among the bands does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bids_stroke.networks.base import require
from bids_stroke.networks.shallow import ShallowNetwork, require_trees

BANDS = ((1.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 100.0))
"""Delta, theta, alpha, beta, gamma (Hz); those of EMG are not named."""
NYQUIST_SHARE = 0.9
"""Of the sampling rate's half that is used."""
LEAST_SHARE = 1e-4
"""Of the power, below which a band counts as empty."""


@dataclass(frozen=True)
class BandPowerArguments:
    """What a `BandPower` network measures.

    Attributes
    ----------
    n_channels : int
        EEG and EMG channels.
    rate : float
        Hz.
    n_covariates : int
        Columns of the covariates.
    n_trees : int
        Trees of each output (in training: the most); 0 for linear functions.

    Raises
    ------
    ModelError
        If a value is out of range, or the rate too low for any band.
    """

    n_channels: int = 22
    rate: float = 250.0
    n_covariates: int = 0
    n_trees: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_trees("band_power", self.n_trees)
        require(
            self.n_channels >= 1 and self.n_covariates >= 0,
            f"band_power: n_channels={self.n_channels} must be positive, n_covariates={self.n_covariates} not "
            "negative.",
            "Correct the member's arguments.",
        )
        require(
            len(self.bands) >= 2,
            f"band_power: a rate of {self.rate:g} Hz holds fewer than two bands.",
            "Give inputs.rate of 20 Hz or more.",
        )

    @property
    def bands(self) -> tuple[tuple[float, float], ...]:
        """Bands below the highest frequency that the rate allows, the last one cut there."""
        highest = NYQUIST_SHARE * self.rate / 2
        return tuple((low, min(high, highest)) for low, high in BANDS if low < highest - 1)


class BandPower(ShallowNetwork):
    """Window -> logit of a poor outcome and standardised score, from each channel's logarithmic relative band powers.

    Parameters
    ----------
    arguments : BandPowerArguments
        Channels and rate.
    """

    def __init__(self, arguments: BandPowerArguments) -> None:
        super().__init__(arguments.n_channels * len(arguments.bands), arguments.n_covariates, arguments.n_trees)
        self.arguments = arguments

    @property
    def blocks(self) -> tuple[int, ...]:
        """All channels of a band together."""
        return (self.arguments.n_channels,) * len(self.arguments.bands)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Sizes of an image after the first axis."""
        return (None, self.arguments.n_channels)

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
