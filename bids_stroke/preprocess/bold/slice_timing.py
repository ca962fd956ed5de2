"""Slice timing: the slices of a volume are measured one after another; bring them to one moment."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.ndimage import shift

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import canonical_axis

Series = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SliceTimes:
    """When each slice is measured.

    Attributes
    ----------
    axis : int
        Of the slices, in RAS+ voxel order.
    seconds : (n,) float64
        After the start of the volume, by index along that axis.
    """

    axis: int
    seconds: npt.NDArray[np.float64]

    @property
    def middle(self) -> float:
        """The moment to which slices are brought: half-way between the first and the last (s)."""
        return float(self.seconds.min() + self.seconds.max()) / 2.0


def slice_times(
    source: BidsFile, image: nib.Nifti1Image, repetition_time: float
) -> tuple[SliceTimes | None, list[str]]:
    """Times from the sidecar's SliceTiming and SliceEncodingDirection; None where there is nothing to correct.

    Parameters
    ----------
    source : BidsFile
        The run.
    image : nib.Nifti1Image
        As loaded, RAS+.
    repetition_time : float
        Seconds.

    Returns
    -------
    times : SliceTimes or None
        None for a 3D acquisition (no SliceTiming, or all slices at once) and where the sidecar cannot be right.
    warnings : list of str
        Why it cannot be right.
    """
    said = source.metadata.get("SliceTiming")
    if said is None:
        return None, []
    direction = str(source.metadata.get("SliceEncodingDirection", "k"))
    if direction not in ("i", "j", "k", "i-", "j-", "k-"):
        return None, [_refused(source, f"SliceEncodingDirection is {direction!r}")]
    axis, sign = canonical_axis(source.path, direction)
    try:
        seconds = np.array(said, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        return None, [_refused(source, "SliceTiming holds something else than numbers")]
    if len(seconds) != image.shape[axis]:
        return None, [_refused(source, f"SliceTiming has {len(seconds)} times for {image.shape[axis]} slices")]
    if not np.isfinite(seconds).all() or seconds.min() < 0 or seconds.max() > repetition_time:
        return None, [_refused(source, f"SliceTiming has times outside 0 to {repetition_time:g} s")]
    if np.ptp(seconds) == 0:
        return None, []
    return SliceTimes(axis, seconds[::sign]), []


def _refused(source: BidsFile, why: str) -> str:
    return f"{source.path.name}: {why}; slice timing is not corrected."


def correct(series: Series, times: SliceTimes, repetition_time: float) -> Series:
    """All slices as if measured at ``times.middle``: a cubic spline along time, the ends mirrored.

    Parameters
    ----------
    series : (x, y, z, t) float32
        As measured.
    times : SliceTimes
        Of this series.
    repetition_time : float
        Seconds.
    """
    result = np.empty_like(series)
    for index, seconds in enumerate(times.seconds):
        where = tuple(index if axis == times.axis else slice(None) for axis in range(3))
        late = (times.middle - seconds) / repetition_time
        result[where] = shift(series[where], (0.0, 0.0, -late), order=3, mode="mirror")
    return result
