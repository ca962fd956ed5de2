"""Volumes of a series as blocks of about 8 x 8 mm of each slice: enough to tell what a volume shows."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from bids_stroke.imaging.images import array

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_BLOCK_MM = 8.0


def block_means(image: nib.Nifti1Image) -> Array:
    """Means of squares of whole voxels in each slice: (x, y, z, t) -> (fewer, fewer, z, t) float64.

    Slices along the third axis stay apart, because each may lose its signal alone; voxels that are over at an end of a
    row are left out.

    Examples
    --------
    >>> image = nib.Nifti1Image(np.ones((9, 8, 2, 3), np.float32), np.diag([4.0, 4.0, 10.0, 1.0]))
    >>> block_means(image).shape
    (4, 4, 2, 3)
    """
    data = array(image)
    zooms = np.linalg.norm(image.affine[:3, :2], axis=0)
    size = np.clip(np.rint(_BLOCK_MM / zooms), 1, data.shape[:2]).astype(int)
    count = data.shape[:2] // size
    x, y = count * size
    shape = (count[0], size[0], count[1], size[1], data.shape[2])
    result = np.empty((*count, *data.shape[2:]))
    for index in range(data.shape[3]):
        result[..., index] = data[:x, :y, :, index].reshape(shape).mean(axis=(1, 3), dtype=np.float64)
    return result


def head_blocks(blocks: Array) -> Mask:
    """Blocks of the head, (x, y, z) bool: where the typical volume (t of them, each divided by its mean) is bright.

    Notes
    -----
    The threshold is Otsu's (1979, "A threshold selection method from gray-level histograms").
    """
    means = blocks.mean(axis=(0, 1, 2))
    if not (means > 0).any():
        return np.zeros(blocks.shape[:3], dtype=bool)
    typical = np.median(blocks[..., means > 0] / means[means > 0], axis=3)
    return np.asarray(sitk.GetArrayFromImage(sitk.OtsuThreshold(sitk.GetImageFromArray(typical), 0, 1)) > 0)


def empty_volumes(blocks: Array) -> Mask:
    """Volumes (t,) that show nothing: all blocks are the same."""
    return np.asarray(np.ptp(blocks, axis=(0, 1, 2)) == 0)
