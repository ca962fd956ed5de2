"""The template head: tissues, fibre directions and the tract, as volumes in MNI space."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, map_coordinates
from scipy.spatial import KDTree

from bids_stroke.imaging.corticospinal_tract import N_POINTS, centre_line, radius

Volume = NDArray[np.float32]
Array = NDArray[np.float64]

_PAD_BELOW_MM = 44
"""Room for the neck: the template stops at the medulla."""
DYAD = ("xx", "yy", "zz", "xy", "xz", "yz")
_TEXTURE_SEED = 20_090_101


def _nilearn_map(name: str, step_mm: int) -> tuple[Volume, Array]:
    load = {
        "t1": datasets.load_mni152_template,
        "gm": datasets.load_mni152_gm_template,
        "wm": datasets.load_mni152_wm_template,
    }[name]
    image = load(resolution=step_mm)
    pad = int(_PAD_BELOW_MM / step_mm)
    volume = np.pad(np.clip(image.get_fdata(dtype=np.float32), 0, 1), ((0, 0), (0, 0), (pad, 0)))
    affine = image.affine.astype(np.float64)
    affine[2, 3] -= pad * affine[2, 2]
    return volume, affine


def grid_points(shape: tuple[int, ...], affine: Array) -> Array:
    """World coordinates (mm) of every voxel centre: ``(*shape, 3)`` float64."""
    index = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float64) for n in shape), indexing="ij"), axis=-1)
    world: Array = index @ affine[:3, :3].T + affine[:3, 3]
    return world


@lru_cache(maxsize=2)
def _volumes(step_mm: int) -> tuple[Mapping[str, Volume], Array]:
    t1, affine = _nilearn_map("t1", step_mm)
    gm, wm = (_nilearn_map(name, step_mm)[0] for name in ("gm", "wm"))
    points = grid_points(t1.shape, affine)
    weight, arc, tangent = _tract_maps(points)
    brain = binary_fill_holes(t1 > 0.2).astype(np.float32)
    # The tract is white matter up to the cortex, also in the brainstem where the template's WM is faint.
    wm = np.where(arc < 0.9, np.maximum(wm, 0.9 * weight), wm).astype(np.float32)
    gm = np.minimum(gm, 1 - wm)
    tissues = _sharpen(np.stack([gm, wm, np.clip(1 - gm - wm, 0, 1)]) * brain) * brain
    background = _dyad(_background_direction(points)) * (tissues[1] * (1 - weight))
    along = _dyad(tangent) * (tissues[1] * weight)
    volumes = {"gm": tissues[0], "wm": tissues[1], "csf": tissues[2], "brain": brain, "arc": arc}
    volumes |= {"tract": tissues[1] * weight}
    volumes |= {f"fibre_{name}": background[i] for i, name in enumerate(DYAD)}
    volumes |= {f"tract_{name}": along[i] for i, name in enumerate(DYAD)}
    volumes |= _outer_head(points, brain, step_mm)
    volumes["csf"] = volumes["csf"] + volumes.pop("subarachnoid")
    return {name: volume.astype(np.float32) for name, volume in volumes.items()}, affine


def _sharpen(tissues: Volume) -> Volume:
    """Undo some of the averaging over the template's people: squared probabilities, normalised."""
    squared = tissues**2
    sharp: Volume = squared / np.maximum(squared.sum(axis=0), 1e-6)
    return sharp


def _tract_maps(points: Array) -> tuple[Volume, Volume, Volume]:
    """Weight of the tract (0-1), arc position (0-1) and direction ``(..., 3)`` on both sides."""
    line, tangents = centre_line()
    mirrored = points * np.where(points[..., :1] < 0, [-1.0, 1.0, 1.0], 1.0)
    distance, nearest = KDTree(line).query(mirrored.reshape(-1, 3), distance_upper_bound=25)
    nearest = np.minimum(nearest, N_POINTS - 1)
    arc = nearest / (N_POINTS - 1)
    weight = np.exp(-np.log(2) * (distance / radius(arc)) ** 6)
    beyond = np.einsum("ij,ij->i", mirrored.reshape(-1, 3) - line[nearest], tangents[nearest])
    weight[(nearest == N_POINTS - 1) & (beyond > 6)] = 0
    direction = tangents[nearest] * np.where(points.reshape(-1, 3)[:, :1] < 0, [-1.0, 1.0, 1.0], 1.0)
    shape = points.shape[:-1]
    return (
        weight.reshape(shape).astype(np.float32),
        arc.reshape(shape).astype(np.float32),
        direction.reshape(points.shape).astype(np.float32),
    )


def _background_direction(points: Array) -> Volume:
    """Plausible fibre directions away from the tract: callosal, fanning from the thalamus, front to back low down."""
    x, y, z = np.moveaxis(points, -1, 0)
    side = np.where(x < 0, -1.0, 1.0)
    fan = np.stack([x - 15 * side, y + 18, z + 5], axis=-1)
    fan /= np.linalg.norm(fan, axis=-1, keepdims=True) + 1e-6
    callosal = np.exp(-((x / 22) ** 2)) / (1 + np.exp(-(z - 4) / 4))
    lateral = (1 - callosal) / (1 + np.exp(-(np.abs(x) - 32) / 3)) / (1 + np.exp((z - 15) / 5))
    direction = fan * np.sign(fan @ np.array([0.3, 0.2, 1.0]))[..., None] * (1 - callosal - lateral)[..., None]
    direction[..., 0] += callosal
    direction[..., 1] += lateral
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True) + 1e-6
    unit: Volume = direction.astype(np.float32)
    return unit


def _dyad(direction: Volume) -> Volume:
    """Outer product v v^T as six volumes in the order of DYAD: unlike v itself it can be interpolated."""
    x, y, z = np.moveaxis(direction, -1, 0)
    return np.stack([x * x, y * y, z * z, x * y, x * z, y * z]).astype(np.float32)


def _outer_head(points: Array, brain: Volume, step_mm: int) -> dict[str, Volume]:
    """Layers around the brain: CSF, bone, muscle and fat, with a face, eyes and a neck (shares, 0-1)."""
    x, y, z = np.moveaxis(points, -1, 0)
    distance = distance_transform_edt(brain == 0) * step_mm
    face = ((x / 58) ** 2 + ((y - 42) / 50) ** 2 + ((z + 52) / 62) ** 2 < 1) & (z < 0)
    neck = ((x / 56) ** 2 + ((y + 22) / 58) ** 2 < 1) & (z < -45)
    head = (distance < 13) | face | neck
    depth = distance_transform_edt(head) * step_mm
    outside = brain == 0
    eyes = np.minimum(*(np.linalg.norm(points - [s * 32, 66, -34], axis=-1) for s in (-1, 1))) < 12
    airway = ((x / 14) ** 2 + ((y - 50) / 26) ** 2 + ((z + 55) / 22) ** 2 < 1) | (
        ((x / 10) ** 2 + ((y - 12) / 8) ** 2 < 1) & (z < -50)
    )
    cord = (np.hypot(x, y + 42) < 7) & (z < -60) & outside
    subarachnoid = outside & ((distance <= 2.5) | eyes & head)
    bone = outside & (distance > 2.5) & (distance <= 7) & (z > -60) & ~eyes
    fat = head & outside & (depth <= 4.5) & ~bone
    soft = head & outside & ~bone & ~fat & ~subarachnoid & ~airway & ~cord
    texture = gaussian_filter(np.random.default_rng(_TEXTURE_SEED).standard_normal(brain.shape), 5 / step_mm)
    texture = np.clip(1 + 0.25 * texture / texture.std(), 0.3, 1.7)
    return {
        "subarachnoid": subarachnoid.astype(np.float32),
        "soft": (soft * texture).astype(np.float32) + cord,
        "fat": (fat * texture).astype(np.float32),
    }


@lru_cache(maxsize=128)
def _blurred(name: str, step_mm: int, blur_mm: float) -> Volume:
    volume = _volumes(step_mm)[0][name]
    # 2.355 = full width at half maximum of a Gaussian in SDs: a voxel averages over its own width.
    blurred: Volume = gaussian_filter(volume, blur_mm / 2.355 / step_mm) if name != "arc" else volume
    return blurred


def sample(name: str, points: Array, step_mm: int, voxel_mm: float) -> Volume:
    """Values of one template volume at points (..., 3) in mm, seen with voxels of ``voxel_mm``; 0 outside.

    Names: ``gm wm csf brain`` (shares), ``soft fat`` (around the brain), ``tract`` (share of corticospinal fibres),
    ``arc`` (position along it), ``fibre_xx ... tract_yz`` (share times v v^T).
    """
    affine = _volumes(step_mm)[1]
    index = np.moveaxis((points - affine[:3, 3]) / np.diag(affine)[:3], -1, 0)
    blur = np.sqrt(max(voxel_mm**2 - step_mm**2, 0.0))
    values: Volume = map_coordinates(_blurred(name, step_mm, round(float(blur), 3)), index, order=1)
    return values
