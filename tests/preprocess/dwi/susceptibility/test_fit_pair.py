"""The field that distorts diffusion images: found from a pair, from the T1w, or not at all, and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import spline_filter

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.phase_encoding import Encoding, Opposite
from bids_stroke.preprocess.dwi.susceptibility import from_t1w
from bids_stroke.preprocess.dwi.susceptibility.estimate import Seen, Susceptibility, find_field
from bids_stroke.preprocess.dwi.susceptibility.fit_pair import Fit, Level, Pair, Smoothness, fit_pair
from bids_stroke.preprocess.dwi.susceptibility.from_t1w import Anatomy, field_from_t1w
from bids_stroke.preprocess.dwi.susceptibility.solver import (
    central,
    central_transposed,
    conjugate_gradients,
    laplacian,
    pull_back,
)
from tests.helpers.phantom import Phantom, make_phantom

Array = NDArray[np.float64]
GRID = {"shape": (45, 54, 42), "voxel_mm": 4.0, "n_directions": 6, "n_b0": 2, "snr": 25.0, "seed": 3}
PEAK_HZ = 40.0
"""Displaces by 8 mm."""
FILE = BidsFile(Path("sub-01_dir-PA_epi.nii.gz"), {}, {}, "bids:raw:sub-01/fmap/sub-01_dir-PA_epi.nii.gz")


@pytest.fixture(scope="module")
def distorted() -> Phantom:
    return make_phantom(**GRID, field_hz=PEAK_HZ, pairs="b0")


def seen(phantom: Phantom, run: int) -> Seen:
    """The first b=0 volume of a run."""
    which = int(np.flatnonzero((phantom.run == run) & (phantom.bvals == 0))[0])
    return Seen(like(phantom.image, array(phantom.image)[..., which]), phantom.encodings[which])


def left_mm(found: Susceptibility, phantom: Phantom) -> Array:
    """Displacement in the brain that stays after correction; what all of the head shares is motion as well."""
    hz = np.zeros_like(phantom.field) if found.hz is None else found.hz
    wrong = (hz - phantom.field)[phantom.mask] * 0.05 * float(np.linalg.norm(phantom.image.affine[:3, 1]))
    return np.abs(wrong - np.median(wrong))


def find(phantom: Phantom, wanted: str, anatomy: Anatomy | None = None, **changes: object) -> Susceptibility:
    second = seen(phantom, 1)
    opposite = (Opposite(like(second.mean, array(second.mean)[..., None]), second.encoding, FILE),)
    return find_field([replace(seen(phantom, 0), **changes)], opposite, phantom.mask, anatomy, wanted)


def test_a_pair_tells_the_field(distorted: Phantom) -> None:
    found = find(distorted, "auto")
    before = left_mm(replace(found, hz=None), distorted)
    after = left_mm(found, distorted)
    assert np.percentile(before, 95) > 2.0
    assert np.median(after) < 0.15  # measured: 0.07 and 0.22
    assert np.percentile(after, 95) < 0.5
    assert found.kind == "pair"
    assert found.warnings == ()
    assert found.qc["pair_correlation_after"] > found.qc["pair_correlation_before"]
    assert found.qc["susceptibility_p95_mm"] == pytest.approx(
        np.percentile(np.abs(distorted.field[distorted.mask]) * 0.2, 95), rel=0.25
    )


def test_motion_between_the_pair_is_found_too() -> None:
    moved = make_phantom(**GRID | {"seed": 5}, field_hz=PEAK_HZ, pairs="b0", motion=1.0)
    found = find(moved, "pair")
    assert np.median(left_mm(found, moved)) < 0.2  # measured: 0.09 and 0.27
    assert np.percentile(left_mm(found, moved), 95) < 0.6
    assert found.kind == "pair"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["long first", "short first"])
def test_unequal_readouts_are_allowed_for(distorted: Phantom, order: tuple[int, int]) -> None:
    """Half the field seen with the usual readout is the whole field seen with half of it."""
    half = make_phantom(**GRID, field_hz=PEAK_HZ / 2, pairs="b0")
    parts = [seen(distorted, 0), replace(seen(half, 1), encoding=Encoding(1, 1, 0.025))]
    first, second = (parts[i] for i in order)
    opposite = (Opposite(like(second.mean, array(second.mean)[..., None]), second.encoding, FILE),)
    found = find_field([first], opposite, distorted.mask, None, "pair")
    assert np.median(left_mm(found, distorted)) < 0.2  # measured: 0.09 and 0.26
    assert np.percentile(left_mm(found, distorted), 95) < 0.6
    true = np.abs(distorted.field[distorted.mask]) * first.encoding.readout_s * GRID["voxel_mm"]
    assert found.qc["susceptibility_p95_mm"] == pytest.approx(np.percentile(true, 95), rel=0.25)


def test_an_image_without_distortion_makes_a_pair(distorted: Phantom) -> None:
    """As one with a readout of nearly none."""
    second = seen(distorted, 1)
    still = Seen(like(second.mean, distorted.clean[..., 0]), Encoding(1, -1, 1e-6))
    opposite = (Opposite(like(second.mean, array(second.mean)[..., None]), second.encoding, FILE),)
    found = find_field([still], opposite, distorted.mask, None, "pair")
    assert np.median(left_mm(found, distorted)) < 0.4


@pytest.mark.parametrize(
    ("wanted", "kind", "words"),
    [("none", "none", "dwi.susceptibility is none"), ("pair", "pair", ""), ("auto", "pair", ""),
     ("t1w", "none", "no T1w")],
)  # fmt: skip
def test_the_setting_is_followed(distorted: Phantom, wanted: str, kind: str, words: str) -> None:
    found = find(distorted, wanted)
    assert found.kind == kind
    assert words in found.why
    assert (found.hz is None) == (kind == "none")
    assert bool(found.warnings) == (kind == "none")


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        (None, "does not tell the phase encoding"),
        (Encoding(0, -1, 0.05), "no image of opposite phase encoding"),
        (Encoding(1, 1, 0.05), "no image of opposite phase encoding"),
    ],
    ids=["unknown", "another axis", "the same way"],
)
def test_wrong_pairs_correct_nothing(distorted: Phantom, encoding: Encoding | None, words: str) -> None:
    found = find(distorted, "auto", encoding=encoding)
    assert found.kind == "none"
    assert found.hz is None
    assert found.distortion([encoding]) is None
    assert words in found.warnings[0]


def test_images_that_are_no_pair_are_not_called_one(distorted: Phantom) -> None:
    rng = np.random.default_rng(0)
    noise = like(distorted.image, rng.uniform(100, 2000, GRID["shape"]).astype(np.float32))
    opposite = (Opposite(like(noise, array(noise)[..., None]), seen(distorted, 1).encoding, FILE),)
    found = find_field([seen(distorted, 0)], opposite, distorted.mask, None, "auto")
    assert found.kind == "none"
    assert found.hz is None
    assert "not of one head" in found.warnings[0]


def test_a_very_noisy_pair_is_used_with_a_warning() -> None:
    noisy = make_phantom(**GRID | {"snr": 6.0}, field_hz=PEAK_HZ, pairs="b0")
    found = find(noisy, "auto")
    assert found.kind == "pair"
    assert any("still differ after correction" in text for text in found.warnings)
    assert np.median(left_mm(found, noisy)) < 0.6


# By the T1w


def anatomy_of(phantom: Phantom, work: Path) -> Anatomy:
    """Brain and tissues as the T1w step gives them: here the true ones, on the diffusion grid."""
    shares = np.stack([phantom.tissues[name] for name in ("csf", "gm", "wm")], axis=-1) * phantom.mask[..., None]
    t1w = shares @ np.array([38.0, 96.0, 138.0], np.float32)
    return Anatomy(like(phantom.image, t1w.astype(np.float32)), like(phantom.image, shares), work, 0)


@pytest.fixture(scope="module")
def strong() -> Phantom:
    """Displaced by up to 12 mm."""
    return make_phantom(n_directions=6, n_b0=2, seed=0, field_hz=80.0, pairs="b0")


@pytest.mark.parametrize(("wanted", "paired"), [("auto", False), ("t1w", True)], ids=["auto", "t1w beside a pair"])
def test_the_t1w_corrects_a_part(tmp_path: Path, strong: Phantom, wanted: str, paired: bool) -> None:
    """Measured: 95th percentile 3.4 to 2.4 mm; where 8 mm are the most, the gain may be too small for a correction."""
    second = seen(strong, 1)
    pair = (Opposite(like(second.mean, array(second.mean)[..., None]), second.encoding, FILE),)
    found = find_field([seen(strong, 0)], pair if paired else (), strong.mask, anatomy_of(strong, tmp_path), wanted)
    assert found.kind == "t1w"
    assert "in part" in found.warnings[0]
    assert found.qc["t1w_field_gain"] > 0.05
    before, after = (left_mm(field, strong) for field in (replace(found, hz=None), found))
    assert np.percentile(after, 95) < 0.8 * np.percentile(before, 95)
    assert np.median(after) < np.median(before) + 0.2


def test_the_t1w_leaves_an_undistorted_image_alone(tmp_path: Path) -> None:
    still = make_phantom(**GRID)
    mean = like(still.image, array(still.image)[..., 0])
    hz, note, qc = field_from_t1w(mean, Encoding(1, -1, 0.05), still.mask, anatomy_of(still, tmp_path))
    moved = 0.0 if hz is None else float(np.median(np.abs(hz[still.mask]))) * 0.05 * GRID["voxel_mm"]
    assert moved < 0.3
    assert hz is not None or "explains only" in note
    assert "t1w_field_gain" in qc


def test_a_fit_that_loses_the_head_corrects_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a fit to one simulated head did: its numbers must be numbers all the same."""
    still = make_phantom(**GRID)
    mean = like(still.image, array(still.image)[..., 0])
    far = np.eye(4)
    far[:3, 3] = 1000.0

    def lost(pair: Pair, smoothness: Smoothness, levels: Sequence[Level]) -> Fit:
        found = fit_pair(pair, smoothness, levels)
        return found if smoothness.size > 1 else replace(found, motion=far)

    monkeypatch.setattr(from_t1w, "fit_pair", lost)
    hz, note, qc = field_from_t1w(mean, Encoding(1, -1, 0.05), still.mask, anatomy_of(still, tmp_path))
    assert hz is None
    assert "only 0.0%" in note
    assert qc["t1w_field_gain"] < 0


def test_a_t1w_of_elsewhere_corrects_nothing(distorted: Phantom, tmp_path: Path) -> None:
    anatomy = anatomy_of(distorted, tmp_path)
    empty = replace(anatomy, tissues=like(distorted.image, np.zeros((*GRID["shape"], 3), np.float32)))
    hz, note, _ = field_from_t1w(seen(distorted, 0).mean, Encoding(1, -1, 0.05), distorted.mask, empty)
    assert hz is None
    assert "do not lie where" in note


# The solver


def test_central_and_its_transpose_are_transposed() -> None:
    rng = np.random.default_rng(0)
    for axis in range(3):
        x, y = rng.standard_normal((2, 5, 6, 7)).astype(np.float32)
        assert np.vdot(central(x, axis), y) == pytest.approx(np.vdot(x, central_transposed(y, axis)), abs=1e-4)
        inner = tuple(slice(1, -1) if i == axis else slice(None) for i in range(3))
        np.testing.assert_allclose(central(x, axis)[inner], np.gradient(x, axis=axis)[inner], atol=1e-6)


def test_the_laplacian_is_symmetric_and_knows_constants() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 4, 5, 6)).astype(np.float32)
    factors = np.array([1.0, 0.5, 2.0])
    assert np.vdot(laplacian(x, factors), y) == pytest.approx(np.vdot(x, laplacian(y, factors)), abs=1e-4)
    assert np.abs(laplacian(np.ones((4, 5, 6), np.float32), factors)).max() == 0
    assert np.vdot(laplacian(x, factors), x) > 0


def test_piled_signal_is_spread_without_loss() -> None:
    """A smooth blob seen through a smooth displacement keeps its sum."""
    grid = np.indices((8, 60, 8)).astype(np.float64)
    blob = np.exp(-((grid[1] - 30) ** 2) / 50).astype(np.float32)
    shift = (3 * np.sin(grid[1] / 60 * 2 * np.pi)).astype(np.float32)
    spline = spline_filter(blob, 3, output=np.float32, mode="nearest")
    assert pull_back(spline, grid, shift, 1).sum() == pytest.approx(blob.sum(), rel=0.01)
    assert abs(pull_back(spline, grid, shift, 1, piled=False).sum() / blob.sum() - 1) > 0.1
    np.testing.assert_allclose(pull_back(spline, grid, np.zeros_like(shift), 1), blob, atol=1e-5)


def test_conjugate_gradients_solve_a_system() -> None:
    rng = np.random.default_rng(2)
    root = rng.standard_normal((11, 11))
    matrix = root @ root.T + 5 * np.eye(11)
    wanted = rng.standard_normal(11)
    right = matrix @ wanted

    def normal(x: NDArray[np.float32], p: Array) -> tuple[NDArray[np.float32], Array]:
        found = matrix @ np.concatenate([x.ravel(), p])
        return found[:8].reshape(2, 2, 2).astype(np.float32), found[8:]

    diagonal = np.diag(matrix)[:8].reshape(2, 2, 2).astype(np.float32)
    x, p = conjugate_gradients(normal, right[:8].reshape(2, 2, 2).astype(np.float32), right[8:], diagonal)
    np.testing.assert_allclose(np.concatenate([x.ravel(), p]), wanted, atol=1e-2)


def test_a_known_displacement_is_found() -> None:
    """Two images of a blurred box, the second one without displacement."""
    grid = np.indices((24, 40, 24)).astype(np.float64)
    inside = np.exp(-(((grid[0] - 12) / 7) ** 4) - ((grid[1] - 20) / 12) ** 4 - ((grid[2] - 12) / 7) ** 4)
    still = (inside * (1 + 0.3 * np.sin(grid[1] / 2))).astype(np.float32)
    shift = (1.5 * np.exp(-(((grid[1] - 20) / 10) ** 2))).astype(np.float32)
    spline = spline_filter(still, 3, output=np.float32, mode="nearest")
    seen_shifted = pull_back(spline, grid, -shift, 1, piled=False)
    weight = (inside > 0.3).astype(np.float32)
    pair = Pair(seen_shifted, still, weight, np.diag([3.0, 3.0, 3.0, 1.0]), 1, (1.0, 0.0), piled=False)
    found = fit_pair(pair, Smoothness(common_mm=100.0)).shift
    core = inside > 0.6
    assert np.abs(found[core] - shift[core]).mean() < 0.35
    assert np.corrcoef(found[core], shift[core])[0, 1] > 0.8
