"""From feature files to the samples that a network reads: one reader a modality, and the covariates.

Pure reading: what a reader does depends on the files and on ``inputs``, the options that a member records in its
bundle, so that training and prediction see the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from bids_stroke.core.biomarkers import BIOMARKERS as EVERY_BIOMARKER
from bids_stroke.core.channels import CHANNELS
from bids_stroke.core.errors import DataError, ModelError
from bids_stroke.core.modalities import BIOMARKERS, CLINICAL, MODALITIES
from bids_stroke.derivatives.names import is_named
from bids_stroke.features.biomarkers import read_row
from bids_stroke.features.recordings import read_windows

GRID_SHAPE = (91, 109, 91)
GRID_AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
SLICE_MAPS = ("mean", "alff", "reho")
"""BOLD maps that become the channels of a slice, unless ``inputs["maps"]`` names others."""

BOLD_MAPS = ("mean", "alff", "falff", "reho")
"""BOLD maps in standard space of which there is one for each run."""

MAY_BE_ZERO = ("min_area", "max_interpolated")
"""Numbers among the readers' options; the others are above 0."""

Array = NDArray[np.float32]
Inputs = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Samples:
    """What one unit gives a network.

    Attributes
    ----------
    data : (n, ...) float32, (1, numbers) float64 for a joint member
        Volumes (1, 1, 91, 109, 91) or shrunk, slices (n, maps, size, size), windows (n, time, channels), or the numbers
        of a joint member's parts.
    positions : tuple of float
        Which ones: 0 for a volume, indices of axial slices, onsets of windows in seconds.
    """

    data: NDArray[np.floating[Any]]
    positions: tuple[float, ...]


@dataclass(frozen=True)
class Reader:
    """How a modality is read: a function and the options that it takes, with their defaults."""

    read: Callable[[Sequence[Path], Inputs], Samples]
    defaults: Mapping[str, Any]


def read_samples(modality: str, paths: Sequence[Path], inputs: Inputs) -> Samples:
    """Samples of one unit from its feature files.

    Parameters
    ----------
    modality : str
        One of MODALITIES, BIOMARKERS, or CLINICAL, whose one sample is empty.
    paths : sequence of Path
        The unit's files of this modality (StepReport.outputs).
    inputs : mapping
        Options of the reader; those left out take their defaults.

    Raises
    ------
    ModelError
        An option that the reader does not know.
    DataError
        A file that is broken or not on the grid.
    MissingModalityError
        The files hold no sample that can be used.
    """
    if modality == CLINICAL:
        return Samples(np.zeros((1, 0), np.float32), (0.0,))
    return reader_of(modality).read(paths, complete_inputs(modality, inputs))


def reader_of(modality: str) -> Reader:
    """How a modality is read: by its entry in READERS, or else as one map on the standard grid.

    Raises
    ------
    ModelError
        There is no such modality.
    """
    known = MODALITIES.get(modality)
    if known is None and modality not in READERS:
        raise ModelError(f"There is no modality {modality!r}.", f"Choose one of {', '.join(MODALITIES)}.")
    if known is not None and known.sample == "volume" and modality not in READERS:
        return Reader(read_volume, MappingProxyType({"scale": known.scale, "shrink": 1}))
    return READERS[modality]


def complete_inputs(modality: str, inputs: Inputs) -> dict[str, Any]:
    """Options of a reader with the defaults for those left out; ModelError for one not known or of a wrong kind."""
    if modality == CLINICAL and not inputs:
        return {}
    defaults = reader_of(modality).defaults
    if unknown := sorted(str(name) for name in set(inputs) - set(defaults)):
        raise ModelError(
            f"Modality {modality} has no input option {', '.join(unknown)}.", f"It has {', '.join(defaults)}."
        )
    for name, value in inputs.items():
        if wanted := _wrong_kind(name, value, defaults[name]):
            raise ModelError(f"Modality {modality}: inputs.{name} is {value!r}.", f"Give {wanted}.")
    return {**defaults, **inputs}


def _wrong_kind(name: str, value: Any, default: Any) -> str:
    """What a reader's option should be instead, going by its default; empty where it is that."""
    if isinstance(default, tuple):
        names = isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value)
        return "" if names else f"a list of names, such as {', '.join(default)}"
    whole = isinstance(default, int)
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool) and np.isfinite(value)
    if number and (value > 0 or (value == 0 and name in MAY_BE_ZERO)):
        return ""
    return f"a {'whole ' if whole else ''}number, " + ("0 or more" if name in MAY_BE_ZERO else "above 0")


def read_volume(paths: Sequence[Path], inputs: Inputs) -> Samples:
    """One map on the standard grid, times ``inputs["scale"]``: (1, 1, 91, 109, 91).

    ``inputs["shrink"]`` averages cubes of so many voxels per side first, for small and fast networks.
    """
    data, affine = _load(paths[0])
    if data.shape != GRID_SHAPE or not np.allclose(affine, GRID_AFFINE, atol=1e-3):
        raise DataError(
            f"{paths[0]} is not on the standard grid of 91 x 109 x 91 voxels of 2 mm (it has {data.shape}).",
            "Give a map on that grid, or let the participant level make it.",
            "wrong-grid",
        )
    volume = torch.from_numpy(data * np.float32(inputs["scale"]))[None, None]
    shrink = int(inputs["shrink"])
    small = volume if shrink == 1 else torch.nn.functional.avg_pool3d(volume, shrink)
    return Samples(small.numpy(), (0.0,))


def read_slices(paths: Sequence[Path], inputs: Inputs) -> Samples:
    """Axial slices of the BOLD maps: channels z-scored within the brain, (n, maps, size, size).

    A slice with less brain than ``inputs["min_area"]`` of the largest slice's is dropped. Slices are padded to
    squares, then resized, so that proportions stay.
    """
    maps = {name: _load(_map_of(paths, name))[0] for name in _wanted_maps(inputs["maps"])}
    if any(data.shape != maps["mean"].shape for data in maps.values()):
        raise DataError(f"{paths[0]} and the maps beside it differ in shape.", "Run the BOLD step again.")
    brain = (maps["mean"] > 0) & (maps["alff"] > 0)  # the mean need not be masked, ALFF is
    area = brain.sum(axis=(0, 1))
    if area.max() < 100:
        raise DataError(f"{paths[0]} holds no brain.", "Look at the BOLD maps of this unit.", "no-brain")
    kept = np.flatnonzero(area >= inputs["min_area"] * area.max())
    channels = [_standardise(maps[name], brain)[:, :, kept] for name in inputs["maps"]]
    stack = torch.from_numpy(np.stack(channels).transpose(3, 0, 1, 2))
    side, size = max(stack.shape[2:]), int(inputs["size"])
    before = [(side - n) // 2 for n in stack.shape[2:]]
    after = [side - n - b for n, b in zip(stack.shape[2:], before, strict=True)]
    square = torch.nn.functional.pad(stack, (before[1], after[1], before[0], after[0]))
    shrink = size < side
    resized = torch.nn.functional.interpolate(square, (size, size), mode="bilinear", antialias=shrink)
    return Samples(resized.numpy(), tuple(float(i) for i in kept))


def _wanted_maps(names: Sequence[str]) -> tuple[str, ...]:
    """Maps to read: those that become channels, and the two that tell where the brain is."""
    unknown = [name for name in names if name not in BOLD_MAPS]
    if unknown:
        raise ModelError(
            f"Modality bold: inputs.maps is {names!r}.", f"Give a list with some of {', '.join(BOLD_MAPS)}."
        )
    return tuple(dict.fromkeys(("mean", "alff", *names)))


def read_eegemg(paths: Sequence[Path], inputs: Inputs) -> Samples:
    """Windows of EEG and EMG, z-scored per window and channel: (n, time, channels); see recordings.py."""
    data, onsets = read_windows(paths, inputs)
    return Samples(data, onsets)


def read_biomarkers(paths: Sequence[Path], inputs: Inputs) -> Samples:
    """A row of established biomarkers, NaN where one is not known: (1, columns); see biomarkers.py."""
    return Samples(read_row(paths, inputs), (0.0,))


def _standardise(data: Array, brain: NDArray[np.bool_]) -> Array:
    inside = data[brain].astype(np.float64)
    spread = inside.std() or 1.0
    return np.where(brain, (data - inside.mean()) / spread, 0).astype(np.float32)


def _map_of(paths: Sequence[Path], stat: str) -> Path:
    found = [path for path in paths if is_named(path, "bold_map", stat=stat)]
    if len(found) != 1:
        names = ", ".join(path.name for path in paths)
        raise DataError(f"Expected one BOLD map with stat-{stat} among {names}.", "Run the BOLD step again.")
    return found[0]


def _load(path: Path) -> tuple[Array, NDArray[np.float64]]:
    """A 3D image as float32 and its affine."""
    try:
        image: Any = nib.load(path)
        data = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError, ImageFileError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Run the participant level again for it.") from error
    if data.ndim != 3 or not np.isfinite(data).all():
        raise DataError(f"{path} is not a 3D image of finite numbers.", "Run the participant level again for it.")
    return data, np.asarray(image.affine, dtype=np.float64)


READERS: Mapping[str, Reader] = {
    "bold": Reader(read_slices, MappingProxyType({"maps": SLICE_MAPS, "size": 224, "min_area": 0.2})),
    "eegemg": Reader(
        read_eegemg, MappingProxyType({"channels": CHANNELS, "rate": 250.0, "seconds": 10.0, "max_interpolated": 3})
    ),
    BIOMARKERS: Reader(read_biomarkers, MappingProxyType({"columns": tuple(EVERY_BIOMARKER)})),
}
"""Readers of the modalities that are not one map on the standard grid; one of a map would replace the usual reader."""
