"""What the values of a lesion mask mean: one rule for shares, percent, 0 and 255, and labels.

Interpolation makes values beyond the scale: a B-spline of order 3 or 5 takes a solid shape of 0 and 1 to at most 1.73
or 1.91 (blocks of two voxels a side; large shapes to 1.4), and below 0 by up to .27 of the largest value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import FloatArray

Mask = npt.NDArray[np.bool_]

_MAX_LABELS = 20
_OVERSHOOT = 2.0
"""Largest value of a share after interpolation: above it a map of many values is no map of shares."""
_UNDERSHOOT = 0.35
"""Of the largest value, below 0."""
_SLACK = 1.005
"""Rounding of percent and of 0 to 255."""
_FULL = 0.9
_FEWEST_FULL = 0.1
"""A map of 0 to 255 has at least this share of its voxels (above a tenth) nearly full; an image of a head does not."""
_ASK = "Give 0 outside and 1 inside the lesion, shares from 0 to 1, or percent."


@dataclass(frozen=True, eq=False)
class Shares:
    """The share of each voxel that is lesion, and the half of the scale in the file's own values."""

    values: FloatArray
    """0 to 1."""
    threshold: float
    """Above it, in the file's values, a voxel counts as lesion."""
    largest: float
    """In the file's values."""

    @property
    def mask(self) -> Mask:
        """Where more than half of the voxel is lesion."""
        return np.asarray(self.values > 0.5)

    def lost(self, name: str) -> str:
        """What to say where the map is not zero and yet nothing of it is above the threshold; else empty."""
        if self.largest <= 0 or bool((self.values > 0.5).any()):
            return ""
        return (
            f"{name} is not zero, but nothing in it is above {self.threshold:g}, from where on a voxel counts as "
            f"lesion: its largest value is {self.largest:g}."
        )


def read_shares(data: FloatArray, name: str, *, soft: bool = False) -> Shares:
    """Shares from what people store as a lesion mask or a map of shares.

    Parameters
    ----------
    data : ndarray
        Whole numbers: 0 and one other value (1, 255 ...), or labels 1 to 20 (each is lesion). Else shares, also those
        that interpolation took beyond 0 and 1 (up to 2), percent (above 2), or 0 to 255.
    name : str
        File name, for the message.
    soft : bool
        Whether its name says that it holds shares (``probseg``): then whole numbers up to 100 are percent, not labels.

    Raises
    ------
    DataError
        Values that none of these explain (``not-a-mask``).
    """
    low, top = float(data.min()), float(data.max())
    values = np.unique(data[data != 0])
    whole = bool(np.all(values == np.round(values)))
    if low < 0 and (top <= 0 or low < -_UNDERSHOOT * top or whole):
        message = f"{name} has negative values ({low:g}, the largest is {top:g}): not a mask, not the share of lesion."
        raise DataError(message, _ASK, "not-a-mask")
    labels = values.size <= 1 or (values.size <= _MAX_LABELS and top <= _MAX_LABELS)
    if whole and labels and not (soft and 1.0 < top <= 100.0):
        inside = np.asarray(data > 0, dtype=np.float32)
        return Shares(inside, 0.5 if top <= _MAX_LABELS else 0.5 * top, top)
    scale = _scale(data, low, top)
    if scale is None:
        message = f"{name} has {values.size} values up to {top:g}: not a mask, not the share of lesion, nor percent."
        raise DataError(message, _ASK, "not-a-mask")
    shares = data / np.float32(scale)
    return Shares(np.clip(shares, 0.0, 1.0, out=shares), 0.5 * scale, top)


def _scale(data: FloatArray, low: float, top: float) -> float | None:
    """The value that means all lesion: 1, 100 or 255; None where no scale explains the values."""
    if top <= _OVERSHOOT:
        return 1.0
    if top <= 100.0 * _SLACK:
        return 100.0
    # beyond 100, only what interpolation leaves in the same map tells of it: values below 0, and a plateau at 100
    if low < 0 and top <= 100.0 * _OVERSHOOT and _plateau(data, 100.0):
        return 100.0
    full = abs(top - 255.0) < 1.0 or (low < 0 and 255.0 < top <= 255.0 * _OVERSHOOT)
    return 255.0 if full and _plateau(data, 255.0) else None


def _plateau(data: FloatArray, scale: float) -> bool:
    """Whether of the voxels above a tenth of the scale enough are nearly full."""
    inside = data[data > 0.1 * scale]
    return float(np.mean(inside > _FULL * scale)) >= _FEWEST_FULL


def binarize(data: FloatArray, name: str) -> Mask:
    """Binary mask from what people store as one (see `read_shares`).

    Raises
    ------
    DataError
        Values that nothing explains (``not-a-mask``).
    """
    return read_shares(data, name).mask


def as_share(data: FloatArray, name: str) -> FloatArray:
    """Shares from 0 to 1 from a map of them in any scale (see `read_shares`).

    Raises
    ------
    DataError
        Values that nothing explains (``not-a-mask``).
    """
    return read_shares(data, name, soft=True).values


def above_half(shares: FloatArray) -> Mask:
    """Where the share of lesion is above 0.5; above half of the largest share where nothing else would be left."""
    mask = np.asarray(shares > 0.5)
    return mask if mask.any() else np.asarray(shares > 0.5 * float(shares.max()))
