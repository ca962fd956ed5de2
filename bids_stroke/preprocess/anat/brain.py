"""T1w -> brain mask (deepbet) and T1w without bias field (N4)."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
import torch
from deepbet import BrainExtraction

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.imaging.images import array, like, sitk_array, to_sitk, voxel_ml

Mask = npt.NDArray[np.bool_]

PLAUSIBLE_ML = (700.0, 2200.0)
"""Brain volumes outside are worth a warning."""
_POSSIBLE_ML = (200.0, 4000.0)
"""Outside, what was found is no brain."""
_TOP_PERCENTILE = 99.5


@cache
def _network() -> Any:
    with warnings.catch_warnings():
        # deepbet ships TorchScript; newer torch announces its end at each load
        warnings.filterwarnings("ignore", message="`torch.jit.load`", category=FutureWarning)
        warnings.filterwarnings("ignore", message="`torch.jit.load`", category=DeprecationWarning)
        return BrainExtraction(no_gpu=True)


def extract_brain(t1w: nib.Nifti1Image) -> Mask:
    """Brain mask of a T1w image, with its volume checked.

    Parameters
    ----------
    t1w : nib.Nifti1Image
        3D, any orientation.

    Returns
    -------
    ndarray of bool
        On the grid of ``t1w``; one piece without holes.

    Raises
    ------
    MissingModalityError
        There is no brain in the image (``no-brain-found``).

    Notes
    -----
    Fisch et al. 2024, "deepbet: Fast brain extraction of T1-weighted MRI using convolutional neural networks". It
    runs on the CPU with one thread, so that the mask does not depend on the machine.
    """
    if np.ptp(array(t1w)) <= 0:
        raise _no_brain("the image is constant")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _, mask_image, _ = _network().run(nib.Nifti1Image(array(t1w), t1w.affine))
    except (AssertionError, ValueError, IndexError) as error:  # what deepbet raises when its mask is empty
        raise _no_brain("the network marks nothing") from error
    finally:
        torch.set_num_threads(threads)
    mask: Mask = np.asarray(mask_image.dataobj) > 0.5
    volume = float(mask.sum()) * voxel_ml(t1w)
    if not _POSSIBLE_ML[0] < volume < _POSSIBLE_ML[1]:
        raise _no_brain(f"the network marks {volume:.0f} ml")
    return mask


def _no_brain(why: str) -> MissingModalityError:
    remedy = "Check that it is a T1-weighted image of a whole head."
    return MissingModalityError(f"No brain was found in the T1w image: {why}.", remedy, "no-brain-found")


def correct_bias(t1w: nib.Nifti1Image, brain: Mask, shrink: int) -> nib.Nifti1Image:
    """Divide the bias field out (N4), then clip at the brain's 99.5th percentile.

    Parameters
    ----------
    t1w : nib.Nifti1Image
        Whole head.
    brain : ndarray of bool
        Where the field is estimated.
    shrink : int
        N4 works on every ``shrink``-th voxel, but no coarser than 6 mm.

    Returns
    -------
    nib.Nifti1Image
        float32, from 0; the clip tames vessels and scalp, which would upset later steps.

    Notes
    -----
    Tustison et al. 2010, "N4ITK: improved N3 bias correction".
    """
    full = to_sitk(like(t1w, np.maximum(array(t1w), 0.0)))
    mask = sitk.Cast(to_sitk(like(t1w, brain.astype(np.float32))), sitk.sitkUInt8)
    factors = [max(1, min(shrink, int(6.0 / spacing))) for spacing in full.GetSpacing()]
    filter_ = sitk.N4BiasFieldCorrectionImageFilter()
    filter_.SetNumberOfThreads(1)  # sums over threads would depend on their number
    filter_.SetMaximumNumberOfIterations([50, 50, 50])
    filter_.Execute(sitk.Shrink(full, factors), sitk.Shrink(mask, factors))
    field = sitk_array(filter_.GetLogBiasFieldAsImage(full))
    return clip(like(t1w, np.maximum(array(t1w), 0.0) / np.exp(field)), brain)


def clip(t1w: nib.Nifti1Image, brain: Mask) -> nib.Nifti1Image:
    """Intensities from 0 to the brain's 99.5th percentile, float32."""
    top = np.percentile(array(t1w)[brain], _TOP_PERCENTILE)
    return like(t1w, np.clip(array(t1w), 0.0, top).astype(np.float32))
