"""The final interpolation of diffusion volumes: motion, eddy currents and susceptibility undone at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform, map_coordinates

from bids_stroke.imaging.side_by_side import each
from bids_stroke.preprocess.dwi.motion.eddy import Correction

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Distortion:
    """Displacement by the head's own magnetic field.

    Attributes
    ----------
    field : (x, y, z) float32
        Hz, on the reference grid.
    seconds : (n,) float64
        Of each volume: readout time with the sign of its phase encoding; field * seconds = voxels along the axis.
    axis : int
        Phase-encoding axis.
    """

    field: Volume
    seconds: Array
    axis: int


def resample_series(
    volumes: Volume, affine: Array, correction: Correction, distortion: Distortion | None = None
) -> Volume:
    """Volumes of the still, undistorted head on their own grid.

    Parameters
    ----------
    volumes : (x, y, z, n) float32
        As measured (or denoised).
    affine : (4, 4)
        Voxel -> world (mm).
    correction : Correction
        Motion and eddy currents of each volume.
    distortion : Distortion, optional
        Susceptibility.

    Returns
    -------
    (x, y, z, n) float32
        One cubic interpolation. Signal that was squeezed or stretched along the axis is spread out again (Jacobian
        modulation), negative overshoot is 0, beyond the edge the nearest voxel is repeated.

    Notes
    -----
    Andersson and Sotiropoulos 2016, "An integrated approach to correction for off-resonance effects and subject
    movement in diffusion MR imaging". The field moves with the head and displaces along the image's axis.
    """
    result = np.empty(volumes.shape, np.float32, order="F")
    to_voxel = np.linalg.inv(affine)
    slopes = None if distortion is None else _slopes(distortion.field)
    matrices, stretches = correction.matrices, correction.stretch

    def still(index: int) -> Volume:
        motion, stretch, voxel = correction.motions[index], stretches[index], to_voxel @ matrices[index] @ affine
        volume = volumes[..., index]
        if distortion is None or slopes is None:
            return _along(volume, voxel) * np.float32(stretch)
        # along the image's axis, as the moved head feels it
        direction = np.linalg.inv(affine[:3, :3]) @ motion[:3, :3].T @ affine[:3, distortion.axis]
        seconds = distortion.seconds[index]
        jacobian = stretch + seconds * np.tensordot(direction, slopes, 1)
        return np.asarray(_bent(volume, voxel, distortion, seconds) * np.maximum(jacobian, 0.0), dtype=np.float32)

    for index, moved in enumerate(each(still, range(volumes.shape[3]))):
        np.maximum(moved, 0.0, out=result[..., index])
    return result


def _slopes(field: Volume) -> Array:
    """(3, x, y, z): Hz per voxel along each axis."""
    along: list[Array] = list(np.gradient(field.astype(np.float64)))
    return np.stack(along)


def _along(volume: Volume, voxel: Array) -> Volume:
    if np.allclose(voxel, np.eye(4), atol=1e-9):
        return volume
    return np.asarray(affine_transform(volume, voxel[:3, :3], voxel[:3, 3], mode="nearest", output=np.float32))


def _bent(volume: Volume, voxel: Array, distortion: Distortion, seconds: float) -> Volume:
    """Sampled at the affine image of each voxel, displaced along the axis."""
    grid = np.indices(volume.shape, dtype=np.float32)
    where = (
        np.tensordot(voxel[:3, :3].astype(np.float32), grid, 1) + voxel[:3, 3].astype(np.float32)[:, None, None, None]
    )
    where[distortion.axis] += distortion.field * seconds
    return np.asarray(map_coordinates(volume, where, np.float32, mode="nearest"))
