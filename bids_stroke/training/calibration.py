"""Temperature, intercept and conformal quantiles, fitted on out-of-fold fused probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from bids_stroke.decision import Calibration, clipped_logit, fuse

Array = NDArray[np.float64]

PRIOR_SD = 1.0
"""Of the intercept and of the slope: keeps both near 0, which says the base rate, when there are few units."""
LEAST_SLOPE = 1e-3
"""Keeps the temperature finite where the members know nothing."""


def fit_calibration(fused: Array, poor: NDArray[np.bool_], disagreement: float, coverage: float) -> Calibration:
    """Calibrate fused probabilities.

    Parameters
    ----------
    fused : (n,) float64
        Out-of-fold, finite.
    poor : (n,) bool
        Outcomes.
    disagreement : float
        From `disagreement`.
    coverage : float
        Of the conformal sets.

    Notes
    -----
    Logistic regression of the outcome on the logit (temperature scaling, Guo et al. 2017, with an intercept
    because members train with balanced classes), with weak priors. The slope stays positive;
    its prior is centred on 0, not on 1, because members that know nothing must not sound sure.
    """
    x = clipped_logit(fused)

    def objective(parameters: Array) -> float:
        intercept, slope = parameters
        value = intercept + slope * x
        loss = np.logaddexp(0, np.where(poor, -value, value)).sum()
        return float(loss + (parameters**2).sum() / (2 * PRIOR_SD**2))

    bounds = [(None, None), (LEAST_SLOPE, None)]
    intercept, slope = (float(value) for value in minimize(objective, [0, 1], method="L-BFGS-B", bounds=bounds).x)
    calibrated = np.asarray(expit(intercept + slope * x))
    return Calibration(
        temperature=1 / slope,
        intercept=intercept,
        covariance=_covariance(x, calibrated),
        disagreement=disagreement,
        quantiles=(
            conformal_quantile(1 - calibrated[poor], coverage),
            conformal_quantile(calibrated[~poor], coverage),
        ),
        coverage=coverage,
    )


def _covariance(x: Array, calibrated: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Inverse of the observed information (with the priors) of intercept and slope."""
    variance = calibrated * (1 - calibrated)
    design = np.stack([np.ones_like(x), x])
    information = (design * variance) @ design.T + np.eye(2) / PRIOR_SD**2
    inverse = np.linalg.inv(information)
    return (float(inverse[0, 0]), float(inverse[0, 1])), (float(inverse[1, 0]), float(inverse[1, 1]))


def conformal_quantile(nonconformity: Array, coverage: float) -> float:
    """Split-conformal quantile of one class (Vovk et al.): 1, which excludes nothing, where there are too few."""
    rank = int(np.ceil((len(nonconformity) + 1) * coverage))
    return float(np.sort(nonconformity)[rank - 1]) if 0 < rank <= len(nonconformity) else 1.0


def disagreement(probabilities: Array, weights: Array) -> float:
    """Root mean square distance of the members' logits from the logit of their fusion, over (n, members)."""
    logits = clipped_logit(probabilities)
    distance = logits - fuse(logits, weights)[:, None]
    return float(np.sqrt(np.nanmean(distance**2)))
