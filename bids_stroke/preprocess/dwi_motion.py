"""Head motion in diffusion images: each volume is aligned to what the tensor model says it should look like."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates, spline_filter
from scipy.spatial.transform import Rotation

from bids_stroke.preprocess.gradients import Gradients, rotate
from bids_stroke.preprocess.images import array, like
from bids_stroke.preprocess.tensor import fit_tensor, predict

Array = npt.NDArray[np.float64]
Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SMOOTHING_MM = (6.0, 3.0)
"""Standard deviation of the smoothing, coarse then fine."""
_STEPS = 15
_ENOUGH_MM = 0.003
_MAX_POINTS = 40_000
_HEAD_RADIUS_MM = 50.0
_PASSES = 2


@dataclass(frozen=True, eq=False)
class Reference:
    """A volume to align to, prepared for Gauss-Newton steps at one level of smoothing.

    Attributes
    ----------
    points : (n, 3) float64
        World coordinates (mm) relative to ``centre``.
    values : (n,) float64
        Smoothed reference there.
    columns : (n, 8) float64
        How the values change with rotation (3, rad) and shift (3, mm), with the image's scale and offset.
    """

    points: Array
    centre: Array
    values: Array
    columns: Array


def correct_motion(
    dwi: nib.Nifti1Image, gradients: Gradients, mask: Mask, b0: Mask
) -> tuple[nib.Nifti1Image, Gradients, Array]:
    """Undo rigid head motion between volumes and turn the gradients accordingly.

    Parameters
    ----------
    dwi : nib.Nifti1Image
        4D.
    gradients : Gradients
        All volumes; without those at b=0 they must determine a tensor.
    mask : (x, y, z) bool
        The brain, roughly.
    b0 : (n,) bool
        Volumes without weighting.

    Returns
    -------
    corrected : nib.Nifti1Image
        One cubic interpolation of the original volumes; at the edge the nearest voxel is repeated.
    gradients : Gradients
        Rotated.
    motions : (n, 4, 4) float64
        RAS matrices, reference world -> world of each volume. The reference is the first volume at b=0.

    Notes
    -----
    Registration to a model's prediction needs no contrast-free metric: Andersson and Sotiropoulos 2015,
    "Non-parametric representation and prediction of single- and multi-shell diffusion-weighted MRI data using
    Gaussian processes". The model does not tie unweighted to weighted volumes; where the head lies in the first is
    taken to be where it lies in the mean of the second, found by the gradient of their logarithmic ratio
    being least: see ``_offset``.
    """
    raise NotImplementedError
