"""The field by the session's T1w: the distorted b=0 image is made to look like the T1w's tissues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

from bids_stroke.imaging.images import FloatArray, array, like, load_image
from bids_stroke.imaging.part_of_brain import register_in_session
from bids_stroke.imaging.side_by_side import each
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.dwi.phase_encoding import Encoding
from bids_stroke.preprocess.dwi.susceptibility.fit_pair import Fit, Level, Pair, Smoothness, fit_pair, undone

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LEVELS = (Level(12.0, 10), Level(7.0, 8), Level(4.0, 6))
_SMOOTHNESS = Smoothness(slope=0.03, bend=3.0, common_mm=0.0)
"""Much smoother than a pair allows: the model of the image is worse than an image."""
_WINDOW_MM = 6.0
"""SD of the window in which contrast is made equal."""
_EDGE_MM = 6.0
_AT_EDGE = 0.1
"""Weight of the brain's rim: what lies there differs between a T1w's brain mask and a b=0 image."""
_CONTRAST = 0.3
"""SD of the images after normalisation, for the smoothness to be in proportion."""
_GAIN = 0.05
"""Share of the unexplained variance that the displacement must remove beyond what motion does: simulated heads gained
4 % without and 9 % with distortion."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The session's T1w for this purpose.

    Attributes
    ----------
    brain : nib.Nifti1Image
        T1w without skull.
    tissues : nib.Nifti1Image
        4D on its grid: probabilities of the tissues, all 0 where nothing is known (outside, lesion).
    work : Path
        For greedy.
    seed : int
        For greedy.
    """

    brain: nib.Nifti1Image
    tissues: nib.Nifti1Image
    work: Path
    seed: int

    @classmethod
    def read(cls, anat: Mapping[str, Path], work: Path, seed: int) -> Anatomy | None:
        """From the files of the step ``anat`` by role; None where they lack tissues."""
        roles = ("csf", "gm", "wm")
        if not {"t1w_brain", *roles} <= anat.keys():
            return None
        brain = load_image(anat["t1w_brain"], 3)
        shares = np.stack([array(load_image(anat[role], 3)) for role in roles], axis=3)
        return cls(brain, like(brain, shares), work, seed)


def field_from_t1w(
    mean: nib.Nifti1Image, encoding: Encoding, mask: Mask, anatomy: Anatomy
) -> tuple[FloatArray | None, str, dict[str, float]]:
    """Field that makes the b=0 image agree with the T1w's tissues, if it clearly does.

    Parameters
    ----------
    mean : nib.Nifti1Image
        3D, at b=0, distorted.
    encoding : Encoding
        Its phase encoding.
    mask : (x, y, z) bool
        Its brain, roughly.
    anatomy : Anatomy
        Of the T1w.

    Returns
    -------
    hz : (x, y, z) float32 or None
        None where the displacement explains little more than motion does.
    note : str
        Why there is none, or how exact it is.
    qc : dict
        Quality numbers.

    Notes
    -----
    Registration to an undistorted image along the phase encoding only: Studholme et al. 2000, "Accurate alignment of
    functional EPI data to anatomical MRI using a physics-based distortion model". Both images are normalised by their
    local mean and contrast, which makes least squares a local correlation: Cachier et al. 2003, "Iconic feature based
    nonrigid registration: the PASHA algorithm". Without that, real images, whose coils and tissues no model matches,
    were displaced by 1 mm where they were right.
    """
    pair, core = _images(mean, encoding, mask, anatomy)
    if int(core.sum()) < 1000:
        return None, "the T1w's tissues do not lie where the diffusion images show a brain", {}
    smoothness = (replace(_SMOOTHNESS, size=1e6), _SMOOTHNESS)
    still, fit = each(lambda smooth: fit_pair(pair, smooth, _LEVELS), smoothness)
    before, after = (_unexplained(pair, found, core) for found in (still, fit))
    gain = 1 - after / before
    moved = np.abs(fit.shift[core]) * pair.voxel_mm[pair.axis]
    qc = {"t1w_field_gain": gain}
    if gain < _GAIN:
        return None, f"a field by the T1w explains only {max(gain, 0.0):.1%} more of the image", qc
    qc["susceptibility_median_mm"] = float(np.median(moved))
    qc["susceptibility_p95_mm"] = float(np.percentile(moved, 95))
    hz = np.asarray(fit.shift / abs(encoding.hz_to_voxels), dtype=np.float32)
    return hz, "Susceptibility distortion is corrected by the T1w: in part, near air about half of it remains", qc


def _images(mean: nib.Nifti1Image, encoding: Encoding, mask: Mask, anatomy: Anatomy) -> tuple[Pair, Mask]:
    """The b=0 image and its model, normalised; and the brain without its rim."""
    values = array(mean)
    to_t1w = register_in_session(mean, mask, anatomy.brain, anatomy.work, anatomy.seed)
    shares = _on_grid(anatomy.tissues, mean, to_t1w)
    head = shares.sum(axis=3) > 0.5
    sizes = np.linalg.norm(mean.affine[:3, :3], axis=0)
    core = np.asarray(binary_erosion(head, iterations=max(1, round(_EDGE_MM / float(sizes.mean())))))
    near = np.asarray(binary_dilation(head))
    affine = np.asarray(mean.affine, dtype=np.float64)
    if not (core & mask).any():
        return Pair(values, values, values, affine, encoding.axis, (1.0, 0.0), piled=False), core & mask
    model = np.asarray(shares @ _levels(shares[core & mask], values[core & mask]), dtype=np.float32)
    window = _WINDOW_MM / sizes
    weight = np.where(core, 1.0, np.where(near, _AT_EDGE, 0.0)).astype(np.float32)
    first, second = _normalised(values, near, window), _normalised(model, head, window)
    return Pair(first, second, weight, affine, encoding.axis, (float(encoding.sign), 0.0), piled=False), core


def _on_grid(tissues: nib.Nifti1Image, grid: nib.Nifti1Image, to_t1w: Array) -> FloatArray:
    """Tissues as the diffusion images' voxels see them: (x, y, z, 3)."""
    fine, coarse = (np.linalg.norm(image.affine[:3, :3], axis=0).mean() for image in (tissues, grid))
    blur = float(np.sqrt(max(coarse**2 - fine**2, 0.0)) / 2.355 / fine)
    data = array(tissues)
    smooth = np.stack([gaussian_filter(data[..., i], blur) for i in range(data.shape[3])], axis=3)
    return array(resample(like(tissues, smooth), grid, [np.linalg.inv(to_t1w)]))


def _levels(shares: FloatArray, values: FloatArray) -> FloatArray:
    """Intensity of each tissue by robust regression (Cauchy weights)."""
    x, y = shares.astype(np.float64), values.astype(np.float64)
    weight: Array = np.ones(len(y))
    found: Array = np.zeros(x.shape[1])
    for _ in range(6):
        found = np.asarray(np.linalg.lstsq(x * weight[:, None], y * weight, rcond=None)[0], dtype=np.float64)
        residual = np.abs(y - x @ found)
        weight = 1 / np.sqrt(1 + (residual / (3 * np.median(residual) + 1e-9)) ** 2)
    return np.asarray(found, dtype=np.float32)


def _normalised(image: FloatArray, inside: Mask, window: Array) -> FloatArray:
    """Local mean 0 and local SD about 1, times `_CONTRAST`."""
    counts = inside.astype(np.float32)
    total = gaussian_filter(counts, window) + 1e-3
    middle = gaussian_filter(image * counts, window) / total
    spread = gaussian_filter((image - middle) ** 2 * counts, window) / total
    least = 0.02 * float(np.median(image[inside]))
    score = (image - middle) / np.sqrt(spread + least**2 + 1e-12)
    return np.asarray(_CONTRAST * np.clip(score, -3, 3), dtype=np.float32)


def _unexplained(pair: Pair, fit: Fit, core: Mask) -> float:
    """Share of the variance in the brain that the two images do not have in common: all, where a fit has lost one."""
    first, second = (image[core] for image in undone(pair, fit))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 1.0
    return float(1 - np.corrcoef(first, second)[0, 1] ** 2) + 1e-9
