"""Whether b-values, b-vectors and volumes are in one order, and shells as dark as their b-values say."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import DataError
from bids_stroke.preprocess.dwi.gradients import Gradients, determines_tensor, shells
from bids_stroke.preprocess.dwi.looks import Looks

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ASK = "Compare the .bval and .bvec with the volumes, convert the DICOM files again, or leave this run out."
SLOWEST, FASTEST = 0.1e-3, 2.5e-3
"""Apparent diffusivity (mm^2/s) of a head, as its median: outside no b-value can be right. Free water has 3e-3."""
JUDGED_FROM = 400.0
"""b (s/mm^2) from which weighting shows beyond doubt."""
_ODD = (0.5e-3, 1.5e-3)
"""Apparent diffusivity outside of which a shell is possible and unusual (real: 0.66e-3 to 0.98e-3)."""
_ODD_DROP = 1.2
"""Logarithm of the darkening that is never unusually little: at high b-values noise and slow water are left."""
_STEP = 400.0
"""Difference of b from which a higher shell must be darker."""
_ABOVE_NOISE = 3.0
"""Head over background from which a shell is not all noise."""
_FEWEST = 10
"""Weighted volumes from which six elements of a tensor leave something to be wrong about."""
_CLEARLY = 0.5
_LARGEST = 3.0
_TO_SD = 1.4826
_SHUFFLES = 20


def check_rows(gradients: Gradients, b0_threshold: float, name: str) -> None:
    """Refuse b-vectors that are there just where the b-values say none, and lack where they say some.

    Some scanners have directions at b=0, others append trace images without one: only where as many vectors are zero as
    b-values are, and at other volumes, the two are in different orders.

    Raises
    ------
    DataError
        ``gradient-order``.
    """
    unweighted, undirected = gradients.bvals <= b0_threshold, ~gradients.bvecs.any(axis=1)
    if undirected.sum() != unweighted.sum() or not (unweighted & ~undirected).any():
        return
    where, there = numbers_of(np.flatnonzero(unweighted)), numbers_of(np.flatnonzero(undirected))
    message = f"{name}: b=0 is at the volumes {where} (the first is 0), and the zero b-vectors are at {there}: "
    message += "the .bval and the .bvec are not in one order."
    raise DataError(message, ASK, reason="gradient-order")


def numbers_of(indices: Iterable[int]) -> str:
    """Numbers of volumes, as text."""
    return ", ".join(map(str, sorted(map(int, indices))))


def check_order(looks: Looks, shell: Mask, gradients: Gradients, name: str, *, still: bool = False) -> None:
    """Refuse b-vectors that explain a shell's volumes less than in another order.

    Parameters
    ----------
    looks : Looks
        The run.
    shell : (n,) bool
        Volumes of one shell.
    gradients : Gradients
        Of the run.
    name : str
        Of the file.
    still : bool
        Whether motion has been corrected: much of it hides all directions.

    Raises
    ------
    DataError
        ``gradient-order``: moved by one or two volumes, or backwards, the vectors explain clearly more; or in a still
        head, 20 random orders explain as much.
    """
    bvecs, b = gradients.bvecs[shell], float(np.median(gradients.bvals[shell]))
    if len(bvecs) < _FEWEST or not determines_tensor(bvecs):
        return
    signal = looks.without_slices(looks.logs[:, shell] - looks.typical(shell)[:, None])
    spread = float(_TO_SD * np.median(np.abs(signal)))
    signal = np.clip(signal, -_LARGEST * spread, _LARGEST * spread)  # a lost slice, or the rim of a head that moved
    signal = signal - signal.mean(axis=1, keepdims=True)
    # where fibres are, the directions differ most
    varied = signal.var(axis=1)
    signal = signal[varied >= np.percentile(varied, 67)].T
    said = _unexplained(bvecs, signal)
    others = {f"moved by {step:+d}": np.roll(bvecs, step, axis=0) for step in (1, -1, 2, -2)} | {
        "backwards": bvecs[::-1]
    }
    scores = {how: _unexplained(order, signal) for how, order in others.items()}
    best = min(scores, key=lambda how: scores[how])
    rng = np.random.default_rng(0)
    chance = min(_unexplained(bvecs[rng.permutation(len(bvecs))], signal) for _ in range(_SHUFFLES))
    if scores[best] < _CLEARLY * said:
        why = f"{best} they explain the volumes of b={b:.0f} better"
    elif still and said >= chance:
        why = f"in any order they explain the volumes of b={b:.0f} as well"
    else:
        return
    message = f"{name}: the b-vectors are not in the order of the volumes: {why}."
    raise DataError(message, ASK, reason="gradient-order")


def _unexplained(bvecs: Array, signal: Array) -> float:
    """What a tensor in each block leaves of the signal's squares; signal (n, blocks), in logarithms."""
    x, y, z = bvecs.T
    design = np.stack([np.ones_like(x), x * x, y * y, x * y, x * z, y * z], axis=1)
    left, values, _ = np.linalg.svd(design, full_matrices=False)
    basis = left[:, values > 1e-6 * values[0]]
    return float(((signal - basis @ (basis.T @ signal)) ** 2).sum())


def check_shells(gradients: Gradients, drop: Array, contrast: Array, b0_threshold: float, name: str) -> list[str]:
    """Refuse shells that no head can darken as they say; warn of unusual ones.

    Parameters
    ----------
    gradients : Gradients
        Of all volumes of a series.
    drop : (n,) float64
        Logarithm of how much darker the head is than at b=0; NaN where its run has no b=0.
    contrast : (n,) float64
        Head over background.
    b0_threshold : float
        b-values up to this (s/mm^2) count as b=0.
    name : str
        Of the files.

    Raises
    ------
    DataError
        A shell as bright as b=0 or darker than water, or as bright as a lower shell (``b-values-unlike``).
    """
    warnings = []
    lower: tuple[float, float] | None = None
    for shell in shells(gradients.bvals, b0_threshold):
        known = shell & np.isfinite(drop)
        b = float(np.median(gradients.bvals[shell]))
        if not known.any() or b < JUDGED_FROM:
            continue
        found = float(np.median(drop[known]))
        if not SLOWEST * b <= found <= FASTEST * b:
            why = f"the head is {np.exp(-found):.2g} times as bright at b={b:.0f} as at b=0"
        elif (
            lower
            and b - lower[0] >= _STEP
            and found - lower[1] < SLOWEST * (b - lower[0])
            and float(np.median(contrast[known])) > _ABOVE_NOISE
        ):
            why = f"at b={b:.0f} the head is no darker than at b={lower[0]:.0f}"
        else:
            if not min(_ODD[0] * b, _ODD_DROP) <= found <= _ODD[1] * b:
                told = f"{name}: at b={b:.0f} the head is {np.exp(-found):.2g} times as bright as at b=0"
                warnings.append(f"{told}, which is unusual: are the b-values right?")
            lower = b, found
            continue
        raise DataError(f"{name}: {why}, which no tissue does: the b-values cannot be right.", ASK, "b-values-unlike")
    return warnings
