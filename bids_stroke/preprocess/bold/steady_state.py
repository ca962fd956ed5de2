"""The part of a BOLD run that shows a head in steady state."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.bold.headless import Headless, fill

_MOST_UNSTEADY = 10


def count_unsteady(means: npt.NDArray[np.float64]) -> int:
    """Number of first volumes that are brighter than the steady state, at most 10.

    Parameters
    ----------
    means : (t,) float64
        Mean of each volume. A volume is too bright by 6 robust standard deviations of the rest, and by 0.5 %.
    """
    rest = means[_MOST_UNSTEADY:] if len(means) >= 3 * _MOST_UNSTEADY else means[len(means) // 2 :]
    middle = float(np.median(rest))
    limit = middle + max(6 * 1.4826 * float(np.median(np.abs(rest - middle))), 0.005 * abs(middle))
    bright = means[:_MOST_UNSTEADY] > limit
    return len(bright) if bright.all() else int(np.argmin(bright))


def steady_volumes(
    image: nib.Nifti1Image, headless: Headless, repetition_time: float
) -> tuple[nib.Nifti1Image, npt.NDArray[np.bool_], int]:
    """The volumes in steady state, those without a head replaced.

    Parameters
    ----------
    image : nib.Nifti1Image
        The run as measured.
    headless : Headless
        Of the run.
    repetition_time : float
        Seconds; for the header.

    Returns
    -------
    series : nib.Nifti1Image
        (x, y, z, t).
    lost : (t,) bool
        Volumes of it for which others stand in.
    dropped : int
        Volumes of the run before it.
    """
    volumes, lost = array(image)[..., headless.kept], headless.inside
    means = volumes.mean(axis=(0, 1, 2), dtype=np.float64)
    fill(means, lost)
    unsteady = count_unsteady(means)
    volumes, lost = volumes[..., unsteady:], lost[unsteady:]
    if lost[:1].any():  # nothing before it to stand in
        more = int(np.argmin(lost))
        volumes, lost, unsteady = volumes[..., more:], lost[more:], unsteady + more
    data = np.ascontiguousarray(volumes)
    if lost.any():
        data = data.copy()
        fill(data, lost)
    raw = like(image, data)
    raw.header.set_zooms((*raw.header.get_zooms()[:3], repetition_time))
    return raw, lost, headless.before + unsteady
