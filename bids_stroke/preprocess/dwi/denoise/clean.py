"""Noise and ringing taken out of diffusion volumes: as measured, and what is left of the noise once the head is still.

Patches of neighbours tell noise from signal by the noise's statistics, which interpolation changes: that comes first.
Averaging of single voxels with the same diffusion profile needs profiles, so each voxel must be one place of the head
in all volumes: that comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from dipy.denoise.localpca import mppca
from scipy.ndimage import binary_dilation
from threadpoolctl import threadpool_limits

from bids_stroke.imaging.images import FloatArray, array
from bids_stroke.preprocess.dwi.denoise.gibbs import remove_ringing, ringing_kept, slice_axis
from bids_stroke.preprocess.dwi.denoise.similar_voxels import average_alike, without_rician_floor
from bids_stroke.preprocess.dwi.runs import like_series
from bids_stroke.preprocess.dwi.series import Series

if TYPE_CHECKING:
    from bids_stroke.core.settings_preprocess import DwiSettings

Mask = npt.NDArray[np.bool_]

_DENOISE_FROM = 30
"""Volumes: with fewer, noise and signal components cannot be told apart in a local patch."""


def said(key: str, value: object, note: str = "") -> dict[str, object]:
    """What the sidecar says of a correction: its key, and ``<key>Note`` with the reason where there is one."""
    return {key: value} | ({f"{key}Note": note} if note else {})


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A series with less noise and ringing.

    Attributes
    ----------
    series : Series
        Its volumes, with the noise floor of magnitudes taken off; the very one that was given where nothing was done.
    done : mapping
        For the sidecar: correction -> whether it was done, and ``...Note`` -> why not.
    noise : float
        Standard deviation of the noise as measured; 0 where noise was not looked for.
    """

    series: Series
    done: Mapping[str, object]
    noise: float


def clean(series: Series, mask: Mask, settings: DwiSettings) -> Cleaned:
    """Denoise by patches and remove Gibbs ringing, as the settings, the sidecars and the number of volumes allow.

    Ringing goes before voxels are averaged (median FA error on a simulated still head 0.0144 so, 0.0151 after that).
    """
    volumes = measured = array(series.image)
    near = _near(mask)
    noisy, ringing = _noise_kept(len(series.gradients), settings), ringing_kept(series, settings.gibbs)
    done = said("Denoised", not noisy, noisy) | said("GibbsCorrected", not ringing, ringing)
    if noisy and ringing:
        return Cleaned(series, done, 0.0)
    sigma = 0.0
    if not noisy:
        volumes, level = denoise(measured, near)
        sigma = float(np.median(level[mask]))
    if not ringing:
        volumes = remove_ringing(volumes, slice_axis(series))
    if not noisy:
        volumes = np.where(near[..., None], without_rician_floor(volumes, sigma), volumes)
    return Cleaned(replace(series, image=like_series(series.image, volumes)), done, sigma)


def averaged(series: Series, mask: Mask, noise: float) -> Series:
    """The second step of denoising, for volumes of a still head.

    Parameters
    ----------
    series : Series
        After `clean` and the alignment. Averaged before it, where voxels are different places of the head in each
        volume, a moved simulated head has 1.2 times the median error of MD, and 1.1 times that of FA.
    mask : (x, y, z) bool
        The brain.
    noise : float
        As `clean` found it; 0: the series stays as it is.
    """
    if noise <= 0:
        return series
    volumes = average_alike(array(series.image), _near(mask), noise)
    return replace(series, image=like_series(series.image, volumes))


def _near(mask: Mask) -> Mask:
    return np.asarray(binary_dilation(mask, iterations=2))


def _noise_kept(n: int, settings: DwiSettings) -> str:
    """Why ``n`` volumes are not denoised; empty where they are."""
    if not settings.denoise:
        return "dwi.denoise is off"
    return f"{n} volumes are too few to tell noise from signal" if n < _DENOISE_FROM else ""


def denoise(volumes: FloatArray, mask: Mask) -> tuple[FloatArray, FloatArray]:
    """MP-PCA denoising within a mask; what is outside stays as it is.

    Returns
    -------
    volumes : (x, y, z, n) float32
        Denoised.
    level : (x, y, z) float32
        Standard deviation of the noise, 0 outside the mask.

    Notes
    -----
    Veraart et al. 2016, "Denoising of diffusion MRI using random matrix theory".
    """
    radius = 2
    while (2 * radius + 1) ** 3 < volumes.shape[3]:
        radius += 1
    # thousands of tiny eigenproblems: threads only get in each other's way. Outside the mask dipy divides 0 by 0.
    with threadpool_limits(1), np.errstate(invalid="ignore"):
        cleaned, level = mppca(volumes, mask=mask, patch_radius=radius, return_sigma=True, suppress_warning=True)
    inside = np.where(mask[..., None], np.maximum(cleaned, 0), volumes)
    return np.asarray(inside, dtype=np.float32), np.asarray(np.nan_to_num(level), dtype=np.float32)
