"""Motion and eddy currents of diffusion volumes.

Volumes without weighting are aligned to their mean, the volumes of each shell to each other (`align_shell`). Both are
brought together by the mutual information of their means, and by time: a head that hardly moves from volume to volume
has not moved between an unweighted volume and its neighbour either.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.ndimage import affine_transform, binary_dilation
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import array
from bids_stroke.imaging.motion import Level, align, as_seen, bounding_box, coefficients, prepare, small_motion
from bids_stroke.imaging.part_of_brain import Part, register_part
from bids_stroke.imaging.registration import register_rigid
from bids_stroke.imaging.side_by_side import each
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.motion.align_shell import Shell, align_shell, mean_volume
from bids_stroke.preprocess.dwi.motion.eddy import Bend, Correction, Scan
from bids_stroke.preprocess.dwi.motion.gaussian_process import groups
from bids_stroke.preprocess.dwi.motion.outliers import find_outliers

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_COARSE = Level(4.0, 3, 20_000, 0.005)
_FINE = Level(1.5, 3, 20_000, 0.005)
_LEVELS = (_COARSE, _FINE, _FINE)
_TURN, _SHIFT_MM = np.radians(0.12), 0.12
"""Standard deviation of mutual information's rigid registration between contrasts."""
_FEWEST_FOR_CONSTANTS = 10
_GRID_MM = 2.0
_TILT_DEGREES = (7.0, 11.0, -9.0)


@dataclass(frozen=True, eq=False)
class _Head:
    """The volumes, cut to the head."""

    volumes: Volume
    """(n, x, y, z)."""
    affine: Array
    near: Mask
    mask: Mask
    centre: Array


def estimate(scan: Scan, axis: int | None, work: Path, *, seed: int = 0) -> Correction:
    """Find motion, eddy currents and slices that lost their signal.

    Parameters
    ----------
    scan : Scan
        The volumes.
    axis : int or None
        Phase-encoding axis; None where it is not known: then no eddy currents are looked for.
    work : Path
        Folder for greedy's matrix files.
    seed : int
        Of the registration between contrasts.

    Returns
    -------
    Correction
        Relative to the first volume without weighting, which has no motion.
    """
    bend = None if axis is None else Bend.of(scan.affine, scan.volumes.shape, axis)
    head = _cut(scan)
    matrices = np.tile(np.eye(4), (len(scan.b0), 1, 1))
    matrices[scan.b0] = _align_unweighted(head, scan.b0)
    unweighted = nib.Nifti1Image(np.sqrt(_mean(head, scan.b0, matrices)), head.affine)
    constants = np.zeros(len(scan.b0))
    for group in groups(scan.gradients, scan.b0):
        shell = Shell(head.volumes[group], head.affine, scan.gradients.select(group), head.near, bend)
        matrices[group] = align_shell(shell, _LEVELS, matrices[group])
        mean = nib.Nifti1Image(np.sqrt(_mean(head, group, matrices)), head.affine)
        by_image = _between_contrasts(unweighted, mean, head.mask, work, seed)
        constants[group] = _constants(matrices[group], bend, shell.gradients)
        poses = _split(matrices, bend, constants)[0]
        matrices[group] = matrices[group] @ join_contrasts(by_image, poses, group, scan.b0, head.centre)
    motions, eddy = _split(matrices, bend, constants)
    none = np.zeros((len(motions), scan.volumes.shape[2]), dtype=bool)
    still = Correction(motions, np.where(scan.b0[:, None], 0.0, eddy), none, bend)
    return replace(still, outliers=find_outliers(scan, still))


def _cut(scan: Scan) -> _Head:
    box = bounding_box(scan.mask)
    affine = scan.affine.astype(np.float64)
    affine[:3, 3] = apply_affine(scan.affine, [part.start for part in box])
    mask = scan.mask[box]
    near = np.asarray(binary_dilation(mask, iterations=2))
    centre = apply_affine(affine, np.argwhere(near).mean(axis=0))
    return _Head(np.ascontiguousarray(np.moveaxis(scan.volumes[box], -1, 0)), affine, near, mask, centre)


def _align_unweighted(head: _Head, b0: Mask) -> Array:
    """Motions (n, 4, 4) of the volumes without weighting, relative to the first."""
    seen = [as_seen(volume, head.affine, _FINE) for volume in head.volumes[b0]]
    motions = np.tile(np.eye(4), (len(seen), 1, 1))
    for n_averaged in (1, len(seen)) if len(seen) > 1 else ():
        mean = mean_volume(seen[:n_averaged], head.affine, motions[:n_averaged])
        reference = prepare(mean, head.affine, head.near, _FINE)
        for index, (values, start) in enumerate(zip(seen, motions, strict=True)):
            motions[index] = align(values, head.affine, reference, _FINE, start)
    return np.asarray(motions @ np.linalg.inv(motions[0]))


def _mean(head: _Head, which: Mask, matrices: Array) -> Volume:
    """Mean of the aligned volumes as measured."""
    seen = list(each(lambda volume: coefficients(volume, 3), head.volumes[which]))
    return np.maximum(mean_volume(seen, head.affine, matrices[which], order=1), 0)


def _split(matrices: Array, bend: Bend | None, constants: Array) -> tuple[Array, Array]:
    """Rigid motions (n, 4, 4) and eddy currents (n, 4) with these constants, voxels."""
    motions, eddy = matrices.copy(), np.zeros((len(matrices), 4))
    if bend is None:
        return motions, eddy
    for index, matrix in enumerate(matrices):
        motions[index], eddy[index] = bend.split(matrix)
        motions[index, :3, 3] -= bend.step * constants[index] / (1 + eddy[index, 1:] @ bend.step)
    eddy[:, 0] = constants
    return motions, eddy


def _between_contrasts(unweighted: nib.Nifti1Image, mean: nib.Nifti1Image, mask: Mask, work: Path, seed: int) -> Array:
    """World matrix (4, 4) from the mean of the unweighted volumes to that of a group."""
    part = Part.of(unweighted, mask)
    if part is not None:  # the cuts, which are no edges of the head, would be laid on each other
        return register_part(part, mean, work, seed, near=True)
    return register_rigid(mean, _tilted(array(unweighted), unweighted.affine), work, seed=seed)


def _constants(matrices: Array, bend: Bend | None, gradients: Gradients) -> Array:
    """Shift along the axis that follows the diffusion gradient, (n,) voxels: the eddy currents' constant.

    Notes
    -----
    A volume alone does not tell it from a shift of the head; that eddy currents are in proportion to the gradient
    does: Andersson and Sotiropoulos 2016, "An integrated approach to correction for off-resonance effects and subject
    movement in diffusion MR imaging".
    """
    if bend is None or len(gradients) < _FEWEST_FOR_CONSTANTS:
        return np.zeros(len(gradients))
    motions, _ = _split(matrices, bend, np.zeros(len(matrices)))
    shifts = np.array([apply_affine(motion, bend.centre) - bend.centre for motion in motions])
    along = shifts @ bend.step / (bend.step @ bend.step)
    strength = np.sqrt(gradients.bvals / gradients.bvals.max())[:, None] * gradients.bvecs
    found = np.linalg.lstsq(np.column_stack([strength, np.ones(len(strength))]), along, rcond=None)[0]
    return np.asarray(strength @ found[:3])


def _tilted(volume: Volume, affine: Array) -> nib.Nifti1Image:
    """On a finer, tilted grid: where two grids coincide, mutual information is drawn to that very position."""
    size = np.linalg.norm(affine[:3, :3], axis=0) * volume.shape
    shape = np.ceil(size / _GRID_MM).astype(int) + 6
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_rotvec(_TILT_DEGREES, degrees=True).as_matrix()
    turned[:3, :3] = turned[:3, :3] @ (affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)) * _GRID_MM
    turned[:3, 3] = apply_affine(affine, (np.array(volume.shape) - 1) / 2) - turned[:3, :3] @ ((shape - 1) / 2)
    voxel = np.linalg.inv(affine) @ turned
    seen = affine_transform(volume, voxel[:3, :3], voxel[:3, 3], output_shape=tuple(shape), output=np.float32)
    return nib.Nifti1Image(np.maximum(seen, 0), turned)


def join_contrasts(by_image: Array, poses: Array, group: Mask, b0: Mask, centre: Array) -> Array:
    """World matrix (4, 4) from the reference of the unweighted volumes to that of a group.

    Notes
    -----
    The mean of what the images say and what time says: an unweighted volume's pose is its neighbours', as surely as
    neighbours in the group share theirs (a random walk, whose steps are seen). Each counts by its precision.
    """
    inside, unweighted = np.flatnonzero(group), np.flatnonzero(b0)
    pairs = [(j, i) for j in unweighted for i in (*inside[inside < j][-1:], *inside[inside > j][:1])]
    apart = np.array([abs(float(j - i)) for j, i in pairs])
    said = np.stack([_parameters(np.linalg.inv(poses[i]) @ poses[j], centre) for j, i in pairs])
    by_time = (said / apart[:, None]).sum(axis=0) / (1 / apart).sum()
    steps = [_parameters(np.linalg.inv(poses[a]) @ poses[b], centre) for a, b in itertools.pairwise(inside)]
    walk = (np.array(steps) ** 2 / np.diff(inside)[:, None]).mean(axis=0) if steps else np.full(6, np.inf)
    time_weight = 1 / (walk / (1 / apart).sum() + 1e-12)
    image_weight = 1 / np.repeat([_TURN, _SHIFT_MM], 3) ** 2
    mean = (time_weight * by_time + image_weight * _parameters(by_image, centre)) / (time_weight + image_weight)
    return small_motion(mean, centre)


def _parameters(motion: Array, centre: Array) -> Array:
    """Rotation vector (radians) and shift of the centre (mm): (6,)."""
    turn = Rotation.from_matrix(motion[:3, :3]).as_rotvec()
    return np.concatenate([turn, apply_affine(motion, centre) - centre])
