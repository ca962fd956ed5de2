"""Noise that denoising within single patches leaves: averaged away between neighbours of the same diffusion profile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from bids_stroke.imaging.images import FloatArray
from bids_stroke.imaging.side_by_side import each

Mask = npt.NDArray[np.bool_]
Side = tuple[slice, ...]

_ALIKE = 0.32
"""Noise SDs by which profiles may differ (root mean square over volumes) until a neighbour's weight is 1/e."""
_AVERAGED_ALIKE = 0.27
"""The same for profiles that were averaged once, whose own noise is lower. Chosen on a simulated head (SNR 15 and 25;
18, 32 and 64 directions) and on fibre sheets one and two voxels thin: 0.3 lowers the error in white matter further, but
levels sheets that differ little from what is around them."""
_NEAR, _FAR = 3, 5
"""Largest squared distance (voxels) of a neighbour in the first and in the second average: 26 and 56 of them."""


def without_rician_floor(volumes: FloatArray, mask: Mask, sigma: float) -> None:
    """Put the signal behind the mean magnitudes of noisy measurements, which noise lifts, in their place.

    Parameters
    ----------
    volumes : (x, y, z, n) float32
        Denoised, so that they show means; changed within the mask, not below 0.
    mask : (x, y, z) bool
        Where to do it.
    sigma : float
        Noise of the volumes as measured.

    Notes
    -----
    Gudbjartsson and Patz 1995, "The Rician distribution of noisy MRI data": the square of the magnitude's mean is that
    of the signal plus the variance, nearly so from a signal of twice the noise on.
    """
    for index in range(volumes.shape[3]):
        volume = volumes[..., index]
        power = np.maximum(volume * volume - np.float32(sigma * sigma), 0)
        np.sqrt(power, out=volume, where=mask)


def average_alike(volumes: FloatArray, mask: Mask, sigma: float) -> FloatArray:
    """Each voxel averaged with those near it that show the same signal in all volumes.

    Parameters
    ----------
    volumes : (x, y, z, n) float32
        Denoised by other means: their noise is well below ``sigma``.
    mask : (x, y, z) bool
        Where to do it.
    sigma : float
        Noise of the volumes as measured.

    Returns
    -------
    (x, y, z, n) float32
        As given outside the mask.

    Notes
    -----
    Tomasi and Manduchi 1998, "Bilateral filtering for gray and color images", with the whole diffusion profile as
    colour: with n volumes, different tissues are told apart far below the noise of one volume. Done twice on the same
    volumes: likeness is first judged on them, then on the first average, whose noise misleads less (two stages with a
    pilot estimate as in Dabov et al. 2007, "Image denoising by sparse 3-D transform-domain collaborative filtering").
    """
    if sigma <= 0 or not mask.any():
        return volumes
    near = binary_dilation(mask, iterations=1)
    limits = [np.flatnonzero(near.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(slice(int(found[0]), int(found[-1]) + 1) for found in limits)
    part = np.ascontiguousarray(np.moveaxis(volumes[box], -1, 0))
    averaged = _averaged(part, _averaged(part, part, _ALIKE * sigma, _NEAR), _AVERAGED_ALIKE * sigma, _FAR)
    result = volumes.copy(order="K")
    part = np.moveaxis(result[box], -1, 0)  # a view
    for kept, volume in zip(part, averaged, strict=True):
        np.copyto(kept, volume, where=mask[box])
    return result


def _averaged(volumes: FloatArray, judged: FloatArray, tolerance: float, reach: int) -> FloatArray:
    """Volumes (n, x, y, z) averaged over neighbours up to a squared distance, as alike as ``judged`` shows them."""
    shape = volumes.shape[1:]
    sides = [(_side(shape, offset, -1), _side(shape, offset, 1)) for offset in _offsets(reach)]
    scale = np.float32(-1.0 / (len(volumes) * tolerance**2))

    def alike(pair: tuple[Side, Side]) -> FloatArray:
        here, there = pair
        apart = np.zeros(judged[0][here].shape, dtype=np.float32)
        for volume in judged:
            apart += (volume[here] - volume[there]) ** 2
        return np.asarray(np.exp(apart * scale))

    weights = list(each(alike, sides))
    total: FloatArray = np.ones(shape, dtype=np.float32)
    for (here, there), weight in zip(sides, weights, strict=True):
        total[here] += weight
        total[there] += weight

    def average(volume: FloatArray) -> FloatArray:
        summed = volume.copy()
        for (here, there), weight in zip(sides, weights, strict=True):
            summed[here] += weight * volume[there]
            summed[there] += weight * volume[here]
        summed /= total
        return summed

    result = np.empty_like(volumes)
    for index, averaged in enumerate(each(average, volumes)):
        result[index] = averaged
    return result


def _offsets(reach: int) -> Iterator[tuple[int, int, int]]:
    """One of each pair of opposite neighbours."""
    most = int(np.sqrt(reach))
    for x, y, z in product(range(-most, most + 1), repeat=3):
        if (x, y, z) > (0, 0, 0) and x * x + y * y + z * z <= reach:
            yield x, y, z


def _side(shape: tuple[int, ...], offset: tuple[int, ...], sign: int) -> Side:
    """Voxels that have a neighbour at the offset (sign -1), or those neighbours (sign 1)."""
    return tuple(slice(max(sign * o, 0), n + min(sign * o, 0)) for o, n in zip(offset, shape, strict=True))
