"""Small random changes of training samples, for each kind of network input, by MONAI's affine transform."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bids_stroke.core.modalities import record_of
from bids_stroke.core.settings_training import AugmentSettings

LEFT_RIGHT = 2
"""Axis of a batch of maps or slices: the first after channels."""


def augment(batch: Tensor, kind: str, modality: str, options: AugmentSettings) -> Tensor:
    """A changed copy of a batch; every sample is changed in its own way.

    All random numbers are torch's, drawn on the CPU: a training whose state is restored makes the same changes again.

    Parameters
    ----------
    batch : Tensor, shape (n, ...), float32
        Volumes (n, 1, x, y, z), slices (n, channels, x, y) or windows (n, time, channels).
    kind : {"volume", "slice", "window"}
        Kind of the network (NetworkSpec.kind).
    modality : str
        What the samples show: masks keep their values.
    options : AugmentSettings
        How much is changed.

    Returns
    -------
    Tensor, shape of ``batch``, float32, on its device
    """
    changed = batch.clone()
    if kind == "window":
        return changed + options.noise * torch.randn(batch.shape).to(batch.device) if options.noise else changed
    if options.intensity and not record_of(modality).is_mask:
        amount = options.intensity * _either_way(batch, *(1 for _ in batch.shape[1:]))
        # Slices are standardised within the brain, and exactly 0 outside it, as long as nothing is interpolated.
        changed = changed * (1 + amount) if kind == "volume" else changed + amount * (changed != 0)
    if options.flip:
        flipped = torch.rand(len(batch)).lt(0.5).to(batch.device)
        changed = torch.where(flipped.view(-1, *(1 for _ in batch.shape[1:])), changed.flip(LEFT_RIGHT), changed)
    return _moved(changed, options) if options.rotation or options.shift else changed


def _moved(batch: Tensor, options: AugmentSettings) -> Tensor:
    """Rotation about the centre and shift of each sample, in one linear interpolation; zeros come in from outside."""
    # Here, because their import takes seconds, which a network on windows need not pay.
    from monai.networks.layers import AffineTransform
    from monai.transforms import create_rotate

    size = batch.shape[2:]
    angles = math.radians(options.rotation) * _either_way(batch, 3 if len(size) == 3 else 1).cpu()
    matrices = torch.stack([torch.as_tensor(create_rotate(len(size), own.tolist())) for own in angles]).to(batch)
    matrices[:, :-1, -1] = options.shift * _either_way(batch, len(size)) * torch.tensor(size).to(batch)
    transform = AffineTransform(size, padding_mode="zeros", align_corners=False, zero_centered=True)
    moved: Tensor = transform(batch, matrices)
    return moved


def _either_way(batch: Tensor, *shape: int) -> Tensor:
    """Random numbers from -1 to 1 for each sample, (n, *shape), on its device."""
    return (2 * torch.rand(len(batch), *shape) - 1).to(batch)
