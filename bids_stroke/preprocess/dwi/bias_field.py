"""Bias field of a diffusion series: estimated at b=0, divided out of all volumes."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from bids_stroke.imaging.images import FloatArray, array, like, sitk_array, to_sitk

_COARSEST_MM = 6.0
_SHRINK = 3


def bias_field(unweighted: nib.Nifti1Image, mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Coil sensitivity, mean 1 within the brain.

    Parameters
    ----------
    unweighted : nib.Nifti1Image
        Mean at b=0.
    mask : (x, y, z) bool
        The brain.

    Returns
    -------
    (x, y, z) float32
        To divide volumes by. All volumes share it, so that it leaves the tensor alone except near the noise floor.

    Notes
    -----
    Tustison et al. 2010, "N4ITK: improved N3 bias correction".
    """
    positive = np.maximum(array(unweighted), 0.0)
    full = to_sitk(like(unweighted, positive))
    inside = sitk.Cast(to_sitk(like(unweighted, (mask & (positive > 0)).astype(np.float32))), sitk.sitkUInt8)
    factors = [max(1, min(_SHRINK, int(_COARSEST_MM / spacing))) for spacing in full.GetSpacing()]
    filter_ = sitk.N4BiasFieldCorrectionImageFilter()
    filter_.SetNumberOfThreads(1)  # sums over threads would depend on their number
    filter_.SetMaximumNumberOfIterations([50, 50, 50])
    filter_.Execute(sitk.Shrink(full, factors), sitk.Shrink(inside, factors))
    logarithm = sitk_array(filter_.GetLogBiasFieldAsImage(full)).astype(np.float64)
    return np.asarray(np.exp(logarithm - logarithm[mask].mean()), dtype=np.float32)
