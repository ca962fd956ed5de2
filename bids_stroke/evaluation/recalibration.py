"""Whether a model's probabilities fit new people as they are, or after their level and spread are learned anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from bids_stroke.evaluation.bootstrap import Draws, undefined, with_intervals
from bids_stroke.evaluation.calibration import calibration_intercept, integrated_calibration_index
from bids_stroke.evaluation.metrics import Array, calibration_slope, finite_logit

VERSIONS = ("original", "in_the_large", "intercept_and_slope")
"""As the model says; with one number added to all logits; with the logits multiplied by a second one, too."""
QUANTITIES = ("brier", "calibration_slope", "calibration_intercept", "ici")
COLUMNS = ("version", "quantity", "n", "n_poor", "value", "low", "high", "reason")
LEAST, LEAST_PER_CLASS = 20, 5
"""People with a known outcome, and of each outcome, that a recalibration is fitted on."""
FOLDS = 10
WIDTH = 0.2
"""Of the 95 % intervals that the number of people needed is given for."""
_Z = 1.96


def recalibration_table(people: pd.DataFrame, draws: Draws) -> pd.DataFrame:
    """Compare the probabilities as they are with those recalibrated on these very people, by cross-validation.

    Parameters
    ----------
    people : DataFrame
        A row per participant whom the model never saw: ``poor`` (0 or 1), ``probability_poor`` (0 to 1).
    draws : Draws
        Number and seed of the bootstrap draws.

    Returns
    -------
    DataFrame
        A row for each of VERSIONS and QUANTITIES with its 95 % interval over people, recalibrations as they are; NaN
        with a ``reason`` where people are too few.

    Notes
    -----
    In the large: an intercept with the logit as offset. Intercept and slope: logistic regression on the logit (Cox
    1958; Steyerberg 2019, "Clinical Prediction Models", chapter 20). Nobody is judged by what was fitted on them: the
    people are divided into FOLDS parts, each class alike, and each part gets what the others give.
    """
    poor, probability = people["poor"].to_numpy(float), people["probability_poor"].to_numpy(float)
    head = {"n": len(poor), "n_poor": int(poor.sum())}
    if reason := _too_few(poor):
        rows = [{"version": v, "quantity": q, **head, **undefined(reason)} for v in VERSIONS for q in QUANTITIES]
        return pd.DataFrame(rows, columns=list(COLUMNS))
    found = []
    for version, said in recalibrated(poor, probability, draws.seed).items():
        values = _judged(poor, said, draws)
        found += [{"version": version, "quantity": quantity, **head, **values[quantity]} for quantity in QUANTITIES]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _too_few(poor: Array) -> str:
    """What is needed, and what there is; empty where it suffices."""
    n, n_poor = len(poor), int(poor.sum())
    if n >= LEAST and min(n_poor, n - n_poor) >= LEAST_PER_CLASS:
        return ""
    return (
        f"recalibration needs {LEAST} people with a known outcome and {LEAST_PER_CLASS} of each outcome "
        f"({n}: {n_poor} poor, {n - n_poor} good)"
    )


def recalibrated(poor: Array, probability: Array, seed: int) -> dict[str, Array]:
    """Each of VERSIONS of people's probabilities, those that are fitted out of fold.

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1, probabilities of a poor one from 0 to 1.
    seed : int
        Of the division into folds.

    Returns
    -------
    dict of str to array
        Version -> (n,); NaN where the other folds' outcomes are separated completely, so that no slope can be fitted.
    """
    rng = np.random.default_rng([seed, len(poor)])
    fold = np.empty(len(poor), dtype=int)
    for outcome in (0, 1):
        own = rng.permutation(np.flatnonzero(poor == outcome))
        fold[own] = np.arange(len(own)) % FOLDS
    found = {"original": probability} | {version: np.full(len(poor), np.nan) for version in VERSIONS[1:]}
    logit = finite_logit(probability)
    for part in range(FOLDS):
        here, others = fold == part, fold != part
        once = np.ones((1, int(others.sum())))
        shift = calibration_intercept(poor[others], probability[others], once)[0]
        found["in_the_large"][here] = expit(logit[here] + shift)
        slope = calibration_slope(poor[others], probability[others], once)[0]
        if np.isfinite(slope):
            level = calibration_intercept(poor[others], expit(slope * logit[others]), once)[0]
            found["intercept_and_slope"][here] = expit(slope * logit[here] + level)
    return found


def _judged(poor: Array, said: Array, draws: Draws) -> dict[str, dict[str, Any]]:
    if np.isnan(said).any():
        return dict.fromkeys(QUANTITIES, undefined("predictions separate the outcomes completely"))
    index = integrated_calibration_index(poor, said)
    return with_intervals(
        lambda weights: {
            "brier": weights @ (said - poor) ** 2 / weights.sum(axis=1),
            "calibration_slope": calibration_slope(poor, said, weights),
            "calibration_intercept": calibration_intercept(poor, said, weights),
            "ici": index(weights),
        },
        len(poor),
        draws,
    )


def people_needed(poor: Array, probability: Array) -> dict[str, float]:
    """How many people tell calibration with 95 % intervals that are WIDTH wide, and how wide they are with these.

    Parameters
    ----------
    poor, probability : array
        (n,): outcomes of 0 and 1, probabilities of a poor one from 0 to 1.

    Returns
    -------
    dict
        ``people_for_oe`` and ``people_for_slope``; ``width_oe`` and ``width_slope`` with the n people that there are.
        Empty without two different probabilities, or with one kind of outcome.

    Notes
    -----
    Riley et al. 2021, "Minimum sample size for external validation of a clinical prediction model with a binary
    outcome", Stat Med 40:4230. Observed over expected number: the variance of its logarithm is (1 - share) / (n share).
    Slope: n times its variance is the inverse information of a logistic regression on the logits, taken as if they were
    calibrated. Snell et al. 2021, J Clin Epidemiol 135:79, found such numbers to be more reliable than rules of thumb.

    Examples
    --------
    >>> people_needed(np.array([0.0, 1.0]), np.array([0.3, 0.6]))["people_for_oe"]
    386
    """
    n, share = len(poor), float(poor.mean()) if len(poor) else 0.0
    if not 0 < share < 1 or np.ptp(probability) == 0:
        return {}
    logit = finite_logit(probability)
    weight = probability * (1 - probability)
    level, both, spread = (float((weight * part).mean()) for part in (1.0, logit, logit**2))
    of_slope = level / (level * spread - both**2)
    of_oe = (1 - share) / share
    return {
        "people_for_oe": int(np.ceil(of_oe * (_Z / np.arcsinh(WIDTH / 2)) ** 2)),
        "people_for_slope": int(np.ceil(of_slope * (2 * _Z / WIDTH) ** 2)),
        "width_oe": float(2 * np.sinh(_Z * np.sqrt(of_oe / n))),
        "width_slope": float(2 * _Z * np.sqrt(of_slope / n)),
    }
