"""Weights of the members on the simplex, fitted on what members say of people on whom they were not trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import Target

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

N_SPLITS = 50
"""Random splits into halves: the chance of the splits is then a tenth of the weights' sampling error."""
DOUBT_OF_EARLY = 0.5
"""Penalty of the early fusion, in those of the members: their numbers are in it, so it is to be believed first."""
FLOOR = 1e-3
"""Least weight of a member, before renormalising: whoever has nothing but members of no use gets their mean."""
_START = 0.1


def simplex_weights(said: Array, wanted: Array, people: People, doubt: Array | None = None) -> Array:
    """Shares of the members in a sum that follows what is wanted.

    Parameters
    ----------
    said : (n, members) float64
        Of each member, 0 where it knows nothing.
    wanted : (n,) float64
        What was measured, on any linear scale.
    people : People
        Whose rows they are.
    doubt : (members,) float64, optional
        What each member's penalty is multiplied by: `DOUBT_OF_EARLY` of the early fusion. 1 if not given.

    Returns
    -------
    (members,) float64
        Positive, sum 1; equal where no member tells more than one that knows nothing, and where all outcomes are equal.

    Notes
    -----
    Regression with coefficients of 0 or more (Breiman 1996, "Stacked regressions"), scaled to sum 1: the scale is the
    distribution's. A lasso penalty takes out members that know nothing, of which a small cohort with many networks has
    some. It is not tuned: where both sides have root mean square 1, the slope of the squared error at 0 along a member
    that knows nothing has the standard deviation sqrt(people), and that is the penalty.
    """
    n_members, weight = said.shape[1], people.weight
    size = np.sqrt(weight @ said**2 / people.n)
    size[size == 0] = 1.0
    apart = wanted - people.mean(wanted)
    deviation = float(np.sqrt(people.mean(apart**2)))
    if np.ptp(wanted) == 0 or deviation == 0:
        return np.full(n_members, 1 / n_members)
    scaled, centred = said / size, apart / deviation
    penalty = np.sqrt(people.n) * (np.ones(n_members) if doubt is None else doubt)

    def objective(parameters: Array) -> tuple[float, Array]:
        slopes, intercept = parameters[:-1], parameters[-1]
        error = intercept + scaled @ slopes - centred
        weighted = weight * error
        return float(error @ weighted / 2 + penalty @ slopes), np.append(scaled.T @ weighted + penalty, weighted.sum())

    start = np.append(np.full(n_members, _START), 0.0)  # the same for all, so that equal members get equal weights
    bounds = [(0.0, None)] * n_members + [(None, None)]
    raw = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x[:-1] / size
    total = float(raw.sum())
    shares = raw / total if total > _START * FLOOR else np.full(n_members, 1 / n_members)
    return np.asarray((shares + FLOOR) / (1 + n_members * FLOOR))


def averaged_weights(fit: Callable[[Rows], Array], target: Target) -> tuple[Array, Array]:
    """Means of weights that were fitted on random halves of the people.

    Parameters
    ----------
    fit : callable
        Weights (members,) from some of the rows.
    target : Target
        Outcomes of n rows, at least one; both halves get half of the people of each class.

    Returns
    -------
    weights : (members,) float64
        Mean over all halves.
    others : (n, members) float64
        For each row, mean over the halves that its person is not in: what the row says of them is said of strangers.

    Notes
    -----
    A penalty leaves members out or lets them in, often by one person more or less. Means over halves take out that
    chance, of which there is most where members know little (Buehlmann and Yu 2002, "Analyzing bagging").
    The splits depend on nothing but which people are poor (at least half of the times).
    """
    people = target.people
    if people.n == 1:
        weights = fit(np.arange(len(people.of_row)))
        return weights, np.tile(weights, (len(people.of_row), 1))
    poor = people.sums(target.poor.astype(float)) >= 0.5
    found = [
        (np.flatnonzero(half[people.of_row]), fit(np.flatnonzero(~half[people.of_row])))
        for first in _splits(poor)
        for half in (first, ~first)
    ]
    others = np.zeros((len(people.of_row), len(found[0][1])))
    for half, weights in found:
        others[half] += weights / N_SPLITS
    return np.asarray(np.mean([weights for _, weights in found], axis=0)), others


def _splits(poor: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Whether each person is in the first half, for each of N_SPLITS splits; the people of a class take turns."""
    rng = np.random.default_rng(0)
    for _ in range(N_SPLITS):
        order = np.concatenate([rng.permutation(np.flatnonzero(poor)), rng.permutation(np.flatnonzero(~poor))])
        first = np.zeros(len(poor), dtype=bool)
        first[order[::2]] = True
        yield first
