"""Volumes that do not belong into a diffusion series, made of it as scanners make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.tensor.wls import fit_tensor, scalar_maps
from tests.helpers.template_scan import TemplateScan

Volume = NDArray[np.float64]
NO_VECTOR = (0.0, 0.0, 0.0)


def insert(scan: TemplateScan, volume: Volume, b: float = 0.0, vector: Sequence[float] = NO_VECTOR, at: int = -1):
    """A scan with one more volume; ``at`` -1: as the last."""
    where = len(scan.gradients) if at < 0 else at
    gradients = Gradients(
        np.insert(scan.gradients.bvals, where, b), np.insert(scan.gradients.bvecs, where, vector, axis=0)
    )
    data = np.insert(array(scan.image), where, volume, axis=3).astype(np.float32)
    return replace(scan, image=like(scan.image, data), gradients=gradients)


def b0_of(scan: TemplateScan) -> Volume:
    return array(scan.image)[..., scan.gradients.bvals <= 50].mean(axis=3, dtype=np.float64)


def trace_of(scan: TemplateScan) -> Volume:
    weighted = np.maximum(array(scan.image)[..., scan.gradients.bvals > 50], 1e-3).astype(np.float64)
    return np.exp(np.log(weighted).mean(axis=3))


def head_of(scan: TemplateScan) -> NDArray[np.bool_]:
    b0 = b0_of(scan)
    return np.asarray(b0 > 0.1 * np.percentile(b0, 99))


def adc_of(scan: TemplateScan) -> Volume:
    """mm^2/s; 0 outside the head."""
    b = scan.gradients.bvals.max()
    adc = np.log(np.maximum(b0_of(scan), 1e-3) / np.maximum(trace_of(scan), 1e-3)) / b
    return np.where(head_of(scan), np.clip(adc, 0, 4e-3), 0)


def fa_of(scan: TemplateScan) -> Volume:
    fit = fit_tensor(array(scan.image).reshape(-1, len(scan.gradients)), scan.gradients)
    return np.clip(scalar_maps(fit).fa.reshape(scan.image.shape[:3]), 0, 1) * head_of(scan)


def noise_of(scan: TemplateScan, seed: int = 0) -> Volume:
    rng = np.random.default_rng(seed)
    shape = scan.image.shape[:3]
    return 2.0 * np.abs(rng.normal(0, 1, shape) + 1j * rng.normal(0, 1, shape))


def as_bright(volume: Volume, scan: TemplateScan, like_what: Volume) -> Volume:
    """A map scaled to the median brightness of another volume in the head."""
    head = head_of(scan)
    return volume * np.median(like_what[head]) / np.median(volume[head])


MAPS: dict[str, Callable[[TemplateScan], Volume]] = {
    "ADC, 1e-6 mm^2/s": lambda scan: 1e6 * adc_of(scan),
    "ADC, 1e-5 mm^2/s": lambda scan: 1e5 * adc_of(scan),
    "ADC as bright as b=0": lambda scan: as_bright(adc_of(scan), scan, b0_of(scan)),
    "exponential ADC, 0 to 1000": lambda scan: (
        1000 * np.exp(-adc_of(scan) * scan.gradients.bvals.max()) * head_of(scan)
    ),
    "FA, 0 to 1": fa_of,
    "FA, 0 to 1000": lambda scan: 1000 * fa_of(scan),
    "trace": trace_of,
    "noise": noise_of,
    "nothing": lambda scan: np.zeros(scan.image.shape[:3]),
    "another gain": lambda scan: 3 * b0_of(scan),
    "mask": lambda scan: 1.0 * head_of(scan),
}
