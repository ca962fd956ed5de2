"""Whether a lesion mask fits the image that it is laid on: numbers that tell a misplaced one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_stroke.imaging.images import FloatArray, array
from bids_stroke.imaging.standard_space import template

Mask = npt.NDArray[np.bool_]

SEEN = 0.5
"""Contrast to the rim, in spreads of the brain's intensities, from which on a lesion is clearly seen in an image."""
_HARDLY_SEEN = 0.25
_MOST_IN_VENTRICLE = 0.5
_LEAST_IN_BRAIN = 0.9
_GAP, _RIM = 1, 4
"""Voxels around a mask that are left out (its edge is never exact), and up to which its rim goes."""
_FEWEST = 8
_DEEP_MM = 20.0
_FLUID = 0.3


def rim_contrast(lesion: Mask, image: FloatArray, brain: Mask) -> float:
    """Median in a lesion less that of its rim in the brain, in spreads (1.48 MAD) of the brain; 0 where it has no rim.

    Parameters
    ----------
    lesion, brain : ndarray of bool
        On the image's grid; the rim lies 2 to 4 voxels around the lesion.
    image : ndarray
        Intensities.
    """
    near = ndimage.binary_dilation(lesion, iterations=_GAP)
    rim = ndimage.binary_dilation(near, iterations=_RIM - _GAP) & ~near & brain
    return _contrast(image[lesion], image[rim], image[brain])


def _contrast(inside: FloatArray, other: FloatArray, brain: FloatArray) -> float:
    if not inside.size or other.size < _FEWEST or not brain.size:
        return 0.0
    spread = 1.4826 * float(np.median(np.abs(brain - np.median(brain))))
    return (float(np.median(inside)) - float(np.median(other))) / spread if spread > 0 else 0.0


@cache
def ventricles() -> Mask:
    """Fluid deep in the standard brain: the ventricles, on the 2 mm grid."""
    inside = array(template("mask")) > 0.5
    depth = ndimage.distance_transform_edt(inside, sampling=2.0)
    return np.asarray((depth > _DEEP_MM) & (array(template("GM")) + array(template("WM")) < _FLUID))


def image_numbers(lesion: Mask, head: FloatArray) -> dict[str, float]:
    """Quality numbers of a lesion on the T1w, both on the 2 mm standard grid.

    Returns
    -------
    dict
        ``lesion_rim_contrast`` and ``lesion_mirror_contrast``: intensity in the mask less that in its rim, and at the
        mirrored place, in spreads of the brain's; ``lesion_seen_contrast``, the larger of both without sign;
        ``lesion_in_ventricle_fraction`` (0-1).
    """
    brain = (array(template("mask")) > 0.5) & (head > 0)
    mirrored = lesion[::-1] & ~lesion & brain
    rim, mirror = rim_contrast(lesion, head, brain), _contrast(head[lesion & brain], head[mirrored], head[brain])
    return {
        "lesion_rim_contrast": rim,
        "lesion_mirror_contrast": mirror,
        "lesion_seen_contrast": max(abs(rim), abs(mirror)),
        "lesion_in_ventricle_fraction": float(ventricles()[lesion].mean()),
    }


def check_warnings(numbers: Mapping[str, float]) -> list[str]:
    """What is suspicious about a lesion mask's numbers.

    Parameters
    ----------
    numbers : mapping of str to float
        From `image_numbers`, as far as there is a T1w, and ``lesion_in_brain_fraction``.
    """
    warnings = []
    if (share := numbers["lesion_in_brain_fraction"]) < _LEAST_IN_BRAIN:
        warnings.append(f"Only {100 * share:.0f} % of the lesion mask lies in the standard brain: look at its place.")
    if (share := numbers.get("lesion_in_ventricle_fraction", 0.0)) > _MOST_IN_VENTRICLE:
        warnings.append(f"{100 * share:.0f} % of the lesion mask lies over the ventricles: look at its place.")
    if numbers.get("lesion_seen_contrast", SEEN) < _HARDLY_SEEN:
        warnings.append(
            "Nothing is seen of the lesion in the T1w, neither against its rim nor against the other side: the stroke "
            "is fresh, or the mask does not lie where it should."
        )
    return warnings
