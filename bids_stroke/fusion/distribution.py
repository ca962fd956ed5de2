"""What the outcome of a person will be: one distribution, from which probability, range, score and decision come.

Pure numpy: a prediction needs no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

INTERVAL_Z = 1.6448536269514722
"""Standard normal quantile of a two-sided 90 % interval."""


def expit(value: Array | float) -> Array:
    """Probability of a logit; numpy alone, because scipy.special takes as long to import as a prediction."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(value, dtype=np.float64))))


def narrowing(index: Array, spread: float, reach: float) -> Array:
    """What the logits of indices (any shape) are multiplied by: below 1 where people differ more."""
    return np.asarray(np.exp(-spread * np.clip(index, -reach, reach)))


@dataclass(frozen=True)
class Line:
    """How the logit of lying beyond a limit follows from the index.

    ``(intercept + slope * index) * exp(-spread * index)``: with a ``spread`` above 0, people with a high index differ
    more from each other; no more so beyond ``reach`` to either side.
    """

    intercept: float
    slope: float
    spread: float
    reach: float

    def logit(self, index: Array | float) -> Array:
        """Of each index, in its shape."""
        x = np.asarray(index, dtype=np.float64)
        return np.asarray((self.intercept + self.slope * x) * narrowing(x, self.spread, self.reach))

    def steepness(self, index: float) -> float:
        """Change of the logit along the index."""
        inner = self.spread * (self.intercept + self.slope * index) if abs(index) < self.reach else 0.0
        return float((self.slope - inner) * narrowing(np.asarray(index), self.spread, self.reach))


@dataclass(frozen=True)
class Distribution:
    """The distribution of the outcome, given the index that the members' outputs make together.

    A cumulative logistic model (McCullagh 1980, "Regression models for ordinal data"): the probability that the
    outcome is poorer than each of some limits, one of which is the cut between good and poor. Fitted by
    `fit_distribution.fit_distribution` on out-of-fold predictions only.

    Attributes
    ----------
    limits : (k,) tuple of float
        Ascending towards poor outcomes: scores in the outcome's units times ``direction``.
    intercepts : (k,) tuple of float
        `Line.intercept` of each limit, descending.
    slope, spread : float
        `Line.slope` and `Line.spread`, of all limits.
    reach : float
        `Line.reach`, of all limits.
    cut : int
        Which of the limits is the cut.
    ends : (2,) tuple of float
        Below the first and above the last limit: where the distribution begins and ends.
    means : (k + 1,) tuple of float
        Mean outcome of the training participants between the limits.
    range : (2,) tuple of float
        Least and largest outcome of the training participants, as ``limits``.
    direction : {1, -1}
        -1 where low scores are poor.
    levels : (2,) tuple of float, or None
        Of the interval's ends, 0-1; None where there are too few people, or only classes.
    decided : (2,) tuple of float
        A probability of a poor outcome below the first is decided as good, one above the second as poor.
    coverage : float
        Share of the people of either class whom a decision may not contradict.
    others : tuple of Line
        Lines of the cut without a group of people each, for their uncertainty.
    refitting : float
        Standard deviation of the index when the members are trained on other people; 0 where that is not known.
    """

    limits: tuple[float, ...]
    intercepts: tuple[float, ...]
    slope: float
    spread: float
    reach: float
    cut: int
    ends: tuple[float, float]
    means: tuple[float, ...]
    range: tuple[float, float]
    direction: int
    levels: tuple[float, float] | None
    decided: tuple[float, float]
    coverage: float
    others: tuple[Line, ...] = ()
    refitting: float = 0.0

    @property
    def line(self) -> Line:
        """Of the cut."""
        return Line(self.intercepts[self.cut], self.slope, self.spread, self.reach)

    def probability(self, index: Array) -> Array:
        """Probability of a poor outcome (n,) of indices (n,): the share of the distribution beyond the cut."""
        return expit(self.line.logit(index))

    def probability_interval(self, index: float) -> tuple[float, float]:
        """90 % interval of the probability itself, whose uncertainty is that of what it was learned from.

        Notes
        -----
        Normal on the logit scale. The variance is the sum of that of the line, by the delete-a-group jackknife over
        people (Kott 2001, "The delete-a-group jackknife"), and that of the members, when they are trained on others.
        """
        logits = np.array([float(line.logit(index)) for line in self.others])
        n = len(logits)
        variance = (n - 1) / n * float(((logits - logits.mean()) ** 2).sum()) if n else 0.0
        half = INTERVAL_Z * np.sqrt(variance + (self.line.steepness(index) * self.refitting) ** 2)
        centre = float(self.line.logit(index))
        return float(expit(centre - half)), float(expit(centre + half))

    def score(self, index: Array) -> Array:
        """Mean outcome (n,), in the outcome's units."""
        # not a product of matrices, whose last digit depends on how many people are asked for at once
        return np.asarray(self.direction * (self._shares(index) * np.array(self.means)).sum(axis=1))

    def interval(self, index: float) -> tuple[float, float] | None:
        """Low and high end of the outcome's range, within that of the training participants; None without levels."""
        if self.levels is None:
            return None
        places = np.array([self.ends[0], *self.limits, self.ends[1]])
        below = np.append(0.0, self._shares(np.array([index]))[0].cumsum())
        found = np.clip(np.interp(self.levels, below, places), *self.range) * self.direction
        return float(found.min()), float(found.max())

    def level(self, index: Array, score: Array) -> Array:
        """Share of the distribution (n,) that is better than a score (n,): what each of the interval's ends has."""
        places = np.array([self.ends[0], *self.limits, self.ends[1]])
        below = np.concatenate([np.zeros((len(index), 1)), self._shares(index).cumsum(axis=1)], axis=1)
        rows = zip(np.asarray(score) * self.direction, below, strict=True)
        return np.array([np.interp(value, places, shares) for value, shares in rows])

    def decide(self, probability: float) -> str:
        """``poor`` or ``good`` beyond the limits of `decided`, else ``abstain``."""
        if probability > self.decided[1]:
            return "poor"
        return "good" if probability < self.decided[0] else "abstain"

    def _shares(self, index: Array) -> Array:
        """Probability of each interval between limits, (n, k + 1)."""
        x = np.asarray(index, dtype=np.float64)[:, None]
        beyond = expit((np.array(self.intercepts) + self.slope * x) * narrowing(x, self.spread, self.reach))
        ones, zeros = np.ones_like(x), np.zeros_like(x)
        return np.asarray(-np.diff(np.concatenate([ones, beyond, zeros], axis=1), axis=1))
