"""Cortico-muscular coherence of EEG and EMG windows: how much of the motor cortex's rhythm arrives in the muscle.

Weaker after a stroke, and it comes back with recovery: Mima et al. 2001, "Coherence between cortical and muscular
activities after subcortical stroke"; Krauth et al. 2019, "Cortico-muscular coherence is reduced acutely post-stroke
and increases bilaterally during motor recovery: a pilot study".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bids_stroke.core.channels import canonical_name, is_site
from bids_stroke.networks.band_power import NYQUIST_SHARE
from bids_stroke.networks.base import require
from bids_stroke.networks.shallow import ShallowArguments, ShallowNetwork

BANDS = ((13.0, 30.0), (30.0, 45.0))
"""Beta (steady contraction) and low gamma (movement), Hz."""
SEGMENT_S = 0.5
"""Length of the segments that are averaged within a window; they overlap by half."""
FEWEST_SEGMENTS = 4
"""That a window must hold, side by side: of one alone the coherence is always 1."""
LARGEST = 1 - 1e-6
"""Coherence above which two channels count as one, so that Fisher's z stays finite."""


@dataclass(frozen=True)
class CoherenceArguments(ShallowArguments):
    """What a `Coherence` network measures.

    Attributes
    ----------
    n_channels : int
        EEG and EMG channels.
    sites : tuple of int
        Which of them are EEG; the others are muscles.
    rate : float
        Hz.
    """

    n_channels: int = 22
    sites: tuple[int, ...] = tuple(range(16))
    rate: float = 250.0

    def check(self) -> None:
        """Check that there are sites and muscles, and that the rate holds a band."""
        require(
            set(self.sites) < set(range(self.n_channels)) and len(self.sites) > 0,
            f"of n_channels={self.n_channels}, sites={list(self.sites)} must be some but not all.",
            "Let inputs.channels name EEG sites and muscles.",
        )
        require(
            bool(self.bands),
            f"a rate of {self.rate:g} Hz does not hold the beta band.",
            "Give inputs.rate of 70 Hz or more.",
        )

    @property
    def bands(self) -> tuple[tuple[float, float], ...]:
        """Bands that the rate holds as a whole."""
        return tuple(band for band in BANDS if band[1] <= NYQUIST_SHARE * self.rate / 2)

    @property
    def muscles(self) -> tuple[int, ...]:
        """Channels that are no EEG."""
        return tuple(i for i in range(self.n_channels) if i not in self.sites)


class Coherence(ShallowNetwork):
    """Linear functions, or small trees, of the coherence of EEG sites and muscles.

    Input: windows (n, time, n_channels) of 2 s or more. Features, for each band: the mean over all pairs, that of each
    site over the muscles, of each muscle over the sites.

    >>> Coherence(CoherenceArguments(n_channels=3, sites=(0, 1)))(torch.zeros(2, 500, 3), torch.zeros(2, 0)).shape
    torch.Size([2, 2])
    """

    arguments_class = CoherenceArguments
    arguments: CoherenceArguments

    def __init__(self, arguments: CoherenceArguments) -> None:
        columns = len(arguments.bands) * (1 + arguments.n_channels)
        super().__init__(arguments, columns)
        self.input_shape = (None, arguments.n_channels)

    @classmethod
    def from_input(cls, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As many channels as are read, which of them are EEG by their names, and the reader's rate."""
        sites = [i for i, name in enumerate(inputs["channels"]) if is_site(canonical_name(name))]
        return {"n_channels": len(inputs["channels"]), "rate": inputs["rate"], "sites": sites}

    @property
    def blocks(self) -> tuple[int, ...]:
        """Of each band: all pairs, the sites, the muscles."""
        return (1, len(self.arguments.sites), len(self.arguments.muscles)) * len(self.arguments.bands)

    def column_names(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """Band, and all pairs, a site or a muscle."""
        channels = inputs["channels"]
        own = [
            "all pairs",
            *(channels[i] for i in self.arguments.sites),
            *(channels[i] for i in self.arguments.muscles),
        ]
        bands = [f"{low:g} to {high:g} Hz" for low, high in self.arguments.bands]
        return tuple(f"coherence {band}, {name}" for band in bands for name in own)

    def features(self, image: Tensor) -> Tensor:
        """Fisher's z of the coherence, band by band.

        Parameters
        ----------
        image : Tensor, shape (n, time, n_channels), float32
            Windows; a flat channel has no coherence.

        Returns
        -------
        Tensor, shape (n, bands * (1 + n_channels)), float64

        Raises
        ------
        ModelError
            If the windows are too short.

        Notes
        -----
        The magnitude-squared coherence over Hann segments (Welch), mean over the band's frequencies, then the inverse
        hyperbolic tangent of its root, whose spread does not depend on its size (Rosenberg et al. 1989, "The Fourier
        approach to the identification of functional coupling between neuronal spike trains").
        """
        frequency, squared = self._coherence(image.double())
        columns = []
        for low, high in self.arguments.bands:
            pairs = squared[:, (frequency >= low) & (frequency <= high)].mean(1)
            pairs = torch.atanh(pairs.clamp(max=LARGEST).sqrt())
            columns += [pairs.mean((1, 2))[:, None], pairs.mean(2), pairs.mean(1)]
        return torch.cat(columns, dim=1)

    def _coherence(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Frequencies (Hz), and the squared coherence (n, frequencies, sites, muscles)."""
        length = round(SEGMENT_S * self.arguments.rate)
        require(
            signal.shape[1] >= FEWEST_SEGMENTS * length,
            f"coherence: windows of {signal.shape[1] / self.arguments.rate:g} s are too short.",
            f"Give inputs.seconds of {FEWEST_SEGMENTS * SEGMENT_S:g} or more.",
        )
        segments = signal.unfold(1, length, length // 2)  # (n, segments, channels, time)
        taper = torch.hann_window(length, dtype=torch.float64, device=signal.device)
        spectra = torch.fft.rfft((segments - segments.mean(3, keepdim=True)) * taper, dim=3)
        power = (spectra.abs() ** 2).sum(1)
        sites, muscles = list(self.arguments.sites), list(self.arguments.muscles)
        cross = torch.einsum("nsaf,nsbf->nfab", spectra[:, :, sites], spectra[:, :, muscles].conj())
        both = torch.einsum("naf,nbf->nfab", power[:, sites], power[:, muscles])
        squared = torch.where(both > 0, cross.abs() ** 2 / both.clamp(min=1e-300), 0.0)
        return torch.fft.rfftfreq(length, 1 / self.arguments.rate, device=signal.device), squared
