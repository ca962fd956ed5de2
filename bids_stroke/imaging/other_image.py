"""Another image of the person (FLAIR, T2w, DWI, CT ...) -> rigid registration to the T1w, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.registration import coarse, register_rigid
from bids_stroke.imaging.transforms import Matrix, resample

Mask = npt.NDArray[np.bool_]

_GRID_MM = 3.0
"""The rigid place is found to .3 mm on such a grid, in a third of the time that 2 mm take."""
_TILT_DEGREES = (6.0, -5.0, 4.0)
_BINS = 32
_MOST_SPREAD_MM = 3.0
"""Between registrations from different starts; half the thickness of thicker slices."""
_LEAST_GAIN = 1.5
"""Of the mutual information with the T1w over that of the same image upside down, each registered as well as it can be:
right alignments of b=0 images have 2, of FLAIR, T2w and CT above 5; noise, blobs and failures about 1."""
_HEAD_PERCENTILE = 60.0


@dataclass(frozen=True, eq=False)
class Fit:
    """A rigid registration to the T1w and how far it can be trusted."""

    matrix: Matrix
    """4x4 RAS, T1w world -> the image's world (mm)."""
    spread_mm: float
    """Mean distance in the brain to where another start has led."""
    gain: float
    """Mutual information over that of the image upside down."""
    moved_mm: float
    """Mean distance in the brain between this place and that of the headers."""
    tolerance_mm: float

    @property
    def holds(self) -> bool:
        """Whether it is good enough to carry a mask."""
        return self.spread_mm <= self.tolerance_mm and self.gain >= _LEAST_GAIN


def register_to_t1w(image: nib.Nifti1Image, t1w: nib.Nifti1Image, brain: Mask, work: Path, *, seed: int) -> Fit:
    """Register an image of the same person to the T1w: rigid, normalised mutual information, from several starts.

    Parameters
    ----------
    image, t1w : nib.Nifti1Image
        3D, whole heads or brains.
    brain : ndarray of bool
        On the T1w's grid.
    work : Path
        Folder for greedy's matrix files.
    seed : int
        Same seed, same bytes.
    """
    grid = coarse(t1w, _GRID_MM)
    whole = resample(t1w, grid)
    inside = array(resample(like(t1w, brain.astype(np.float32)), grid)) > 0.5
    within = like(whole, array(whole) * inside)
    points = apply_affine(grid.affine, np.argwhere(inside)[:: max(1, int(inside.sum()) // 2000)])

    def best(moving: nib.Nifti1Image, starts: int) -> tuple[Matrix, float, list[Matrix]]:
        centre = _head_centre(moving)
        shift, tilt = np.eye(4), np.eye(4)
        shift[:3, 3] = centre - points.mean(axis=0)
        tilt[:3, :3] = Rotation.from_euler("xyz", _TILT_DEGREES, degrees=True).as_matrix()
        tilt[:3, 3] = centre - tilt[:3, :3] @ centre
        found = [_from(start, moving, within, work, seed) for start in (np.eye(4), shift, tilt @ shift)[:starts]]
        fits = [shared_information(whole, resample(moving, grid, [matrix]), inside) for matrix in found]
        chosen = int(np.argmax(fits))
        return found[chosen], fits[chosen], [matrix for i, matrix in enumerate(found) if i != chosen]

    matrix, fit, others = best(image, 3)
    _, control, _ = best(nib.Nifti1Image(array(image)[:, :, ::-1], image.affine), 2)
    spread = min(_apart(matrix, other, points) for other in others)
    tolerance = max(_MOST_SPREAD_MM, float(np.linalg.norm(image.affine[:3, :3], axis=0).max()) / 2)
    return Fit(matrix, spread, fit / max(control, 1e-6), _apart(matrix, np.eye(4), points), tolerance)


def _from(start: Matrix, moving: nib.Nifti1Image, fixed: nib.Nifti1Image, work: Path, seed: int) -> Matrix:
    shifted = nib.Nifti1Image(array(moving), np.linalg.inv(start) @ moving.affine)
    return np.asarray(start @ register_rigid(shifted, fixed, work, seed=seed))


def _head_centre(image: nib.Nifti1Image) -> npt.NDArray[np.float64]:
    """Middle (mm) of what is bright, or of the box where nothing is."""
    data = array(image)
    bright = np.argwhere(data > np.percentile(data, _HEAD_PERCENTILE))
    middle = bright.mean(axis=0) if len(bright) else (np.array(data.shape) - 1) / 2
    return np.asarray(apply_affine(image.affine, middle))


def _apart(first: Matrix, second: Matrix, points: npt.NDArray[np.float64]) -> float:
    return float(np.linalg.norm(apply_affine(first, points) - apply_affine(second, points), axis=1).mean())


def shared_information(first: nib.Nifti1Image, second: nib.Nifti1Image, inside: Mask) -> float:
    """Normalised mutual information of two images on one grid within a mask, less 1: 0 for images that share nothing.

    Studholme et al. 1999, "An overlap invariant entropy measure of 3D medical image alignment".
    """
    values = [array(image)[inside] for image in (first, second)]
    clipped = [np.clip(value, *np.quantile(value, [0.01, 0.99])) for value in values]
    joint = np.histogram2d(clipped[0], clipped[1], bins=_BINS)[0] / max(len(clipped[0]), 1)

    def entropy(share: npt.NDArray[np.float64]) -> float:
        some = share[share > 0]
        return float(-(some * np.log(some)).sum())

    together = entropy(joint)
    return (entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1))) / together - 1.0 if together > 0 else 0.0
