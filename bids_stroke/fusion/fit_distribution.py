"""Fitting the distribution of the outcome on out-of-fold indices, and what it may promise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm

from bids_stroke.fusion.distribution import Distribution, most_doubt, narrowing
from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import Target

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

INTERVAL_COVERAGE = 0.9
"""Share of people whose outcome lies in the interval."""
MOST_LIMITS = 21
LEAST_BEYOND = 2.0
"""People on either side of a limit."""
SLOPE_SD = 1.0
"""Of the slope's prior about 0, per standard deviation of the index (1 gives an AUC of about .75); or the slope found,
where that is larger."""
STEEPEST_SD, FINITE_SD = 3.0, 10.0
"""Of priors of the slope and of the intercepts, which keep them finite where the index separates a few people."""
SPREAD_SD = 0.25
REACH = 2.5
"""Deviations of the index up to which the spread changes."""
N_GROUPS = 10
"""Of people, each left out once."""


def fit_distribution(index: Array, target: Target, coverage: float, refitting: float = 0.0) -> Distribution:
    """Fit the distribution of the outcome to indices.

    Parameters
    ----------
    index : (n,) float64
        Out-of-fold and finite, large ones poor; with fusion weights that did not see the row's person.
    target : Target
        Outcomes.
    coverage : float
        Share of either class whom a decision may not contradict, 0-1.
    refitting : float
        `Distribution.refitting`.

    Notes
    -----
    The sum of the logistic losses at the cut, and of their mean over all limits: the classes are what is decided, and
    the degrees tell of the same slope what a few dozen classes cannot. The slope is then shrunk by its own uncertainty,
    as a predictor of new people must be (Copas 1983, "Regression, prediction and shrinkage"): to the mean that a
    normal prior about 0 leaves, with the variance of the delete-a-group jackknife over people.

    What the interval and the decisions promise is measured on people who were left out of the line (cross-conformal:
    Vovk 2015, "Cross-conformal predictors"). The interval's ends are quantiles of the distribution (Chernozhukov,
    Wuethrich and Zhu 2021, "Distributional conformal prediction"), at levels that leave out people of both classes
    equally often.
    """
    task = _Task.of(index, target)
    groups = _groups(target.people)
    whole = task.fit(task.weight)
    parts = [task.fit(np.where(groups == group, 0.0, task.weight)) for group in range(groups.max() + 1)]
    shrinkage = _shrinkage(whole[-2], np.array([part[-2] for part in parts]))
    whole = task.with_slope(whole, shrinkage, task.weight)
    parts = [
        task.with_slope(part, shrinkage, np.where(groups == group, 0.0, task.weight))
        for group, part in enumerate(parts)
    ]
    found = task.distribution(whole, target, coverage)
    left_out = [task.distribution(part, target, coverage) for part in parts]
    probability, level = np.empty((2, len(index)))
    for group, part in enumerate(left_out):
        own = groups == group
        probability[own] = part.probability(index[own])
        level[own] = part.level(index[own], target.score[own])
    return replace(
        found,
        levels=_levels(level, target) if target.has_degrees else None,
        decided=_decided(probability, target, coverage),
        others=tuple(part.line for part in left_out),
        refitting=refitting,
    )


@dataclass(frozen=True, eq=False)
class _Task:
    """What is fitted: the index by its own deviation, and on which side of each limit each row lies."""

    x: Array
    size: float
    beyond: NDArray[np.float64]
    """(n, limits) 0 or 1."""
    share: Array
    """(limits,) of each limit in the loss."""
    weight: Array
    places: Array
    """Of the limits, ascending."""
    cut: int
    direction: int

    @classmethod
    def of(cls, index: Array, target: Target) -> _Task:
        size = float(np.sqrt(target.people.mean(index**2))) or 1.0
        direction = -1 if low_is_poor(target) else 1
        places, cut = _limits(target.score * direction, target)
        beyond = (target.score[:, None] * direction > places[None]).astype(np.float64)
        beyond[:, cut] = target.poor
        share = np.full(len(places), 1 / len(places))
        share[cut] += 1.0
        return cls(index / size, size, beyond, share, target.people.weight, places, cut, direction)

    def fit(self, weight: Array) -> Array:
        """Intercepts (limits,), slope and spread, per deviation of the index."""
        base = np.clip(weight @ self.beyond / weight.sum(), 0.01, 0.99)
        start = np.concatenate([np.log(base / (1 - base)), [0.5, 0.0]])
        bounds = [(None, None)] * len(base) + [(0.0, None), (-2 * SPREAD_SD, 2 * SPREAD_SD)]
        return np.asarray(minimize(self._loss, start, (weight,), "L-BFGS-B", jac=True, bounds=bounds).x)

    def with_slope(self, fitted: Array, factor: float, weight: Array) -> Array:
        """The same with slope and spread times a factor, and intercepts that fit these."""
        start = fitted.copy()
        start[-2:] *= factor
        # no more spread than lets the probability rise with the index, as far as the spread changes
        most = start[-2] / (abs(start[self.cut]) + REACH * start[-2]) if start[-2] > 0 else 0.0
        start[-1] = np.clip(start[-1], -most, most)
        bounds = [(None, None)] * (len(start) - 2) + [(value, value) for value in start[-2:].tolist()]
        return np.asarray(minimize(self._loss, start, (weight,), "L-BFGS-B", jac=True, bounds=bounds).x)

    def _loss(self, parameters: Array, weight: Array) -> tuple[float, Array]:
        intercepts, slope, spread = parameters[:-2], parameters[-2], parameters[-1]
        near = np.clip(self.x, -REACH, REACH)
        narrow = narrowing(self.x, spread, REACH)[:, None]
        logit = (intercepts + slope * self.x[:, None]) * narrow
        both = weight[:, None] * self.share
        loss = float((both * (np.logaddexp(0, logit) - self.beyond * logit)).sum())
        error = both * (expit(logit) - self.beyond)
        precision = np.concatenate([self.share / FINITE_SD**2, [1 / STEEPEST_SD**2, 1 / SPREAD_SD**2]])
        gradient = np.concatenate(
            [
                (error * narrow).sum(axis=0),
                [float((error * narrow * self.x[:, None]).sum()), float(-(error * logit * near[:, None]).sum())],
            ]
        )
        away = parameters * precision
        return loss + float(away @ parameters) / 2, gradient + away

    def distribution(self, fitted: Array, target: Target, coverage: float) -> Distribution:
        """The record, without what it may promise."""
        degree = target.score * self.direction
        inside = np.searchsorted(self.places, degree, side="left")
        inside = np.where(self.beyond[:, self.cut] > 0, np.maximum(inside, self.cut + 1), np.minimum(inside, self.cut))
        weight, k = target.people.weight, len(self.places) + 1
        total = np.bincount(inside, weight, k)
        values = np.unique(degree)
        bounds = np.clip([values[0], *self.places, values[-1]], values[0], values[-1])
        middle = (bounds[:-1] + bounds[1:]) / 2  # of an interval in which nobody is
        means = np.divide(np.bincount(inside, weight * degree, k), total, out=middle, where=total > 0)
        gap = np.diff(values) if len(values) > 1 else np.ones(1)
        # intercepts may cross by the priors' hair: a probability of lying between limits is never below 0
        intercepts = np.minimum.accumulate(fitted[:-2])
        return Distribution(
            limits=tuple(self.places.tolist()),
            intercepts=tuple(intercepts.tolist()),
            slope=float(fitted[-2]) / self.size,
            spread=float(fitted[-1]) / self.size,
            reach=REACH * self.size,
            cut=self.cut,
            ends=(float(values[0] - gap[0] / 2), float(values[-1] + gap[-1] / 2)),
            means=tuple(means.tolist()),
            range=(float(values[0]), float(values[-1])),
            direction=self.direction,
            levels=None,
            decided=(0.0, 1.0),
            coverage=coverage,
        )


def low_is_poor(target: Target) -> bool:
    """Whether low scores are the poor ones; unknown, and so False, where there is one class only."""
    if target.poor.all() or not target.poor.any():
        return False
    return bool(target.score[target.poor].mean() < target.score[~target.poor].mean())


def _limits(degree: Array, target: Target) -> tuple[Array, int]:
    """Limits, ascending, and which of them is the cut: midway between scores, about MOST_LIMITS of them.

    They lie where normal scores are equally far apart, so that the ends of a skewed outcome have some, too.
    """
    values = np.unique(degree)
    middle = (values[:-1] + values[1:]) / 2
    cut = _cut(degree, target.poor)
    if not target.has_degrees:
        return np.array([cut]), 0
    weight = target.people.weight
    order = np.argsort(degree, kind="stable")
    below = np.cumsum(weight[order])[np.searchsorted(degree[order], middle) - 1]
    above = target.people.n - below
    allowed = middle[(above >= LEAST_BEYOND) & (below >= LEAST_BEYOND)]
    if len(allowed) > MOST_LIMITS:
        shares = np.cumsum(weight[order]) / target.people.n
        wanted = norm.cdf(np.linspace(-2.4, 2.4, MOST_LIMITS))
        at = degree[order][np.minimum(np.searchsorted(shares, wanted), len(order) - 1)]
        allowed = np.unique(allowed[np.minimum(np.searchsorted(allowed, at), len(allowed) - 1)])
    places = np.union1d(allowed, [cut])
    return places, int(np.searchsorted(places, cut))


def _cut(degree: Array, poor: Mask) -> float:
    """Midway between the poorest good and the best poor outcome."""
    values = np.unique(degree)
    gap = np.diff(values) if len(values) > 1 else np.ones(1)
    if poor.all():
        return float(values[0] - gap[0] / 4)
    if not poor.any():
        return float(values[-1] + gap[-1] / 4)
    return float((degree[~poor].max() + degree[poor].min()) / 2)


def _groups(people: People) -> NDArray[np.int64]:
    """Group of each row, 0 to N_GROUPS - 1 (of fewer people, each is a group).

    By chance, not by class: groups with equal shares of the poor would hide how uncertain that share is.
    """
    group = np.random.default_rng(0).permutation(people.n) % min(N_GROUPS, people.n)
    return np.asarray(group[people.of_row], dtype=np.int64)


def _shrinkage(slope: float, without: Array) -> float:
    """Factor of the slope, 0-1, from the slopes without a group each."""
    n, prior = len(without), max(SLOPE_SD, slope) ** 2
    variance = (n - 1) / n * float(((without - without.mean()) ** 2).sum())
    return prior / (prior + variance)


def _levels(level: Array, target: Target) -> tuple[float, float] | None:
    """Levels of the interval's ends; None with too few people.

    The lower end leaves out mostly people with a good outcome, the upper one with a poor: each gets its class's share
    of the errors.
    """
    poor = target.people.mean(target.poor.astype(float))
    inwards = np.minimum(level / (1 - poor), (1 - level) / poor)
    found = target.people.quantile(-inwards, INTERVAL_COVERAGE)
    if found is None:
        return None
    tail = max(0.0, -found)
    return tail * (1 - poor), 1 - tail * poor


def _decided(probability: Array, target: Target, coverage: float) -> tuple[float, float]:
    """Below which probability good, and above which poor is decided.

    Of people with either outcome, no more than ``1 - coverage`` may get the other decision; and nobody gets one whose
    other outcome has a probability above twice that, or above a half.
    """
    doubt, poor = most_doubt(coverage), target.poor
    good = target.people.among(poor).quantile(-probability[poor], coverage) if poor.any() else None
    high = target.people.among(~poor).quantile(probability[~poor], coverage) if not poor.all() else None
    low = 0.0 if good is None else min(doubt, -good)
    return low, 1.0 if high is None else max(1 - doubt, high)
