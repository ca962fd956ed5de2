"""Differences between the sides of the brain, in standard space, where mirror images lie at mirrored places."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import (
    Drawn,
    Reports,
    feature_files,
    landmarks,
    load_unmirrored,
    standard_brain,
    standard_heights,
)
from bids_stroke.report.figures.slices import Panel, draw_slices

_SMOOTH_MM = 2.0
"""SD of the smoothing: voxels one by one differ by noise, and by folds that no registration brings together."""
_SHOWN = {"fa": ("FA", "no unit", 0.25, 1.0), "md": ("MD", "10⁻³ mm²/s", 0.5, 1000.0)}
"""Modality -> label, units, ends of the scale, and what the file's values are multiplied by; the same for everybody."""
_LESION = "lime"
"""Its outline: red would not be seen on red."""
_FALFF = ("fALFF", "no unit", 0.15, 1.0)


def draw_sides(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw left-right differences of FA, MD and fALFF, whichever there are; nothing where the grid has no midline."""
    panels = list(_panels(reports))
    if panels:
        title = "Each place less its mirror image, in standard space"
        yield "", draw_slices(title, panels, standard_heights(6), standard_brain())


def _panels(reports: Reports) -> Iterator[Panel]:
    wanted = [(path, *_SHOWN[name]) for name in _SHOWN for path in feature_files(reports, name)[:1]]
    falff = [path for path in feature_files(reports, "bold") if re.search("_stat-falff_", path.name, re.IGNORECASE)]
    for path, label, units, end, factor in [*wanted, *((path, *_FALFF) for path in falff[:1])]:
        difference = less_its_mirror(load_unmirrored(path))
        if difference is not None:
            yield Panel(
                difference, label, units, (-end, end), "RdBu_r", factor, outlines=landmarks(reports, lesion=_LESION)
            )


def less_its_mirror(image: nib.Nifti1Image) -> nib.Nifti1Image | None:
    """Smoothed values less those at the mirrored places.

    Parameters
    ----------
    image : Nifti1Image
        (x, y, z) in standard space; 0 is no value.

    Returns
    -------
    Nifti1Image or None
        float32 on the same grid; 0 where either side has no value. None where voxels have no mirrored ones.
    """
    from scipy.ndimage import gaussian_filter

    values = np.asarray(image.dataobj, dtype=np.float64)
    middle = nib.affines.apply_affine(image.affine, (np.array(values.shape) - 1) / 2)[0]
    straight = np.allclose(image.affine[0, 1:3], 0) and np.allclose(image.affine[1:3, 0], 0)
    if not straight or abs(middle) > 0.01:
        return None
    there: NDArray[np.float64] = ((values != 0) & np.isfinite(values)).astype(np.float64)
    width = _SMOOTH_MM / np.array(image.header.get_zooms()[:3])
    share = gaussian_filter(there, width)
    smooth = gaussian_filter(np.where(there > 0, values, 0.0), width) / np.maximum(share, 1e-6)
    both = (there > 0) & (there[::-1] > 0)
    return nib.Nifti1Image(np.where(both, smooth - smooth[::-1], 0.0).astype(np.float32), image.affine)
