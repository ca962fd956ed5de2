"""The intensity model behind the tissues: pure classes and voxels that two tissues share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.float64]

CSF, CORTEX, DEEP, WHITE = range(4)
N_CLASSES = 6
MIXTURES = ((CSF, CORTEX), (CORTEX, WHITE))
"""Pairs of classes that share voxels; they follow the four pure classes."""
CONTENT = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.5, 0.5]])
"""Share of CSF, GM and WM in each class, (6, 3)."""
_SHARES = (np.arange(8) + 0.5) / 8
_BINS = 1024
_MIXED = 0.5
"""How often voxels are shared, relative to the geometric mean of the two tissues' priors."""
_BRIGHTEST_DEEP = 0.8
"""The deep grey nuclei lie at most so far from cortex to white matter."""


@dataclass(frozen=True, eq=False)
class Classes:
    """Gaussian intensities of the four pure classes.

    Parameters
    ----------
    means, variances : ndarray, shape (4,)
        CSF, cortex, deep grey, white matter.
    """

    means: Values
    variances: Values

    def table(self, values: Values) -> tuple[Values, Values, npt.NDArray[np.intp]]:
        """Likelihoods by intensity, and each voxel's row.

        Parameters
        ----------
        values : ndarray (n,)
            Intensities, from 0.

        Returns
        -------
        likelihood : ndarray (1024, 6)
            Of the six classes at evenly spaced intensities.
        share : ndarray (1024, 2)
            Expected share (0-1) of the first tissue in a shared voxel of this intensity.
        row : ndarray (n,) of int
            Row of each voxel.

        Notes
        -----
        A shared voxel holds any mixture of its two tissues with the same chance: Santago and Gage 1993,
        "Quantification of MR brain images by mixture density and partial volume modeling".
        """
        top = float(values.max()) * 1.0001 + 1e-9
        levels = np.linspace(0.0, top, _BINS)
        columns = [_gaussian(levels, self.means, self.variances)]
        shares = []
        for first, second in MIXTURES:
            means, variances = (
                _SHARES * parameter[first] + (1.0 - _SHARES) * parameter[second]
                for parameter in (self.means, self.variances)
            )
            density = _gaussian(levels, means, variances)
            columns.append(density.mean(axis=1, keepdims=True))
            shares.append(density @ _SHARES / np.maximum(density.sum(axis=1), 1e-30))
        row = np.clip(values * ((_BINS - 1) / top), 0, _BINS - 1).astype(np.intp)
        return np.concatenate(columns, axis=1) + 1e-12, np.stack(shares, axis=1), row

    def posterior(self, values: Values, prior: Values) -> Values:
        """Probability of each class, (n, 6), given intensity and prior."""
        likelihood, _, row = self.table(values)
        weights = likelihood[row] * prior
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _gaussian(levels: Values, means: Values, variances: Values) -> Values:
    return np.asarray(np.exp(-0.5 * (levels[:, None] - means) ** 2 / variances) / np.sqrt(variances))


def class_prior(prior: npt.NDArray[np.float32]) -> Values:
    """Prior of the six classes.

    Parameters
    ----------
    prior : ndarray (n, 4)
        CSF, cortex, deep grey, white matter; sums to 1.
    """
    data = prior.astype(np.float64)
    grey = data[:, CORTEX] + data[:, DEEP]
    mixed = [np.sqrt(data[:, CSF] * grey), np.sqrt(grey * data[:, WHITE])]
    whole = np.concatenate([data, _MIXED * np.stack(mixed, axis=1)], axis=1)
    return np.asarray(whole / whole.sum(axis=1, keepdims=True))


def estimate(values: Values, weights: Values) -> Classes:
    """Means and variances of the pure classes from voxels and their posterior.

    Parameters
    ----------
    values : ndarray (n,)
        Intensities.
    weights : ndarray (n, 6)
        Probabilities of the classes.
    """
    pure = weights[:, :4]
    total = pure.sum(axis=0)
    smallest = (0.02 * float(np.ptp(values))) ** 2 + 1e-12
    means = pure.T @ values / np.maximum(total, 1e-9)
    spread = pure.T @ values**2 / np.maximum(total, 1e-9) - means**2
    variances = np.maximum(spread, smallest)
    # noise is one for all tissues, and grey matter looks wider than white only by the voxels that it shares: taken as
    # its own width, these would make grey what lies half way to white, of which the outer white matter has most
    variances[[CORTEX, DEEP]] = np.minimum(variances[[CORTEX, DEEP]], variances[WHITE])
    if total[DEEP] < 0.002 * len(values):  # no such region in this mask
        means[DEEP], variances[DEEP] = means[CORTEX], variances[CORTEX]
    ends = means[CORTEX], means[CORTEX] + _BRIGHTEST_DEEP * (means[WHITE] - means[CORTEX])
    means[DEEP] = np.clip(means[DEEP], min(ends), max(ends))
    return Classes(means, variances)
