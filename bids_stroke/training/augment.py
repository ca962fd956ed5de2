"""Small random changes of training samples, one function for each kind of network input."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

MAX_ROTATION = math.radians(15)
MAX_BRIGHTNESS = 0.2
MAX_SHIFT = 0.035
"""Share of a side: 3 voxels of 2 mm."""
MAX_SCALE = 0.05
NOISE = 0.05


def augment(kind: str, batch: Tensor) -> Tensor:
    """A changed copy of a batch; the random numbers are torch's.

    Parameters
    ----------
    kind : {"volume", "slice", "window"}
        Kind of the network (NetworkSpec.kind).
    batch : Tensor, shape (n, ...)
        Samples.
    """
    return {"volume": _volumes, "slice": _slices, "window": _windows}[kind](batch)


def _volumes(batch: Tensor) -> Tensor:
    """Shift by a few voxels (the same for the batch) and scale of intensity by up to 5 % (own for each)."""
    most = round(MAX_SHIFT * batch.shape[2])
    shift = torch.randint(-most, most + 1, (3,)).tolist()
    scale = 1 + MAX_SCALE * (2 * torch.rand(len(batch), 1, 1, 1, 1) - 1)
    return torch.roll(batch, shift, dims=(2, 3, 4)) * scale.to(batch.device)


def _slices(batch: Tensor) -> Tensor:
    """Rotation by up to 15 degrees, flip of the first axis, brightness: as in the ShuffleNet-LSTM study."""
    n = len(batch)
    angle = MAX_ROTATION * (2 * torch.rand(n) - 1)
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(n)
    # affine_grid takes (x, y), where y is the first image axis: that one is left-right here.
    matrix = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin * flip, cos * flip, zero], 1)], 1)
    grid = functional.affine_grid(matrix.to(batch), list(batch.shape), align_corners=False)
    turned = functional.grid_sample(batch, grid, align_corners=False)
    brightness = MAX_BRIGHTNESS * (2 * torch.rand(n, 1, 1, 1) - 1)
    return turned + brightness.to(batch.device) * (turned != 0)


def _windows(batch: Tensor) -> Tensor:
    """White noise of a twentieth of the signal's standard deviation."""
    return batch + NOISE * torch.randn(batch.shape).to(batch.device)
