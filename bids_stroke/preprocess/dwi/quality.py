"""Quality numbers of a diffusion series and its maps, and warnings where they can hardly be right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion, median_filter

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import FloatArray, array
from bids_stroke.imaging.standard_space import template

Mask = npt.NDArray[np.bool_]

_PLAUSIBLE_FA = (0.25, 0.65)
_WHITE = 0.9
_SMALLEST_CORRELATION = 0.5
"""Of FA with the share of white matter. Right: 0.65 to 0.7 (real), also of slabs; 0.55 at 3 mm or 5 degrees beside it,
0.38 at 6 mm, 0.33 at 15 degrees, 0.24 at 25 degrees."""
_FAR_DEGREES = 15.0
_SMALLEST_COVERAGE = 0.9
_MANY_NEGATIVE = 0.05
_FEWEST_B0 = 3
"""Volumes at b=0 from which a standard deviation over time says something."""
_OVERFLOW_SHARE = 1e-3
_TOP = 65_535.0
"""Largest 16-bit number."""


def check_overflow(volumes: FloatArray, mask: Mask, names: str) -> None:
    """Refuse volumes (x, y, z, n) whose brightest voxels have passed the largest 16-bit number and begun anew.

    Signed numbers go on with negative ones; unsigned ones with 0, amid voxels that are nearly at the top. ``mask`` is
    the brain, roughly; ``names`` the files.

    Raises
    ------
    DataError
        More than one in a thousand voxels inside (``overflow``).
    """
    core = binary_erosion(mask, iterations=2)
    if not core.any():
        return
    level = float(np.median(np.abs(volumes[core][:, 0])))
    wrong = float((volumes[core].min(axis=1) < -0.1 * level).mean())
    for index in np.flatnonzero(volumes.max(axis=(0, 1, 2)) > 0.95 * _TOP):
        around = median_filter(volumes[..., index], 3)
        holes = (around > 0.6 * _TOP) & (volumes[..., index] < 0.1 * _TOP)
        wrong = max(wrong, float(holes[core].mean()))
    if wrong > _OVERFLOW_SHARE:
        message = f"{names}: {wrong:.1%} of the voxels in the head are negative or fall to 0 beside the brightest ones."
        remedy = "16-bit numbers have overflowed: convert the DICOM files again, or scale the image down before."
        raise DataError(message, remedy, reason="overflow")


def map_quality(
    shown: Mapping[str, FloatArray], standard: Mapping[str, FloatArray], white: FloatArray
) -> dict[str, float]:
    """FA and MD in white matter and how well FA shows it, and how much of the template's brain is covered.

    Parameters
    ----------
    shown, standard : mapping of str to (x, y, z) float32
        Maps by kind, on the grid of ``white`` and in standard space.
    white : (x, y, z) float32
        Share of white matter in each voxel, 0 to 1.
    """
    brain = array(template("mask")) > 0.5
    qc = {"standard_coverage_fraction": float((standard["md"][brain] > 0).mean())}
    measured = shown["md"] > 0
    fa, share = shown["fa"][measured], white[measured]
    if len(fa) and np.ptp(fa) > 0 and np.ptp(share) > 0:
        qc["fa_wm_correlation"] = float(np.corrcoef(fa, share)[0, 1])
    seen = (white > _WHITE) & measured
    if seen.any():
        qc["fa_wm_median"] = float(np.median(shown["fa"][seen]))
        qc["md_wm_median_mm2_s"] = float(np.median(shown["md"][seen]))
    return qc


def temporal_snr(unweighted: FloatArray, mask: Mask) -> dict[str, float]:
    """Median over the brain of mean / SD of the volumes at b=0, (x, y, z, n); nothing with fewer than three."""
    if unweighted.shape[3] < _FEWEST_B0 or not mask.any():
        return {}
    values = unweighted[mask].astype(np.float64)
    spread = values.std(axis=1, ddof=1)
    usable = spread > 0
    return {"tsnr_b0": float(np.median(values.mean(axis=1)[usable] / spread[usable]))} if usable.any() else {}


def quality_warnings(qc: Mapping[str, float]) -> list[str]:
    """Warnings where the maps can hardly be right, or are not of the whole brain."""
    warnings = []
    fa = qc.get("fa_wm_median")
    if fa is None:
        warnings.append("Diffusion: no white matter lies within the images.")
    elif not _PLAUSIBLE_FA[0] <= fa <= _PLAUSIBLE_FA[1]:
        warnings.append(f"Diffusion: a median FA of {fa:.2f} in white matter is implausible.")
    fit, turned = qc.get("fa_wm_correlation", 1.0), qc.get("t1w_angle_degrees", 0.0)
    if fit < _SMALLEST_CORRELATION:
        said = f"FA is not high where the white matter should be (correlation {fit:.2f})"
        warnings.append(f"Diffusion: {said}: noisy data or a wrong registration; look at the report's pictures.")
    if turned > _FAR_DEGREES:
        said = f"was turned by {turned:.0f} degrees from the headers' alignment"
        warnings.append(f"Diffusion: the registration to the T1w {said}; look at the report's pictures.")
    if qc["standard_coverage_fraction"] < _SMALLEST_COVERAGE:
        warnings.append(f"Diffusion: the images cover only {qc['standard_coverage_fraction']:.0%} of the brain.")
    if qc.get("negative_eigenvalue_fraction", 0.0) > _MANY_NEGATIVE:
        share = qc["negative_eigenvalue_fraction"]
        warnings.append(f"Diffusion: {share:.0%} of the tensors have a negative eigenvalue, counted as 0: noisy data.")
    return warnings
