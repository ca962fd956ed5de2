"""Slices of diffusion volumes that lost their signal, because the head moved during the weighting."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from bids_stroke.imaging.motion import coefficients
from bids_stroke.preprocess.dwi.gradients import Gradients, rotate
from bids_stroke.preprocess.dwi.motion.align_shell import sample_all
from bids_stroke.preprocess.dwi.motion.eddy import Correction, Scan
from bids_stroke.preprocess.dwi.motion.gaussian_process import groups, precision, residuals

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_MAX_POINTS = 60_000
_DEVIATIONS = 4.0
"""As FSL's eddy."""
_SMALLEST_LOSS = 0.1
"""Of the predicted signal."""
_FEWEST = 6
"""Volumes of a group whose scatter can be judged."""
_SMALL_SLICE = 0.2
"""Of the largest slice's points: with fewer, a slice is not judged."""


def find_outliers(scan: Scan, correction: Correction) -> Mask:
    """Slices (along the third axis) whose mean signal is far below what the other volumes predict: (n, z) bool.

    Notes
    -----
    Andersson et al. 2016, "Incorporating outlier detection and replacement into a non-parametric framework for movement
    and distortion correction of diffusion MR images". Slices must also have lost a tenth of their signal.
    """
    outliers = np.zeros_like(correction.outliers)
    voxels = np.argwhere(scan.mask)
    points = apply_affine(scan.affine, voxels[:: len(voxels) // _MAX_POINTS + 1])
    felt = rotate(scan.gradients, correction.motions, scan.affine)
    to_voxel = np.linalg.inv(scan.affine)
    for group in groups(scan.gradients, scan.b0):
        members, matrices = np.flatnonzero(group), correction.matrices[group]
        if len(members) < _FEWEST:
            continue
        # the nearest voxel: interpolation would spread a loss over the neighbouring slices
        signal = sample_all([scan.volumes[..., i] for i in members], scan.affine, matrices, points, order=0)
        heights = np.stack([np.rint(apply_affine(to_voxel @ matrix, points)[:, 2]) for matrix in matrices])
        heights = np.clip(heights, 0, outliers.shape[1] - 1).astype(np.intp)
        outliers[members] = _lost(
            signal, residuals(signal, precision(signal, felt.bvecs[group])), heights, outliers.shape[1]
        )
    return outliers


def _lost(signal: Array, surprise: Array, heights: npt.NDArray[np.intp], n_slices: int) -> Mask:
    """(n, z) bool, given signal, its difference from the prediction, and slice of each point, all (n, points)."""
    counts = np.stack([np.bincount(row, minlength=n_slices) for row in heights])
    expected, excess = (
        np.stack([np.bincount(row, value, n_slices) for row, value in zip(heights, values, strict=True)])
        for values in (signal - surprise, surprise)
    )
    judged = counts >= _SMALL_SLICE * counts.max()
    relative = np.where(judged, excess / np.maximum(expected, 1e-6), 0.0)
    relative = relative - np.median(relative, axis=1, keepdims=True)  # a volume may be darker as a whole
    relative = relative - np.median(relative, axis=0)
    scatter = 1.4826 * np.median(np.abs(relative), axis=0)
    common = 1.4826 * float(np.median(np.abs(relative[judged])))
    return np.asarray(judged & (relative < -_DEVIATIONS * np.maximum(scatter, common)) & (relative < -_SMALLEST_LOSS))


def replace_outliers(scan: Scan, correction: Correction) -> Volume:
    """The volumes with their lost slices as the other volumes predict them, in the volume's own pose.

    Returns
    -------
    (x, y, z, n) float32
        The same array where nothing is lost.
    """
    if not correction.outliers.any():
        return scan.volumes
    result = scan.volumes.copy(order="K")
    felt = rotate(scan.gradients, correction.motions, scan.affine)
    for group in groups(scan.gradients, scan.b0):
        members = np.flatnonzero(group)
        lost = [(int(i), int(z)) for i in members for z in np.flatnonzero(correction.outliers[i])]
        if lost:
            found = _predicted(scan, correction, members, felt, lost)
            for (index, height), values in zip(lost, found, strict=True):
                result[:, :, height, index] = np.maximum(values, 0.0)
    return result


def _predicted(
    scan: Scan, correction: Correction, members: npt.NDArray[np.intp], felt: Gradients, lost: list[tuple[int, int]]
) -> list[Volume]:
    """Values (x, y) of each lost slice (volume, height) of a group, as its other volumes predict them."""
    seen = [coefficients(scan.volumes[..., i], 3) for i in members]
    matrices, stretch = correction.matrices, correction.stretch
    to_voxel = np.linalg.inv(scan.affine)
    shape = scan.volumes.shape
    result = []
    for index, height in lost:
        voxels = np.indices((shape[0], shape[1], 1)).reshape(3, -1).T + [0, 0, height]
        points = apply_affine(np.linalg.inv(matrices[index]) @ scan.affine, voxels)
        signal = sample_all(seen, scan.affine, matrices[members], points) * stretch[members, None]
        heights = np.stack([np.rint(apply_affine(to_voxel @ matrices[i], points)[:, 2]) for i in members])
        heights = np.clip(heights, 0, shape[2] - 1).astype(np.intp)
        bad = np.take_along_axis(correction.outliers[members], heights, axis=1)
        mean = (signal * ~bad).sum(axis=0) / np.maximum((~bad).sum(axis=0), 1)
        signal = np.where(bad, mean, signal)
        own = int(np.flatnonzero(members == index)[0])
        expected = signal[own] - residuals(signal, precision(signal, felt.bvecs[members]))[own]
        result.append((expected / stretch[index]).reshape(shape[:2]).astype(np.float32))
    return result
