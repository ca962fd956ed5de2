"""Evidence in standard space summed by region: in the lesion, the corticospinal tract, either hemisphere, no brain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_stroke.imaging.corticospinal_tract import membership

Affine = NDArray[np.float64]
IN_TRACT = 0.5
"""Membership at the tract's edge."""


@dataclass(frozen=True, eq=False)
class Grid:
    """An image in standard space, as its reader lies: x grows to the person's right in world coordinates.

    Attributes
    ----------
    data : (x, y, z)
        Values.
    affine : (4, 4) float64
        Voxels to mm; without rotation.
    """

    data: NDArray[Any]
    affine: Affine


def region_shares(evidence: Grid, lesion: Grid | None, affected: str = "") -> dict[str, float | None] | None:
    """Share of the evidence in each region, 0 to 1; None where there is no evidence at all.

    Parameters
    ----------
    evidence : Grid
        Not below 0.
    lesion : Grid or None
        Above half: lesion. None where there is no mask.
    affected : {"L", "R", ""}
        The affected side, where it is known and one.

    Returns
    -------
    dict or None
        ``lesion``, ``tract``, ``ipsilesional``, ``contralesional``, ``left``, ``right``, ``outside_brain``; None for
        what cannot be told. The middle plane is in no hemisphere.
    """
    total = float(evidence.data.sum(dtype=np.float64))
    if not total > 0:
        return None
    shape, key = evidence.data.shape, evidence.affine.tobytes()
    brain, tract = brain_on(shape, key), _tract_on(shape, key)
    x = evidence.affine[0, 3] + evidence.affine[0, 0] * np.arange(shape[0])

    def share(where: NDArray[np.bool_]) -> float:
        return float(evidence.data[where].sum(dtype=np.float64)) / total

    left, right = (share(brain & side[:, None, None]) for side in (x < 0, x > 0))
    sides = {"L": (left, right), "R": (right, left)}.get(affected, (None, None))
    return {
        "lesion": None if lesion is None else share(_nearest(lesion, shape, evidence.affine) > 0.5),
        "tract": share(tract),
        "ipsilesional": sides[0],
        "contralesional": sides[1],
        "left": left,
        "right": right,
        "outside_brain": share(~brain),
    }


@lru_cache(maxsize=4)
def brain_on(shape: tuple[int, ...], affine: bytes) -> NDArray[np.bool_]:
    """The standard brain on a grid; ``affine`` as the bytes of its float64 numbers."""
    mask = _standard_mask()
    return np.asarray(_nearest(mask, shape, np.frombuffer(affine).reshape(4, 4)) > 0.5)


@cache
def _standard_mask() -> Grid:
    from nilearn.datasets import load_mni152_brain_mask

    image = load_mni152_brain_mask(resolution=2)
    return Grid(np.asarray(image.dataobj), np.asarray(image.affine, dtype=np.float64))


@lru_cache(maxsize=4)
def _tract_on(shape: tuple[int, ...], affine: bytes) -> NDArray[np.bool_]:
    brain = brain_on(shape, affine)
    matrix = np.frombuffer(affine).reshape(4, 4)
    points = np.argwhere(brain) @ matrix[:3, :3].T + matrix[:3, 3]
    found = np.zeros(shape, dtype=bool)
    found[brain] = membership(points) >= IN_TRACT
    return found


def _nearest(image: Grid, shape: tuple[int, ...], affine: Affine) -> NDArray[Any]:
    """Values of an image at the voxels of another grid of the same space; 0 outside it."""
    places = []
    for axis, number in enumerate(shape):
        world = affine[axis, 3] + affine[axis, axis] * np.arange(number)
        places.append(np.rint((world - image.affine[axis, 3]) / image.affine[axis, axis]).astype(np.intp))
    inside = [(place >= 0) & (place < n) for place, n in zip(places, image.data.shape, strict=True)]
    clipped = [np.clip(place, 0, n - 1) for place, n in zip(places, image.data.shape, strict=True)]
    found = image.data[np.ix_(*clipped)]
    x, y, z = inside  # not np.ix_, which reads booleans as places
    return np.where(x[:, None, None] & y[:, None] & z, found, 0)
