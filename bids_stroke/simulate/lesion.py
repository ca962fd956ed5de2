"""Lesions: irregular closed shapes on one side of the brain, given by a formula so that any grid can sample them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.corticospinal_tract import N_POINTS, cross_sections

Array = NDArray[np.float64]

# Where strokes sit on the right side (mm, MNI), how far the centre scatters (SD), and the longest volume there (ml).
_TERRITORIES = {
    "capsular": ((23.0, -13.0, 8.0), 4.0, 12.0),
    "corona-radiata": ((24.0, -16.0, 26.0), 5.0, 20.0),
    "middle-cerebral": ((44.0, -8.0, 16.0), 7.0, 100.0),
}
_SHARE = (0.35, 0.25, 0.40)
_MEDIAN_ML, _SPREAD, _LEAST_ML = 9.0, 1.3, 0.5
_WAVE_DEPTH = 0.14


@dataclass(frozen=True)
class Lesion:
    """A lesion in MNI space.

    Attributes
    ----------
    side : str
        "L" or "R" (R is x > 0).
    centre, radii : (3,) float64
        Ellipsoid in mm.
    axes : (3, 3) float64
        Rows are its axes.
    waves, phases : (6, 3), (6,) float64
        Spatial frequencies (rad/mm) and phases of the ripples on its surface.
    """

    side: str
    centre: Array
    radii: Array
    axes: Array
    waves: Array
    phases: Array
    territory: str

    def occupancy(self, points: Array, edge_mm: float = 1.0) -> Array:
        """Share of lesion, 0-1, at points (..., 3) in mm; it falls from 1 to 0 over about ``2 * edge_mm``."""
        same_side = np.clip(points[..., 0] * (1 if self.side == "R" else -1) - 1.0, 0, 1)
        share: Array = np.clip(0.5 + self._depth(points) / (2 * edge_mm), 0, 1) * same_side
        return share

    def _depth(self, points: Array) -> Array:
        """Distance from the surface in mm, positive inside; both sides of the brain."""
        offset = points - self.centre
        distance = np.linalg.norm(offset @ self.axes.T / self.radii, axis=-1)
        ripple = sum(np.sin(points @ wave + phase) for wave, phase in zip(self.waves, self.phases, strict=True))
        mean_radius = float(np.prod(self.radii) ** (1 / 3))
        depth: Array = (1 + _WAVE_DEPTH * ripple - distance) * mean_radius
        return depth

    @property
    def volume_ml(self) -> float:
        """Volume of the whole shape, also of what lies outside the tissue."""
        reach = 2 * self.radii.max()
        axis = np.linspace(-reach, reach, 24)
        grid = self.centre + np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
        return float((self._depth(grid) > 0).sum() * (axis[1] - axis[0]) ** 3 / 1000)


def draw_lesion(rng: np.random.Generator) -> Lesion:
    """Draw a lesion: side, territory, volume (log-normal, 0.5 to 100 ml), shape."""
    side = str(rng.choice(["L", "R"]))
    territory = str(rng.choice(list(_TERRITORIES), p=_SHARE))
    mean, scatter, most_ml = _TERRITORIES[territory]
    scale = 2.0 if territory == "middle-cerebral" else 0.35
    volume = float(np.clip(scale * _MEDIAN_ML * np.exp(_SPREAD * rng.standard_normal()), _LEAST_ML, most_ml))
    shape = np.exp(0.25 * rng.standard_normal(3))
    radii = shape / np.prod(shape) ** (1 / 3) * (3 * volume * 1000 / (4 * np.pi)) ** (1 / 3)
    centre = np.array(mean) + scatter * rng.standard_normal(3)
    directions = rng.standard_normal((6, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.cbrt(np.prod(radii)) * rng.uniform(1.4, 4.0, size=(6, 1))
    axes = Rotation.random(rng=rng).as_matrix()
    mirror = np.array([1.0 if side == "R" else -1.0, 1.0, 1.0])
    waves, phases = directions * 2 * np.pi / lengths, rng.uniform(0, 2 * np.pi, 6)
    lesion = Lesion(side, centre * mirror, radii, axes, waves, phases, territory)
    for _ in range(2):  # the ripples have changed the volume
        size = (volume / max(lesion.volume_ml, 0.1 * volume)) ** (1 / 3)
        lesion = replace(lesion, radii=lesion.radii * size)
    return lesion


def tract_load(lesion: Lesion) -> tuple[float, float]:
    """How much of the corticospinal tract a lesion cuts.

    Returns
    -------
    load : float
        Largest share of a cross-section of the ipsilesional tract inside the lesion, 0-1 (a weighted lesion load
        after Zhu et al., Stroke 2010, with the cross-section as weight).
    arc : float
        Position of the lowest cut on the tract, 0 (medulla) to 1 (cortex): the tract degenerates below it. 1 if
        nothing is cut.
    """
    mirror = np.array([1.0 if lesion.side == "R" else -1.0, 1.0, 1.0])
    cut = lesion.occupancy(cross_sections() * mirror).mean(axis=1)
    load = float(cut.max())
    if load == 0:
        return 0.0, 1.0
    return load, float(np.argmax(cut > 0.5 * load) / (N_POINTS - 1))
