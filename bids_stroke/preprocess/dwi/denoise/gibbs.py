"""Gibbs ringing removed from diffusion volumes, all lines of many slices at a time."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import scipy.fft

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import FloatArray, canonical_axis
from bids_stroke.imaging.side_by_side import each
from bids_stroke.preprocess.dwi.series import Series

_SHIFTS = np.linspace(0.02, 0.9, num=45, dtype=np.float32)
"""Voxels."""
_REACH = 3
"""Neighbours on one side over which ringing is judged."""
_CHUNK = 1 << 15
"""Values handled at a time: they stay in the processor's cache."""


def ringing_kept(series: Series, wanted: str) -> str:
    """Why Gibbs ringing is left in a series; empty where it is to be removed.

    Parameters
    ----------
    series : Series
        As measured.
    wanted : {"auto", "on", "off"}
        ``auto``: only where every run's sidecar says that all of k-space was measured and nothing was interpolated.

    Notes
    -----
    On simulated heads with ringing (32 directions, SNR 25), removal takes the median FA error in white matter from
    0.027 to 0.014; on heads without (voxels as Gaussians), it raises it from 0.017 to 0.019, with 64 directions from
    0.012 to 0.016, by smoothing edges. So it is left out where ringing has another form (partial Fourier) or may not
    be there.
    """
    if wanted != "auto":
        return "" if wanted == "on" else "dwi.gibbs is off"
    axes = [said.axis for said in series.encodings if said][:1]
    across = slice_axis(series)
    sizes = [series.image.shape[axis] for axis in axes or {0, 1, 2} - {across}]
    reasons = [_unfit(source, min(sizes)) for source in series.sources]
    return next((reason for reason in reasons if reason), "" if reasons else "no sidecar excludes partial Fourier")


def _unfit(source: BidsFile, size: int) -> str:
    """What in a run's sidecar speaks against removing ringing; ``size``: voxels along the phase encoding."""
    said = source.metadata
    fraction, direction = said.get("PartialFourier"), said.get("PartialFourierDirection")
    if direction is not None and str(direction).lower() != "none":
        return f"partial Fourier ({direction})"
    if not isinstance(fraction, int | float) and direction is None:
        return "the sidecar does not exclude partial Fourier"
    if isinstance(fraction, int | float) and not fraction >= 1:
        return f"partial Fourier ({fraction:g})"
    lines = said.get("AcquisitionMatrixPE")
    if isinstance(lines, int | float) and lines < size:
        return f"interpolated: {lines:g} lines measured, {size} in the image"
    kinds = said.get("ImageType")
    if isinstance(kinds, list) and {"DIS2D", "DIS3D"} & set(map(str, kinds)):
        return "interpolated: distortions by the gradients were corrected on the scanner"
    return ""


def slice_axis(series: Series) -> int:
    """Axis across the slices as acquired, in RAS+ order: from the first sidecar that tells it, else the third."""
    for source in series.sources:
        direction = source.metadata.get("SliceEncodingDirection")
        if direction in ("i", "j", "k", "i-", "j-", "k-"):
            return canonical_axis(source.path, str(direction))[0]
    return 2


def remove_ringing(volumes: FloatArray, slice_axis: int = 2) -> FloatArray:
    """Gibbs ringing removed by local subvoxel shifts within the slices as acquired.

    Parameters
    ----------
    volumes : (x, y, z, n) float32
        Magnitude images, not interpolated since the scanner's Fourier transform.
    slice_axis : int
        Spatial axis across the slices.

    Returns
    -------
    (x, y, z, n) float32
        Not negative.

    Notes
    -----
    Kellner et al. 2016, "Gibbs-ringing artifact removal based on local subvoxel-shifts". Equal to dipy's
    ``gibbs_removal`` up to rounding, which decides where two shifts ring alike (6 voxels in 100,000).
    """
    slices = np.moveaxis(volumes, (slice_axis, 3), (0, 1))
    result = np.empty(volumes.shape, dtype=np.float32)
    written = np.moveaxis(result, (slice_axis, 3), (0, 1))
    weights = _weights(slices.shape[2], slices.shape[3])
    for corrected, found in zip(written, each(partial(_clean_slice, weights=weights), slices), strict=True):
        corrected[...] = found
    return result


def _clean_slice(measured: FloatArray, weights: tuple[FloatArray, FloatArray]) -> FloatArray:
    """One slice of all volumes, (n, a, b), without ringing."""
    part = np.asarray(measured, dtype=np.float32)
    total = np.zeros(part.shape, dtype=np.complex64)
    for axis, weight in zip((1, 2), weights, strict=True):
        total += scipy.fft.fft2(_along(part, axis), workers=1) * weight
    return np.asarray(np.abs(scipy.fft.ifft2(total, workers=1)))


def _along(images: FloatArray, axis: int) -> FloatArray:
    """Images, (n, a, b), with ringing removed along an axis."""
    lines = np.moveaxis(images, axis, 0)
    flat = lines.reshape(len(lines), -1)
    cleaned = np.empty(flat.shape, dtype=np.float32)
    step = max(_CHUNK // len(flat), 1)
    for start in range(0, flat.shape[1], step):
        cleaned[:, start : start + step] = _clean_lines(np.ascontiguousarray(flat[:, start : start + step]))
    return np.moveaxis(cleaned.reshape(lines.shape), 0, axis)


def _clean_lines(lines: FloatArray) -> FloatArray:
    """Each voxel of (length, n) lines interpolated between the least ringing shifts to either side."""
    spectrum = scipy.fft.rfft(lines, axis=0, workers=1)
    unshifted = _variation(lines)
    right, right_shift = _least_ringing(spectrum, lines, unshifted, 1)
    left, left_shift = _least_ringing(spectrum, lines, unshifted, -1)
    both = right_shift + left_shift
    moved = both > 0
    share = left_shift / np.where(moved, both, np.float32(1))
    return np.where(moved, left + (right - left) * share, lines)


def _least_ringing(
    spectrum: npt.NDArray[np.complex64], lines: FloatArray, unshifted: FloatArray, sign: int
) -> tuple[FloatArray, FloatArray]:
    """Value and size of the shift to one side at which a voxel's surroundings vary least."""
    length = len(lines)
    phase = scipy.fft.rfftfreq(length, 1 / (2j * np.pi * sign))
    best, value = unshifted.copy(), lines.copy()
    chosen = np.zeros(lines.shape, dtype=np.uint8)
    # a real line has no phase at the highest frequency of an even length: its shift leaves the real numbers
    top = spectrum[-1].real / length if length % 2 == 0 else np.zeros_like(lines[0])
    for i, shift in enumerate(_SHIFTS, start=1):
        turn = np.exp(phase * shift).astype(np.complex64)[:, None]
        shifted = scipy.fft.irfft(spectrum * turn, length, axis=0, workers=1)
        shifted *= shifted
        shifted += (top * np.sin(np.pi * shift)) ** 2
        np.sqrt(shifted, out=shifted)
        variation = _variation(shifted)
        better = (variation < best).view(np.uint8)
        np.minimum(best, variation, out=best)
        np.maximum(chosen, better * np.uint8(i), out=chosen)
        _take(value, shifted, better)
    return value, np.concatenate([[np.float32(0)], _SHIFTS])[chosen]


def _take(values: FloatArray, others: FloatArray, where: npt.NDArray[np.uint8]) -> None:
    """Put others in place where 1; by bits, since ``np.where`` is ten times slower where choices look random."""
    bits, change = values.view(np.int32), others.view(np.int32)
    change ^= bits
    change &= -where.astype(np.int32)
    bits ^= change


def _variation(lines: FloatArray) -> FloatArray:
    """Total variation on the calmer side of each voxel; lines, (length, n), close on themselves."""
    ends = np.concatenate([lines[-_REACH:], lines, lines[:_REACH]])
    steps = np.abs(np.diff(ends, axis=0))
    sides = np.zeros((len(lines) + _REACH, *lines.shape[1:]), dtype=np.float32)
    for i in range(_REACH):
        sides += steps[i : i + len(sides)]
    return np.minimum(sides[_REACH:], sides[:-_REACH])


def _weights(n: int, m: int) -> tuple[FloatArray, FloatArray]:
    """Share of each frequency, (n, m), that is taken from the image cleaned along the first and the second axis."""
    first = (1 + np.cos(np.linspace(-np.pi, np.pi, n)))[:, None]
    second = (1 + np.cos(np.linspace(-np.pi, np.pi, m)))[None]
    total = first + second
    share = np.where(total > 0, second / np.where(total > 0, total, 1), 0.5)
    share = scipy.fft.ifftshift(share)
    return share.astype(np.float32), (1 - share).astype(np.float32)
