"""Alignment of the volumes of one diffusion shell to each other, all at once.

Volumes of a shell differ by direction as well as by motion, and motion that varies smoothly with the direction looks
just like anisotropy. So the differences at each point are modelled as anisotropy (a Gaussian process over directions,
stronger in white matter), noise and motion, and the motions of all volumes come from one generalised least-squares
fit: where the signal depends on the direction a point says little, in grey matter and at the brain's edge much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.ndimage import affine_transform, map_coordinates

from bids_stroke.imaging.motion import Level, Points, as_seen, changes, choose_points, small_motion
from bids_stroke.imaging.side_by_side import each
from bids_stroke.preprocess.dwi.gradients import Gradients, rotate
from bids_stroke.preprocess.dwi.motion.eddy import Bend
from bids_stroke.preprocess.dwi.motion.gaussian_process import precision, residuals

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_CLASSES = 8
"""Of points, by how much their signal varies."""
_CLIP = 4.0
"""Robust standard deviations beyond which a difference counts no further."""
_INNER = 3


@dataclass(frozen=True, eq=False)
class Shell:
    """Volumes of one contrast, cut to the head.

    Attributes
    ----------
    volumes : (n, x, y, z) float32
        As measured.
    affine : (4, 4) float64
        Voxel -> world (mm).
    gradients : Gradients
        Of these volumes.
    near : (x, y, z) bool
        Where to look.
    bend : Bend or None
        Where eddy currents are to be found too.
    """

    volumes: Volume
    affine: Array
    gradients: Gradients
    near: Mask
    bend: Bend | None


def align_shell(shell: Shell, levels: Sequence[Level], start: Array) -> Array:
    """World matrices (n, 4, 4), reference -> volume; the reference is the mean pose and shape."""
    matrices = start
    points = choose_points(shell.near, shell.affine, levels[0].max_points)
    previous: Level | None = None
    for level in levels:
        if level != previous:
            seen = list(each(partial(as_seen, affine=shell.affine, level=level), shell.volumes))
        matrices = _pass(shell, seen, points, matrices)
        previous = level
    return matrices


def mean_volume(seen: Sequence[Volume], affine: Array, matrices: Array, order: int = 3) -> Volume:
    """Mean (x, y, z) of the aligned volumes, given their cubic spline coefficients.

    With ``order`` 1 the coefficients are interpolated linearly, five times faster. The mean of many volumes, each moved
    by another part of a voxel, is a little smoother so; motion is found as exactly (.001 mm on a simulated head).
    """
    unmoved = (matrices == matrices[0]).all()
    total = np.zeros(seen[0].shape, np.float64)
    pairs = zip(seen, np.linalg.inv(affine) @ matrices @ affine, strict=True)
    for values in seen if unmoved else each(lambda pair: _moved(*pair, order), pairs):
        total += values
    mean = np.asarray(total / len(seen), dtype=np.float32)
    if unmoved:
        return _moved(mean, np.linalg.inv(affine) @ matrices[0] @ affine, 3)
    return mean if order == 3 else _moved(mean, np.eye(4), 3)  # from coefficients to values


def _moved(coefficients: Volume, voxel: Array, order: int) -> Volume:
    moved = affine_transform(coefficients, voxel[:3, :3], voxel[:3, 3], order=order, mode="nearest", prefilter=False)
    return np.asarray(moved, dtype=np.float32)


def _pass(shell: Shell, seen: Sequence[Volume], points: Points, matrices: Array) -> Array:
    """A few joint steps with one reference."""
    mean = mean_volume(seen, shell.affine, matrices, order=1)
    values = mean[tuple(points.voxels.T)].astype(np.float64)
    moved = changes(mean, shell.affine, points, None if shell.bend is None else shell.bend.step)
    columns = np.column_stack([moved, values, np.ones(len(values))])
    scale = np.sqrt((columns**2).mean(axis=0)) + 1e-12
    gains = np.ones(len(seen))
    for _ in range(_INNER):
        signal = sample_all(seen, shell.affine, matrices, points.world) / gains[:, None]
        bvecs = rotate(shell.gradients, _rigid(matrices, shell.bend), shell.affine).bvecs
        steps = _solve(signal, bvecs, columns / scale) / scale
        gains = gains * np.clip(1 + steps[:, -2], 0.5, 2.0)
        matrices = _step(matrices, steps[:, :-2], points.centre, shell.bend)
    return matrices


def sample_all(seen: Sequence[Volume], affine: Array, matrices: Array, points: Array, order: int = 3) -> Array:
    """Volumes (given as spline coefficients) at reference points: (n, points) float64."""
    to_voxel = np.linalg.inv(affine)

    def sample(pair: tuple[Volume, Array]) -> Array:
        values, matrix = pair
        where = apply_affine(to_voxel @ matrix, points).T
        return np.asarray(map_coordinates(values, where, np.float64, order=order, mode="nearest", prefilter=False))

    return np.stack(list(each(sample, zip(seen, matrices, strict=True))))


def _solve(signal: Array, bvecs: Array, columns: Array) -> Array:
    """Parameters (n, k) of all volumes, their mean being 0."""
    n, k = len(signal), columns.shape[1]
    normal, right = np.zeros((n, k, n, k)), np.zeros((n, k))
    order = np.argsort(signal.var(axis=0), kind="stable")
    for part in np.array_split(order, _CLASSES):
        here, across = signal[:, part], columns[part]
        inverse = precision(here, bvecs)
        surprise = residuals(here, inverse)
        limit = _CLIP * 1.4826 * float(np.median(np.abs(surprise)))
        here = here - (surprise - np.clip(surprise, -limit, limit))
        normal += np.einsum("ij,kl->ikjl", inverse, across.T @ across)
        right += inverse @ here @ across
    flat = normal.reshape(n * k, n * k)
    # a change common to all volumes is not seen: it is held at 0
    flat += np.kron(np.ones((n, n)), np.eye(k)) * (np.trace(flat) / (n * n * k) + 1e-12)
    steps = np.linalg.lstsq(flat, right.ravel(), rcond=1e-12)[0].reshape(n, k)
    return np.asarray(steps - steps.mean(axis=0))


def _step(matrices: Array, steps: Array, centre: Array, bend: Bend | None) -> Array:
    result = np.empty_like(matrices)
    for index, (matrix, step) in enumerate(zip(matrices, steps, strict=True)):
        change = small_motion(step[:6], centre)
        if bend is not None:
            bent = np.outer(bend.step, step[6:])
            change[:3, :3] += bent
            change[:3, 3] -= bent @ centre
        matrix = matrix @ np.linalg.inv(change)
        if bend is not None:
            motion, eddy = bend.split(matrix)
            matrix = bend.matrix(eddy) @ motion
        result[index] = matrix
    return result


def _rigid(matrices: Array, bend: Bend | None) -> Array:
    return matrices if bend is None else np.stack([bend.split(matrix)[0] for matrix in matrices])
