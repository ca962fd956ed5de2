"""Simulated heads with lesions of many places and sizes, and how well they are registered and segmented."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bids_stroke.core.records import BidsFile
from bids_stroke.core.settings_preprocess import AnatSettings
from bids_stroke.imaging.registration import Warp
from bids_stroke.imaging.transforms import read_transform
from bids_stroke.preprocess.anat import step
from bids_stroke.preprocess.anat.inputs import AnatInputs
from bids_stroke.simulate.anatomy import bias_field
from bids_stroke.simulate.head import Head, add_rician_noise, draw_head, scanner_affine, view
from bids_stroke.simulate.lesion import Lesion
from bids_stroke.simulate.options import Resolution

_SIZES = Resolution(2.0, (92, 110, 100), 6.0, (28, 34, 28), 7.0, (24, 29, 24), 1, 12, 30, 250.0, 40.0)
_NEAR_MM = 8.0
_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Place:
    """A lesion: MNI centre (mm), volume (ml), and whether it is uniformly dark or mixed with blood and gliosis."""

    name: str
    centre: tuple[float, float, float]
    millilitres: float
    mixed: bool = False


PLACES = (
    Place("capsule", (23, -13, 8), 1.0),
    Place("middle cerebral, large", (44, -8, 16), 100.0),
    Place("middle cerebral, mixed", (-44, -12, 18), 60.0, mixed=True),
    Place("frontal cortex", (-38, 38, 22), 25.0),
    Place("occipital", (14, -84, 6), 30.0, mixed=True),
    Place("cerebellum", (-26, -62, -36), 15.0),
    Place("anterior cerebral, at the midline", (7, 28, 40), 12.0, mixed=True),
    Place("thalamus", (-12, -18, 8), 2.0, mixed=True),
    Place("parietal cortex", (40, -56, 44), 8.0),
    Place("temporal pole", (-42, 8, -30), 40.0),
)


def lesion_at(place: Place) -> Lesion:
    """An irregular lesion; the same for the same place."""
    rng = np.random.default_rng(len(place.name))
    mean = (3000.0 * place.millilitres / (4 * np.pi)) ** (1 / 3)
    radii = mean * np.array([0.9, 1.25, 0.89])
    waves = rng.standard_normal((6, 3))
    waves *= 2 * np.pi / (mean * rng.uniform(1.4, 4.0, (6, 1))) / np.linalg.norm(waves, axis=1, keepdims=True)
    side = "R" if place.centre[0] > 0 else "L"
    lesion = Lesion(side, np.array(place.centre), radii, np.eye(3), waves, rng.uniform(0, 6.28, 6), place.name)
    return replace(lesion, radii=radii * (place.millilitres / lesion.volume_ml) ** (1 / 3))


@dataclass(frozen=True, eq=False)
class Scan:
    """A simulated T1w with its truth."""

    t1w: nib.Nifti1Image
    mask: np.ndarray
    """The lesion."""
    head: Head
    shares: dict[str, np.ndarray]


def scan(place: Place | None, seed: int = 5, *, tilt_degrees: float = 0.0, left_handed: bool = False) -> Scan:
    """One head, with a lesion or without: other tissue contrast than the template's, 25 % bias, 4 % noise, texture.

    Its grid may be oblique (turned about all three axes) and left-handed (LAS).
    """
    lesion = lesion_at(place or PLACES[0])
    head = draw_head(np.random.default_rng(seed), lesion, 66.0, _SIZES)
    tilt = Rotation.from_euler("xyz", np.array([1.0, -0.7, 0.8]) * tilt_degrees, degrees=True).as_matrix()
    affine = scanner_affine(_SIZES.t1w_shape, _SIZES.t1w_mm, tilt, first_axis_left=left_handed)
    seen = view(head, _SIZES.t1w_shape, affine)
    if place is None:
        seen = replace(seen, lesion=np.zeros_like(seen.lesion))
    shares = seen.tissues()
    rng = np.random.default_rng(seed + 1)
    texture = [1 + 0.05 * _smooth(rng, sd) for sd in (2.0, 3.0)]
    hurt = np.full(seen.lesion.shape, 45.0)
    if place is not None and place.mixed:
        hurt = np.clip(75.0 + 35.0 * _smooth(rng, 2.5), 20, 190)
    signal = 78.0 * shares["gm"] * texture[0] + 130.0 * shares["wm"] * texture[1] + 30.0 * shares["csf"]
    signal += hurt * shares["lesion"] + 75.0 * shares["soft"] + 160.0 * shares["fat"]
    signal *= bias_field(_SIZES.t1w_shape, np.random.default_rng(seed + 2), strength=0.17)
    noisy = add_rician_noise(signal.astype(np.float32), 4.5, np.random.default_rng(seed + 3))
    return Scan(nib.Nifti1Image(noisy, affine), seen.lesion > 0.5, head, shares)


def _smooth(rng: np.random.Generator, sd: float) -> np.ndarray:
    noise = ndimage.gaussian_filter(rng.standard_normal(_SIZES.t1w_shape), sd)
    return np.asarray(noise / noise.std())


def near_error(scan: Scan, warp: Warp) -> float:
    """Median distance (mm) between where the warp and the truth put brain within 8 mm around the lesion."""
    distance = ndimage.distance_transform_edt(~scan.mask) * _SIZES.t1w_mm
    tissue = scan.shares["gm"] + scan.shares["wm"] > 0.5
    around = np.argwhere((distance > 0) & (distance <= _NEAR_MM) & tissue)
    world = nib.affines.apply_affine(scan.t1w.affine, around[:: max(1, len(around) // 1500)])
    truth = scan.head.to_template(world)
    transform = read_transform(warp.inverse)
    found = np.array([transform.TransformPoint(point.tolist()) for point in world * _LPS]) * _LPS
    return float(np.median(np.linalg.norm(found - truth, axis=1)))


def process(scan: Scan, work: Path, settings: AnatSettings | None = None) -> step.Anatomy:
    """The anat step's work on a scan, as it comes from a file with its mask."""
    settings = settings or AnatSettings()
    mask = work / "mask.nii.gz"
    nib.Nifti1Image(scan.mask.astype(np.uint8), scan.t1w.affine).to_filename(mask)
    files = step.LesionFiles.of([BidsFile(mask, {}, {}, "bids:raw:mask")] if scan.mask.any() else [])
    scan.t1w.to_filename(work / "t1w.nii.gz")
    source = BidsFile(work / "t1w.nii.gz", {}, {}, "bids:raw:t1w")
    return step.process(AnatInputs(scan.t1w, (source,)), files, settings, work, seed=0)[0]


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2.0 * float((first & second).sum()) / float(first.sum() + second.sum())
