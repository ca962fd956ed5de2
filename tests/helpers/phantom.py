"""A diffusion phantom with known tensors: template anatomy seen by a scanner that noises, moves and distorts.

The signal of every volume is made on a fine lattice of the template and sampled **once**, where each voxel's content
truly lies: through eddy currents, susceptibility, the volume's pose and the head's shape. Nothing is resampled twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel, fractional_anisotropy, mean_diffusivity
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import array, like, reorient
from bids_stroke.preprocess.dwi.gradients import Gradients, bval_text, bvec_text, fsl_axes, on_axes
from bids_stroke.preprocess.dwi.phase_encoding import Encoding
from bids_stroke.simulate.head import Head, draw_head
from bids_stroke.simulate.lesion import draw_lesion
from bids_stroke.simulate.options import RESOLUTIONS
from bids_stroke.simulate.template import DYAD, grid_points, sample

Array = NDArray[np.float64]
Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]

READOUT_S = 0.05
AXIS, SIGN = 1, -1
"""Phase encoding ``j-``: from front to back in RAS+ order; the second run of a pair is ``j``."""
_LATTICE_MM = 2
_LOW, _HIGH = (-92, -128, -110), (92, 92, 88)
_S0 = {"gm": 920.0, "wm": 770.0, "csf": 1400.0, "soft": 280.0, "fat": 60.0}
_ISOTROPIC = {"gm": 0.85e-3, "csf": 3.0e-3, "soft": 1.5e-3, "fat": 0.1e-3}
_AXIAL, _RADIAL = 1.6e-3, 0.4e-3
_CROSSING = 0.35
"""Share of a second, perpendicular population where fibres cross."""
_T1W = {"gm": 96.0, "wm": 138.0, "csf": 38.0, "soft": 82.0, "fat": 175.0}
_SINUSES = (((0, 50, -18), 15.0, 1.0), ((-46, -22, -30), 13.0, 0.85), ((46, -22, -30), 13.0, 0.85))
"""Centre (mm, MNI), spread (mm) and height (share of the peak) of the field near air."""


@dataclass(frozen=True, eq=False)
class Phantom:
    """A diffusion series with all that is known about it.

    Attributes
    ----------
    image : 4D image, RAS+
        What the scanner gives: integers as float32.
    clean : (x, y, z, n) float32
        Undistorted, still, without noise, on the same grid.
    bvals, bvecs : (n,), (n, 3) float64
        s/mm^2; FSL convention, as the scanner says them.
    truth : mapping
        ``fa``, ``md``, ``rd``, ``ad``: (x, y, z) float32, the tensor that dipy fits to ``clean``, 0 outside the mask.
    tissues : mapping
        ``wm``, ``gm``, ``csf``: shares of each voxel.
    mask : (x, y, z) bool
        Brain.
    motions : (n, 4, 4) float64
        Reference world -> volume world.
    eddy : (n, 4) float64
        Displacement along the axis in voxels = c0 + cx x + cy y + cz z, mm from the grid's centre, at the true
        position in the volume's pose.
    field : (x, y, z) float32
        Hz, on the reference grid: displacement in voxels = field * readout * sign.
    encodings : tuple of Encoding
        Of each volume.
    run : (n,) int
        0, or 1 for volumes of the run with opposite phase encoding.
    outliers : (n, z) bool
        Slices that lost half of their signal.
    t1w : 3D image
        The same head, lying as in the reference.
    """

    image: nib.Nifti1Image
    clean: Volume
    bvals: Array
    bvecs: Array
    truth: Mapping[str, Volume]
    tissues: Mapping[str, Volume]
    mask: Mask
    motions: Array
    eddy: Array
    field: Volume
    encodings: tuple[Encoding, ...]
    run: NDArray[np.int64]
    outliers: Mask
    t1w: nib.Nifti1Image

    @property
    def white(self) -> Mask:
        """Voxels that are white matter nearly alone."""
        return np.asarray(self.mask & (self.tissues["wm"] > 0.9))

    @property
    def b0(self) -> Mask:
        """Volumes without weighting."""
        return np.asarray(self.bvals == 0)

    def write(
        self, root: Path, subject: str, *, t1w: bool = True, encoding: bool = True, order: str = "RAS"
    ) -> tuple[Path, ...]:
        """Put the subject into a BIDS dataset; gives the paths of the diffusion runs (``order``: voxel order).

        A second run that holds b=0 only becomes a field map (``fmap/*_dir-PA_epi``).
        """
        root.mkdir(parents=True, exist_ok=True)
        description = {"Name": "Phantom", "BIDSVersion": "1.11.1", "DatasetType": "raw"}
        (root / "dataset_description.json").write_text(json.dumps(description))
        if t1w:
            _save(self.t1w, root / f"sub-{subject}" / "anat" / f"sub-{subject}_T1w.nii.gz", order)
        if not self.run.any():
            return (self._write_run(root, f"sub-{subject}/dwi/sub-{subject}_dwi", 0, encoding, order),)
        first = self._write_run(root, f"sub-{subject}/dwi/sub-{subject}_dir-AP_dwi", 0, encoding, order)
        if self.bvals[self.run == 1].any():
            second = self._write_run(root, f"sub-{subject}/dwi/sub-{subject}_dir-PA_dwi", 1, encoding, order)
            return (first, second)
        self._write_run(root, f"sub-{subject}/fmap/sub-{subject}_dir-PA_epi", 1, encoding, order)
        return (first,)

    def _write_run(self, root: Path, stem: str, run: int, encoding: bool, order: str) -> Path:
        which = self.run == run
        path = root / f"{stem}.nii.gz"
        image = _save(like(self.image, array(self.image)[..., which]), path, order)
        said = self.encodings[int(np.argmax(which))]
        towards = {1: "RAS", -1: "LPI"}[said.sign][said.axis]
        codes = nib.aff2axcodes(image.affine)
        axis = next(i for i, code in enumerate(codes) if code in ("RAS"[said.axis], "LPI"[said.axis]))
        sidecar: dict[str, object] = {}  # silent on partial Fourier: these voxels do not ring
        if encoding:
            sidecar["PhaseEncodingDirection"] = "ijk"[axis] + ("" if codes[axis] == towards else "-")
            sidecar["TotalReadoutTime"] = said.readout_s
        if "/fmap/" in stem:
            sidecar["IntendedFor"] = [f"bids::{stem.replace('fmap', 'dwi').replace('PA_epi', 'AP_dwi')}.nii.gz"]
        Path(f"{root / stem}.json").write_text(json.dumps(sidecar))
        turned = on_axes(Gradients(self.bvals[which], self.bvecs[which]), self.image.affine, image.affine)
        if "/dwi/" in stem:
            Path(f"{root / stem}.bval").write_text(bval_text(turned))
            Path(f"{root / stem}.bvec").write_text(bvec_text(turned))
        return path


def make_phantom(
    *,
    seed: int = 0,
    shape: tuple[int, int, int] = (60, 72, 56),
    voxel_mm: float = 3.0,
    n_directions: int = 32,
    n_b0: int = 3,
    b: float | Sequence[float] = 1000.0,
    snr: float = 25.0,
    motion: float = 0.0,
    eddy: float = 0.0,
    field_hz: float | None = None,
    pairs: bool | Literal["b0", "full"] = False,
    outliers: int = 0,
    bias: float = 0.0,
) -> Phantom:
    """Scan a random head.

    Parameters
    ----------
    seed : int
        Of everything random.
    shape, voxel_mm : tuple of int, float
        The grid, centred on the brain.
    n_directions, n_b0, b : int, int, float or several
        ``n_directions`` on each shell ``b`` (s/mm^2); volumes at b=0 lie in between.
    snr : float
        Median b=0 signal of white matter over the noise's SD; Rician noise.
    motion : float
        SD (mm and degrees, per axis) of each volume's pose; the first volume is the reference.
    eddy : float
        Largest scale or shear by eddy currents (0.03 = 3 %: 2.4 mm at 80 mm from the centre).
    field_hz : float or None
        Peak of the susceptibility field; 53 displaces by 8 mm at 3 mm.
    pairs : {False, True, "b0", "full"}
        A run of opposite phase encoding: b=0 only (also True), or everything again.
    outliers : int
        Slices of weighted volumes that lose half of their signal.
    bias : float
        Strength of the coil's sensitivity (0.3: about 30 % to both sides).
    """
    rng = np.random.default_rng(seed)
    grid = _grid(shape, voxel_mm)
    head = draw_head(rng, draw_lesion(rng), 60.0, RESOLUTIONS["full"])
    bvals, world, run = _scheme(n_directions, n_b0, (b,) if isinstance(b, int | float) else b, pairs)
    n = len(bvals)
    motions = np.stack([_pose(rng, motion) for _ in range(n)])
    motions[0] = np.eye(4)
    bends = _eddies(rng, world, bvals, eddy, voxel_mm)
    encodings = tuple(Encoding(AXIS, SIGN if which == 0 else -SIGN, READOUT_S) for which in run)
    scanner = _Scanner(head, grid, voxel_mm, field_hz or 0.0)
    clean, seen = np.empty((*shape, n), np.float32), np.empty((*shape, n), np.float32)
    distorted = motion > 0 or eddy > 0 or bool(field_hz)
    for i in range(n):
        still = scanner.volume(bvals[i], world[i])
        clean[..., i] = scanner.look(still, None)
        turned = scanner.volume(bvals[i], motions[i][:3, :3].T @ world[i]) if motion else still
        seen[..., i] = scanner.look(turned, (motions[i], bends[i], encodings[i])) if distorted else clean[..., i]
    tissues = {name: scanner.share(name) for name in ("wm", "gm", "csf")}
    mask = np.asarray(scanner.share("brain") > 0.5)
    lost = _dropouts(rng, bvals, mask, outliers)
    seen *= np.where(lost.T[None, None], np.float32(0.5), np.float32(1.0))
    seen *= _sensitivity(rng, shape, bias)[..., None]
    sigma = float(np.median(clean[mask & (tissues["wm"] > 0.9)][:, bvals == 0])) / snr
    for i in range(n):
        one, other = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(sigma)
        seen[..., i] = np.round(np.hypot(seen[..., i] + one, other))
    gradients = Gradients(bvals, world @ fsl_axes(grid.affine))
    image = like(grid, seen)
    image.header.set_zooms((voxel_mm, voxel_mm, voxel_mm, 5.0))
    return Phantom(
        image, clean, bvals, gradients.bvecs, _truth(clean, bvals, world, mask), tissues, mask, motions, bends,
        scanner.field(grid_points(shape, grid.affine)).astype(np.float32), encodings, run, lost, _t1w(head, rng),
    )  # fmt: skip


class _Scanner:
    """Samples signals of the template's lattice where the voxels' content truly lies."""

    def __init__(self, head: Head, grid: nib.Nifti1Image, voxel_mm: float, field_hz: float) -> None:
        self.head, self.affine, self.shape, self.voxel_mm = head, grid.affine, grid.shape, voxel_mm
        self.peak = field_hz
        self.points = grid_points(grid.shape, grid.affine)
        self.centre = self.points.reshape(-1, 3).mean(axis=0)
        self.blur = float(np.sqrt(max(voxel_mm**2 - _LATTICE_MM**2, 0.0))) / 2.355 / _LATTICE_MM
        self.at = self._index(self.points)
        inside = head.to_template(self.points).reshape(-1, 3)
        nearest = [np.linalg.norm(inside - centre, axis=1).argmin() for centre, _, _ in _SINUSES]
        self.sinuses = self.points.reshape(-1, 3)[nearest]

    def volume(self, bval: float, direction: Array) -> Volume:
        """Spline coefficients of the signal on the lattice, seen with this scanner's voxels."""
        return self._seen(_signal(bval, direction))

    def share(self, name: str) -> Volume:
        """A template volume on the reference grid, 0-1."""
        return np.clip(self.look(self._seen(_lattice()[name]), None), 0, 1)

    def look(self, volume: Volume, distortion: tuple[Array, Array, Encoding] | None) -> Volume:
        """One image: of the still head, or moved (4, 4), bent by eddy currents (4,) and by the field."""
        if distortion is None:
            return np.maximum(map_coordinates(volume, self.at, order=3, prefilter=False), 0)
        motion, bend, encoding = distortion
        back = np.linalg.inv(motion)
        step = self.affine[:3, encoding.axis]
        shift = np.zeros(self.shape)
        slope = np.zeros(self.shape)
        for _ in range(4):  # Newton: where the content of each voxel truly lies, along the axis
            here, there = (self._displacement(self.points + (shift + e)[..., None] * step, back, bend, encoding)
                           for e in (0.0, 0.01))  # fmt: skip
            slope = (there - here) / 0.01
            shift = shift - (shift + here) / (1 + slope)
        true = self.points + shift[..., None] * step
        values = map_coordinates(volume, self._index(true @ back[:3, :3].T + back[:3, 3]), order=3, prefilter=False)
        return np.asarray(np.maximum(values, 0) / (1 + slope), dtype=np.float32)

    def field(self, points: Array) -> Array:
        """Hz at reference points (..., 3)."""
        total = np.zeros(points.shape[:-1])
        for centre, (_, spread, height) in zip(self.sinuses, _SINUSES, strict=True):
            x, y, z = np.moveaxis(points - centre, -1, 0)
            total += self.peak * height * np.exp((x * x + y * y + z * z) / (-2 * spread**2))
        return total

    def _displacement(self, points: Array, back: Array, bend: Array, encoding: Encoding) -> Array:
        """Voxels along the axis, of true points in the volume's pose."""
        shift = bend[0] + (points - self.centre) @ bend[1:]
        if self.peak:
            shift = shift + self.field(points @ back[:3, :3].T + back[:3, 3]) * encoding.readout_s * encoding.sign
        return np.asarray(shift)

    def _index(self, points: Array) -> Array:
        """Lattice coordinates of reference points."""
        return np.moveaxis((self.head.to_template(points) - _LOW) / _LATTICE_MM, -1, 0)

    def _seen(self, volume: Volume) -> Volume:
        blurred = gaussian_filter(volume, self.blur) if self.blur else volume
        return np.asarray(spline_filter(blurred, order=3, output=np.float32))


@lru_cache(maxsize=1)
def _lattice() -> Mapping[str, Volume]:
    """Tissue shares on the lattice, and in ``fibres`` (n, 6, 3) the dyads of three populations in ``inside``."""
    shape = tuple((high - low) // _LATTICE_MM + 1 for low, high in zip(_LOW, _HIGH, strict=True))
    affine = np.diag([_LATTICE_MM] * 3 + [1.0])
    affine[:3, 3] = _LOW
    points = grid_points(shape, affine)
    found = {name: sample(name, points, _LATTICE_MM, _LATTICE_MM) for name in (*_S0, "brain", "tract")}
    inside = found["wm"] > 1e-3
    at = points[inside]
    tract = np.minimum(found["tract"][inside], found["wm"][inside])
    other = found["wm"][inside] - tract
    along = _dyads("tract", at)
    background = _dyads("fibre", at)
    vectors = np.linalg.eigh(background)[1][..., 2]
    across = np.cross(vectors, np.cross(vectors, [0.3, 0.5, 0.81]))
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    crossing = _CROSSING / (1 + np.exp(-(np.sin(at[:, 0] / 9) * np.sin(at[:, 1] / 14) * np.sin(at[:, 2] / 11)) * 12))
    shares = np.stack([tract, other * (1 - crossing), other * crossing], axis=1)
    fibres = np.stack([along, background, np.einsum("ni,nj->nij", across, across)], axis=1)
    flat = fibres.reshape(len(at), 3, 9)[..., [0, 4, 8, 1, 2, 5]]
    return found | {"inside": inside, "shares": shares.astype(np.float32), "fibres": flat.astype(np.float32)}


def _dyads(name: str, points: Array) -> Array:
    """v v^T of a fibre population, (n, 3, 3), trace 1."""
    xx, yy, zz, xy, xz, yz = (sample(f"{name}_{key}", points, _LATTICE_MM, _LATTICE_MM) for key in DYAD)
    dyads = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
    trace = np.trace(dyads, axis1=1, axis2=2)[:, None, None]
    return np.where(trace > 1e-4, dyads / np.maximum(trace, 1e-4), np.eye(3) / 3)


def _signal(bval: float, direction: Array) -> Volume:
    """Sum of S0 exp(-b g^T D g) over the compartments, on the lattice."""
    found = _lattice()
    total = np.zeros_like(found["gm"])
    for name, diffusivity in _ISOTROPIC.items():
        total += np.float32(_S0[name] * np.exp(-bval * diffusivity)) * found[name]
    x, y, z = direction
    weights = np.array([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], dtype=np.float32)
    decay = np.exp(np.float32(-bval) * (_RADIAL + (_AXIAL - _RADIAL) * (found["fibres"] @ weights)))
    total[found["inside"]] += np.float32(_S0["wm"]) * (found["shares"] * decay).sum(axis=1)
    return total


def _grid(shape: tuple[int, int, int], voxel_mm: float) -> nib.Nifti1Image:
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = np.array([0.0, -18.0, 6.0]) - voxel_mm * (np.array(shape) - 1) / 2
    empty = nib.Nifti1Image(np.zeros(shape, np.float32), affine)
    empty.set_sform(affine, code=1)
    return like(empty, np.zeros(shape, np.float32))


def _scheme(
    n_directions: int, n_b0: int, shells: Sequence[float], pairs: bool | str
) -> tuple[Array, Array, NDArray[np.int64]]:
    """b-values, world directions and run of each volume; b=0 at the start and spread through the run."""
    z = 1 - (np.arange(n_directions) + 0.5) / n_directions
    angle = np.pi * (1 + 5**0.5) * np.arange(n_directions)
    spiral = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    spiral = (
        spiral[np.random.default_rng(1).permutation(n_directions)]
        * np.where(np.arange(n_directions) % 2, 1, -1)[:, None]
    )
    weighted = np.tile(spiral, (len(shells), 1))
    bvals = np.repeat(np.asarray(shells, dtype=np.float64), n_directions)
    places = np.linspace(0, len(bvals), n_b0, endpoint=False).astype(int)
    world, bvals = np.insert(weighted, places, 0.0, axis=0), np.insert(bvals, places, 0.0)
    run = np.zeros(len(bvals), dtype=np.int64)
    if pairs == "full":
        return np.tile(bvals, 2), np.tile(world, (2, 1)), np.repeat([0, 1], len(bvals))
    more = n_b0 if pairs else 0
    return (
        np.concatenate([bvals, np.zeros(more)]),
        np.concatenate([world, np.zeros((more, 3))]),
        np.concatenate([run, np.ones(more, dtype=np.int64)]),
    )


def _pose(rng: np.random.Generator, size: float) -> Array:
    """Random motion about a point in the head; ``size`` mm and degrees (SD per axis, at most two of them)."""
    turn, shift = size * np.clip(rng.standard_normal((2, 3)), -2, 2)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(turn, degrees=True).as_matrix()
    centre = np.array([0.0, -20.0, 0.0])
    motion[:3, 3] = centre - motion[:3, :3] @ centre + shift
    return motion


def _eddies(rng: np.random.Generator, world: Array, bvals: Array, size: float, voxel_mm: float) -> Array:
    """Eddy currents of each volume: linear in the gradient, as fields that it leaves behind are."""
    response = rng.uniform(-1, 1, (3, 3))
    linear = world @ response * np.sqrt(bvals / max(bvals.max(), 1.0))[:, None]
    linear *= size / max(np.abs(linear).max(), 1e-9) / voxel_mm
    constant = world @ rng.uniform(-1, 1, 3) * size * 20 / voxel_mm
    return np.column_stack([constant, linear])


def _dropouts(rng: np.random.Generator, bvals: Array, mask: Mask, n: int) -> Mask:
    heights = np.flatnonzero(mask.sum(axis=(0, 1)) > 0.3 * mask.sum(axis=(0, 1)).max())
    weighted = np.flatnonzero(bvals > 0)
    lost = np.zeros((len(bvals), mask.shape[2]), dtype=bool)
    for choice in rng.choice(len(heights) * len(weighted), size=n, replace=False):
        lost[weighted[choice // len(heights)], heights[choice % len(heights)]] = True
    return lost


def _sensitivity(rng: np.random.Generator, shape: tuple[int, int, int], strength: float) -> Volume:
    """Smooth coil sensitivity, median about 1."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    terms = np.stack([x, y, z, x * y, x * z, y * z, x**2 - 0.5, y**2 - 0.5, z**2 - 0.5])
    shading = np.tensordot(rng.uniform(-1, 1, len(terms)), terms, axes=1)
    return np.asarray(np.exp(1.5 * strength * shading / np.abs(shading).max()), dtype=np.float32)


def _truth(clean: Volume, bvals: Array, world: Array, mask: Mask) -> dict[str, Volume]:
    """dipy's weighted least squares on the undistorted signal without noise."""
    table = gradient_table(bvals, bvecs=world)
    values = TensorModel(table, fit_method="WLS").fit(clean[mask].astype(np.float64)).evals
    found = {
        "fa": fractional_anisotropy(values), "md": mean_diffusivity(values),
        "ad": values[:, 0], "rd": values[:, 1:].mean(axis=1),
    }  # fmt: skip
    maps = {name: np.zeros(mask.shape, np.float32) for name in found}
    for name, data in maps.items():
        data[mask] = found[name]
    return maps


def _t1w(head: Head, rng: np.random.Generator, voxel_mm: float = 1.5) -> nib.Nifti1Image:
    shape = (120, 148, 124)
    grid = _grid(shape, voxel_mm)
    points = head.to_template(grid_points(shape, grid.affine))
    signal = sum(value * sample(name, points, _LATTICE_MM, _LATTICE_MM) for name, value in _T1W.items())
    signal = np.asarray(signal * _sensitivity(rng, shape, 0.12), dtype=np.float32)
    one, other = 2.5 * rng.standard_normal((2, *shape), dtype=np.float32)
    return like(grid, np.round(np.hypot(signal + one, other)))


def _save(image: nib.Nifti1Image, path: Path, order: str) -> nib.Nifti1Image:
    """Write as int16 in a voxel order; gives the image as written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    turned = reorient(image, order)
    stored = nib.Nifti1Image(array(turned).astype(np.int16), turned.affine)
    stored.set_sform(turned.affine, code=1)
    stored.set_qform(turned.affine, code=1)
    if len(image.shape) == 4:
        stored.header.set_zooms((*stored.header.get_zooms()[:3], 5.0))
    stored.header.set_xyzt_units("mm", "sec")
    stored.to_filename(path)
    return turned
