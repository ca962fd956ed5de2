"""Which fits of a training are whose, where several tasks compute it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

Last = Literal["everybody", "shuffled"]
"""A fit after the folds: on everybody, or on everybody with the outcomes shuffled."""


@dataclass(frozen=True)
class Share:
    """What one of the parts of a training computes; members by their number among all that are planned, from 0.

    Attributes
    ----------
    folds : tuple of (int, int)
        Member and outer fold, from 0: the inner fits of that fold, and the outer one, which needs them.
    last : tuple of (int, str)
        Member and fit after the folds, which needs all of the member's folds.
    """

    folds: tuple[tuple[int, int], ...]
    last: tuple[tuple[int, Last], ...]

    @property
    def members(self) -> tuple[int, ...]:
        """Those of which something is to be done, in their order."""
        return tuple(sorted({member for member, _ in (*self.folds, *self.last)}))


def share_of(part: tuple[int, int], members: Sequence[int], n_folds: int) -> Share:
    """The share of part k of n, from 1.

    Parameters
    ----------
    part : (int, int)
        k and n.
    members : sequence of int
        Members that are divided.
    n_folds : int
        Outer folds, those of all repeats.

    Notes
    -----
    In turns, member by member: the folds of one member have all but the same size, so that each part has as many of
    each member as any other part, give or take one. No estimate of how the members compare is needed for that.

    Examples
    --------
    >>> share_of((1, 2), [0, 2], 3).folds
    ((0, 0), (0, 2), (2, 1))
    >>> share_of((2, 2), [0, 2], 3).folds
    ((0, 1), (2, 0), (2, 2))
    """
    k, n = part
    folds = tuple(product(members, range(n_folds)))
    last: tuple[tuple[int, Last], ...] = tuple(product(members, ("everybody", "shuffled")))
    return Share(folds[k - 1 :: n], last[k - 1 :: n])
