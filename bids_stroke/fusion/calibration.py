"""Temperature, intercept and conformal quantiles, fitted on out-of-fold fused probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm

from bids_stroke.fusion.fitted import Calibration, clipped_logit, fuse
from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import LOGITS_PER_DEVIATION, Target

Array = NDArray[np.float64]

PRIOR_SD = 1.0
"""Of the slope, and of the intercept of classes alone: keeps both near 0, which says the base rate, for few units."""
DEGREE_SD = 0.2
"""Of both about what the degree says: at 50 units that is to be believed, at 500 what the classes say."""
LEAST_SLOPE = 1e-3
"""Keeps the temperature finite where the members know nothing."""


def fit_calibration(fused: Array, target: Target, disagreement: float, coverage: float) -> Calibration:
    """Calibrate fused probabilities.

    Parameters
    ----------
    fused : (n,) float64
        Out-of-fold, finite.
    target : Target
        Outcomes.
    disagreement : float
        From `disagreement`.
    coverage : float
        Of the conformal sets.

    Notes
    -----
    Logistic regression of the class on the logit (temperature scaling, Guo et al. 2017, with an intercept
    because members train with balanced classes), with a prior about what a regression of the latent degree says of
    the same two numbers: a few dozen classes alone determine them badly, and each fold of a cross-validation
    would move its people by another error. Where only classes are known, the prior is weak and about 0. The slope
    stays positive.
    """
    x, poor = clipped_logit(fused), target.poor
    centre = _by_degree(x, target) if target.has_degrees else np.zeros(2)
    prior_sd = DEGREE_SD if target.has_degrees else PRIOR_SD

    def objective(parameters: Array) -> float:
        intercept, slope = parameters
        value = intercept + slope * x
        loss = target.people.weight @ np.logaddexp(0, np.where(poor, -value, value))
        return float(loss + ((parameters - centre) ** 2).sum() / (2 * prior_sd**2))

    bounds = [(None, None), (LEAST_SLOPE, None)]
    intercept, slope = (float(value) for value in minimize(objective, [0, 1], method="L-BFGS-B", bounds=bounds).x)
    calibrated = np.asarray(expit(intercept + slope * x))
    return Calibration(
        temperature=1 / slope,
        intercept=intercept,
        covariance=_covariance(x, calibrated, target.people.weight),
        disagreement=disagreement,
        quantiles=(
            conformal_quantile(1 - calibrated[poor], target.people.among(poor), coverage),
            conformal_quantile(calibrated[~poor], target.people.among(~poor), coverage),
        ),
        coverage=coverage,
    )


def _by_degree(x: Array, target: Target) -> Array:
    """Intercept and slope of the logit from a regression of the latent degree on x.

    The probability is that of the degree's lying beyond the share of the poor. The slope has a normal prior about 0,
    not about 1, because members that know nothing must not sound sure.
    """
    people = target.people
    degree = target.latent / np.sqrt(people.mean(target.latent**2))
    distance = x - people.mean(x)
    scatter = float(people.weight @ distance**2)
    slope = max(0.0, float(people.weight @ (distance * degree)) / (scatter + (LOGITS_PER_DEVIATION / PRIOR_SD) ** 2))
    deviation = np.sqrt(people.weight @ (degree - slope * distance) ** 2 / max(people.n - 2, 1))
    beyond = norm.ppf(1 - people.mean(target.poor.astype(float)))
    return np.asarray(LOGITS_PER_DEVIATION / deviation * np.array([-slope * people.mean(x) - beyond, slope]))


def _covariance(x: Array, calibrated: Array, weight: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Inverse of the observed information of intercept and slope: that of the classes, with the weak priors."""
    variance = weight * calibrated * (1 - calibrated)
    design = np.stack([np.ones_like(x), x])
    information = (design * variance) @ design.T + np.eye(2) / PRIOR_SD**2
    inverse = np.linalg.inv(information)
    return (float(inverse[0, 0]), float(inverse[0, 1])), (float(inverse[1, 0]), float(inverse[1, 1]))


def conformal_quantile(nonconformity: Array, people: People, coverage: float) -> float:
    """Split-conformal quantile of one class: 1, which excludes nothing, where there are too few people."""
    found = people.quantile(nonconformity, coverage)
    return 1.0 if found is None else found


def disagreement(probabilities: Array, weights: Array) -> float:
    """Root mean square distance of the members' logits from the logit of their fusion, over (n, members)."""
    logits = clipped_logit(probabilities)
    distance = logits - fuse(logits, weights)[:, None]
    return float(np.sqrt(np.nanmean(distance**2)))
