"""Tensor maps of a corrected diffusion series: which shells, which estimator, and the colours of the directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import FloatArray, array, voxel_signals
from bids_stroke.preprocess.dwi.gradients import Gradients, fsl_axes, shells, tensor_volumes
from bids_stroke.preprocess.dwi.series import Series
from bids_stroke.preprocess.dwi.tensor.fibre_coherence import Coherence, fibre_coherence
from bids_stroke.preprocess.dwi.tensor.wls import TensorFit, fit_tensor, scalar_maps

if TYPE_CHECKING:
    from bids_stroke.core.settings_preprocess import DwiSettings

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

UNITS = {"fa": "dimensionless", "md": "mm^2/s", "rd": "mm^2/s", "ad": "mm^2/s"}
_SIGNAL_FLOOR = 0.005
"""Of the median at b=0: signals below are noise, and their logarithm would rule the fit."""
_CHUNK = 50_000
"""Voxels at a time."""


@dataclass(frozen=True, eq=False)
class Tensors:
    """Maps on the series' grid, 0 outside the mask.

    Attributes
    ----------
    maps : mapping of str to (x, y, z) float32
        ``fa md rd ad``.
    colour : (x, y, z, 3) uint8
        FA times the principal direction: red left-right, green front-back, blue up-down.
    facts : mapping
        For sidecars: estimator and b-values.
    qc, warnings
        Quality numbers; what to know about the fit.
    """

    maps: Mapping[str, FloatArray]
    colour: npt.NDArray[np.uint8]
    facts: Mapping[str, str | list[int]]
    qc: Mapping[str, float]
    warnings: tuple[str, ...]


def unweighted(series: Series) -> FloatArray:
    """Mean volume at b=0."""
    return np.asarray(array(series.image)[..., series.b0].mean(axis=3), dtype=np.float32)


def tensors(series: Series, mask: Mask, settings: DwiSettings) -> Tensors:
    """Fit the tensor to the shells that it describes and make the maps.

    Raises
    ------
    DataError
        The mask holds no signal.
    """
    gradients, reference = series.gradients, unweighted(series)
    level = float(np.median(reference[mask])) if mask.any() else 0.0
    inside = mask & (reference > _SIGNAL_FLOOR * level)
    if level <= 0:
        raise DataError("The brain mask holds no diffusion signal.", "Look at the image.", reason="empty-image")
    used = tensor_volumes(gradients, settings.b0_threshold, settings.max_b)
    chosen = gradients.select(used)
    fit, method = _fit(voxel_signals(series.image, inside)[:, used], chosen, _SIGNAL_FLOOR * level, settings.fit)
    found = scalar_maps(fit)
    maps = {name: np.zeros(mask.shape, dtype=np.float32) for name in UNITS}
    for name, data in maps.items():
        data[inside] = getattr(found, name)
    directions = principal_directions(fit.elements)
    colour = np.zeros((*mask.shape, 3), dtype=np.uint8)
    colour[inside] = colours(directions, found.fa, series.image.affine)
    coherence = _coherence(directions, maps["fa"], inside, series.image.affine)
    fitted = [round(float(np.median(chosen.bvals[shell]))) for shell in shells(chosen.bvals, settings.b0_threshold)]
    qc = {
        "n_volumes": float(len(gradients)),
        "n_shells": float(len(shells(gradients.bvals, settings.b0_threshold))),
        "b_value_max_fitted_s_mm2": float(chosen.bvals.max()),
        "negative_eigenvalue_fraction": float(found.not_positive.mean()),
        "fa_above_one_fraction": above_one(fit.elements),
        "md_median_mm2_s": float(np.median(found.md)),
        "fibre_coherence_ratio": coherence.ratio,
    }
    noise = fit.residual_sd[np.isfinite(fit.residual_sd) & (fit.residual_sd > 0)]
    if len(noise):
        qc["snr_b0"] = level / float(np.median(noise))
    facts: dict[str, str | list[int]] = {"BValuesFitted": [0, *fitted], "FitMethod": method}
    warnings = (*_warnings(gradients, chosen, fitted, settings), *filter(None, [coherence.warning]))
    return Tensors(maps, colour, facts, qc, warnings)


def _warnings(gradients: Gradients, chosen: Gradients, fitted: list[int], settings: DwiSettings) -> tuple[str, ...]:
    if chosen.bvals.max() > settings.max_b * 1.05:
        return (
            f"The tensor is fitted up to b={chosen.bvals.max():.0f} s/mm^2, above dwi.max_b={settings.max_b:g}, "
            "because lower shells do not determine it: diffusivities come out low.",
        )
    left = [
        round(float(np.median(gradients.bvals[shell])))
        for shell in shells(gradients.bvals, settings.b0_threshold)[len(fitted) :]
    ]
    if not left:
        return ()
    names = ", ".join(str(b) for b in left)
    return (f"The tensor is fitted to b={max(fitted)} s/mm^2 and lower; b={names} is left out (dwi.max_b).",)


def _fit(
    signal: FloatArray, gradients: Gradients, floor: float, method: Literal["wls", "restore"]
) -> tuple[TensorFit, str]:
    """The tensor of each voxel by the estimator of the settings, and which it was: without residuals only WLS."""
    first = fit_tensor(signal, gradients, floor)
    noise = first.residual_sd[np.isfinite(first.residual_sd) & (first.residual_sd > 0)]
    if method == "wls" or not len(noise):
        return first, "WLS"
    return restore(signal, gradients, floor, float(np.median(noise))), "RESTORE"


def restore(signal: FloatArray, gradients: Gradients, floor: float, sigma: float) -> TensorFit:
    """Robust estimation of the tensor, voxel by voxel (dipy).

    Parameters
    ----------
    signal : (n_voxels, n_volumes) float
        Magnitudes.
    gradients : Gradients
        One per volume.
    floor : float
        Lower values count as this.
    sigma : float
        Noise: residuals beyond three of it are outliers.

    Notes
    -----
    Chang, Jones and Pierpaoli 2005, "RESTORE: robust estimation of tensors by outlier rejection".
    """
    table = gradient_table(gradients.bvals, bvecs=gradients.bvecs, b0_threshold=_unweighted_up_to(gradients))
    model = TensorModel(table, fit_method="RESTORE", sigma=sigma, min_signal=floor, return_S0_hat=True)
    measured = np.asarray(signal, dtype=np.float64)
    fitted = model.fit(measured)
    matrices = np.asarray(fitted.quadratic_form)
    elements = matrices[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    s0 = np.asarray(fitted.S0_hat, dtype=np.float64)
    difference = measured - fitted.predict(table, S0=s0)
    freedom = max(len(gradients) - 7, 1)
    return TensorFit(elements, s0, np.sqrt((difference**2).sum(axis=1) / freedom))


def _unweighted_up_to(gradients: Gradients) -> float:
    """Highest b-value without a direction, which dipy must take as b=0; the lowest of all where each has one."""
    plain = gradients.bvals[(gradients.bvecs == 0).all(axis=1)]
    return float(max(plain.max(initial=0.0), gradients.bvals.min()))


def above_one(elements: Array) -> float:
    """Share of the tensors (n, 6) whose FA would exceed 1 if negative eigenvalues were not counted as 0."""
    mean = elements[:, :3].mean(axis=1, keepdims=True)
    norm = (elements[:, :3] ** 2).sum(axis=1) + 2 * (elements[:, 3:] ** 2).sum(axis=1)
    anisotropic = norm - 3 * mean[:, 0] ** 2
    return float((1.5 * anisotropic > norm).mean())


def principal_directions(elements: Array) -> Array:
    """Eigenvectors (n, 3) of the largest eigenvalues, in the axes of the elements (n, 6); their sign means nothing."""
    found = np.empty((len(elements), 3))
    for start in range(0, len(elements), _CHUNK):
        part = slice(start, start + _CHUNK)
        xx, yy, zz, xy, xz, yz = elements[part].T
        matrices = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
        found[part] = np.linalg.eigh(matrices)[1][..., 2]
    return found


def colours(directions: Array, fa: Array, affine: Array) -> npt.NDArray[np.uint8]:
    """Colour of each tensor: |principal direction| times FA, (n, 3), 0-255, in world axes.

    Parameters
    ----------
    directions : (n, 3) float64
        In the axes of the b-vectors.
    fa : (n,) float64
        0-1.
    affine : (4, 4) float64
        Of the image: turns directions into the world.

    Notes
    -----
    Pajevic and Pierpaoli 1999, "Color schemes to represent the orientation of anisotropic tissues from diffusion
    tensor data".
    """
    world = directions @ fsl_axes(affine).T
    return np.asarray(np.round(255.0 * np.abs(world) * fa[:, None]), dtype=np.uint8)


def _coherence(directions: Array, fa: FloatArray, inside: Mask, affine: Array) -> Coherence:
    """Fibre coherence, given the directions (n, 3) of the voxels inside, in the axes of the b-vectors."""
    along = np.zeros((*inside.shape, 3))
    along[inside] = directions * ([-1.0, 1.0, 1.0] if np.linalg.det(affine[:3, :3]) > 0 else [1.0, 1.0, 1.0])
    return fibre_coherence(along, fa, np.linalg.norm(affine[:3, :3], axis=0))
