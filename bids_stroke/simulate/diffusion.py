"""Diffusion-weighted images: tensors along fibres, a tract that degenerates below the lesion, a head that moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from bids_stroke.simulate.head import Head, Pose, View, add_rician_noise, draw_pose, scanner_affine, view
from bids_stroke.simulate.options import Resolution
from bids_stroke.simulate.template import DYAD

Array = NDArray[np.float64]
Volume = NDArray[np.float32]

B_VALUE = 1000.0
_S0 = {"gm": 92.0, "wm": 77.0, "csf": 140.0, "lesion": 113.0, "soft": 28.0, "fat": 6.0}
_ISOTROPIC = {"gm": 0.85e-3, "csf": 3.0e-3, "lesion": 1.7e-3, "soft": 1.5e-3, "fat": 0.1e-3}
# Axial and radial diffusivity (mm^2/s): other fibres, healthy tract; fully degenerated tract (axial down, radial up,
# as in Wallerian degeneration: Thomalla et al., NeuroImage 2004).
_FIBRE = (1.45e-3, 0.42e-3)
_TRACT = (1.70e-3, 0.32e-3)
_TRACT_DEGENERATED = (1.20e-3, 0.72e-3)
_NOISE = 1.6

DWI_SIDECAR: dict[str, Any] = {
    "Modality": "MR",
    "MagneticFieldStrength": 3,
    "Manufacturer": "Simulated",
    "RepetitionTime": 6.0,
    "EchoTime": 0.085,
    "FlipAngle": 90,
    "PhaseEncodingDirection": "j-",
    "TotalReadoutTime": 0.045,
}


@dataclass(frozen=True)
class Degeneration:
    """How far the tract has degenerated (0-1) below a position on it (0 medulla, 1 cortex)."""

    share: float
    arc: float


@dataclass(frozen=True)
class DwiSeries:
    """A diffusion series as it comes from the scanner.

    Attributes
    ----------
    image : int16 image
        4D.
    bvals : (n,) float64
        s/mm^2.
    bvecs : (n, 3) float64
        FSL convention: relative to the image axes, first component negated if the affine's determinant is positive.
        As on a scanner they do not know of the head's motion.
    """

    image: nib.Nifti1Image
    bvals: Array
    bvecs: Array


def simulate_dwi(
    head: Head, sizes: Resolution, degeneration: Degeneration, first_axis_left: bool, rng: np.random.Generator
) -> DwiSeries:
    """Acquire a diffusion series.

    Parameters
    ----------
    head : Head
        The head.
    sizes : Resolution
        Voxels and volumes.
    degeneration : Degeneration
        Of the tract on the lesion's side.
    first_axis_left : bool
        LAS (True) or RAS (False) storage.
    rng : numpy Generator
        Noise, motion.
    """
    tilt = Rotation.from_euler("x", rng.uniform(-12, 0), degrees=True).as_matrix()
    affine = scanner_affine(sizes.dwi_shape, sizes.dwi_mm, tilt, first_axis_left)
    seen = view(head, sizes.dwi_shape, affine)
    compartments = _compartments(seen, head.lesion.side, degeneration)
    world = _spread_directions(sizes.n_directions)
    gradients = np.concatenate([np.zeros((sizes.n_b0, 3)), world])
    bvals = np.where(np.any(gradients != 0, axis=1), B_VALUE, 0.0)
    volumes = np.empty((*sizes.dwi_shape, len(bvals)), dtype=np.int16)
    for i, (bval, gradient) in enumerate(zip(bvals, gradients, strict=True)):
        motion = draw_pose(rng, 0.25, 0.25) if i else Pose()
        # The gradient as fibres of the turned head feel it.
        direction = gradient @ motion.rotation @ head.pose.rotation
        still = _signal(compartments, bval, direction)
        moved = move_volume(still, affine, motion)
        volumes[..., i] = np.round(add_rician_noise(moved, _NOISE, rng))
    return DwiSeries(nib.Nifti1Image(volumes, affine), bvals, to_fsl(gradients, affine))


def _spread_directions(n: int) -> Array:
    """Evenly spread unit vectors on the half sphere (golden spiral): (n, 3)."""
    z = 1 - (np.arange(n) + 0.5) / n
    angle = np.pi * (1 + 5**0.5) * np.arange(n)
    flat = np.sqrt(1 - z**2)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)


def to_fsl(gradients: Array, affine: Array) -> Array:
    """World gradients (n, 3) to FSL b-vectors: image axes, x negated if det(affine) > 0 (FSL's FDT user guide)."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    bvecs: Array = gradients @ axes
    if np.linalg.det(axes) > 0:
        bvecs = bvecs * [-1, 1, 1]
    return bvecs


def move_volume(volume: Volume, affine: Array, motion: Pose) -> Volume:
    """The image after the head's rigid motion (cubic interpolation)."""
    inverse = np.eye(4)
    inverse[:3, :3] = motion.rotation.T
    inverse[:3, 3] = -motion.rotation.T @ motion.shift
    voxel = np.linalg.inv(affine) @ inverse @ affine
    if np.allclose(voxel, np.eye(4)):
        return volume
    moved: Volume = affine_transform(volume, voxel[:3, :3], voxel[:3, 3], order=3, mode="nearest")
    return np.maximum(moved, 0)


@dataclass(frozen=True)
class _Compartment:
    """Signal without weighting, radial diffusivity, extra axial diffusivity, and v v^T (6 volumes)."""

    s0: Volume
    radial: Volume | float
    extra: Volume | float
    dyad: Volume | None = None


def _compartments(seen: View, side: str, degeneration: Degeneration) -> list[_Compartment]:
    shares = seen.tissues()
    parts = [_Compartment(_S0[name] * shares[name], value, 0.0) for name, value in _ISOTROPIC.items()]
    alive = 1 - seen.lesion
    tract = seen.share("tract")
    ipsilesional = seen.points[..., 0] * (1 if side == "R" else -1) > 0
    below = np.clip((degeneration.arc + 0.03 - seen.share("arc")) / 0.06, 0, 1) * ipsilesional * degeneration.share
    axial, radial = ((a + below * (b - a)).astype(np.float32) for a, b in zip(_TRACT, _TRACT_DEGENERATED, strict=True))
    fibre = np.clip(seen.share("wm") - tract, 0, None)
    kinds: list[tuple[Volume, str, Volume | float, Volume | float]] = [
        (fibre, "fibre", _FIBRE[1], _FIBRE[0]),
        (tract, "tract", radial, axial),
    ]
    for share, name, slow, fast in kinds:
        dyad = np.stack([seen.share(f"{name}_{key}") for key in DYAD]) / np.maximum(share, 1e-3)
        parts.append(_Compartment(_S0["wm"] * share * alive, slow, fast - slow, dyad.astype(np.float32)))
    return parts


def _signal(compartments: list[_Compartment], bval: float, direction: Array) -> Volume:
    """Sum of exp(-b g^T D g) over the compartments; ``direction`` in template axes."""
    x, y, z = direction
    weights = np.array([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z])
    total = np.zeros_like(compartments[0].s0)
    for part in compartments:
        along = 0.0 if part.dyad is None else np.clip(np.tensordot(weights, part.dyad, axes=1), 0, 1)
        total += (part.s0 * np.exp(-bval * (part.radial + part.extra * along))).astype(np.float32)
    return total
