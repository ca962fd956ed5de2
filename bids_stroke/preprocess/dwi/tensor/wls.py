"""Diffusion tensor by weighted least squares, batched, and its scalar maps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_info, threadpool_limits

from bids_stroke.preprocess.dwi.gradients import Gradients

Array = npt.NDArray[np.float64]

_CHUNK = 1_000
"""Voxels at a time: the products of a chunk stay within the processor's cache."""
_B_UNIT = 1000.0
"""b in ms/um^2 inside the fit: elements near 1 keep the normal equations well conditioned."""

_ROWS, _COLUMNS = np.triu_indices(7)
"""Upper triangle of a 7 x 7 system, which is symmetric."""
_SINGULAR = 1e-13
"""Pivot, as a share of the diagonal before elimination, below which a system counts as singular."""

_LEAST_DECAY = 1e-6
"""b times diffusivity that counts as no diffusion; DIPY's, so that the maps are equal in noise too."""


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
    floor : float
        Lower eigenvalues count as this, mm^2/s.
    """

    elements: Array
    s0: Array
    residual_sd: Array
    floor: float = 1e-9


@dataclass(frozen=True, eq=False)
class ScalarMaps:
    """Maps of n voxels; diffusivities in mm^2/s.

    Attributes
    ----------
    fa, md, rd, ad : (n,) float64
        Fractional anisotropy (0-1); mean, radial and axial diffusivity.
    not_positive : (n,) bool
        Voxels where noise made an eigenvalue negative: it was set to the fit's floor.
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
    As many chunks at a time as BLAS may use threads, each on one: the result does not depend on their number.
    Weights are the squared signals predicted by ordinary least squares: Chung, Lu and Henry 2006, "Comparison of
    bootstrap approaches for estimation of uncertainties of DTI parameters"; the same as DIPY's ``WLS``.
    """
    design = design_matrix(gradients)
    first_guess = np.linalg.pinv(design)
    products = np.stack([design[:, i] * design[:, j] for i, j in zip(_ROWS, _COLUMNS, strict=True)])
    n = len(signal)
    solution, residual_sd = np.empty((7, n)), np.empty(n)

    def fit(start: int) -> None:
        part = slice(start, start + _CHUNK)
        measured = np.maximum(np.array(signal[part].T, dtype=np.float64, order="C"), min_signal)
        logarithm = np.log(measured)
        expected = 2.0 * design @ (first_guess @ logarithm)
        weights = np.exp(expected - expected.max(axis=0))
        solution[:, part] = solve_systems(products @ weights, design.T @ (weights * logarithm))
        residual_sd[part] = _residual_sd(measured, design @ solution[:, part])

    threads = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        list((map if threads == 1 else pool.map)(fit, range(0, n, _CHUNK)))
    floor = _LEAST_DECAY / max(float(-design.min()) * _B_UNIT, 1.0)
    return TensorFit(solution[:6].T / _B_UNIT, np.exp(np.minimum(solution[6], 700.0)), residual_sd, floor)


def solve_systems(normal: Array, right: Array) -> Array:
    """Solve the 7 x 7 systems of n voxels: upper triangles (28, n) and right sides (7, n) -> (7, n).

    Elimination without pivots, which positive definite systems do not need, for all voxels in one operation; by
    pseudo-inverse where a voxel's weights leave its system singular.
    """
    system = np.empty((7, 8, normal.shape[1]))
    system[_ROWS, _COLUMNS] = normal
    system[_COLUMNS, _ROWS] = normal
    system[:, 7] = right
    diagonal = system[range(7), range(7)]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i in range(6):
            system[i + 1 :, i + 1 :] -= (system[i, i + 1 : 7] / system[i, i])[:, None] * system[i, i + 1 :]
        regular = (system[range(7), range(7)] > _SINGULAR * diagonal).all(axis=0)
        solution = system[:, 7]
        for i in range(6, -1, -1):
            solution[i] /= system[i, i]
            solution[:i] -= system[:i, i] * solution[i]
    for voxel in np.flatnonzero(~regular):
        full = np.empty((7, 7))
        full[_ROWS, _COLUMNS] = full[_COLUMNS, _ROWS] = normal[:, voxel]
        solution[:, voxel] = np.linalg.pinv(full, hermitian=True) @ right[:, voxel]
    return solution


def _residual_sd(measured: Array, logarithm: Array) -> Array:
    """Of volumes (n_volumes, n) and the logarithm of their prediction."""
    freedom = len(measured) - 7
    if freedom < 1:
        return np.full(measured.shape[1], np.nan)
    difference = measured - np.exp(np.minimum(logarithm, 700.0))
    return np.asarray(np.sqrt(np.einsum("vn,vn->n", difference, difference) / freedom))


def scalar_maps(fit: TensorFit) -> ScalarMaps:
    """FA, MD, RD and AD from the eigenvalues; negative ones, which are not physical, count as the fit's floor.

    Notes
    -----
    Basser and Pierpaoli 1996, "Microstructural and physiological features of tissues elucidated by
    quantitative-diffusion-tensor MRI".
    """
    raw = eigenvalues(fit.elements)
    largest, middle, smallest = np.maximum(raw, fit.floor)
    differences = (largest - middle) ** 2 + (middle - smallest) ** 2 + (largest - smallest) ** 2
    squares = 2.0 * (largest**2 + middle**2 + smallest**2)
    fa = np.sqrt(differences / squares)
    mean = (largest + middle + smallest) / 3.0
    return ScalarMaps(np.minimum(fa, 1.0), mean, (middle + smallest) / 2.0, largest, raw[2] < 0)


def eigenvalues(elements: Array) -> Array:
    """Eigenvalues of n symmetric tensors, largest first: elements (n, 6) as in `TensorFit` -> (3, n).

    Notes
    -----
    The roots of the characteristic polynomial by cosines: Smith 1961, "Eigenvalues of a symmetric 3 x 3 matrix". Right
    to 1e-8 of the largest, the precision of an angle whose cosine is near 1.
    """
    xx, yy, zz, xy, xz, yz = elements.T
    mean = (xx + yy + zz) / 3.0
    x, y, z = xx - mean, yy - mean, zz - mean
    squares = (x * x + y * y + z * z + 2.0 * (xy * xy + xz * xz + yz * yz)) / 6.0
    half_determinant = (x * (y * z - yz * yz) - xy * (xy * z - yz * xz) + xz * (xy * yz - y * xz)) / 2.0
    spread = np.sqrt(squares)
    cube = squares * spread
    cosine = np.divide(half_determinant, cube, out=np.zeros_like(cube), where=cube > 0)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0)) / 3.0
    largest = mean + 2.0 * spread * np.cos(angle)
    smallest = mean + 2.0 * spread * np.cos(angle + 2.0 * np.pi / 3.0)
    return np.stack([largest, 3.0 * mean - largest - smallest, smallest])
