"""What the outcome of a person will be: one distribution, from which probability, range, score and decision come.

Pure numpy: a prediction needs no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

INTERVAL_Z = 1.6448536269514722
"""Standard normal quantile of a two-sided 90 % interval."""


def expit(value: Array | float) -> Array:
    """Probability of a logit; numpy alone, because scipy.special takes as long to import as a prediction."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(value, dtype=np.float64))))


def most_doubt(coverage: float) -> float:
    """Largest probability of the other outcome with which an outcome may be decided."""
    return min(0.5, 2 * (1 - coverage))


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
class Recalibration:
    """What people of another place make of a distribution: all its logits become ``level + slope * logit``.

    One map for every limit keeps their order, so that what comes out is a distribution again: the probability is still
    its share beyond the cut, the expected score its mean, the range its middle part.

    Attributes
    ----------
    level : float
        Above 0 outcomes are poorer there.
    slope : float
        Above 0; below 1 the logits were too far from 0.
    variance : (3,) tuple of float
        Of the level, of both (covariance), of the slope: from what they were learned on.
    """

    level: float
    slope: float
    variance: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def logit(self, logit: Array) -> Array:
        """Of each logit, in its shape."""
        return np.asarray(self.level + self.slope * logit)

    def of(self, probability: float) -> float:
        """What becomes of a probability; 0 and 1 stay."""
        if not 0 < probability < 1:
            return probability
        return float(expit(self.logit(np.log(probability) - np.log1p(-probability))))

    def uncertainty(self, logit: float) -> float:
        """Variance that the map adds to a logit."""
        level, both, slope = self.variance
        return level + 2 * both * logit + slope * logit**2


NO_RECALIBRATION = Recalibration(0.0, 1.0)


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
    recalibration : Recalibration, optional
        Learned on other people than the rest, from `recalibrated`.
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
    recalibration: Recalibration | None = None

    def recalibrated(self, change: Recalibration | None) -> Distribution:
        """The distribution with its logits changed; as it is for None.

        Whom the limits of a decision held before, they hold now: what each class was promised is a matter of the order
        of its people. But nobody is decided whose other outcome has become more likely than a decision allows
        (`most_doubt`).
        """
        if change is None:
            return self
        doubt, (low, high) = most_doubt(self.coverage), (change.of(limit) for limit in self.decided)
        return replace(self, recalibration=change, decided=(min(doubt, low), max(1 - doubt, high)))

    @property
    def _change(self) -> Recalibration:
        return self.recalibration or NO_RECALIBRATION

    @property
    def line(self) -> Line:
        """Of the cut, before any recalibration."""
        return Line(self.intercepts[self.cut], self.slope, self.spread, self.reach)

    def probability(self, index: Array) -> Array:
        """Probability of a poor outcome (n,) of indices (n,): the share of the distribution beyond the cut."""
        return expit(self._change.logit(self.line.logit(index)))

    def probability_interval(self, index: float) -> tuple[float, float]:
        """90 % interval of the probability itself, whose uncertainty is that of what it was learned from.

        Notes
        -----
        Normal on the logit scale. The variance is the sum of that of the line, by the delete-a-group jackknife over
        people (Kott 2001, "The delete-a-group jackknife"), that of the members, when they are trained on others, and
        that of a recalibration, by the delta method.
        """
        logits = np.array([float(line.logit(index)) for line in self.others])
        n = len(logits)
        variance = (n - 1) / n * float(((logits - logits.mean()) ** 2).sum()) if n else 0.0
        raw = float(self.line.logit(index))
        variance += (self.line.steepness(index) * self.refitting) ** 2
        half = INTERVAL_Z * np.sqrt(self._change.slope**2 * variance + self._change.uncertainty(raw))
        centre = float(self._change.logit(np.asarray(raw)))
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
        logit = (np.array(self.intercepts) + self.slope * x) * narrowing(x, self.spread, self.reach)
        beyond = expit(self._change.logit(logit))
        ones, zeros = np.ones_like(x), np.zeros_like(x)
        return np.asarray(-np.diff(np.concatenate([ones, beyond, zeros], axis=1), axis=1))
