"""Grey matter, white matter and CSF: Gaussian classes with the template's tissue maps as prior and a Markov field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

TISSUES = ("CSF", "GM", "WM")
_ITERATIONS = 30
_FIELD_ITERATIONS = 5
_FIELD_STRENGTH = 0.35
"""Weight of each face neighbour's probability in the log of a voxel's: a lone voxel gives in, a sheet does not."""
_FLOOR = 0.02
"""No prior says never: anatomy beside a lesion or with atrophy differs from the template."""
_MAX_SAMPLE = 200_000


@dataclass(frozen=True, eq=False)
class Tissues:
    """Probabilities and what the classes look like."""

    probability: FloatArray
    """(x, y, z, 3) in the order of TISSUES; sums to 1 inside the mask, 0 outside."""
    means: tuple[float, float, float]
    """Intensity of each class."""

    @property
    def ordered(self) -> bool:
        """Whether the classes come as T1-weighting has them: CSF darkest, white matter brightest."""
        return self.means[0] < self.means[1] < self.means[2]


def tissue_priors(grey: FloatArray, white: FloatArray) -> FloatArray:
    """Prior of each tissue from the template's maps on this grid: what is neither GM nor WM is CSF.

    Parameters
    ----------
    grey, white : ndarray (x, y, z)
        Probabilities, 0-1.

    Returns
    -------
    ndarray (x, y, z, 3)
        In the order of TISSUES, each at least 0.02 before scaling to a sum of 1.
    """
    rest = 1.0 - np.clip(grey + white, 0.0, 1.0)
    prior = np.maximum(np.stack([rest, grey, white], axis=-1), _FLOOR)
    return np.asarray(prior / prior.sum(axis=-1, keepdims=True), dtype=np.float32)


def segment(t1w: FloatArray, mask: Mask, prior: FloatArray) -> Tissues:
    """Segment a bias-corrected T1w.

    Parameters
    ----------
    t1w : ndarray (x, y, z)
        Bias-corrected, clipped.
    mask : ndarray of bool
        Brain without the lesion: nothing outside is a tissue or changes the classes.
    prior : ndarray (x, y, z, 3)
        From `tissue_priors`.

    Returns
    -------
    Tissues

    Notes
    -----
    Expectation-maximisation with fixed spatial priors (Ashburner and Friston 2005, "Unified segmentation", without its
    deformation), then a mean-field Markov random field (Zhang et al. 2001). One Gaussian a class; the variances are
    kept from collapsing.
    """
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(mask))
    inside = mask[box]
    values = t1w[box][inside].astype(np.float64)
    log_prior = np.log(prior[box][inside].astype(np.float64))
    means, variances = _fit(values, log_prior)
    log_likelihood = log_prior + _log_gaussian(values, means, variances)
    probability = np.zeros((*inside.shape, 3), np.float32)
    probability[inside] = _softmax(log_likelihood)
    for _ in range(_FIELD_ITERATIONS):
        probability[inside] = _softmax(log_likelihood + _FIELD_STRENGTH * _neighbours(probability)[inside])
    whole = np.zeros((*mask.shape, 3), np.float32)
    whole[box] = probability
    return Tissues(whole, (float(means[0]), float(means[1]), float(means[2])))


def _fit(
    values: npt.NDArray[np.float64], log_prior: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means and variances of the three classes, from an even sample of the voxels."""
    step = max(1, values.size // _MAX_SAMPLE)
    values, log_prior = values[::step], log_prior[::step]
    weights = np.exp(log_prior) ** 2  # the surer voxels start the classes off
    smallest = (0.02 * np.ptp(values)) ** 2 + 1e-12
    for _ in range(_ITERATIONS):
        total = weights.sum(axis=0)
        means = (weights * values[:, None]).sum(axis=0) / total
        variances = np.maximum((weights * (values[:, None] - means) ** 2).sum(axis=0) / total, smallest)
        weights = _softmax(log_prior + _log_gaussian(values, means, variances))
    return means, variances


def _log_gaussian(
    values: npt.NDArray[np.float64], means: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.asarray(-0.5 * ((values[:, None] - means) ** 2 / variances + np.log(variances)))


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _neighbours(probability: FloatArray) -> FloatArray:
    """Sum over the six face neighbours."""
    total = np.zeros_like(probability)
    for axis in range(3):
        first, last = [slice(None)] * 4, [slice(None)] * 4
        first[axis], last[axis] = slice(1, None), slice(None, -1)
        total[tuple(first)] += probability[tuple(last)]
        total[tuple(last)] += probability[tuple(first)]
    return total
