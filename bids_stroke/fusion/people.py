"""Whose rows they are: several sessions of one person are not several people."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class People:
    """The person of each of n rows.

    Sessions of one person resemble each other. Taken for people they make a sample look larger than it is: standard
    errors too small, slopes of pure luck too steep. So each person weighs 1, shared equally by his or her rows.

    Attributes
    ----------
    of_row : (n,) int64
        Numbers of people, 0 to ``n - 1``, in the order of their first rows.
    """

    of_row: Numbers

    @classmethod
    def of(cls, names: Iterable[Hashable]) -> People:
        """From a name or number for each row.

        >>> People.of(["b", "a", "b"]).of_row.tolist()
        [0, 1, 0]
        """
        numbers: dict[Hashable, int] = {}
        return cls(np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64))

    def among(self, rows: NDArray[np.bool_] | Numbers) -> People:
        """Of some of the rows."""
        return People.of(self.of_row[rows].tolist())

    @property
    def n(self) -> int:
        """How many people."""
        return int(self.of_row.max()) + 1 if len(self.of_row) else 0

    @cached_property
    def weight(self) -> Array:
        """Of each row (n,): those of one person sum to 1, all to the number of people."""
        return np.asarray(1.0 / np.bincount(self.of_row)[self.of_row], dtype=np.float64)

    def mean(self, values: Array) -> float:
        """Mean in which every person counts the same."""
        return float(self.weight @ values / self.n)

    def sums(self, values: Array) -> Array:
        """Weighted sums (people,) of values (n,) of each person's rows."""
        return np.asarray(np.bincount(self.of_row, self.weight * values, self.n), dtype=np.float64)

    def ranks(self, values: Array) -> Array:
        """Rank among people (n,), from 1 to their number: the mean rank of equals, to which each row adds its weight.

        >>> People.of("aabc").ranks(np.array([1.0, 1.0, 3.0, 3.0])).tolist()
        [1.0, 1.0, 2.5, 2.5]
        """
        found, place = np.unique(values, return_inverse=True)
        equal = np.bincount(place, self.weight, len(found))
        below = np.cumsum(equal) - equal
        return np.asarray((below + (equal + 1) / 2)[place])

    def quantile(self, values: Array, coverage: float) -> float | None:
        """What a further person's value does not exceed, with a probability of at least ``coverage``.

        Parameters
        ----------
        values : (n,) float64
            Finite.
        coverage : float
            0-1.

        Returns
        -------
        float or None
            None where there are too few people for the coverage.

        Notes
        -----
        The split-conformal rank among people (Vovk et al. 2005, "Algorithmic learning in a random world"); of several
        rows of one, each counts its share: Dunn, Wasserman and Ramdas 2023, "Distribution-free prediction sets for
        two-layer hierarchical models", pooling.

        >>> People.of("aab").quantile(np.array([1.0, 2.0, 3.0]), 0.3)
        2.0
        """
        order = np.argsort(values, kind="stable")
        enough = np.flatnonzero(np.cumsum(self.weight[order]) >= (self.n + 1) * coverage - 1e-9)
        return float(values[order[enough[0]]]) if len(enough) else None
