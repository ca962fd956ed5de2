"""Weights of the members on the simplex, fitted on probabilities that no member was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from bids_stroke.decision import clipped_logit
from bids_stroke.errors import DataError

Array = NDArray[np.float64]

PULL_TO_UNIFORM = 1.0
"""Precision of the normal prior on the log-weights of the scores: about the worth of a few units."""
EARLY_FUSION = 0.5
"""Penalty of a joint member, in those of the others: the others' numbers are in it, so it is to be believed first."""
FLOOR = 1e-3
"""Least weight of a member, before renormalising: whoever has nothing but members of no use gets their mean."""
_START = 0.1


def fit_weights(probabilities: Array, poor: NDArray[np.bool_], doubt: Array | None = None) -> Array:
    """Weights with which the members' logits are averaged.

    Parameters
    ----------
    probabilities : (n, members) float64
        Out-of-fold, NaN where a member is missing, which counts as knowing nothing.
    poor : (n,) bool
        Outcomes.
    doubt : (members,) float64, optional
        What each member's penalty is multiplied by: `EARLY_FUSION` of one that knows what others know. 1 if not given.

    Returns
    -------
    (members,) float64
        Positive, sum 1; equal where no member tells more than one that knows nothing, and for one class only.

    Raises
    ------
    DataError
        No row has a probability.

    Notes
    -----
    Logistic regression of the outcome on the members' logits with coefficients of 0 or more (Breiman 1996, "Stacked
    regressions"), scaled to sum 1: the scale is the calibration's. Adding logits is how independent evidence is
    joined; a mean of probabilities stays between its members and so cannot be surer than the surest of them.

    A lasso penalty takes out members that know nothing, of which a small cohort with many networks has some. It is
    not tuned: against logits of root mean square 1, the slope of the likelihood at 0 along a member that knows
    nothing has the standard deviation sqrt(n p (1 - p)), and that is the penalty.
    """
    rows = np.isfinite(probabilities).any(axis=1)
    if not rows.any():
        raise DataError("No unit has a prediction of any member.", "Train with more participants.", "no-predictions")
    logits, outcomes = np.nan_to_num(clipped_logit(probabilities[rows])), poor[rows]
    size = np.sqrt(np.mean(logits**2, axis=0))
    scaled = logits / np.where(size > 0, size, 1.0)
    n_members, share = scaled.shape[1], float(outcomes.mean())
    if share in (0.0, 1.0):
        return np.full(n_members, 1 / n_members)
    penalty = np.sqrt(len(outcomes) * share * (1 - share)) * (np.ones(n_members) if doubt is None else doubt)

    def objective(parameters: Array) -> tuple[float, Array]:
        slopes, intercept = parameters[:-1], parameters[-1]
        value = intercept + scaled @ slopes
        error = expit(value) - outcomes
        loss = np.logaddexp(0, np.where(outcomes, -value, value)).sum() + penalty @ slopes + intercept**2 / 2
        return float(loss), np.append(scaled.T @ error + penalty, error.sum() + intercept)

    start = np.append(np.full(n_members, _START), 0.0)
    bounds = [(0.0, None)] * n_members + [(None, None)]
    slopes = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x[:-1]
    raw = slopes / np.where(size > 0, size, 1.0)
    total = float(raw.sum())
    shares = raw / total if total > _START * FLOOR else np.full(n_members, 1 / n_members)
    return np.asarray((shares + FLOOR) / (1 + n_members * FLOOR))
