"""Diffusion tensor by weighted least squares, batched, and its scalar maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_stroke.preprocess.gradients import Gradients

Array = npt.NDArray[np.float64]

_CHUNK = 20_000
"""Voxels at a time: the products of a chunk stay within the processor's cache and within 50 MB."""
_B_UNIT = 1000.0
"""b in ms/um^2 inside the fit: elements near 1 keep the normal equations well conditioned."""

_NO_DIFFUSION = 1e-9
"""mm^2/s: where all eigenvalues are below, their ratios are rounding errors and FA is 0."""


@dataclass(frozen=True, eq=False)
class TensorFit:
    """Tensors of n voxels.

    Attributes
    ----------
    elements : (n, 6) float64
        Dxx, Dyy, Dzz, Dxy, Dxz, Dyz in mm^2/s, in the axes of the b-vectors.
    s0 : (n,) float64
        Signal without weighting.
    residual_sd : (n,) float64
        Noise: standard deviation of signal minus prediction, degrees of freedom considered (NaN with 7 volumes).
    """

    elements: Array
    s0: Array
    residual_sd: Array


@dataclass(frozen=True, eq=False)
class ScalarMaps:
    """Maps of n voxels; diffusivities in mm^2/s.

    Attributes
    ----------
    fa, md, rd, ad : (n,) float64
        Fractional anisotropy (0-1); mean, radial and axial diffusivity.
    not_positive : (n,) bool
        Voxels where noise made an eigenvalue negative: it was set to 0.
    """

    fa: Array
    md: Array
    rd: Array
    ad: Array
    not_positive: npt.NDArray[np.bool_]


def design_matrix(gradients: Gradients) -> Array:
    """Rows of the log-linear model, ``log S = X @ [D (um^2/ms), log S0]``: (n_volumes, 7)."""
    x, y, z = gradients.bvecs.T
    products = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
    weighting = -gradients.bvals[:, None] / _B_UNIT * products
    return np.concatenate([weighting, np.ones((len(gradients), 1))], axis=1)


def fit_tensor(signal: npt.NDArray[np.floating], gradients: Gradients, min_signal: float = 1e-4) -> TensorFit:
    """Two-step weighted linear least squares.

    Parameters
    ----------
    signal : (n_voxels, n_volumes) float
        Magnitudes.
    gradients : Gradients
        One per volume; together they must determine a tensor.
    min_signal : float
        Lower values count as this (a logarithm is taken).

    Notes
    -----
    Weights are the squared signals predicted by ordinary least squares: Chung, Lu and Henry 2006, "Comparison of
    bootstrap approaches for estimation of uncertainties of DTI parameters"; the same as DIPY's ``WLS``.
    """
    design = design_matrix(gradients)
    first_guess = np.linalg.pinv(design).T
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    n = len(signal)
    solution, residual_sd = np.empty((n, 7)), np.empty(n)
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        measured = np.maximum(np.asarray(signal[part], dtype=np.float64), min_signal)
        logarithm = np.log(measured)
        expected = 2.0 * (logarithm @ first_guess) @ design.T
        weights = np.exp(expected - expected.max(axis=1, keepdims=True))
        normal = (weights @ products).reshape(-1, 7, 7)
        solution[part] = _solve(normal, (weights * logarithm) @ design)
        residual_sd[part] = _residual_sd(measured, solution[part] @ design.T)
    return TensorFit(solution[:, :6] / _B_UNIT, np.exp(np.minimum(solution[:, 6], 700.0)), residual_sd)


def _solve(normal: Array, right: Array) -> Array:
    """Batched 7 x 7 systems; by pseudo-inverse where a voxel's weights leave one of them singular."""
    try:
        return np.asarray(np.linalg.solve(normal, right[..., None])[..., 0])
    except np.linalg.LinAlgError:
        return np.asarray((np.linalg.pinv(normal, hermitian=True) @ right[..., None])[..., 0])


def _residual_sd(measured: Array, logarithm: Array) -> Array:
    freedom = measured.shape[1] - 7
    if freedom < 1:
        return np.full(len(measured), np.nan)
    difference = measured - np.exp(np.minimum(logarithm, 700.0))
    return np.asarray(np.sqrt((difference**2).sum(axis=1) / freedom))


def scalar_maps(fit: TensorFit) -> ScalarMaps:
    """FA, MD, RD and AD from the eigenvalues; negative ones, which are not physical, count as 0.

    Notes
    -----
    Basser and Pierpaoli 1996, "Microstructural and physiological features of tissues elucidated by
    quantitative-diffusion-tensor MRI".
    """
    xx, yy, zz, xy, xz, yz = fit.elements.T
    matrices = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
    raw = np.linalg.eigvalsh(matrices)
    smallest, middle, largest = np.maximum(raw, 0.0).T
    differences = (largest - middle) ** 2 + (middle - smallest) ** 2 + (largest - smallest) ** 2
    squares = 2.0 * (largest**2 + middle**2 + smallest**2)
    fa = np.sqrt(np.divide(differences, squares, out=np.zeros_like(squares), where=largest > _NO_DIFFUSION))
    mean = (largest + middle + smallest) / 3.0
    return ScalarMaps(np.minimum(fa, 1.0), mean, (middle + smallest) / 2.0, largest, raw[:, 0] < 0)
