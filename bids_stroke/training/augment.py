"""Small random changes of training samples, by MONAI's transforms, for each kind of network input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bids_stroke.settings import AugmentSettings

if TYPE_CHECKING:
    from monai.transforms import Compose

MASKS = ("lesion",)
"""Modalities whose values are shares of a voxel: another scale would be another meaning."""
LEFT_RIGHT = 0
"""First axis of a map and of a slice."""


def augment(batch: Tensor, kind: str, modality: str, options: AugmentSettings) -> Tensor:
    """A changed copy of a batch; every sample is changed in its own way.

    All random numbers follow from torch's generator on the CPU, so that a training whose state is restored makes the
    same changes again.

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
    if kind == "window":
        return batch + options.noise * torch.randn(batch.shape).to(batch.device) if options.noise else batch.clone()
    change = _image_change(batch, kind, modality, options)
    change.set_random_state(int(torch.randint(2**31 - 1, (1,))))
    return torch.stack([change(sample.clone()) for sample in batch])


def _image_change(batch: Tensor, kind: str, modality: str, options: AugmentSettings) -> Compose:
    """Intensity first, while the zeros around the brain are exact; then the flip; then one interpolation."""
    # Here, because its import takes seconds, which a network on windows need not pay.
    from monai.transforms import Compose, EnsureType, RandAffine, RandFlip, RandScaleIntensity, RandStdShiftIntensity

    size = batch.shape[2:]
    steps: list[Callable[[Tensor], Tensor]] = []
    if options.intensity and modality not in MASKS:
        brighter = RandStdShiftIntensity(options.intensity, prob=1.0, nonzero=True)  # slices have a mean of 0
        steps.append(brighter if kind == "slice" else RandScaleIntensity(options.intensity, prob=1.0))
    if options.flip:
        steps.append(RandFlip(prob=0.5, spatial_axis=LEFT_RIGHT))
    if options.rotation or options.shift:
        angle = math.radians(options.rotation)
        steps.append(
            RandAffine(
                prob=1.0,
                rotate_range=(angle,) * (3 if kind == "volume" else 1),
                translate_range=[options.shift * side for side in size],
                padding_mode="zeros",
                spatial_size=size,
                cache_grid=True,
                device=batch.device,
            )
        )
    return Compose([*steps, EnsureType(track_meta=False)])
