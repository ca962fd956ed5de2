"""Noise told from signal in patches of neighbouring voxels, by the statistics of random matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation
from threadpoolctl import threadpool_limits

from bids_stroke.imaging.images import FloatArray
from bids_stroke.imaging.side_by_side import each

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_CHUNK = 1 << 21
"""Values of patches that are handled at a time."""


def mppca(
    volumes: FloatArray, mask: Mask, radii: Sequence[int], apart: Sequence[int] | None = None
) -> tuple[FloatArray, FloatArray]:
    """MP-PCA denoising in overlapping patches.

    Parameters
    ----------
    volumes : (x, y, z, n) float32
        As measured.
    mask : (x, y, z) bool
        Where to do it.
    radii : sequence of int
        Voxels from the middle of a patch to its sides, along each axis.
    apart : sequence of int, optional
        Voxels from the middle of a patch to that of the next. Without it as many as the radius: a voxel lies in two or
        three patches along each axis, and there are eight times fewer cubes of five voxels than with one for each.

    Returns
    -------
    volumes : (x, y, z, n) float32
        Mean of the patches that a voxel lies in, each weighted by 1 / (1 + its signal components), not negative; as
        measured outside the mask, and where no patch fits into the image.
    level : (x, y, z) float32
        Standard deviation of the noise, 0 there.

    Notes
    -----
    Veraart et al. 2016, "Denoising of diffusion MRI using random matrix theory"; the weights are those of Manjon et
    al. 2013, "Diffusion weighted image denoising using overcomplete local PCA". With patches one voxel apart it equals
    dipy's ``mppca``.
    """
    n = volumes.shape[3]
    signals = volumes.reshape(-1, n, order="F")
    inside = np.flatnonzero(mask.ravel(order="F"))
    row = np.full(mask.size, len(inside))  # what lies outside the mask goes to a last row
    row[inside] = np.arange(len(inside))
    total = np.zeros((len(inside) + 1, n), dtype=np.float32)
    weights, noise = (np.zeros(len(total), dtype=np.float32) for _ in range(2))
    offsets = np.indices([2 * radius + 1 for radius in radii]).reshape(3, -1).T - list(radii)
    middles = _middles(mask, radii, apart or [max(radius, 1) for radius in radii])
    step = max(_CHUNK // (len(offsets) * n), 1)
    with threadpool_limits(1):  # thousands of tiny eigenproblems: threads only get in each other's way
        parts = (middles[start : start + step] for start in range(0, len(middles), step))
        lists = (np.moveaxis(part[:, None] + offsets, -1, 0) for part in parts)
        voxels = [np.ravel_multi_index(tuple(found), mask.shape, order="F") for found in lists]
        patches = each(lambda where: _clean(signals[where]), voxels)
        for where, (cleaned, variance, weight) in zip(voxels, patches, strict=True):
            for here, values in zip(row[where].T, np.moveaxis(cleaned, 1, 0), strict=True):  # no voxel twice in one
                total[here] += values
                weights[here] += weight
                noise[here] += variance * weight
    reached = np.flatnonzero(weights[:-1] > 0)
    result, level = volumes.copy(order="F"), np.zeros(mask.shape, dtype=np.float32, order="F")
    where = inside[reached]
    level.reshape(-1, order="F")[where] = np.sqrt(noise[reached] / weights[reached])
    for index in range(n):
        result[..., index].reshape(-1, order="F")[where] = np.maximum(total[reached, index] / weights[reached], 0)
    return result, level


def _middles(mask: Mask, radii: Sequence[int], apart: Sequence[int]) -> Indices:
    """Middles of patches, (m, 3), that lie in the image as a whole, each voxel of the mask being next to one."""
    near = binary_dilation(mask, np.ones([2 * (step // 2) + 1 for step in apart])) if max(apart) > 1 else mask
    lines = [
        np.unique([*range(radius, size - radius, step), size - radius - 1])
        for size, radius, step in zip(mask.shape, radii, apart, strict=True)
    ]
    taken = near[np.ix_(*lines)]
    found = np.nonzero(taken.T)[::-1]  # the first axis runs fastest, as voxels lie in memory
    return np.stack([line[index] for line, index in zip(lines, found, strict=True)], axis=1)


def _clean(patches: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Patches (p, voxels, n) without noise, times their weights; variance of the noise, and the weights, (p,)."""
    _, n_voxels, n = patches.shape
    means = patches.mean(axis=1, keepdims=True)
    centred = patches - means
    exact = centred.astype(np.float64)
    values, vectors = np.linalg.eigh(exact.transpose(0, 2, 1) @ exact / n_voxels)
    variance = noise_variance(values, n_voxels)
    signal = values >= variance[:, None] * (1 + np.sqrt(n / n_voxels)) ** 2
    vectors *= signal[:, None, :]
    projector = (vectors @ vectors.transpose(0, 2, 1)).astype(np.float32)
    weight = 1 / (1 + signal.sum(axis=1, dtype=np.float32))
    cleaned = (centred @ projector + means) * weight[:, None, None]
    return cleaned, variance.astype(np.float32), weight


def noise_variance(values: Array, n_voxels: int) -> Array:
    """Variance of the noise, (p,).

    Parameters
    ----------
    values : (p, n) float64
        Eigenvalues of the covariances of p patches, ascending.
    n_voxels : int
        In a patch, whose mean is taken off.

    Notes
    -----
    The largest number of small eigenvalues whose range is that of noise of their mean: Veraart et al. 2016.
    """
    values = values[:, -(n_voxels - 1) :]
    counts = np.arange(1, values.shape[1] + 1)
    means = np.cumsum(values, axis=1) / counts
    noise = values - values[:, :1] <= 4 * np.sqrt(counts / n_voxels) * means
    last = values.shape[1] - 1 - np.argmax(noise[:, ::-1], axis=1)
    return np.asarray(means[np.arange(len(values)), np.where(noise.any(axis=1), last, 0)])
