"""T1w image and lesion mask."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_stroke.simulate.head import Head, add_rician_noise, scanner_affine, view
from bids_stroke.simulate.options import Resolution

_INTENSITY = {"gm": 96.0, "wm": 138.0, "csf": 38.0, "lesion": 58.0, "soft": 82.0, "fat": 175.0}
_NOISE = 2.5

T1W_SIDECAR: dict[str, Any] = {
    "Modality": "MR",
    "MagneticFieldStrength": 3,
    "Manufacturer": "Simulated",
    "RepetitionTime": 2.3,
    "EchoTime": 0.00298,
    "InversionTime": 0.9,
    "FlipAngle": 9,
    "PulseSequenceType": "MPRAGE",
}


def simulate_t1w(
    head: Head, sizes: Resolution, first_axis_left: bool, rng: np.random.Generator
) -> tuple[nib.Nifti1Image, nib.Nifti1Image, nib.Nifti1Image]:
    """Acquire a T1w image of the whole head.

    Returns
    -------
    t1w : int16 image
        With bias field and Rician noise; the lesion is dark.
    lesion : uint8 image
        Mask on the same grid.
    brain : uint8 image
        True brain on the same grid: not part of the dataset, for tests.
    """
    tilt = Rotation.from_euler("xyz", rng.uniform(-8, 8, 3) * [1, 0.4, 0.4], degrees=True).as_matrix()
    affine = scanner_affine(sizes.t1w_shape, sizes.t1w_mm, tilt, first_axis_left)
    seen = view(head, sizes.t1w_shape, affine)
    shares = seen.tissues()
    signal = sum(shares[name] * value for name, value in _INTENSITY.items()) * rng.uniform(0.9, 1.1)
    signal = signal * bias_field(sizes.t1w_shape, rng)
    t1w = add_rician_noise(signal.astype(np.float32), _NOISE, rng)
    image = nib.Nifti1Image(np.round(t1w).astype(np.int16), affine)
    mask = nib.Nifti1Image((seen.lesion > 0.5).astype(np.uint8), affine)
    brain = nib.Nifti1Image((seen.share("brain") > 0.5).astype(np.uint8), affine)
    return image, mask, brain


def bias_field(shape: tuple[int, int, int], rng: np.random.Generator, strength: float = 0.12) -> NDArray[np.float32]:
    """Smooth coil sensitivity around 1: exponential of a random second-order polynomial."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    terms = np.stack([x, y, z, x * y, x * z, y * z, x**2 - 0.5, y**2 - 0.5, z**2 - 0.5])
    field = np.tensordot(rng.standard_normal(len(terms)), terms, axes=1)
    bias: NDArray[np.float32] = np.exp(1.5 * strength * field / np.abs(field).max()).astype(np.float32)
    return bias
