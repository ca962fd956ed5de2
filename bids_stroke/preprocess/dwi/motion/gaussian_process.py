"""What a diffusion volume should look like, given the others of its shell: a Gaussian process over directions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bids_stroke.preprocess.dwi.gradients import Gradients, shells

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_REACHES = (0.8, 1.1, np.pi / 2)
"""Angles (radians) beyond which two directions say nothing about each other; one is chosen by likelihood."""
_SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
"""Of the variance that directions explain; the rest is noise."""
_FEWEST = 4
"""Volumes of a shell that can predict each other."""


def groups(gradients: Gradients, b0: Mask) -> list[Mask]:
    """Weighted volumes that predict each other: shells, very small ones together with their neighbour."""
    found: list[Mask] = []
    for shell in shells(np.where(b0, 0.0, gradients.bvals), 0.0):
        if found and min(int(shell.sum()), int(found[-1].sum())) < _FEWEST:
            found[-1] = found[-1] | shell
        else:
            found.append(shell)
    return found


def precision(signal: Array, bvecs: Array) -> Array:
    """Inverse covariance between volumes, their mean at each point being free.

    Parameters
    ----------
    signal : (n, points) float64
        Volumes at points of about the same noise and anisotropy.
    bvecs : (n, 3) float64
        Unit vectors; opposite ones are the same.

    Returns
    -------
    (n, n) float64
        Of the restricted likelihood's best spherical covariance plus noise: rows sum to 0.

    Notes
    -----
    Andersson and Sotiropoulos 2015, "Non-parametric representation and prediction of single- and multi-shell
    diffusion-weighted MRI data using Gaussian processes".
    """
    n = len(bvecs)
    products = signal @ signal.T / signal.shape[1]
    angles = np.arccos(np.clip(np.abs(bvecs @ bvecs.T), 0.0, 1.0))
    best, chosen = -np.inf, np.zeros((n, n))
    for reach in _REACHES:
        near = np.where(angles < reach, 1 - 1.5 * angles / reach + 0.5 * (angles / reach) ** 3, 0.0)
        for share in _SHARES:
            covariance = share * near + (1 - share) * np.eye(n)
            inverse = np.linalg.inv(covariance)
            sums = inverse.sum(axis=1)
            free = inverse - np.outer(sums, sums) / sums.sum()
            variance = max(float((free * products).sum()) / (n - 1), 1e-12)
            spread = np.linalg.slogdet(covariance)[1] + np.log(sums.sum())
            likelihood = -((n - 1) * np.log(variance) + spread)
            if likelihood > best:
                best, chosen = likelihood, free / variance
    return chosen


def residuals(signal: Array, inverse: Array) -> Array:
    """Signal (n, points) minus what the other volumes predict for each, given their `precision`."""
    return np.asarray(inverse @ signal / np.diag(inverse)[:, None])
