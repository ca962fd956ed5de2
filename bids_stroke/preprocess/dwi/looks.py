"""What the volumes of a diffusion run look like beside each other, in blocks of the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.imaging.blocks import block_means, empty_volumes, head_blocks
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.tensor.wls import fit_tensor, scalar_maps

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SMALL_SLICE = 0.1
"""Of the largest slice's blocks: with fewer, a slice is not asked."""
_TO_SD = 1.4826
"""Median absolute deviation -> standard deviation."""
_NO_HEAD = 1.3
"""Head over background up to which a volume shows no head; real ones at b=2500 s/mm^2 have 11, noise has 1."""
_BACKGROUND = 3.0
"""Head over background from which there is a background."""
_SIGNED = 0.25
"""Share of what is below 0 beyond which an image is no magnitude."""
_DARK = 0.8
"""Of the mean over the images in the typical volume."""
_MAP_SPREAD, _MAP_SHARE = 0.1, 0.7
"""A volume is a map that the scanner computed, where it lies so near to it (ADC maps: 0.03), and nearer than to its own
kind by this factor (volumes at b=0 of a head that moved by 10 mm: 1.1 and more)."""
_FA_SPREAD, _NOT_FA = 0.4, 0.3
"""The same of FA maps, which noise makes less alike (0.18 to 0.32; other volumes 0.57 and more)."""


class Compared(NamedTuple):
    """Volumes over another one, in logarithms; by slices, of which some may be lost. Of each volume, or of one."""

    level: Array
    """Logarithm of the ratio: median over slices of their medians."""
    upper: Array
    """Upper quartile over slices: what is left where slices are lost."""
    spread: Array
    """Robust standard deviation about the slices' medians."""


@dataclass(frozen=True, eq=False)
class Looks:
    """The volumes of a run as they are seen in blocks of the head.

    Attributes
    ----------
    logs : (blocks, n) float64
        Natural logarithms.
    slices : (blocks,) int
        Number of each block's slice.
    contrast : (n,) float64
        Mean of the head over that of the rest.
    empty : (n,) bool
        Volumes that show nothing at all.
    means : (n,) float64
        Of the whole images.
    background : (n,) float64
        Logarithm of the lower quartile outside the head: the noise.
    """

    logs: Array
    slices: npt.NDArray[np.intp]
    contrast: Array
    empty: Mask
    means: Array
    background: Array

    @property
    def headless(self) -> Mask:
        """Volumes in which no head stands out: noise."""
        seen = ~self.empty
        typical = float(np.median(self.contrast[seen])) if seen.any() else 0.0
        if typical < _NO_HEAD:
            return seen
        # where the head fills the images, another contrast between tissues may look like none; but noise is dark
        dark = self.means < _DARK * np.median(self.means[seen])
        return np.asarray(seen & dark & (self.contrast < _NO_HEAD) & (typical >= _BACKGROUND))

    def compare(self, volumes: Array, other: Array) -> Compared:
        """How volumes (blocks, n), or one (blocks,), differ from another (blocks,), all in logarithms."""
        ratios = (volumes.T - other).T
        medians = self._slice_medians(ratios)
        counts = np.bincount(self.slices)
        asked = medians[counts >= max(_SMALL_SLICE * counts.max(), 1)]
        away = np.abs(ratios - medians[self.slices])
        spread = np.median(away, axis=0)
        if ratios.ndim > 1:
            # slices of zeros are alike in themselves, and say nothing of the others
            dead = volumes <= volumes.min(axis=0)
            share = dead.mean(axis=0)
            for index in np.flatnonzero((share > _SMALL_SLICE) & (share < 1)):
                spread[index] = np.median(away[~dead[:, index], index])
        return Compared(np.median(asked, axis=0), np.percentile(asked, 75, axis=0), _TO_SD * spread)

    def without_slices(self, ratios: Array) -> Array:
        """Ratios of volumes (blocks, n), in logarithms, less the median of each slice: of lost ones, too."""
        return ratios - self._slice_medians(ratios)[self.slices]

    def _slice_medians(self, ratios: Array) -> Array:
        result = np.zeros((int(self.slices.max()) + 1, *ratios.shape[1:]))
        for z in np.unique(self.slices):
            result[z] = np.median(ratios[self.slices == z], axis=0)
        return result

    def typical(self, which: Mask) -> Array:
        """Median (blocks,) of some volumes."""
        return np.asarray(np.median(self.logs[:, which], axis=1))

    def copies(self, indices: Sequence[int]) -> dict[int, list[int]]:
        """Volumes that are the same to the last bit, by the first of them: no scan gives two such."""
        found: dict[bytes, list[int]] = {}
        for index in indices:
            found.setdefault(self.logs[:, index].tobytes(), []).append(index)
        return {same[0]: same for same in found.values()}

    def computed_maps(self, volumes: Array, spread: Array, maps: Maps) -> list[str]:
        """Which map each volume (blocks, n) is, or an empty string; ``spread`` (n,) about what its kind looks like."""
        names = [""] * len(spread)
        if maps.fa is not None:
            near = self.compare(volumes, maps.fa).spread
            names = [
                "an FA map" if own > _NOT_FA and other < _FA_SPREAD else ""
                for own, other in zip(spread, near, strict=True)
            ]
        for name, values in (("an exponential ADC map", maps.exponential), ("an ADC map", maps.adc)):
            near = self.compare(volumes, values).spread
            for index in np.flatnonzero(near < np.minimum(_MAP_SPREAD, _MAP_SHARE * spread)):
                names[index] = name
        return names


class Maps(NamedTuple):
    """Maps that scanners compute and leave among the volumes: (blocks,), logarithms; FA of six volumes or more."""

    adc: Array
    exponential: Array
    fa: Array | None


def look(image: nib.Nifti1Image) -> Looks:
    """See a run (x, y, z, n), in RAS+ order, in blocks.

    Where nothing at all stands out, there are no blocks.
    """
    blocks = block_means(image)
    head = head_blocks(blocks)
    # where half of the volumes are left as 0, the typical one is 0
    head = head if 0 < head.sum() < head.size else np.zeros_like(head)
    inside, outside = blocks[head], blocks[~head]
    floor = 1e-6 * np.maximum(np.abs(blocks).max(axis=(0, 1, 2)), 1e-30)
    contrast, noise = np.zeros(blocks.shape[3]), floor
    signed = float(-np.minimum(blocks, 0).sum()) > _SIGNED * float(
        np.abs(blocks).sum()
    )  # phase, real or imaginary part
    if head.any() and not signed:
        contrast = inside.mean(axis=0) / np.maximum(outside.mean(axis=0), floor)
        noise = np.maximum(np.percentile(outside, 25, axis=0), 1e-4 * np.median(inside))
    logs = np.log(np.maximum(inside, floor))
    means = blocks.mean(axis=(0, 1, 2))
    return Looks(logs, np.nonzero(head)[2], contrast, empty_volumes(blocks), means, np.log(noise))


def maps_of(looks: Looks, unweighted: Array, gradients: Gradients, shell: Mask) -> Maps:
    """The maps that a scanner would have computed of a volume at b=0 (blocks,) and a shell."""
    weighted = looks.typical(shell)
    drop = unweighted - weighted
    # where nothing is left of the difference, there is no ADC to speak of
    adc = np.log(np.maximum(drop, 0.01 * max(float(np.median(drop)), 0.01)))
    if shell.sum() < 6:  # a tensor has six elements
        return Maps(adc, weighted - unweighted, None)
    signal = np.exp(np.column_stack([unweighted, looks.logs[:, shell]]))
    bvals, bvecs = np.r_[0.0, gradients.bvals[shell]], np.vstack([np.zeros(3), gradients.bvecs[shell]])
    fa = scalar_maps(fit_tensor(signal, Gradients(bvals, bvecs))).fa
    return Maps(adc, weighted - unweighted, np.log(np.maximum(fa, 1e-3)))
