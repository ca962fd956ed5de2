"""Seed connectivity: how the rest of the brain fluctuates with the motor cortex of a hand or a leg."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.preprocess.bold.registration import Place, points_of

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SEEDS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "handL": (-38.0, -24.0, 56.0),
        "handR": (38.0, -24.0, 56.0),
        "legL": (-8.0, -30.0, 66.0),
        "legR": (8.0, -30.0, 66.0),
    }
)
"""Centres in standard space (mm): hand knob of the precentral gyrus, paracentral lobule; exactly mirrored."""
_RADIUS_MM = 6.0
_GRID_MM = 2.0
_FEWEST_VOXELS = 4
_LARGEST_R = 1.0 - 1e-7


def seed_masks(place: Place, grid: nib.Nifti1Image) -> dict[str, Mask]:
    """Voxels of a run that lie within 6 mm of a seed in standard space, inside the brain.

    Parameters
    ----------
    place : Place
        Of the run: its brain, and its way to standard space.
    grid : nib.Nifti1Image
        The run's grid.

    Returns
    -------
    dict of str to (x, y, z) bool
        Seeds with 4 voxels and more; others lie outside the images or the brain.
    """
    fine = standard_grid(_GRID_MM)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in fine.shape[:3]), indexing="ij"), axis=-1)
    standard = apply_affine(fine.affine, index)
    voxels = np.round(apply_affine(np.linalg.inv(grid.affine), points_of(fine, place.chain))).astype(int)
    found = {}
    for name, centre in SEEDS.items():
        near = voxels[np.linalg.norm(standard - centre, axis=-1) <= _RADIUS_MM]
        near = near[((near >= 0) & (near < place.brain.shape)).all(axis=1)]
        mask = np.zeros(place.brain.shape, bool)
        mask[tuple(near.T)] = True
        mask &= place.brain
        if mask.sum() >= _FEWEST_VOXELS:
            found[name] = mask
    return found


def connectivity(signals: Array, brain: Mask, seeds: Mapping[str, Mask]) -> tuple[dict[str, Array], dict[str, float]]:
    """Fisher-transformed correlation of each voxel with each seed's mean series, and between mirrored seeds.

    Parameters
    ----------
    signals : (t, voxels) float64
        Cleaned and band-passed series of the brain's voxels, in the order of ``series[brain]``.
    brain : (x, y, z) bool
        The brain.
    seeds : mapping of str to (x, y, z) bool
        From `seed_masks`.

    Returns
    -------
    maps : dict of str to (voxels,) float64
        By seed.
    mirrored : dict of str to float
        ``hand_left_right_z``, ``leg_left_right_z``: between the seeds of the two sides, where both are there.

    Notes
    -----
    Biswal et al. 1995, "Functional connectivity in the motor cortex of resting human brain using echo-planar MRI";
    after stroke the correlation between the two motor cortices falls: Carter et al. 2010, "Resting interhemispheric
    functional magnetic resonance imaging connectivity predicts performance after stroke".
    """
    series = {name: signals[:, mask[brain]].mean(axis=1) for name, mask in seeds.items()}
    maps = {name: _fisher(signals, seed) for name, seed in series.items()}
    mirrored = {
        f"{part}_left_right_z": float(_fisher(series[f"{part}L"][:, None], series[f"{part}R"])[0])
        for part in ("hand", "leg")
        if f"{part}L" in series and f"{part}R" in series
    }
    return maps, mirrored


def _fisher(signals: Array, seed: Array) -> Array:
    """Inverse hyperbolic tangent of the correlation; 0 where there is no signal."""
    centred, reference = signals - signals.mean(axis=0), seed - seed.mean()
    length = np.linalg.norm(centred, axis=0) * np.linalg.norm(reference)
    correlation = np.divide(reference @ centred, length, out=np.zeros_like(length), where=length > 0)
    return np.asarray(np.arctanh(np.clip(correlation, -_LARGEST_R, _LARGEST_R)))
