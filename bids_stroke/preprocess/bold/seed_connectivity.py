"""Seed connectivity: how the rest of the brain fluctuates with the motor cortex of a hand or a leg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine

from bids_stroke.imaging.motor_areas import MOTOR_AREAS, near
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.preprocess.bold.registration import Place, points_of

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_GRID_MM = 2.0
_FEWEST_VOXELS = 4
_LARGEST_R = 1.0 - 1e-7


@dataclass(frozen=True, eq=False)
class Seeds:
    """The motor areas in a run.

    Attributes
    ----------
    masks : mapping of str to (x, y, z) bool
        By area (``handL``), inside the brain; areas of fewer than 4 voxels are left out.
    pairs : mapping of str to (n, 2, 3) int
        By part of the body (``hand``): voxels of the left area, each with the voxel of its mirror image in standard
        space, both inside the brain.
    """

    masks: Mapping[str, Mask]
    pairs: Mapping[str, npt.NDArray[np.int64]]


def find_seeds(place: Place, grid: nib.Nifti1Image) -> Seeds:
    """Voxels of a run that lie within 6 mm of a motor area in standard space, inside the brain.

    Parameters
    ----------
    place : Place
        Of the run: its brain, and its way to standard space.
    grid : nib.Nifti1Image
        The run's grid.
    """
    fine = standard_grid(_GRID_MM)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in fine.shape[:3]), indexing="ij"), axis=-1)
    standard = apply_affine(fine.affine, index)
    voxels = np.round(apply_affine(np.linalg.inv(grid.affine), points_of(fine, place.chain))).astype(int)
    there = ((voxels >= 0) & (voxels < place.brain.shape)).all(axis=-1)
    there[there] = place.brain[tuple(voxels[there].T)]
    masks: dict[str, Mask] = {}
    pairs: dict[str, npt.NDArray[np.int64]] = {}
    for name in MOTOR_AREAS:
        inside = near(standard, name) & there
        mask = np.zeros(place.brain.shape, bool)
        mask[tuple(voxels[inside].T)] = True
        if mask.sum() >= _FEWEST_VOXELS:
            masks[name] = mask
        both = inside & there[::-1]  # the grid is its own mirror image
        if name.endswith("L"):
            found = np.unique(np.stack([voxels[both], voxels[::-1][both]], axis=1), axis=0)
            pairs |= {name[:-1]: found} if len(found) >= _FEWEST_VOXELS else {}
    return Seeds(masks, pairs)


def connectivity(signals: Array, brain: Mask, seeds: Seeds) -> tuple[dict[str, Array], dict[str, float]]:
    """Fisher-transformed correlation of each voxel with each seed's mean series, and between the two sides.

    Parameters
    ----------
    signals : (t, voxels) float64
        Cleaned and band-passed series of the brain's voxels, in the order of ``series[brain]``.
    brain : (x, y, z) bool
        The brain.
    seeds : Seeds
        From `find_seeds`.

    Returns
    -------
    maps : dict of str to (voxels,) float64
        By seed.
    mirrored : dict of str to float
        ``hand_left_right_z``, ``leg_left_right_z``: between the mean series of the two sides, where both are there.
        ``hand_homotopic_z``, ``leg_homotopic_z``: mean over voxels, each with its mirror image.

    Notes
    -----
    Biswal et al. 1995, "Functional connectivity in the motor cortex of resting human brain using echo-planar MRI";
    after stroke the correlation between the two motor cortices falls: Carter et al. 2010, "Resting interhemispheric
    functional magnetic resonance imaging connectivity predicts performance after stroke". Voxel by voxel: Zuo et al.
    2010, "Growing together and growing apart: regional and sex differences in the lifespan developmental trajectories
    of functional homotopy".
    """
    series = {name: signals[:, mask[brain]].mean(axis=1) for name, mask in seeds.masks.items()}
    maps = {name: _fisher(signals, seed) for name, seed in series.items()}
    mirrored = {
        f"{part}_left_right_z": float(_fisher(series[f"{part}L"][:, None], series[f"{part}R"])[0])
        for part in ("hand", "leg")
        if f"{part}L" in series and f"{part}R" in series
    }
    column = np.full(brain.shape, -1)
    column[brain] = np.arange(signals.shape[1])
    for part, pairs in seeds.pairs.items():
        left, right = (signals[:, column[tuple(pairs[:, side].T)]] for side in (0, 1))
        mirrored[f"{part}_homotopic_z"] = float(
            np.mean([_fisher(left[:, [i]], right[:, i]) for i in range(len(pairs))])
        )
    return maps, mirrored


def _fisher(signals: Array, seed: Array) -> Array:
    """Inverse hyperbolic tangent of the correlation; 0 where there is no signal."""
    centred, reference = signals - signals.mean(axis=0), seed - seed.mean()
    length = np.linalg.norm(centred, axis=0) * np.linalg.norm(reference)
    correlation = np.divide(reference @ centred, length, out=np.zeros_like(length), where=length > 0)
    return np.asarray(np.arctanh(np.clip(correlation, -_LARGEST_R, _LARGEST_R)))
