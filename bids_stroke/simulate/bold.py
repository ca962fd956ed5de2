"""Resting-state BOLD: networks, drift, breathing and heartbeat, motion, noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_stroke.simulate.diffusion import move_volume
from bids_stroke.simulate.head import Head, Pose, View, add_rician_noise, scanner_affine, view
from bids_stroke.simulate.options import Resolution
from bids_stroke.simulate.template import grid_points

Array = NDArray[np.float64]
Volume = NDArray[np.float32]

TR = 2.0
_BASE = {"gm": 92.0, "wm": 72.0, "csf": 112.0, "lesion": 100.0, "soft": 28.0, "fat": 12.0}
_NOISE = 1.3
_NETWORK_RADIUS_MM = 11.0
NETWORKS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "default": ((0, -54, 28), (0, 50, 2), (-46, -66, 32), (46, -66, 32)),
    "sensorimotor": ((-38, -24, 56), (38, -24, 56), (0, -20, 62)),
    "visual": ((-10, -88, 4), (10, -88, 4)),
    "frontoparietal": ((-42, 34, 24), (42, 34, 24), (-44, -52, 46), (44, -52, 46)),
}
"""Centres of each network's regions in MNI space, mm."""
_AMPLITUDE = 0.025
"""SD of a network's signal as a share of the baseline."""

BOLD_SIDECAR: dict[str, Any] = {
    "Modality": "MR",
    "MagneticFieldStrength": 3,
    "Manufacturer": "Simulated",
    "TaskName": "rest",
    "Instructions": "Lie still with your eyes open.",
    "RepetitionTime": TR,
    "EchoTime": 0.03,
    "FlipAngle": 80,
    "PhaseEncodingDirection": "j-",
    "TotalReadoutTime": 0.03,
}


def simulate_bold(
    head: Head, sizes: Resolution, coupling: float, first_axis_left: bool, rng: np.random.Generator
) -> nib.Nifti1Image:
    """Acquire a resting-state run (int16, 4D, TR 2 s).

    The first two volumes are brighter (before the steady state). ``coupling`` (0-1) also sets how strongly the
    sensorimotor network fluctuates, 60 to 140 %.
    """
    tilt = Rotation.from_euler("x", rng.uniform(-12, 0), degrees=True).as_matrix()
    affine = scanner_affine(sizes.bold_shape, sizes.bold_mm, tilt, first_axis_left)
    seen = view(head, sizes.bold_shape, affine)
    shares = seen.tissues()
    base = np.sum([shares[name] * value for name, value in _BASE.items()], axis=0, dtype=np.float32)
    maps = network_maps(seen, shares["gm"])
    signals = {name: _AMPLITUDE * slow_signal(sizes.n_volumes, rng) for name in NETWORKS}
    signals["sensorimotor"] = signals["sensorimotor"] * (0.6 + 0.8 * coupling)
    physiology = _physiology(seen, shares["csf"], affine, sizes.n_volumes, rng)
    drift = 0.01 * np.linspace(-1, 1, sizes.n_volumes) * rng.standard_normal()
    volumes = np.empty((*sizes.bold_shape, sizes.n_volumes), dtype=np.int16)
    path = _motion_path(sizes.n_volumes, rng)
    for i in range(sizes.n_volumes):
        change = sum(maps[name] * np.float32(signals[name][i]) for name in NETWORKS) + physiology(i)
        saturation = {0: 1.25, 1: 1.06}.get(i, 1.0)
        still = base * (1 + change + drift[i]) * saturation
        turn = Rotation.from_euler("xyz", path[i, :3], degrees=True).as_matrix()
        moved = move_volume(still.astype(np.float32), affine, Pose(turn, path[i, 3:]))
        volumes[..., i] = np.round(add_rician_noise(moved, _NOISE, rng))
    image = nib.Nifti1Image(volumes, affine)
    image.header.set_zooms((*[sizes.bold_mm] * 3, TR))
    image.header.set_xyzt_units("mm", "sec")
    return image


def network_maps(seen: View, grey_matter: Volume) -> dict[str, Volume]:
    """Spatial weight of every network, 0-1, inside the grey matter that the lesion has spared."""
    maps = {}
    for name, centres in NETWORKS.items():
        squared = [((seen.points - centre) ** 2).sum(axis=-1) for centre in centres]
        nearest = np.min(squared, axis=0)
        maps[name] = (np.exp(-nearest / (2 * _NETWORK_RADIUS_MM**2)) * grey_matter).astype(np.float32)
    return maps


def slow_signal(n_volumes: int, rng: np.random.Generator) -> Array:
    """Random signal of SD 1 with frequencies from 0.01 to 0.1 Hz only."""
    n_long = 4 * n_volumes
    spectrum = np.fft.rfft(rng.standard_normal(n_long))
    frequency = np.fft.rfftfreq(n_long, TR)
    spectrum[(frequency < 0.01) | (frequency > 0.1)] = 0
    signal: Array = np.fft.irfft(spectrum, n_long)
    signal /= signal.std()
    return signal[:n_volumes]


def _physiology(
    seen: View, csf: Volume, affine: Array, n_volumes: int, rng: np.random.Generator
) -> Callable[[int], Volume]:
    """Breathing (everywhere, stronger at the bottom) and heartbeat (in CSF), aliased by the TR: volume index -> map."""
    times = TR * np.arange(n_volumes)
    height = grid_points(seen.lesion.shape, affine)[..., 2].astype(np.float32)
    breath_map = 0.004 * (1.2 - np.clip(height / 80, -1, 1))
    breath_rate, heart_rate = rng.uniform(0.24, 0.32), rng.uniform(1.0, 1.25)
    breath = np.sin(2 * np.pi * breath_rate * times + rng.uniform(0, 6))
    beat = np.sin(2 * np.pi * heart_rate * times + rng.uniform(0, 6))
    heart_map = (0.02 * csf).astype(np.float32)
    return lambda i: breath_map * np.float32(breath[i]) + heart_map * np.float32(beat[i])


def _motion_path(n_volumes: int, rng: np.random.Generator) -> Array:
    """Slow wandering with one small jerk: (n, 6) degrees and mm, zero at the start."""
    steps = rng.standard_normal((n_volumes, 6)) * [0.015, 0.015, 0.015, 0.02, 0.02, 0.02]
    steps[0] = 0
    path = np.cumsum(steps, axis=0)
    jerk = int(rng.integers(n_volumes // 3, n_volumes))
    path[jerk:] += rng.standard_normal(6) * 0.2
    return path
