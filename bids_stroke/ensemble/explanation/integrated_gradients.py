"""What each channel and frequency band of a recording adds to a network's logit: integrated gradients.

Source: Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks" (2017). The gradient is averaged along the
straight line from a flat recording to the one at hand and multiplied by it; the products add up to how far the logit
moves on that line. A recording is the sum of what a set of bands holds of it that leaves no frequency out, so each
product can be divided among the bands, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bids_stroke.networks.base import POOR_LOGIT
from bids_stroke.networks.device import reproducible

EDGES = (1.0, 4.0, 8.0, 13.0, 30.0)
"""Between the bands (Hz): below delta, delta, theta, alpha, beta, and all above."""
STEPS = 16
"""Places on the line at which the gradient is taken (Gauss and Legendre's)."""
CHUNK = 64
"""Windows that go through a network at once."""


@dataclass(frozen=True, eq=False)
class Attributions:
    """What moves the logit of a poor outcome away from that of a flat recording.

    Attributes
    ----------
    values : (n, channels, bands) float64
        Of each window; above 0 towards a poor outcome.
    moved : (n,) float64
        The logit less that of the flat recording: what the values of a window should add up to.
    """

    values: NDArray[np.float64]
    moved: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Largest difference of the sum of a window's values from what it should be."""
        return float(np.abs(self.values.sum(axis=(1, 2)) - self.moved).max())


def bands_of(rate: float) -> tuple[str, ...]:
    """The bands in words, as far as a sampling rate (Hz) holds them.

    >>> bands_of(20.0)
    ('0 to 1 Hz', '1 to 4 Hz', '4 to 8 Hz', '8 to 10 Hz')
    """
    ends = [0.0, *(edge for edge in EDGES if edge < rate / 2), rate / 2]
    return tuple(f"{low:g} to {high:g} Hz" for low, high in pairwise(ends))


def integrated_gradients(model: nn.Module, windows: NDArray[np.float32], rate: float) -> Attributions:
    """Attributions of windows by channel and band, against a flat recording.

    Parameters
    ----------
    model : Module
        A network on windows, without covariates; it is left as it is.
    windows : (n, time, channels) float32
        As `features.readers` reads them: a flat channel is 0.
    rate : float
        Hz.
    """
    place = next(model.parameters()).device
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    training = model.training
    data = torch.from_numpy(windows).to(place)
    # cuDNN has no gradient of LSTMs that predict
    with reproducible(place, 0), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        model.eval()
        try:
            mean = torch.zeros_like(data)
            for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
                for start in range(0, len(data), CHUNK):
                    part = slice(start, start + CHUNK)
                    point = (data[part] * float(node)).requires_grad_()
                    (gradient,) = torch.autograd.grad(_logits(model, point).sum(), point)
                    mean[part] += float(weight) * gradient
            with torch.no_grad():
                ends = torch.cat([_logits(model, part) for part in torch.split(data, CHUNK)])
                moved = ends - _logits(model, torch.zeros_like(data[:1]))
        finally:
            model.train(training)
    values = np.stack([(part * mean.cpu().double()).sum(1).numpy() for part in _parts(data.cpu().double(), rate)], -1)
    return Attributions(values, moved.cpu().double().numpy())


def _logits(model: nn.Module, windows: Tensor) -> Tensor:
    output: Tensor = model(windows, windows.new_zeros(len(windows), 0))
    return output[:, POOR_LOGIT]


def _parts(data: Tensor, rate: float) -> list[Tensor]:
    """What each band holds of windows (n, time, channels); together they are the windows."""
    spectrum = torch.fft.rfft(data, dim=1)
    frequency = torch.fft.rfftfreq(data.shape[1], 1 / rate, dtype=torch.float64)
    edges = torch.tensor([edge for edge in EDGES if edge < rate / 2], dtype=torch.float64)
    band = torch.bucketize(frequency, edges, right=True)
    return [
        torch.fft.irfft(spectrum * (band == i)[None, :, None], n=data.shape[1], dim=1) for i in range(len(edges) + 1)
    ]
