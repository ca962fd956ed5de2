"""Grey matter, white matter and CSF: Gaussian classes, shared voxels, the template's priors and a Markov field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import Transform, resample
from bids_stroke.preprocess.anat.tissue_classes import (
    CONTENT,
    CORTEX,
    CSF,
    WHITE,
    Classes,
    Values,
    class_prior,
    estimate,
)

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

TISSUES = ("CSF", "GM", "WM")
_ITERATIONS = 30
_FIELD_ITERATIONS = 5
_FIELD_STRENGTH = 0.35
"""Weight of each face neighbour's probability in the log of a voxel's: a lone voxel gives in, a sheet does not."""
_FLOOR = 0.02
"""No prior says never: anatomy beside a lesion or with atrophy differs from the template."""
_MAX_SAMPLE = 80_000
_DEEP_CENTRE = np.array([0.0, -6.0, 3.0])
_DEEP_RADII = np.array([36.0, 32.0, 19.0])
"""Millimetres in standard space: an ellipsoid that holds thalamus and basal ganglia and stops before the insula."""
_VENTRICLE_TISSUE = 0.15
"""Grey and white matter of the template that a voxel of its ventricles may hold."""
_VENTRICLE_DEPTH_MM = 15.0
"""Less deep, fluid lies in furrows, which are elsewhere in every head."""
_LARGEST_FLUID = 0.5
"""Of the brain's median: on a T1w fluid is darker than half of it."""


@dataclass(frozen=True, eq=False)
class Tissues:
    """Probabilities and what the classes look like."""

    probability: FloatArray
    """(x, y, z, 3) in the order of TISSUES; sums to 1 inside the mask, 0 outside. In voxels that two tissues share,
    the expected share."""
    means: tuple[float, float, float]
    """Intensity of each tissue; for grey matter, of the cortex."""
    deviations: tuple[float, float, float]
    """Standard deviation of the intensity in each tissue's pure voxels."""

    @property
    def ordered(self) -> bool:
        """Whether the classes come as T1-weighting has them: CSF darkest, white matter brightest."""
        return self.means[0] < self.means[1] < self.means[2]


def deep_grey() -> nib.Nifti1Image:
    """Where grey matter is deep, in standard space: 1 about thalamus and basal ganglia, 0 in the cortex."""
    grid = standard_grid()
    world = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    radius = np.linalg.norm((world - _DEEP_CENTRE) / _DEEP_RADII, axis=-1)
    return like(grid, (1.0 / (1.0 + np.exp((radius - 1.0) / 0.06))).astype(np.float32))


def fluid_level(brain: nib.Nifti1Image, transforms: Sequence[Transform] = ()) -> float:
    """Intensity of fluid: median where the template has its ventricles.

    Parameters
    ----------
    brain : nib.Nifti1Image
        Brain-extracted T1w, 0 outside the brain, or the template.
    transforms : sequence of Transform
        From its space to the standard space; an affine is enough.

    Returns
    -------
    float
        At most half of the brain's median, which stands in where the ventricles are too narrow to be met, or where
        fluid is bright.
    """
    depth = ndimage.distance_transform_edt(array(template("mask")) > 0.5, sampling=standard_grid().header.get_zooms())
    tissue = array(template("GM")) + array(template("WM"))
    ventricles = (tissue < _VENTRICLE_TISSUE) & (depth > _VENTRICLE_DEPTH_MM)
    level = float(np.median(array(resample(brain, standard_grid(), transforms))[ventricles]))
    inside = array(brain) > 0
    return min(level, _LARGEST_FLUID * float(np.median(array(brain)[inside]))) if inside.any() else 0.0


def without_fluid(brain: nib.Nifti1Image, level: float) -> nib.Nifti1Image:
    """Intensity above that of fluid; fluid becomes 0 like what is outside the brain mask.

    A brain mask ends somewhere in the fluid: where, depends on who made it. Without the fluid its outline is no edge,
    and a registration sees the surface of the brain instead.
    """
    return like(brain, np.maximum(array(brain) - np.float32(level), 0.0))


def tissue_priors(grey: FloatArray, white: FloatArray, deep: FloatArray | None = None) -> FloatArray:
    """Prior of each class from the template's maps on this grid: what is neither GM nor WM is CSF.

    Parameters
    ----------
    grey, white : ndarray (x, y, z)
        Probabilities, 0-1.
    deep : ndarray (x, y, z), optional
        Share of the grey matter that is deep, from `deep_grey`; none of it without.

    Returns
    -------
    ndarray (x, y, z, 4)
        CSF, cortex, deep grey, white matter; CSF, GM and WM each at least 0.02 before scaling to a sum of 1.
    """
    rest = 1.0 - np.clip(grey + white, 0.0, 1.0)
    prior = np.maximum(np.stack([rest, grey, white], axis=-1), _FLOOR)
    prior /= prior.sum(axis=-1, keepdims=True)
    share = np.zeros_like(grey) if deep is None else np.clip(deep, 0.0, 1.0)
    parts = [prior[..., 0], prior[..., 1] * (1.0 - share), prior[..., 1] * share, prior[..., 2]]
    return np.asarray(np.stack(parts, axis=-1), dtype=np.float32)


def segment(t1w: FloatArray, mask: Mask, prior: FloatArray) -> Tissues:
    """Segment a bias-corrected T1w.

    Parameters
    ----------
    t1w : ndarray (x, y, z)
        Bias-corrected, clipped, from 0.
    mask : ndarray of bool
        Brain without the lesion: nothing outside is a tissue or changes the classes.
    prior : ndarray (x, y, z, 4)
        From `tissue_priors`.

    Returns
    -------
    Tissues
        Probabilities of CSF, GM and WM.

    Notes
    -----
    Ashburner and Friston 2005, "Unified segmentation", for priors in a mixture model;
    Zhang et al. 2001, "Segmentation of brain MR images through a hidden Markov random field model", for the field,
    here as a mean field.
    """
    values = t1w[mask].astype(np.float64)
    priors = class_prior(prior[mask])
    classes = _fit(values, priors)
    likelihood, share, row = classes.table(values)
    np.log(priors + 1e-12, out=priors)
    priors += np.log(likelihood)[row]
    weights = _markov(priors.astype(np.float32), mask)
    whole = np.zeros((*mask.shape, 3), np.float32)
    whole[mask] = _contents(weights, share[row].astype(np.float32))
    pure = [CSF, CORTEX, WHITE]
    means, spread = (tuple(float(value) for value in data) for data in
                     (classes.means[pure], np.sqrt(classes.variances[pure])))  # fmt: skip
    return Tissues(whole, (means[0], means[1], means[2]), (spread[0], spread[1], spread[2]))


def _fit(values: Values, prior: Values) -> Classes:
    """Classes, from an even sample of the voxels."""
    step = max(1, values.size // _MAX_SAMPLE)
    values, prior = values[::step], prior[::step]
    weights = prior**2  # the surer voxels start the classes off
    for _ in range(_ITERATIONS):
        classes = estimate(values, weights)
        weights = classes.posterior(values, prior)
    return classes


def _markov(logits: FloatArray, inside: Mask) -> FloatArray:
    """Posterior of the six classes, (n, 6), when neighbours prefer to hold the same tissues."""
    content = CONTENT.astype(np.float32)
    whole = np.zeros((*inside.shape, len(TISSUES)), np.float32)
    weights = _softmax(logits)
    for _ in range(_FIELD_ITERATIONS):
        whole[inside] = weights @ content
        weights = _softmax(logits + _neighbours(whole)[inside] @ (_FIELD_STRENGTH * content.T))
    return weights


def _contents(weights: FloatArray, share: FloatArray) -> FloatArray:
    """Shares of CSF, GM and WM in each voxel, (n, 3)."""
    pure = weights[:, :4] @ CONTENT[:4].astype(np.float32)
    for mixture in range(2):
        first = weights[:, 4 + mixture] * share[:, mixture]
        pure[:, mixture] += first
        pure[:, mixture + 1] += weights[:, 4 + mixture] - first
    return np.asarray(pure, dtype=np.float32)


def _softmax(logits: FloatArray) -> FloatArray:
    weights: FloatArray = logits - logits.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def _neighbours(shares: FloatArray) -> FloatArray:
    """Sum over the six face neighbours."""
    total = np.zeros_like(shares)
    for axis in range(3):
        first, last = [slice(None)] * 4, [slice(None)] * 4
        first[axis], last[axis] = slice(1, None), slice(None, -1)
        total[tuple(first)] += shares[tuple(last)]
        total[tuple(last)] += shares[tuple(first)]
    return total
