"""The published weight files (legacy Keras HDF5) of the MICCAI 2025 study, as state dicts of `miccai2025`.

Read with h5py alone: no TensorFlow. Layers are taken by their order in the file, because Keras goes on numbering the
names of layers from one model of a session to the next.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bids_stroke.core.errors import ModelError
from bids_stroke.networks import registry

NETWORK = "miccai2025"
Array = NDArray[np.float32]

_CONV = ("weight", "bias")
_NORM = ("weight", "bias", "running_mean", "running_var")
_REMEDY = "Give the weight files as the study's authors released them."


def read_state(path: Path) -> dict[str, Tensor]:
    """State dict of `miccai2025` from one weight file.

    Parameters
    ----------
    path : Path
        Legacy Keras HDF5, as ``Model.save_weights`` writes it; kernels float32, channels last.

    Returns
    -------
    dict
        Tensors of 5,068,115 numbers, float32, and torch's batch counters at 0.

    Raises
    ------
    ModelError
        The file is missing, is no HDF5, holds no Keras weights or those of another network.
    """
    weights = _read_weights(path)
    with torch.random.fork_rng([]):
        model = registry.build(NETWORK)
    slots = [
        (f"{name}.{field}", getattr(layer, field), layer) for name, layer in model.named_modules()
        for field in _fields(layer)
    ]  # fmt: skip
    if len(weights) != len(slots):
        raise _other_network(path, f"it holds {len(weights)} arrays, not {len(slots)}")
    state = {key: value for key, value in model.state_dict().items() if key.endswith("num_batches_tracked")}
    for (key, wanted, layer), (name, values) in zip(slots, weights, strict=True):
        turned = _turn(values, layer)
        if turned.shape != tuple(wanted.shape):
            raise _other_network(path, f"{name} has shape {values.shape}, which does not fit {key}")
        if not np.isfinite(turned).all():
            raise ModelError(f"{path}: {name} holds numbers that are not finite.", _REMEDY, "corrupt-model")
        state[key] = torch.from_numpy(np.ascontiguousarray(turned, dtype=np.float32))
    return state


def _fields(layer: nn.Module) -> tuple[str, ...]:
    """Arrays of a layer in the order in which Keras writes them."""
    if isinstance(layer, _BatchNorm):
        return _NORM
    return _CONV if isinstance(layer, nn.Conv3d | nn.Linear) else ()


def _turn(values: Array, layer: nn.Module) -> Array:
    """From Keras' order of axes to torch's: kernels (x, y, z, in, out) -> (out, in, x, y, z), dense turned."""
    if values.ndim == 5 and isinstance(layer, nn.Conv3d):
        return values.transpose(4, 3, 0, 1, 2)
    return values.T if values.ndim == 2 and isinstance(layer, nn.Linear) else values


def _read_weights(path: Path) -> list[tuple[str, Array]]:
    """Every array of the file with its name, in the order of the model's layers."""
    if not path.is_file():
        raise ModelError(f"Weight file {path} is missing.", _REMEDY, "missing-model")
    try:
        with h5py.File(path, "r") as file:
            layers = [file[_text(name)] for name in file.attrs["layer_names"]]
            return [
                (_text(name), np.asarray(layer[_text(name)])) for layer in layers
                for name in layer.attrs["weight_names"]
            ]  # fmt: skip
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ModelError(
            f"{path} is no weight file of Keras, or is damaged: {type(error).__name__}: {error}.",
            _REMEDY,
            "corrupt-model",
        ) from error


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _other_network(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is not of the published network: {why}.", _REMEDY, "other-network")
