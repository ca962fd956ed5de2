"""Phase encoding of echo-planar images: which way, and how far, a field displaces what they show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import nibabel as nib
import numpy as np

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, canonical_axis, same_grid
from bids_stroke.imaging.transforms import resample

USUAL_READOUT_S = 0.05
"""Stands in where no sidecar tells the readout: the field is then in Hz only roughly, displacements are right."""
_SAME_DIRECTION = math.cos(math.radians(2.0))
_DIRECTIONS = ("i", "j", "k", "i-", "j-", "k-")
_BY_NAME = {"ap": (1, -1), "pa": (1, 1), "rl": (0, -1), "lr": (0, 1), "si": (2, -1), "is": (2, 1)}
"""What ``dir-`` means by custom, in small letters -> axis and sign in RAS+: ``AP`` runs from anterior to posterior."""


class Encoding(NamedTuple):
    """Phase encoding in RAS+ voxel order.

    A point of the true head at voxel x appears at voxel ``x + field * hz_to_voxels`` along the axis.
    """

    axis: int
    sign: int
    readout_s: float
    """Total readout time; NaN where the sidecar does not tell it."""
    by_name: bool = False
    """Whether the sidecar tells the axis only, and the sign is that of ``dir-`` in the file's name."""

    @property
    def hz_to_voxels(self) -> float:
        """Displacement along the axis (voxels) by a field of 1 Hz."""
        return self.sign * (USUAL_READOUT_S if math.isnan(self.readout_s) else self.readout_s)


@dataclass(frozen=True, eq=False)
class Opposite:
    """Volumes at b=0 of another phase encoding, on the series' grid.

    Attributes
    ----------
    image : nib.Nifti1Image
        4D float32.
    encoding : Encoding
        The readout is scaled to the series' voxels where they had other ones.
    source : BidsFile
        Where it is from.
    """

    image: nib.Nifti1Image
    encoding: Encoding
    source: BidsFile


def read_encoding(file: BidsFile) -> Encoding | None:
    """Phase encoding of a run from its sidecar; None where the direction is not told.

    ``PhaseEncodingAxis``, which some converters write where they do not know the sign, counts as positive: without
    an opposite run the sign of a field says nothing. A run whose name has a direction may have an opposite: there the
    name must tell the sign (``dir-AP``), on the axis that the sidecar tells, or nothing is known.
    """
    said = file.metadata.get("PhaseEncodingDirection", file.metadata.get("PhaseEncodingAxis"))
    if said not in _DIRECTIONS:
        return None
    axis, sign = canonical_axis(file.path, str(said))
    named = file.entities.get("direction", file.entities.get("dir"))
    if "PhaseEncodingDirection" in file.metadata or named is None:
        return Encoding(axis, sign, _readout(file.metadata))
    named_axis, named_sign = _BY_NAME.get(named.lower(), (None, 0))
    return Encoding(axis, named_sign, _readout(file.metadata), by_name=True) if named_axis == axis else None


def signs_by_name(encodings: Mapping[str, Encoding | None]) -> list[str]:
    """One sentence on the runs, by file name, of which only the name tells the sign of the phase encoding."""
    names = [name for name, said in encodings.items() if said and said.by_name]
    why = "its sign is taken from dir- in the name (AP: from front to back)"
    return [f"{', '.join(names)}: the sidecar tells the axis of the phase encoding only; {why}."] if names else []


def _readout(metadata: Mapping[str, object]) -> float:
    """Total readout time in seconds, NaN where the sidecar does not tell it or tells what cannot be."""
    total = metadata.get("TotalReadoutTime")
    spacing, lines = metadata.get("EffectiveEchoSpacing"), metadata.get("ReconMatrixPE")
    if not isinstance(total, int | float) and isinstance(spacing, int | float) and isinstance(lines, int | float):
        total = spacing * (lines - 1)
    if not isinstance(total, int | float) or not 0.001 < total < 1.0:
        return math.nan
    return float(total)


def fill_readouts(encodings: Sequence[Encoding | None]) -> tuple[list[Encoding | None], list[str]]:
    """Readouts that are not told, taken from runs where they are; and a note on that."""
    known = [said.readout_s for said in encodings if said and not math.isnan(said.readout_s)]
    lacking = [said for said in encodings if said and math.isnan(said.readout_s)]
    if not known or not lacking:
        return list(encodings), []
    filled = [said._replace(readout_s=known[0]) if said and math.isnan(said.readout_s) else said for said in encodings]
    return filled, [f"A diffusion run has no readout time: that of another run ({known[0]:g} s) is taken."]


def opposite_of(
    encodings: Sequence[Encoding | None],
    grid: nib.Nifti1Image,
    candidates: Sequence[tuple[BidsFile, nib.Nifti1Image, Encoding | None]],
) -> tuple[tuple[Opposite, ...], list[str]]:
    """Images at b=0 whose phase encoding is opposite to one of the series, on its grid; the others in notes.

    Parameters
    ----------
    encodings : sequence of Encoding or None
        Of the series' volumes.
    grid : nib.Nifti1Image
        3D, of the series.
    candidates : sequence of (file, 4D image, encoding)
        Runs at b=0 only.
    """
    ways = {said[:2]: said.readout_s for said in encodings if said}
    found, notes = [], []
    for file, image, said in candidates:
        on_grid = _on_grid(file, image, said, grid) if said else None
        if on_grid is None or (on_grid.encoding.axis, -on_grid.encoding.sign) not in ways:
            why = "phase encoding is not told" if said is None else "it is not opposite to the series in phase encoding"
            notes.append(f"{file.path.name} is not used: only b=0 volumes, and {why}.")
            continue
        if math.isnan(on_grid.encoding.readout_s):
            readout = ways[on_grid.encoding.axis, -on_grid.encoding.sign]
            on_grid = replace(on_grid, encoding=on_grid.encoding._replace(readout_s=readout))
        found.append(on_grid)
    return tuple(found), notes


def _on_grid(file: BidsFile, image: nib.Nifti1Image, said: Encoding, grid: nib.Nifti1Image) -> Opposite | None:
    """An image on the series' grid; None where its phase encoding runs along none of the grid's axes."""
    steps, own = grid.affine[:3, :3], image.affine[:3, said.axis]
    cosines = (own @ steps) / (np.linalg.norm(own) * np.linalg.norm(steps, axis=0))
    axis = int(np.argmax(np.abs(cosines)))
    if abs(cosines[axis]) < _SAME_DIRECTION:
        return None
    if same_grid(image, grid):
        return Opposite(image, said, file)
    # the displacement is the same in mm, so in voxels of the grid it takes another readout
    readout = said.readout_s * float(np.linalg.norm(own) / np.linalg.norm(steps[:, axis]))
    sign = said.sign * int(np.sign(cosines[axis]))
    moved = resample(image, grid, interpolation="cubic")
    moved = nib.Nifti1Image(np.maximum(array(moved), 0), moved.affine, moved.header)
    return Opposite(moved, Encoding(axis, sign, readout), file)
