"""The field that distorts a diffusion series: from opposite phase encodings, or from the session's T1w, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from bids_stroke.imaging.images import FloatArray, array, like
from bids_stroke.imaging.motion import estimate_motion, realign_series
from bids_stroke.preprocess.dwi.phase_encoding import Encoding, Opposite
from bids_stroke.preprocess.dwi.registration import rough_mask
from bids_stroke.preprocess.dwi.resample import Distortion
from bids_stroke.preprocess.dwi.susceptibility.fit_pair import Fit, Pair, Smoothness, fit_pair, undone
from bids_stroke.preprocess.dwi.susceptibility.from_t1w import Anatomy, field_from_t1w

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Kind = Literal["pair", "t1w", "none"]

_NEAR_MM = 6.0
"""Around the brain as it looks, distorted: it may be wider in the other image."""
_STRANGE = 0.2
"""Correlation of a pair as measured below which it is none: simulated pairs had 0.35 at SNR 6 and more, images of two
heads .02."""
_ALIKE = 0.9
"""Correlation of a pair after correction below which something is wrong."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Volumes that are distorted alike.

    Attributes
    ----------
    mean : nib.Nifti1Image
        3D, their mean at b=0, aligned, distorted.
    encoding : Encoding or None
        Phase encoding; None where it is not told.
    """

    mean: nib.Nifti1Image
    encoding: Encoding | None


@dataclass(frozen=True, eq=False)
class Susceptibility:
    """What is known of the field.

    Attributes
    ----------
    kind : {"pair", "t1w", "none"}
        Where it is from.
    why : str
        Why there is none, or what to know about it.
    poses : tuple of (4, 4) float64
        World of the first ``Seen`` -> world of each.
    hz : (x, y, z) float32 or None
        The field on the first one's grid, in its pose; axis: along which it displaces.
    qc : mapping
        Quality numbers.
    """

    kind: Kind
    why: str
    poses: tuple[Array, ...]
    hz: FloatArray | None = None
    axis: int = 1
    qc: Mapping[str, float] = field(default_factory=dict)

    def distortion(self, encodings: Sequence[Encoding | None]) -> Distortion | None:
        """For the final interpolation, given the encoding of each volume; None where there is no field."""
        if self.hz is None:
            return None
        seconds = np.array([said.hz_to_voxels if said else 0.0 for said in encodings])
        return Distortion(self.hz, seconds, self.axis)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not corrected, in words."""
        if self.kind == "none":
            return (f"Susceptibility distortion of the diffusion images is not corrected: {self.why}.",)
        return (f"{self.why}.",) if self.why else ()


def find_field(
    seen: Sequence[Seen], opposite: Sequence[Opposite], mask: Mask, anatomy: Anatomy | None, wanted: str
) -> Susceptibility:
    """The field, from the best that there is.

    Parameters
    ----------
    seen : sequence of Seen
        On one grid, the reference first.
    opposite : sequence of Opposite
        Images at b=0 that are not of the series.
    mask : (x, y, z) bool
        Brain of all of them, roughly.
    anatomy : Anatomy or None
        Of the session's T1w.
    wanted : {"auto", "pair", "t1w", "none"}
        As in the settings.
    """
    still = tuple(np.eye(4) for _ in seen)
    said = [part.encoding for part in seen]
    first = said[0]
    if wanted == "none":
        return Susceptibility("none", "dwi.susceptibility is none", still)
    if first is None or None in said:
        return Susceptibility("none", "the sidecar does not tell the phase encoding of every run", still)
    if len({part.axis for part in said if part}) > 1:
        return Susceptibility("none", "the runs differ in the phase-encoding axis", still)
    partner = _partner(seen, opposite)
    if partner is not None and wanted in ("auto", "pair"):
        found = field_from_pair(seen[0], partner, mask)
        return replace(found, poses=found.poses[: len(seen)])
    if wanted == "pair" or anatomy is None:
        lack = "there is no image of opposite phase encoding" + ("" if wanted == "pair" else ", and no T1w")
        return Susceptibility("none", lack, still)
    if len(seen) > 1:
        return Susceptibility("none", "the T1w serves series of one phase encoding only", still)
    hz, why, qc = field_from_t1w(seen[0].mean, first, mask, anatomy)
    return Susceptibility("none" if hz is None else "t1w", why, still, hz, first.axis, qc)


def field_from_pair(first: Seen, second: Seen, mask: Mask) -> Susceptibility:
    """Field from two images at b=0 with opposite phase encoding along one axis, and the motion between them.

    Parameters
    ----------
    first, second : Seen
        On one grid; the field is found in the pose of the first.
    mask : (x, y, z) bool
        Brain of both, roughly, as they look.
    """
    if first.encoding is None or second.encoding is None:
        raise ValueError("both encodings must be known")
    grid, axis = first.mean, first.encoding.axis
    sizes = np.linalg.norm(grid.affine[:3, :3], axis=0)
    near = binary_dilation(mask, iterations=max(1, round(_NEAR_MM / float(sizes.mean()))))
    images = [array(part.mean) for part in (first, second)]
    images = [np.asarray(image / np.median(image[mask]), dtype=np.float32) for image in images]
    # in units of the larger displacement, so that smoothness weighs the same whichever comes first
    unit = max(abs(first.encoding.hz_to_voxels), abs(second.encoding.hz_to_voxels))
    factors = (first.encoding.hz_to_voxels / unit, second.encoding.hz_to_voxels / unit)
    affine = np.asarray(grid.affine, dtype=np.float64)
    pair = Pair(images[0], images[1], near.astype(np.float32), affine, axis, factors)
    fit = fit_pair(pair, Smoothness())
    alike = _agreement(pair, fit, mask)
    qc = {"pair_correlation_before": alike[0], "pair_correlation_after": alike[1]}
    why = ""
    if alike[0] < _STRANGE and alike[1] < _ALIKE:
        lack = f"the images of opposite phase encoding are not of one head (correlation {alike[0]:.2f})"
        return Susceptibility("none", lack, (np.eye(4), np.eye(4)), qc=qc)
    moved = np.abs(fit.shift[mask] * factors[0]) * sizes[axis]
    qc |= {
        "susceptibility_median_mm": float(np.median(moved)),
        "susceptibility_p95_mm": float(np.percentile(moved, 95)),
    }
    if alike[1] < _ALIKE:
        why = f"The images of opposite phase encoding still differ after correction (correlation {alike[1]:.2f})"
    hz = np.asarray(fit.shift / unit, dtype=np.float32)
    return Susceptibility("pair", why, (np.eye(4), fit.motion), hz, axis, qc)


def _partner(seen: Sequence[Seen], opposite: Sequence[Opposite]) -> Seen | None:
    """What the reference makes a pair with: other volumes of the series, else images made for that."""
    first = seen[0].encoding
    if first is None:
        return None
    for part in seen[1:]:
        if part.encoding is not None and part.encoding[:2] == (first.axis, -first.sign):
            return part
    fitting = [part for part in opposite if part.encoding[:2] == (first.axis, -first.sign)]
    return _mean_of(fitting[0]) if fitting else None


def _mean_of(part: Opposite) -> Seen:
    """Mean of the volumes, aligned to the middle one."""
    volumes, affine = array(part.image), part.image.affine
    if volumes.shape[3] > 1:
        motions = estimate_motion(volumes, affine, rough_mask(volumes.mean(axis=3)))
        volumes = realign_series(volumes, affine, motions)
    return Seen(like(part.image, volumes.mean(axis=3)), part.encoding)


def _agreement(pair: Pair, fit: Fit, mask: Mask) -> tuple[float, float]:
    """Correlation of the two images in the brain, as measured and after correction."""
    images = ((pair.first, pair.second), undone(pair, fit))
    before, after = (float(np.corrcoef(one[mask], other[mask])[0, 1]) for one, other in images)
    return before, after
