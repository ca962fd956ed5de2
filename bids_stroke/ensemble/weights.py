"""Weights of a bundle's members: read, checked, and put into their networks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from bids_stroke.core.errors import ModelError
from bids_stroke.core.modalities import EARLY
from bids_stroke.ensemble.metadata import METADATA, unreadable, weights_file
from bids_stroke.features.readers import complete_inputs
from bids_stroke.networks import registry

if TYPE_CHECKING:
    from bids_stroke.core.records import Member

VOLUME_KERNEL = 5
"""Axes of the kernels of a 3D convolution."""
NO_SPLIT = "threshold"
"""Of decision trees: plus infinity at a node that divides nobody (`training.shallow_paths`)."""


def read_weights(path: Path, member: str) -> dict[str, torch.Tensor]:
    """Weights of a member of the bundle in a folder, on the CPU.

    Raises
    ------
    ModelError
        The file is no safetensors, or a weight is NaN or infinite; but for plus infinity in NO_SPLIT.
    """
    file = path / weights_file(member)
    try:
        weights = dict(load_file(file))
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise unreadable(file, str(error)) from None
    for key, weight in weights.items():
        if not weight.is_floating_point():
            continue
        bad = ~torch.isfinite(weight)
        if key == NO_SPLIT:
            bad &= ~torch.isposinf(weight)
        if bad.any():
            raise unreadable(file, f"{key} holds NaN or infinity")
    return weights


def check_members(path: Path, members: Iterable[Member], modalities: Collection[str] | None = None) -> None:
    """See that the weights of a bundle's members can be read, and fit the networks that its metadata describe.

    Parameters
    ----------
    path : Path
        The bundle's folder.
    members : iterable of Member
        Its members, and the early fusion.
    modalities : collection of str or None
        Networks are built for these only, since some wait seconds for libraries that another one never needs; None:
        for all.

    Raises
    ------
    ModelError
        A member is not as described; the message names the file, and the member or the weight.
    """
    for member in members:
        weights = read_weights(path, member.name)
        if modalities is not None and member.modality not in modalities:
            continue
        try:
            _check_described(member)
            restore_network(member.network, member.arguments, weights, torch.device("cpu"))
        except _UnfitError as error:
            raise unreadable(path / weights_file(member.name), error.message) from error
        except ModelError as error:
            raise unreadable(path / METADATA, f"members.{member.name}: {error.message}") from error


def _check_described(member: Member) -> None:
    """ModelError for a modality, option of its reader, or argument that there is not."""
    try:
        if member.modality != EARLY:
            complete_inputs(member.modality, member.inputs)
        registry.checked_arguments(member.network, member.arguments)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{type(error).__name__}: {error}.") from error


class _UnfitError(ModelError):
    """Weights that are not those of the network."""


def restore_network(
    network: str, arguments: Mapping[str, Any], state: Mapping[str, torch.Tensor], device: torch.device
) -> nn.Module:
    """A network with given weights, ready to predict.

    Raises
    ------
    ModelError
        The weights do not fit the network.
    """
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        model = registry.build(network, **arguments)
    try:
        model.load_state_dict({key: _own(value, device) for key, value in state.items()}, assign=True)
    except RuntimeError as error:
        raise _UnfitError(f"The weights do not fit the network {network}: {error}", "Train the model again.") from error
    return model.to(device).eval()


def _own(weight: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy, because the file behind a tensor may change; kernels in the order in which a CPU convolves fastest."""
    volume = weight.ndim == VOLUME_KERNEL and device.type == "cpu"
    return weight.clone(memory_format=torch.channels_last_3d if volume else torch.preserve_format)
