"""The mirrored healthy side in the place of the lesion, for registration."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy import ndimage

from bids_stroke.imaging.images import (
    array,
    like,
)
from bids_stroke.imaging.lesion.shares import Mask
from bids_stroke.imaging.registration import Warp
from bids_stroke.imaging.transforms import Matrix, Transform, resample

_FEATHER_MM = 2.0


def mirror_fill(brain: nib.Nifti1Image, lesion: Mask, registration: Matrix | Warp) -> nib.Nifti1Image:
    """Enantiomorphic filling: put the mirrored healthy side where the lesion is.

    Parameters
    ----------
    brain : nib.Nifti1Image
        Brain-extracted T1w.
    lesion : ndarray of bool
        On its grid.
    registration : ndarray (4, 4) or Warp
        RAS, standard world -> native world, or the whole warp: the template's plane x = 0 is the plane of the mirror.
        With a warp each place is filled from its counterpart also in a head that is not symmetric.

    Returns
    -------
    nib.Nifti1Image
        Filled over a soft edge of about 2 mm; a part whose mirror image is lesion too keeps its own intensity.

    Notes
    -----
    Nachev et al. 2008, "Enantiomorphic normalization of focally lesioned brains".
    """
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    if isinstance(registration, Warp):
        mirror: list[Transform] = [registration.forward, flip, registration.inverse]
    else:
        mirror = [registration @ flip @ np.linalg.inv(registration)]
    mirrored = array(resample(brain, brain, mirror))
    other_side = array(resample(like(brain, lesion.astype(np.float32)), brain, mirror)) > 0.1
    fillable = lesion & ~other_side & (mirrored > 0)
    spacing = np.linalg.norm(brain.affine[:3, :3], axis=0)
    distance = ndimage.distance_transform_edt(~fillable, sampling=list(spacing))
    weight = np.clip(1.0 - distance / _FEATHER_MM, 0.0, 1.0) * (mirrored > 0) * ~other_side
    filled = weight * mirrored + (1.0 - weight) * array(brain)
    return like(brain, filled.astype(np.float32))
