"""The people whom a model was trained on, in numbers from which nobody can be recognised; and how far another is.

A number's distance is how far it lies from the median, in steps to the 1st or the 99th percentile: 1 is as far as one
in a hundred people on that side. A person's distance is the largest of those of their numbers. So many numbers have a
large one by chance that a fixed limit would not do: the limit is the 99th percentile of this very distance among the
training people, each measured against people of whom they were none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_stroke.ensemble.levels import DISTANCE_LEVELS, LEVELS

Array = NDArray[np.float64]

LEAST_PEOPLE = 20
"""Of whom a number must be known."""
PARTS = 10
"""The people are divided into so many parts; each is measured against the others."""
DIGITS = 3
"""Significant ones that are kept."""
MOST_ALIKE = 0.8
"""Share that may have the very same value: of a number that hardly varies, nobody knows what is far."""
LEAST_REACH = 0.25
"""Of the way to the other end: beside a limit (a load of 0) people lie so close that any step would be far."""


@dataclass(frozen=True)
class Range:
    """What is kept of one number.

    Attributes
    ----------
    name : str
        From `features.summary.quantity_names`.
    cube_root : bool
        Whether cube roots are compared.
    quantiles : tuple of float
        At LEVELS.
    people : int
        Of whom it was known.
    """

    name: str
    cube_root: bool
    quantiles: tuple[float, ...]
    people: int

    @property
    def middle(self) -> tuple[float, float]:
        """Between these lie nine of ten people."""
        return self.quantiles[1], self.quantiles[-2]

    def distance(self, value: float) -> float:
        """How far a value is from the median, in ways from there to the 1st or the 99th percentile.

        >>> Range("age", False, (40.0, 45.0, 60.0, 66.0, 72.0, 80.0, 86.0), 100).distance(96.0)
        1.5
        """
        return float(_distances(np.array([value]), np.array(self.quantiles), self.cube_root)[0])

    def percentile(self, value: float) -> float:
        """Share of the people below a value, in percent; 1 and 99 stand for all that is beyond."""
        return float(100 * np.interp(value, self.quantiles, LEVELS))


@dataclass(frozen=True)
class CohortProfile:
    """The training people as numbers, and how far they are from each other.

    Attributes
    ----------
    ranges : tuple of Range
        Of each number that enough people had.
    distances : tuple of float
        Quantiles of people's distance, at DISTANCE_LEVELS.
    people : int
        Measured.
    """

    ranges: tuple[Range, ...]
    distances: tuple[float, ...]
    people: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers."""
        return tuple(one.name for one in self.ranges)

    @property
    def limit(self) -> float:
        """The distance beyond which is one of a hundred of the training people."""
        return self.distances[-1]

    def distance(self, numbers: Mapping[str, float]) -> float | None:
        """A person's distance: the largest of those of the numbers that are known; None where none is."""
        known = [one.distance(numbers[one.name]) for one in self.ranges if one.name in numbers]
        return max(known, default=None)

    def percentile(self, distance: float) -> float:
        """Share of the training people who are nearer than this, in percent; 99 stands for all that is beyond."""
        return float(100 * np.interp(distance, (0.0, *self.distances), (0.0, *DISTANCE_LEVELS)))


def fit_profile(
    names: Sequence[str], skewed: Sequence[bool], values: Array, people: Sequence[str]
) -> CohortProfile | None:
    """The profile of a cohort; None where no number is known of enough people.

    Parameters
    ----------
    names : sequence of str
        Of the numbers.
    skewed : sequence of bool
        Whose cube roots are compared.
    values : array, shape (rows, numbers)
        NaN where not known.
    people : sequence of str
        Person of each row: whoever has several rows counts once.
    """
    _, person = np.unique(np.asarray(people), return_inverse=True)
    kept = [j for j in range(len(names)) if _can_be_kept(values[:, j], person)]
    if not kept:
        return None
    found = []
    for j in kept:
        known = np.isfinite(values[:, j])
        quantiles = _quantiles(values[known, j], person[known], LEVELS)
        found.append(Range(names[j], bool(skewed[j]), quantiles, len(np.unique(person[known]))))
    far = np.max([_held_out(values[:, j], person, bool(skewed[j])) for j in kept], axis=0)
    measured = np.isfinite(far)
    return CohortProfile(
        tuple(found), _quantiles(far[measured], person[measured], DISTANCE_LEVELS), len(np.unique(person[measured]))
    )


def _can_be_kept(column: Array, person: NDArray[np.intp]) -> bool:
    known = np.isfinite(column)
    if len(np.unique(person[known])) < LEAST_PEOPLE:
        return False
    return bool(np.unique(column[known], return_counts=True)[1].max() <= MOST_ALIKE * known.sum())


def _held_out(column: Array, person: NDArray[np.intp], skewed: bool) -> Array:
    """Distance of each row from people of whom the row's person is none; -inf where the number is not known."""
    found = np.full(len(column), -np.inf)
    known = np.isfinite(column)
    for part in range(PARTS):
        here, others = known & (person % PARTS == part), known & (person % PARTS != part)
        if here.any() and np.ptp(column[others]) > 0:
            quantiles = np.array(_quantiles(column[others], person[others], LEVELS))
            found[here] = _distances(column[here], quantiles, skewed)
    return found


def _distances(values: Array, quantiles: Array, cube_root: bool) -> Array:
    if cube_root:
        values, quantiles = np.cbrt(values), np.cbrt(quantiles)
    low, middle, high = quantiles[0], quantiles[len(quantiles) // 2], quantiles[-1]
    down, up = middle - low, high - middle
    reach = np.where(values < middle, max(down, LEAST_REACH * up), max(up, LEAST_REACH * down))
    return np.asarray(np.abs(values - middle) / reach)


def _quantiles(values: Array, person: NDArray[np.intp], levels: Sequence[float]) -> tuple[float, ...]:
    """Quantiles in each of which many people have a part (Harrell and Davis, Biometrika 1982), rounded.

    Each is a mean of all values, weighted by how likely each is to be the quantile of another such cohort.
    """
    from scipy.stats import beta  # a prediction can do without

    n = len(np.unique(person))
    weight = 1 / np.bincount(person)[person]
    order = np.argsort(values, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weight[order])]) / weight.sum()
    found = [float(np.diff(beta.cdf(below, (n + 1) * p, (n + 1) * (1 - p))) @ values[order]) for p in levels]
    return tuple(float(f"{value:.{DIGITS}g}") for value in found)
