"""Few numbers of a map that a clinician can read: of the whole, the corticospinal tract, parcels of either side.

The parcels are no anatomist's: they divide the brain of the MNI template (the exactly symmetric ICBM 2009a that
nilearn carries) into compact pieces of about equal size, by k-means on the coordinates of its right side, mirrored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_brain_mask
from numpy.typing import NDArray
from scipy.spatial import KDTree
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn import functional

from bids_stroke.core.modalities import record_of
from bids_stroke.imaging.corticospinal_tract import membership
from bids_stroke.networks.base import require
from bids_stroke.networks.shallow import ShallowArguments, ShallowNetwork

Array = NDArray[np.float64]

GRID_SHAPE = (91, 109, 91)
GRID_AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
VOXEL_ML = 0.008
MOST_PARCELS = 200
SMALL_ML = 0.1
"""Volume from which on the logarithm of a region's lesion tells sizes apart."""
COARSE = 2
"""Points that are divided into parcels are so many voxels apart."""
LEAST_MEMBERSHIP = 1e-3
"""In the tract, below which a voxel is not read for it."""


_NUMBERS: Mapping[str, tuple[int, ...]] = {"all": (1, 1, 1, 1), "whole": (1,), "tract": (1, 1)}
"""Choice -> its blocks; of all, those of the parcels follow."""


@dataclass(frozen=True)
class RegionsArguments(ShallowArguments):
    """What a `Regions` network measures.

    Attributes
    ----------
    quantity : {"volume", "mean"}
        Of each region: the logarithm of its millilitres (a lesion), or the mean (a map of values).
    n_parcels : int
        Parcels of one side.
    shrink : int
        That of the reader: voxels of 2 mm averaged per side.
    numbers : {"all", "whole", "tract"}
        All of them; that of the whole alone; or of the whole and the tract (sum of its sides).
    """

    quantity: Literal["volume", "mean"] = "mean"
    n_parcels: int = 16
    shrink: int = 1
    numbers: Literal["all", "whole", "tract"] = "all"

    def check(self) -> None:
        """Check the ranges."""
        require(
            self.quantity in ("volume", "mean"), f"quantity={self.quantity!r} is not known.", "Choose volume or mean."
        )
        require(
            1 <= self.n_parcels <= MOST_PARCELS and 1 <= self.shrink <= 8,
            f"n_parcels={self.n_parcels} must be 1 to {MOST_PARCELS}, shrink={self.shrink} 1 to 8.",
        )


class Regions(ShallowNetwork):
    """Linear functions, or small trees, of numbers of a map: the whole, the corticospinal tract, and parcels.

    Input: maps (n, 1, 91, 109, 91) on the standard grid, or shrunk; a lesion as its share of each voxel.

    Features, in order: the whole, of a lesion log(1 + ml); then, of a lesion as log(1 + ml / 0.1) of each side, the
    tract: sum of its sides, difference (left minus right), its absolute value; the parcels' sums of sides, their
    differences: of a mean the absolute ones, because either side may be affected.

    >>> Regions(RegionsArguments(n_parcels=2, shrink=8))(torch.zeros(3, 1, 11, 13, 11), torch.zeros(3, 0)).shape
    torch.Size([3, 2])
    """

    arguments_class = RegionsArguments
    arguments: RegionsArguments
    labels: Tensor
    tract: Tensor

    def __init__(self, arguments: RegionsArguments) -> None:
        super().__init__(arguments, sum(_blocks(arguments)))
        shape = tuple(size // arguments.shrink for size in GRID_SHAPE)
        self.input_shape = (1, *shape)
        self.register_buffer("labels", torch.zeros(shape, dtype=torch.int16))
        self.register_buffer("tract", torch.zeros(shape, dtype=torch.float32))

    @classmethod
    def from_input(cls, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The reader's grid; of a mask its volumes, of other maps their means."""
        return {"shrink": inputs["shrink"], "quantity": "volume" if record_of(modality).is_mask else "mean"}

    def prepare(self) -> None:
        """Draw the parcels and the tract on this network's grid."""
        labels, tract = atlas(self.arguments.n_parcels, self.arguments.shrink)
        self.labels.copy_(torch.from_numpy(labels))
        self.tract.copy_(torch.from_numpy(tract))

    @property
    def blocks(self) -> tuple[int, ...]:
        """The whole, the tract's three numbers, the parcels' sums, their differences."""
        return _blocks(self.arguments)

    def column_names(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """The whole, the tract, and parcels by their number."""
        tract = ("both sides", "left less right", "difference of the sides")
        parcels = range(1, self.arguments.n_parcels + 1)
        names = (
            "whole brain",
            *(f"corticospinal tract, {text}" for text in tract),
            *(f"parcel {i}, both sides" for i in parcels),
            *(f"parcel {i}, difference of the sides" for i in parcels),
        )
        return names[: self.n_features]

    def features(self, image: Tensor) -> Tensor:
        """Numbers of each region.

        Parameters
        ----------
        image : Tensor, shape (n, 1, x, y, z), float32
            Map on the standard grid, shrunk as the arguments say; a lesion as its share of each voxel.

        Returns
        -------
        Tensor, shape (n, 4 + 2 * n_parcels), float64, or of fewer numbers if not all are wanted
        """
        everything = image.flatten(1)
        labels, tract, left = self.labels.flatten(), self.tract.flatten(), self._left().to(image.device)
        read = torch.nonzero((labels < self.arguments.n_parcels) | (tract > LEAST_MEMBERSHIP))[:, 0]
        flat, labels, tract, left = everything[:, read].double(), labels[read].long(), tract[read].double(), left[read]
        inside = (labels < self.arguments.n_parcels).double()
        sides = []
        for share in (left, 1 - left):
            here = flat * share
            sums = self._sum(here, labels)
            tracts = (here * tract).sum(1, keepdim=True)
            whole = (here * inside).sum(1, keepdim=True)
            if self.arguments.quantity == "mean":
                sums = sums / self._sum((share * inside)[None], labels).clamp(min=1e-9)
                tracts = tracts / (share * tract).sum().clamp(min=1e-9)
                whole = whole / (share * inside).sum().clamp(min=1e-9)
            sides.append(torch.cat([whole, tracts, sums], dim=1))
        if self.arguments.quantity == "volume":
            total = torch.log1p(everything.sum(1, keepdim=True, dtype=torch.float64) * self._voxel_ml)
            sides = [torch.log1p(side * self._voxel_ml / SMALL_ML) for side in sides]
        else:
            total = (sides[0] + sides[1])[:, :1] / 2
        added, apart = sides[0] + sides[1], sides[0] - sides[1]
        between = apart[:, 2:] if self.arguments.quantity == "volume" else apart[:, 2:].abs()
        tracts = torch.stack([added[:, 1], apart[:, 1], apart[:, 1].abs()], dim=1)
        return torch.cat([total, tracts, added[:, 2:], between], dim=1)[:, : self.n_features]

    @property
    def _voxel_ml(self) -> float:
        return VOXEL_ML * float(self.arguments.shrink) ** 3

    def _left(self) -> Tensor:
        """Share of each voxel that lies left of the midline: 1, 0, or 0.5 on it; (voxels,) float64."""
        x = centres(self.arguments.shrink)[:, 0]
        return torch.from_numpy(np.where(x < 0, 1.0, np.where(x > 0, 0.0, 0.5)))

    def _sum(self, values: Tensor, labels: Tensor) -> Tensor:
        """Sum of the voxels of each parcel; (n, voxels) -> (n, n_parcels)."""
        n = self.arguments.n_parcels
        return values.new_zeros(len(values), n + 1).index_add_(1, labels, values)[:, :n]


def _blocks(arguments: RegionsArguments) -> tuple[int, ...]:
    found = _NUMBERS[arguments.numbers]
    return (*found, arguments.n_parcels, arguments.n_parcels) if arguments.numbers == "all" else found


@lru_cache(maxsize=4)
def centres(shrink: int) -> Array:
    """Centres of the voxels of the (shrunk) standard grid in mm, (voxels, 3)."""
    axes = [np.arange(size // shrink) * shrink + (shrink - 1) / 2 for size in GRID_SHAPE]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(index @ GRID_AFFINE[:3, :3].T + GRID_AFFINE[:3, 3])


@lru_cache(maxsize=4)
def atlas(n_parcels: int, shrink: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Parcels and tract on the (shrunk) standard grid, exact mirror images left and right.

    Returns
    -------
    labels : (x, y, z) int16
        0 to n_parcels - 1, the same number on both sides; n_parcels outside the brain.
    tract : (x, y, z) float32
        Membership, 0-1.
    """
    mirrored = _mirrored(centres(shrink))
    right = _mirrored(centres(COARSE))
    fit = KMeans(n_parcels, n_init=4, random_state=0).fit(right[_in_brain(right)])
    middles = np.round(fit.cluster_centers_, 1)  # the same on every machine
    labels = KDTree(middles).query(mirrored)[1].astype(np.int16)
    labels[~_in_brain(mirrored)] = n_parcels
    fine = centres(1)
    tract = torch.from_numpy(membership(fine).reshape(1, 1, *GRID_SHAPE))
    shape = tuple(size // shrink for size in GRID_SHAPE)
    return labels.reshape(shape), functional.avg_pool3d(tract, shrink)[0, 0].numpy().astype(np.float32)


def _mirrored(points: Array) -> Array:
    """Points with those of the left moved to the right."""
    return np.concatenate([np.abs(points[:, :1]), points[:, 1:]], axis=1)


def _in_brain(points: Array) -> NDArray[np.bool_]:
    """Whether points (n, 3) in mm lie in a voxel of the template's brain, (n,)."""
    mask = load_mni152_brain_mask(resolution=2)
    inside = np.asarray(mask.dataobj) > 0
    index = np.round(apply_affine(np.linalg.inv(mask.affine), points)).astype(int)
    there = ((index >= 0) & (index < inside.shape)).all(axis=1)
    found = np.zeros(len(points), dtype=bool)
    found[there] = inside[tuple(index[there].T)]
    return found
