"""BOLD volumes that show no head: noise recorded for NORDIC, dummies, volumes lost in transfer."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.imaging.blocks import block_means, empty_volumes, head_blocks

Mask = npt.NDArray[np.bool_]
Volumes = npt.NDArray[np.floating]

_DARK = 0.25
"""Of the typical volume, in the head: real ones 0.98 and more, noise 0.1 and less."""
_UNLIKE = 0.3
"""Correlation with the typical volume: real ones 0.99, noise 0."""
_MOST_INSIDE = 0.1
"""Share of a run that may be lost within it."""


@dataclass(frozen=True, eq=False)
class Headless:
    """Volumes of a run without a head.

    Attributes
    ----------
    before, after : int
        At the run's beginning and end: they are cut off.
    inside : (t,) bool
        Of the volumes between, those that are lost: time must go on, so their neighbours stand in.
    """

    before: int
    after: int
    inside: Mask

    def any(self) -> bool:
        """Whether there are such volumes."""
        return bool(self.before or self.after or self.inside.any())

    @property
    def kept(self) -> slice:
        """Of the run as measured."""
        return slice(self.before, self.before + len(self.inside))

    def warnings(self, name: str) -> list[str]:
        """What is done with which volumes."""
        end = self.before + len(self.inside)
        cut = [*range(self.before), *range(end, end + self.after)]
        lost = [self.before + int(index) for index in np.flatnonzero(self.inside)]
        told = []
        if cut:
            told.append(f"{name}: volumes {_listed(cut)} (the first is 0) show no head and are left out.")
        if lost:
            told.append(f"{name}: volumes {_listed(lost)} (the first is 0) show no head; their neighbours stand in.")
        return told


def find_headless(image: nib.Nifti1Image, name: str) -> Headless:
    """The volumes of a run (x, y, z, t) that show nothing, or noise.

    Raises
    ------
    MissingModalityError
        More than a tenth of the run is lost within it (``lost-volumes``).
    """
    blocks = block_means(image)
    lost = _lost(blocks)
    seen = np.flatnonzero(~lost)
    if not len(seen):  # the search for a brain says so
        return Headless(0, 0, np.zeros(len(lost), dtype=bool))
    first, last = int(seen[0]), int(seen[-1])
    inside = lost[first : last + 1]
    if inside.mean() > _MOST_INSIDE:
        message = f"{name}: {int(inside.sum())} of {len(inside)} volumes show no head, amid the others."
        raise MissingModalityError(message, "Convert the DICOM files again, or leave this run out.", "lost-volumes")
    return Headless(first, len(lost) - 1 - last, inside)


def _lost(blocks: npt.NDArray[np.float64]) -> Mask:
    empty = empty_volumes(blocks)
    head = head_blocks(blocks)
    if empty.all() or not head.any() or head.all():
        return empty
    typical = np.median(blocks[..., ~empty], axis=3)
    level = np.median(blocks[head] / np.maximum(typical[head], 1e-6 * typical.max())[:, None], axis=0)
    flat, centred = blocks.reshape(-1, blocks.shape[3]), typical.ravel() - typical.mean()
    flat = flat - flat.mean(axis=0)
    lengths = np.linalg.norm(flat, axis=0) * np.linalg.norm(centred)
    alike = centred @ flat / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(empty | (level < _DARK) | (alike < _UNLIKE))


def fill(values: Volumes, lost: Mask) -> None:
    """Replace lost moments of series (..., t), in place, by lines between the nearest others."""
    seen = np.flatnonzero(~lost)
    for index in np.flatnonzero(lost):
        before, after = seen[seen < index][-1], seen[seen > index][0]
        share = (index - before) / (after - before)
        values[..., index] = (1 - share) * values[..., before] + share * values[..., after]


def _listed(numbers: list[int]) -> str:
    """Numbers as text, runs of them shortened: ``0, 1, 97 to 99``.

    Examples
    --------
    >>> _listed([0, 1, 97, 98, 99])
    '0, 1, 97 to 99'
    """
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    parts = [f"{group[0]} to {group[-1]}" if len(group) > 2 else ", ".join(map(str, group)) for group in groups]
    return ", ".join(parts)
