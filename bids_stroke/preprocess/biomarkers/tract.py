"""Biomarkers of the corticospinal tract: how much of it the lesion covers, and how unlike its two sides are.

The tract is the one drawn in `bids_stroke.imaging.corticospinal_tract`, not a published atlas: those that packages ship
are under FSL's licence, for non-commercial use only, or without terms. docs/evaluation.md compares ours with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from bids_stroke.core.biomarkers import of_group
from bids_stroke.imaging.corticospinal_tract import centre_line, membership
from bids_stroke.imaging.standard_space import STANDARD_AFFINE, STANDARD_SHAPE

Array = NDArray[np.float64]
Param = Literal["fa", "md", "rd"]

CAPSULE_MM = (-2.0, 18.0)
"""Lowest and highest z of the slices in which the tract runs through the posterior limb of the internal capsule."""
LEAST_MEMBERSHIP = 1e-3
"""In the tract, below which a voxel is not read for it; as in ``networks/regions.py``."""
LEAST_COVERED = 0.5
"""Share of one side's tract, weighted, that a map must cover: of less no number is given."""
VOXEL_ML = 0.008
_MIDDLE = STANDARD_SHAPE[0] // 2
"""Plane of voxels on the midline, x = 0: half of it counts to each side."""


def sides(volume: NDArray[Any]) -> tuple[Array, Array]:
    """Left and right half of a volume, each from the midline outwards.

    Parameters
    ----------
    volume : (91, 109, 91)
        On the standard grid.

    Returns
    -------
    left, right : (46, 109, 91) float64
        Both with the plane x = 0. Of a mirrored volume they are the same two, exchanged, to the last bit.
    """
    # One layout for both, so that sums over them add in one order.
    left, right = volume[_MIDDLE:], volume[_MIDDLE::-1]
    return np.ascontiguousarray(left, np.float64), np.ascontiguousarray(right, np.float64)


@lru_cache(maxsize=1)
def own_side() -> Array:
    """Share of each voxel that lies on its half's side: (46, 109, 91) float64, 0.5 in the plane x = 0, else 1."""
    share = np.ones((STANDARD_SHAPE[0] - _MIDDLE, *STANDARD_SHAPE[1:]))
    share[0] = 0.5
    return _fixed(share)


@lru_cache(maxsize=1)
def tract() -> Array:
    """How far each voxel of a half belongs to that side's tract: (46, 109, 91) float64, 0-1; equal for both sides."""
    index = np.indices(own_side().shape).reshape(3, -1).T + [_MIDDLE, 0, 0]
    inside = membership(apply_affine(STANDARD_AFFINE, index)).reshape(own_side().shape)
    return _fixed(np.where(inside > LEAST_MEMBERSHIP, inside, 0.0) * own_side())


@lru_cache(maxsize=1)
def capsule() -> Array:
    """As `tract`, of its part in the posterior limb of the internal capsule, `CAPSULE_MM`."""
    low, high = CAPSULE_MM
    return _fixed(tract() * ((_z() >= low) & (_z() <= high)))


@lru_cache(maxsize=1)
def slice_weights() -> Array:
    """Largest cross-section of the tract over that of each axial slice: (91,) float64, at least 1.

    1 above and below the ends of the centre line, where the drawn tract only fades out.

    References
    ----------
    Zhu et al. 2010, Stroke 41:910.
    """
    area, z = tract().sum(axis=(0, 1)), _z()
    line, _ = centre_line()
    passed = (z >= line[0, 2]) & (z <= line[-1, 2])
    return _fixed(area.max() / np.where(passed, area, area.max()))


def _z() -> Array:
    """Height of the axial slices in mm, (91,)."""
    return np.asarray(STANDARD_AFFINE[2, 2] * np.arange(STANDARD_SHAPE[2]) + STANDARD_AFFINE[2, 3])


def _fixed(array: Array) -> Array:
    array.flags.writeable = False
    return array


def lesion_numbers(shares: NDArray[Any]) -> dict[str, float]:
    """Biomarkers of a lesion: its volume and side, and how much of the tract it covers.

    Parameters
    ----------
    shares : (91, 109, 91)
        Share (0-1) of each voxel of the standard grid that lies in the lesion.

    Returns
    -------
    dict of str to float
        By the names of the group ``lesion`` in ``core/biomarkers.py``, in its units; no ``lesion_laterality`` of an
        empty lesion.

    Examples
    --------
    >>> everywhere = lesion_numbers(np.ones((91, 109, 91)))
    >>> everywhere["cst_load_left"], everywhere["lesion_laterality"]
    (1.0, 0.0)
    """
    halves = sides(shares)
    left, right = (float((half * own_side()).sum()) * VOXEL_ML for half in halves)
    cst = [_covered(half, tract()) for half in halves]
    slices = [(half * tract()).sum(axis=(0, 1)) for half in halves]
    found = {
        "lesion_volume_ml": left + right,
        "cst_load_left": cst[0],
        "cst_load_right": cst[1],
        "cst_load": max(cst),
        "cst_weighted_load_ml": max(float((one * slice_weights()).sum()) * VOXEL_ML for one in slices),
        "plic_load": max(_covered(half, capsule()) for half in halves),
    }
    if left + right > 0:
        found["lesion_laterality"] = (left - right) / (left + right)
    return _in_order("lesion", found)


def _covered(half: Array, weights: Array) -> float:
    """Share of what is weighted that lies in the lesion, 0-1."""
    return float((half * weights).sum() / weights.sum())


def diffusion_numbers(maps: Mapping[Param, NDArray[Any]]) -> dict[str, float]:
    """Biomarkers of tensor maps: means of FA in the tract of each side, and asymmetries of FA, MD and RD.

    An asymmetry is that of the places that the map covers on both sides, so that what is missing on one side alone is
    not taken for a difference.

    Parameters
    ----------
    maps : mapping of {"fa", "md", "rd"} to (91, 109, 91)
        On the standard grid. Where a map is 0, not finite or of no possible value (below 0, FA above 1) it covers
        nothing.

    Returns
    -------
    dict of str to float
        By the names of the group ``dwi`` in ``core/biomarkers.py``, those whose map is given and covers at least
        `LEAST_COVERED` of the tract.

    References
    ----------
    Stinear et al. 2007, Brain 130:170; Lindenberg et al. 2010, Neurology 74:280.
    """
    found: dict[str, float] = {}
    for param, volume in maps.items():
        left, right = sides(volume)
        covers = [_told(half, param) for half in (left, right)]
        for part, weights in (("cst", tract()), ("plic", capsule())):
            if param == "fa":
                for side, half, cover in zip(("left", "right"), (left, right), covers, strict=True):
                    found.update((f"{part}_fa_{side}", mean) for mean in _mean(half, weights, cover))
            alike = covers[0] & covers[1]
            for one, other in zip(_mean(left, weights, alike), _mean(right, weights, alike), strict=True):
                found[f"{part}_{param}_asymmetry"] = abs(one - other) / (one + other)
    return _in_order("dwi", found)


def _told(half: Array, param: Param) -> NDArray[np.bool_]:
    """Where a map holds a value that a tensor can have."""
    return np.isfinite(half) & (half > 0) & ((half <= 1) | (param != "fa"))


def _mean(half: Array, weights: Array, covered: NDArray[np.bool_]) -> Iterator[float]:
    """Weighted mean of what is covered; nothing where that is too little."""
    read = covered & (weights > 0)
    weight = weights[read]
    if weight.sum() >= LEAST_COVERED * weights.sum():
        yield float((half[read] * weight).sum() / weight.sum())


def _in_order(group: Literal["lesion", "dwi"], found: Mapping[str, float]) -> dict[str, float]:
    return {name: found[name] for name in of_group(group) if name in found}
