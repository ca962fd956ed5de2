"""Where each diffusion volume shows the head: rigid motion, then the linear distortion that eddy currents leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from bids_stroke.preprocess.dwi.gradients import Gradients

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scan:
    """Diffusion volumes of one phase encoding, in the order of their measurement.

    Attributes
    ----------
    volumes : (x, y, z, n) float32
        As measured, or denoised.
    affine : (4, 4) float64
        Voxel -> world (mm).
    gradients : Gradients
        As the scanner says them.
    b0 : (n,) bool
        Volumes without weighting; at least one.
    mask : (x, y, z) bool
        The brain, roughly.
    """

    volumes: Volume
    affine: Array
    gradients: Gradients
    b0: Mask
    mask: Mask


@dataclass(frozen=True, eq=False)
class Bend:
    """How eddy currents displace: along ``step``, in proportion to the distance from ``centre``.

    Attributes
    ----------
    step : (3,) float64
        World vector from voxel to voxel along the phase-encoding axis, mm.
    centre : (3,) float64
        Of the grid, world, mm.
    """

    step: Array
    centre: Array

    @staticmethod
    def of(affine: Array, shape: tuple[int, ...], axis: int) -> Bend:
        """For a grid: its affine (4, 4), shape (x, y, z, ...) and phase-encoding axis."""
        return Bend(affine[:3, axis].astype(np.float64), apply_affine(affine, (np.array(shape[:3]) - 1) / 2))

    def matrix(self, eddy: Array) -> Array:
        """World matrix (4, 4), true -> measured position; ``eddy`` (4,): constant and slopes along x, y, z.

        In voxels along the axis, the slopes per mm of world from the centre.
        """
        result = np.eye(4)
        result[:3, :3] += np.outer(self.step, eddy[1:])
        result[:3, 3] = self.step * (eddy[0] - eddy[1:] @ self.centre)
        return result

    def split(self, matrix: Array) -> tuple[Array, Array]:
        """A world matrix as eddy currents (4,) after a rigid motion (4, 4).

        The constant is 0: one volume does not tell it from a shift of the head.
        """
        length = float(np.linalg.norm(self.step))
        basis = np.linalg.svd(self.step[None])[2]
        basis[0] = self.step / length
        basis[2] = np.cross(basis[0], basis[1])
        rows = basis @ matrix[:3, :3]
        along = rows[0].copy()
        left, _, right = np.linalg.svd(rows[1:], full_matrices=False)
        rows[1:] = left @ right  # what lies across the axis is not bent
        rows[0] = np.cross(rows[1], rows[2])
        motion = np.eye(4)
        motion[:3, :3] = basis.T @ rows
        eddy = np.concatenate([[0.0], motion[:3, :3] @ (along - rows[0]) / length])
        motion[:3, 3] = apply_affine(np.linalg.inv(self.matrix(eddy)), matrix[:3, 3])
        return motion, eddy


@dataclass(frozen=True, eq=False)
class Correction:
    """What moved and bent the volumes of a series, and slices that lost their signal.

    Attributes
    ----------
    motions : (n, 4, 4) float64
        World of the reference (the first volume without weighting) -> world of each volume.
    eddy : (n, 4) float64
        See `Bend.matrix`; in the volume's pose. Zeros where the phase-encoding axis is not known.
    outliers : (n, z) bool
        Slices (along the third axis) that lost signal.
    bend : Bend or None
        None where the phase-encoding axis is not known.
    """

    motions: Array
    eddy: Array
    outliers: Mask
    bend: Bend | None

    @property
    def matrices(self) -> Array:
        """(n, 4, 4): world of the reference -> measured position."""
        if self.bend is None:
            return self.motions
        bent = [self.bend.matrix(eddy) @ motion for eddy, motion in zip(self.eddy, self.motions, strict=True)]
        return np.stack(bent)

    @property
    def stretch(self) -> Array:
        """(n,): measured per true length along the axis, by which the signal is thinned."""
        if self.bend is None:
            return np.ones(len(self.motions))
        return np.asarray(1.0 + self.eddy[:, 1:] @ self.bend.step)
