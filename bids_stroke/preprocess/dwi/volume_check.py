"""Whether the volumes of a diffusion run are what their b-values say; what is not is left out and named.

Scanners leave maps and trace images among the volumes, converters mix up rows, protocols record noise: by b-values
alone, all would count. The limits lie far from what real runs of four vendors show (b=930 to 2500 s/mm^2): apparent
diffusivities of 0.66 to 0.97e-3 mm^2/s, volumes of a shell within 5 % of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import DataError
from bids_stroke.preprocess.dwi.gradient_order import (
    ASK,
    FASTEST,
    JUDGED_FROM,
    SLOWEST,
    check_order,
    check_rows,
    numbers_of,
)
from bids_stroke.preprocess.dwi.gradients import Gradients, determines_tensor, shells
from bids_stroke.preprocess.dwi.looks import Looks, look, maps_of

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

GAIN = float(np.log(1.43))
"""Logarithm of how much brighter or darker volumes of one kind may be than each other."""
_B0_SPREAD = 0.4
"""Of volumes at b=0 of one head; 0.25 where it moved by 10 mm."""
_REPEATED = 0.06
"""Spread of two volumes up to which they are the same image."""
_MANY = 0.2
"""Share of a shell beyond which not the volumes but the b-values must be wrong."""
_TWICE = float(np.log(2.0))
_ONE_SHELL = 0.25
"""Difference of the b-values, over the largest, up to which the volumes of a shell are equally dark."""
_FEWEST = 4
"""Volumes of a shell whose median says what the shell looks like."""


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of a run.

    Attributes
    ----------
    keep : (n,) bool
        Volumes that are what their b-values say.
    notes : tuple of str
        The others, with the reason.
    drop : (n,) float64
        Logarithm of how much darker a volume is than at b=0; NaN without b=0.
    looks : Looks
        The run in blocks.
    """

    keep: Mask
    notes: tuple[str, ...]
    drop: Array
    looks: Looks


def believe(image: nib.Nifti1Image, gradients: Gradients, b0_threshold: float, name: str) -> Belief:
    """Judge the volumes of one run.

    Parameters
    ----------
    image : nib.Nifti1Image
        (x, y, z, n), RAS+.
    gradients : Gradients
        Of each volume.
    b0_threshold : float
        b-values up to this (s/mm^2) count as b=0.
    name : str
        Of the file, for messages.

    Raises
    ------
    DataError
        No volume shows anything (``empty-image``) or a head (``no-head``), b-values, b-vectors and volumes are in
        different orders (``gradient-order``), it cannot be told which volumes at b=0 are right (``b0-unlike``), or many
        volumes of a shell differ from the others (``b-values-unlike``).
    """
    check_rows(gradients, b0_threshold, name)
    looks = look(image)
    if looks.empty.all():
        raise DataError(f"{name}: no volume shows anything.", "Convert or copy it again.", reason="empty-image")
    if (looks.empty | looks.headless).all():
        message = f"{name}: in no volume a head stands out (phase images, or noise)."
        raise DataError(message, "Look at the images, and leave this run out.", reason="no-head")
    judge = _Judge(looks, gradients, b0_threshold, name, {})
    judge.leave_out(looks.empty, "it shows nothing")
    judge.leave_out(looks.headless, "no head is in it (noise)")
    judge.undirected()
    reference = judge.unweighted()
    judge.weighted(reference)
    for shell in judge.shells():
        check_order(looks, shell, gradients, name)
    keep = judge.left(np.ones(len(gradients), dtype=bool))
    unknown = np.full(len(gradients), np.nan)
    drop = unknown if reference is None else -looks.compare(looks.logs, reference).level
    return Belief(keep, tuple(judge.notes()), drop, looks)


@dataclass(frozen=True, eq=False)
class _Judge:
    looks: Looks
    gradients: Gradients
    threshold: float
    name: str
    out: dict[int, str]
    """Volume -> why it is left out."""

    def leave_out(self, which: Mask, why: str) -> None:
        for index in np.flatnonzero(which):
            self.out.setdefault(int(index), why)

    def left(self, which: Mask) -> Mask:
        return np.asarray(which & [index not in self.out for index in range(len(which))])

    def notes(self) -> list[str]:
        return [
            f"{self.name}: volume {index} (b={self.gradients.bvals[index]:.0f}; the first is 0) is left out: {why}."
            for index, why in sorted(self.out.items())
        ]

    @property
    def b0(self) -> Mask:
        return np.asarray(self.gradients.bvals <= self.threshold)

    def shells(self) -> list[Mask]:
        """Those that say by themselves what they look like, lowest first."""
        found = (self.left(shell) for shell in shells(self.gradients.bvals, self.threshold))
        b = self.gradients.bvals
        return [which for which in found if which.sum() >= _FEWEST and np.ptp(b[which]) <= _ONE_SHELL * b[which].max()]

    def b(self, shell: Mask) -> float:
        return float(np.median(self.gradients.bvals[shell]))

    def undirected(self) -> None:
        """Leave out weighted volumes without direction.

        Raises
        ------
        DataError
            They are the bright ones, and those at b=0 have the directions.
        """
        which, b0 = self.left(self.gradients.trace), self.left(self.b0)
        like = b0 if b0.any() else self.left(~self.gradients.trace)
        why = "it is weighted and has no direction (a trace image or a map)"
        if which.any() and like.any():
            bright = float(self.looks.compare(self.looks.typical(which), self.looks.typical(like)).level) > GAIN
            if bright and b0.any() and determines_tensor(self.gradients.bvecs[b0]):
                message = f"{self.name}: the volumes of b=0 have directions, and are darker than the volumes "
                message += f"{numbers_of(np.flatnonzero(which))} (the first is 0), which have a b-value and none"
                raise DataError(f"{message}: the b-values are exchanged.", ASK, reason="gradient-order")
            if bright and not b0.any():
                why = "it is weighted, has no direction and is brighter than the others (b=0 by mistake, or a map)"
        self.leave_out(which, why)

    def unweighted(self) -> Array | None:
        """What the run looks like at b=0 (blocks,); None without b=0. Volumes that are not are left out.

        Raises
        ------
        DataError
            None is right, or it cannot be told which.
        """
        if not self.b0.any():
            return None
        judged = [shell for shell in self.shells() if self.b(shell) >= JUDGED_FROM]
        shell = judged[0] if judged else None
        if shell is not None:
            self._by_weighting(self.left(self.b0), shell)
        members = self.left(self.b0)
        if not members.any():
            why = "; ".join(f"volume {i} (the first is 0): {self.out[int(i)]}" for i in np.flatnonzero(self.b0))
            raise DataError(f"{self.name}: no volume of b=0 is one: {why}.", ASK, reason="b0-unlike")
        return self.looks.typical(self._alike([int(i) for i in np.flatnonzero(members)], shell))

    def _by_weighting(self, members: Mask, shell: Mask) -> None:
        """Leave out volumes at b=0 that a shell contradicts; refuse where the labels are exchanged."""
        b = self.b(shell)
        indices = [int(i) for i in np.flatnonzero(members)]
        found = self.looks.compare(self.looks.logs[:, members], self.looks.typical(shell))
        dark = [i for i, upper in zip(indices, found.upper, strict=True) if upper < SLOWEST * b]
        bright = [i for other in self.shells() for i in self._bright(other)]
        if dark and (bright or len(dark) == len(indices)):
            message = f"{self.name}: volumes {numbers_of(dark)} (b=0; the first is 0) are no brighter than those of "
            message += f"b={b:.0f}"
            message += f", and weighted volumes {numbers_of(bright)} are as bright as b=0" if bright else ""
            raise DataError(f"{message}: not in one order, or no magnitude.", ASK, reason="gradient-order")
        for i in dark:
            self.out[i] = f"it is no brighter than the volumes of b={b:.0f} (a weighted or trace image, or a map)"
        for i, level in zip(indices, found.level, strict=True):
            if level > FASTEST * b and len(indices) > 1:
                self.out[i] = f"it is {np.exp(level):.0f} times as bright as b={b:.0f} (a map, or another gain)"

    def _bright(self, shell: Mask) -> list[int]:
        level = self.looks.compare(self.looks.logs[:, shell], self.looks.typical(shell)).level
        return [int(i) for i in np.flatnonzero(shell)[level > GAIN]]

    def _alike(self, indices: list[int], shell: Mask | None) -> Mask:
        """The largest group of volumes at b=0 that look alike; the others are left out and named.

        Of two that differ, that one is right of which the other is a map, or whose noise is the weighted volumes'.
        One that is stored several times counts once.
        """
        copies = self.looks.copies(indices)
        indices = list(copies)
        told = {i: self._told_by(i, indices, shell) for i in indices}
        maps = {
            j for i in indices for j in _maps(told[i]) if i not in _maps(told[j]) and not self._repeated(j, i, indices)
        }
        sound = [i for i in indices if i not in maps]
        groups = {i: [j for j in sound if j not in told[i] and i not in told[j]] for i in sound}
        rank = {i: (len(groups[i]), len(_maps(told[i]))) for i in sound}
        first = [i for i in sound if rank[i] == max(rank.values())]
        noise = {i: self._other_noise(i, shell) for i in first}
        best = min(first, key=lambda i: noise[i])
        rivals = [i for i in first if i not in groups[best] and noise[i] < noise[best] + _TWICE]
        if rivals:
            which = numbers_of([best, *rivals])
            message = f"{self.name}: the volumes {which} of b=0 (the first is 0) are not alike; either may be right."
            raise DataError(message, f"Which are unweighted? {ASK}", reason="b0-unlike")
        for j in indices:
            if j not in groups[best]:
                why = (said[j] for said in (told[best], *told.values()) if j in said)
                self.out.update(dict.fromkeys(copies[j], next(why, "it is not like the other volumes of b=0")))
        chosen = np.zeros(len(self.gradients), dtype=bool)
        chosen[[k for i in groups[best] for k in copies[i]]] = True
        return chosen

    def _repeated(self, j: int, other: int, indices: list[int]) -> bool:
        """Whether one of the volumes, but for ``other``, is volume ``j`` once more."""
        more = [k for k in indices if k not in (j, other)]
        return bool(
            more and self.looks.compare(self.looks.logs[:, more], self.looks.logs[:, j]).spread.min() < _REPEATED
        )

    def _other_noise(self, i: int, shell: Mask | None) -> float:
        """How far a volume's noise is from that of the weighted ones, as the logarithm of their ratio."""
        noise = self.looks.background
        return abs(float(noise[i] - np.median(noise[shell]))) if shell is not None else 0.0

    def _told_by(self, i: int, others: list[int], shell: Mask | None) -> dict[int, str]:
        """What is odd about the other volumes at b=0, if volume ``i`` is right."""
        others = [j for j in others if j != i]
        if not others:
            return {}
        own = self.looks.logs[:, i]
        found = self.looks.compare(self.looks.logs[:, others], own)
        maps = maps_of(self.looks, own, self.gradients, shell) if shell is not None else None
        kinds = self.looks.computed_maps(self.looks.logs[:, others], found.spread, maps) if maps else [""] * len(others)
        told = {}
        for j, kind, level, upper, spread in zip(others, kinds, *found, strict=True):
            if kind:
                told[j] = f"it looks like {kind}, not like the other volumes of b=0"
            elif level > GAIN or upper < -GAIN:
                told[j] = f"it is {np.exp(level):.2g} times as bright as the other volumes of b=0"
            elif spread > _B0_SPREAD:
                told[j] = "it shows something else than the other volumes of b=0"
        return told

    def weighted(self, reference: Array | None) -> None:
        """Leave out weighted volumes that are not like their shell.

        Raises
        ------
        DataError
            More than a fifth of a shell, and more than one volume.
        """
        for shell in self.shells():
            volumes, own, b = self.looks.logs[:, shell], self.looks.typical(shell), self.b(shell)
            found = self.looks.compare(volumes, own)
            kinds = [""] * volumes.shape[1]
            if reference is not None:
                maps = maps_of(self.looks, reference, self.gradients, shell)
                kinds = self.looks.computed_maps(volumes, found.spread, maps)
            odd = {}
            for i, kind, level, upper in zip(np.flatnonzero(shell), kinds, found.level, found.upper, strict=True):
                if level > GAIN or upper < -GAIN:
                    odd[int(i)] = f"it is {np.exp(level):.2g} times as bright as the other volumes of b={b:.0f}"
                elif kind:
                    odd[int(i)] = f"it looks like {kind}, not like the other volumes of b={b:.0f}"
            if len(odd) > max(1, _MANY * shell.sum()):
                message = f"{self.name}: volumes {numbers_of(odd)} (the first is 0) are not like the other volumes of "
                message += f"b={b:.0f}, so the b-values cannot be right."
                raise DataError(message, ASK, reason="b-values-unlike")
            self.out.update(odd)


def _maps(told: dict[int, str]) -> set[int]:
    return {j for j, why in told.items() if "looks like" in why}
