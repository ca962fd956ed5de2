"""Weights of the members on the simplex, fitted on what members say of people on whom they were not trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bids_stroke.core.errors import DataError
from bids_stroke.fusion.fitted import clipped_logit
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


def fit_weights(probabilities: Array, target: Target, doubt: Array | None = None) -> Array:
    """Weights with which the members' logits are averaged.

    Parameters
    ----------
    probabilities : (n, members) float64
        Out-of-fold, NaN where a member is missing, which counts as knowing nothing.
    target : Target
        Outcomes.
    doubt : (members,) float64, optional
        As in `simplex_weights`.

    Returns
    -------
    (members,) float64
        As `simplex_weights` gives them.

    Raises
    ------
    DataError
        No row has a probability.

    Notes
    -----
    Adding logits is how independent evidence is joined; a mean of probabilities stays between its members and so
    cannot be surer than the surest of them.
    """
    rows = np.asarray(np.isfinite(probabilities).any(axis=1))
    if not rows.any():
        raise DataError("No unit has a prediction of any member.", "Train with more participants.", "no-predictions")
    return simplex_weights(np.nan_to_num(clipped_logit(probabilities[rows])), target.of(rows).latent, doubt)


def simplex_weights(said: Array, wanted: Array, doubt: Array | None = None) -> Array:
    """Shares of the members in a sum that follows what is wanted.

    Parameters
    ----------
    said : (n, members) float64
        Of each member, 0 where it knows nothing.
    wanted : (n,) float64
        What was measured, on any linear scale.
    doubt : (members,) float64, optional
        What each member's penalty is multiplied by: `DOUBT_OF_EARLY` of the early fusion. 1 if not given.

    Returns
    -------
    (members,) float64
        Positive, sum 1; equal where no member tells more than one that knows nothing, and where all outcomes are equal.

    Notes
    -----
    Regression with coefficients of 0 or more (Breiman 1996, "Stacked regressions"), scaled to sum 1: the scale is the
    calibration's. A lasso penalty takes out members that know nothing, of which a small cohort with many networks has
    some. It is not tuned: where both sides have root mean square 1, the slope of the squared error at 0 along a member
    that knows nothing has the standard deviation sqrt(n), and that is the penalty.
    """
    n, n_members = said.shape
    size = np.sqrt(np.mean(said**2, axis=0))
    size[size == 0] = 1.0
    deviation = float(wanted.std())
    if deviation == 0:
        return np.full(n_members, 1 / n_members)
    scaled, centred = said / size, (wanted - wanted.mean()) / deviation
    penalty = np.sqrt(n) * (np.ones(n_members) if doubt is None else doubt)

    def objective(parameters: Array) -> tuple[float, Array]:
        slopes, intercept = parameters[:-1], parameters[-1]
        error = intercept + scaled @ slopes - centred
        return float(error @ error / 2 + penalty @ slopes), np.append(scaled.T @ error + penalty, error.sum())

    start = np.append(np.full(n_members, _START), 0.0)  # the same for all, so that equal members get equal weights
    bounds = [(0.0, None)] * n_members + [(None, None)]
    raw = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x[:-1] / size
    total = float(raw.sum())
    shares = raw / total if total > _START * FLOOR else np.full(n_members, 1 / n_members)
    return np.asarray((shares + FLOOR) / (1 + n_members * FLOOR))


def averaged_weights(fit: Callable[[Rows], Array], poor: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Means of weights that were fitted on random halves of the rows.

    Parameters
    ----------
    fit : callable
        Weights (members,) from some of the rows.
    poor : (n,) bool
        Class of each row; both halves get half of each class. At least one row.

    Returns
    -------
    weights : (members,) float64
        Mean over all halves.
    others : (n, members) float64
        For each row, mean over the halves that it is not in: what the row says of them is said of strangers.

    Notes
    -----
    A penalty leaves members out or lets them in, often by one person more or less. Means over halves take out that
    chance, of which there is most where members know little (Buehlmann and Yu 2002, "Analyzing bagging").
    The splits depend on nothing but which rows are poor.
    """
    if len(poor) == 1:
        weights = fit(np.arange(1))
        return weights, weights[None]
    found = [(half, fit(other)) for halves in _splits(poor) for half, other in (halves, halves[::-1])]
    others = np.zeros((len(poor), len(found[0][1])))
    for half, weights in found:
        others[half] += weights / N_SPLITS
    return np.asarray(np.mean([weights for _, weights in found], axis=0)), others


def _splits(poor: NDArray[np.bool_]) -> Iterator[tuple[Rows, Rows]]:
    """Rows of both halves of each of N_SPLITS splits; the rows of a class take turns."""
    rng = np.random.default_rng(0)
    for _ in range(N_SPLITS):
        order = np.concatenate([rng.permutation(np.flatnonzero(poor)), rng.permutation(np.flatnonzero(~poor))])
        yield np.sort(order[::2]), np.sort(order[1::2])
