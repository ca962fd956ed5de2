"""How far predicted scores are from the true ones: bias and limits of agreement."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.evaluation.bootstrap import MINIMUM_PARTICIPANTS, Draws, undefined, with_intervals
from bids_stroke.evaluation.metrics import Array

QUANTITIES = ("bias", "sd", "lower_limit", "upper_limit")
COLUMNS = ("quantity", "n", "value", "low", "high", "reason")
LIMITS = 1.96
"""Standard deviations from the bias within which 95 of 100 differences lie, were they normal."""


def agreement_table(people: pd.DataFrame, draws: Draws) -> pd.DataFrame:
    """Bias and limits of agreement of the fusion's score.

    Parameters
    ----------
    people : DataFrame
        A row per participant: ``score`` and ``predicted_score`` where there are any, in the score's units.
    draws : Draws
        Number and seed of the bootstrap draws.

    Returns
    -------
    DataFrame
        A row for each of QUANTITIES, of predicted less true score, with its 95 % interval over people; NaN with a
        ``reason`` where people are too few. Empty without scores.

    Notes
    -----
    Bland and Altman 1986, "Statistical methods for assessing agreement between two methods of clinical measurement".
    """
    if not {"score", "predicted_score"} <= set(people):
        return pd.DataFrame(columns=list(COLUMNS))
    given = people.dropna(subset=["score", "predicted_score"])
    n = len(given)
    if n == 0:
        return pd.DataFrame(columns=list(COLUMNS))
    apart = (given["predicted_score"] - given["score"]).to_numpy(float)
    if n < MINIMUM_PARTICIPANTS:
        few = undefined(f"too few participants ({n} of at least {MINIMUM_PARTICIPANTS})")
        found = dict.fromkeys(QUANTITIES, few)
    else:
        found = with_intervals(lambda weights: agreement(apart, weights), n, draws)
    return pd.DataFrame([{"quantity": name, "n": n, **found[name]} for name in QUANTITIES], columns=list(COLUMNS))


def agreement(apart: Array, weights: Array) -> dict[str, Array]:
    """Mean, standard deviation and limits of agreement of differences for each row of weights.

    >>> {name: value.tolist() for name, value in agreement(np.array([-1.0, 1.0]), np.ones((1, 2))).items()}["bias"]
    [0.0]
    """
    total = weights.sum(axis=1)
    bias = weights @ apart / total
    squares = np.maximum(weights @ apart**2 - total * bias**2, 0)
    sd = np.sqrt(squares / (total - 1))
    return {"bias": bias, "sd": sd, "lower_limit": bias - LIMITS * sd, "upper_limit": bias + LIMITS * sd}
