"""ImageNet weights in a local folder, under the names and in the formats in which their libraries give them out."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import adapt_input_conv, clean_state_dict
from torch import Tensor, nn

from bids_stroke.core.errors import ModelError

FORMATS = (".safetensors", ".pth", ".pt", ".bin")
"""File extensions that are read, the one that is preferred first."""
_IN_OWN_FOLDER = ("model", "pytorch_model")
"""Names of weight files that do not say what they are: their folder does."""
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Under what training scripts put the weights, beside an optimiser and an epoch."""
LONGEST_REASON = 300
"""Characters of an error of torch that a message repeats."""
_COUNTS = ("total_ops", "total_params")
"""Entries that a profiler left in some published files."""


def find_weights(folder: Path, backbone: str, other_names: Sequence[str] = ()) -> Path:
    """The one weight file of a backbone in a folder, or in a folder of its own there.

    Parameters
    ----------
    folder : Path
        Where the user put weight files.
    backbone : str
        The file's name is this, alone or with ``-``, ``_`` or ``.`` and more after it (``resnet50.safetensors``,
        ``resnet50-0676ba61.pth``, ``resnet50.a1_in1k/model.safetensors``),
    other_names : sequence of str
        or begins with one of these.

    Raises
    ------
    ModelError
        There is no such file, or there are several of the same format.
    """
    wanted = f"{backbone}.safetensors or {backbone}.pth"
    remedy = f"Put one file there, {wanted} (see docs/configuration.md), or leave pretrained_dir out."
    if not folder.is_dir():
        raise ModelError(f"Starting weights: pretrained_dir {folder} is not a folder.", remedy=remedy)
    beginnings = (*(backbone + mark for mark in "-_."), *other_names)
    there = [path for path in sorted([*folder.glob("*.*"), *folder.glob("*/*.*")]) if path.suffix in FORMATS]
    own = [path for path in there if _name_of(path).startswith(beginnings)]
    for extension in FORMATS:
        found = [path for path in own if path.suffix == extension]
        if len(found) > 1:
            several = ", ".join(path.relative_to(folder).as_posix() for path in found)
            raise ModelError(
                f"Starting weights of {backbone} in {folder}: {several}.", remedy="Leave one of them there."
            )
        if found:
            return found[0]
    raise ModelError(f"Starting weights of {backbone} not found in {folder}.", remedy=remedy)


def _name_of(path: Path) -> str:
    """What a weight file says of itself: its name, or its folder's with an end like a file's."""
    return f"{path.parent.name}." if path.stem in _IN_OWN_FOLDER else path.name


def load_weights(model: nn.Module, file: Path, first_layer: str, classifier: str) -> None:
    """Fill a backbone without classifier with the weights in a file.

    Parameters
    ----------
    model : Module
        The backbone; every parameter of it must be in the file.
    file : Path
        From `find_weights`.
    first_layer : str
        Convolution whose weights are fitted to the backbone's number of channels: summed over red, green and blue
        for one channel, so that a grey picture gives the same as its three equal channels; else repeated and scaled.
    classifier : str
        Submodule with the ImageNet classes, left out.

    Raises
    ------
    ModelError
        The file cannot be read, holds anything but weights, or weights of another network.
    """
    remedy = (
        "Put the backbone's own ImageNet weights there, as its library gives them out, or leave pretrained_dir out."
    )
    state = {key: value for key, value in _read(file, remedy).items() if not key.startswith(f"{classifier}.")}
    first = f"{first_layer}.weight"
    channels = model.get_parameter(first).shape[1]
    try:
        if first in state:
            state[first] = adapt_input_conv(channels, state[first])
        model.load_state_dict(state)
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        why = shorten(str(error), LONGEST_REASON)  # torch names every parameter that does not fit
        raise ModelError(f"Starting weights do not fit: {file}: {why}", remedy=remedy) from error


def _read(file: Path, remedy: str) -> dict[str, Tensor]:
    """Tensors of a file; no code in it is ever run."""
    try:
        content = load_file(file) if file.suffix == FORMATS[0] else torch.load(file, "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(f"Starting weights {file} hold more than weights, or are damaged.", remedy=remedy) from error
    except (SafetensorError, RuntimeError, ValueError, KeyError, EOFError, OSError) as error:
        raise ModelError(f"Starting weights cannot be read: {file}: {error}", remedy=remedy) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ModelError(f"Starting weights {file} are no table of names and tensors.", remedy=remedy)
    return {key: value for key, value in clean_state_dict(dict(content)).items() if not key.endswith(_COUNTS)}
