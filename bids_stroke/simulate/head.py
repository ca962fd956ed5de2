"""One person's head: how it differs from the template and where it lies in the scanner."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, zoom
from scipy.spatial.transform import Rotation

from bids_stroke.simulate.lesion import Lesion
from bids_stroke.simulate.options import Resolution
from bids_stroke.simulate.template import grid_points, sample

Array = NDArray[np.float64]
Volume = NDArray[np.float32]

_WARP_ORIGIN = np.array([-100.0, -140.0, -120.0])
_WARP_MM = 8.0
_WARP_KNOTS = (7, 9, 9)
_WARP_SD_MM = 2.2
_CROWN_MM = 98.0
"""Where slabs begin: just above the brain."""


@dataclass(frozen=True)
class Pose:
    """Rigid position: a point of the head at ``p`` lies at ``rotation @ p + shift`` (mm) in the scanner."""

    rotation: Array = field(default_factory=lambda: np.eye(3))
    shift: Array = field(default_factory=lambda: np.zeros(3))

    def then(self, other: Pose) -> Pose:
        """Give this pose followed by another."""
        return Pose(other.rotation @ self.rotation, other.rotation @ self.shift + other.shift)


def draw_pose(rng: np.random.Generator, degrees: float, mm: float) -> Pose:
    """Small random rotation and shift (SD per axis)."""
    rotation = Rotation.from_euler("xyz", degrees * rng.standard_normal(3), degrees=True).as_matrix()
    return Pose(rotation, mm * rng.standard_normal(3))


@dataclass(frozen=True)
class Head:
    """A head with its lesion.

    Attributes
    ----------
    pose : Pose
        Where the head lies in the scanner.
    shape : (3, 3) float64
        Linear map from head to template (size and shear).
    warp : (3, nx, ny, nz) float32
        Smooth displacement in template space, mm, on an 8 mm grid.
    lesion : Lesion
        In template space: every image of the person sees the same lesion.
    atrophy : float
        Share of the grey matter that has become CSF.
    template_mm : float
        Grid of the template.
    """

    pose: Pose
    shape: Array
    warp: Volume
    lesion: Lesion
    atrophy: float
    template_mm: int

    def moved(self, pose: Pose) -> Head:
        """The same head elsewhere in the scanner."""
        return Head(self.pose.then(pose), self.shape, self.warp, self.lesion, self.atrophy, self.template_mm)

    def to_template(self, points: Array) -> Array:
        """Template coordinates of scanner points (..., 3), mm."""
        affine = ((points - self.pose.shift) @ self.pose.rotation) @ self.shape.T
        index = np.moveaxis((affine - _WARP_ORIGIN) / _WARP_MM, -1, 0)
        shift = [map_coordinates(self.warp[i], index, order=1, mode="nearest") for i in range(3)]
        moved: Array = affine + np.stack(shift, axis=-1)
        return moved


def draw_head(rng: np.random.Generator, lesion: Lesion, age: float, sizes: Resolution) -> Head:
    """Draw an individual head; atrophy grows with age."""
    scale = rng.uniform(0.95, 1.07, 3)
    shape = np.diag(scale) + 0.015 * rng.standard_normal((3, 3)) * (1 - np.eye(3))
    knots = rng.standard_normal((3, *_WARP_KNOTS))
    warp = _WARP_SD_MM * np.stack([zoom(axis, 4, order=3, mode="nearest") for axis in knots])
    atrophy = float(np.clip(0.003 * (age - 30) + 0.02 * rng.standard_normal(), 0, 0.3))
    return Head(draw_pose(rng, 3.0, 3.0), shape, warp.astype(np.float32), lesion, atrophy, sizes.template_mm)


@dataclass(frozen=True)
class View:
    """A head sampled on an image grid: template coordinates of every voxel and the tissues there."""

    head: Head
    points: Array
    voxel_mm: float
    lesion: Volume
    """Share of lesion, 0-1."""

    def share(self, name: str) -> Volume:
        """Share of a template volume in every voxel (see ``template.sample``), lesion not taken out."""
        return sample(name, self.points, self.head.template_mm, self.voxel_mm)

    def tissues(self) -> dict[str, Volume]:
        """Shares of gm, wm, csf (with atrophy, without the lesion), lesion, soft and fat."""
        shares = {name: self.share(name) for name in ("gm", "wm", "csf", "soft", "fat")}
        lost = self.head.atrophy * shares["gm"]
        shares["gm"] = shares["gm"] - lost
        shares["csf"] = shares["csf"] + lost
        for name in ("gm", "wm", "csf"):
            shares[name] = shares[name] * (1 - self.lesion)
        return shares | {"lesion": self.lesion}


def view(head: Head, shape: tuple[int, int, int], affine: Array) -> View:
    """Sample a head on a grid.

    Parameters
    ----------
    head : Head
        The head as it lies during this acquisition.
    shape, affine : tuple of int, (4, 4) float64
        The image grid.
    """
    points = head.to_template(grid_points(shape, affine))
    voxel_mm = float(np.cbrt(abs(np.linalg.det(affine[:3, :3]))))
    tissue = sample("gm", points, head.template_mm, voxel_mm) + sample("wm", points, head.template_mm, voxel_mm)
    lesion = head.lesion.occupancy(points, edge_mm=max(1.0, voxel_mm / 2)) * np.clip(2 * tissue, 0, 1)
    return View(head, points, voxel_mm, lesion.astype(np.float32))


def scanner_affine(shape: tuple[int, int, int], voxel_mm: float, tilt: Array, first_axis_left: bool) -> Array:
    """Affine of a slab of slices down from the crown, tilted like a scanner operator tilts it.

    Parameters
    ----------
    shape : tuple of int
        The grid.
    voxel_mm : float
        Voxel size.
    tilt : (3, 3) float64
        Rotation of the slab.
    first_axis_left : bool
        True: first axis runs to the left (LAS, negative determinant), False: to the right (RAS).
    """
    axes = tilt @ np.diag([-voxel_mm if first_axis_left else voxel_mm, voxel_mm, voxel_mm])
    affine = np.eye(4)
    affine[:3, :3] = axes
    centre = np.array([0.0, -18.0, _CROWN_MM - shape[2] * voxel_mm / 2])
    affine[:3, 3] = centre - axes @ ((np.array(shape) - 1) / 2)
    return affine


def add_rician_noise(signal: Volume, sigma: float, rng: np.random.Generator) -> Volume:
    """Magnitude of the signal with complex Gaussian noise (Gudbjartsson and Patz, MRM 1995)."""
    first, second = sigma * rng.standard_normal((2, *signal.shape), dtype=np.float32)
    noisy: Volume = np.hypot(signal + first, second)
    return noisy
