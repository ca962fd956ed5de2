"""Wrong b-vectors are found by how coherent the fibres are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.registration import rough_mask
from bids_stroke.preprocess.dwi.series import read_series
from bids_stroke.preprocess.dwi.tensor.fibre_coherence import Coherence, fibre_coherence
from bids_stroke.preprocess.dwi.tensor.fit import principal_directions, unweighted
from bids_stroke.preprocess.dwi.tensor.wls import fit_tensor, scalar_maps
from tests.helpers.phantom import Phantom


def directions_of(phantom: Phantom) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Fitted principal directions along the image's axes, and FA."""
    fit = fit_tensor(array(phantom.image)[phantom.mask], Gradients(phantom.bvals, phantom.bvecs))
    along, fa = np.zeros((*phantom.mask.shape, 3)), np.zeros(phantom.mask.shape, np.float32)
    along[phantom.mask] = principal_directions(fit.elements) * [-1, 1, 1]  # RAS: the first component is negated
    fa[phantom.mask] = scalar_maps(fit).fa
    return along, fa


@pytest.fixture(scope="module")
def fibres(fine: Phantom) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    return directions_of(fine)


def test_right_b_vectors_raise_no_alarm(fibres: tuple[NDArray[np.float64], NDArray[np.float32]]) -> None:
    found = fibre_coherence(*fibres, np.full(3, 3.0))
    assert found.warning == found.change == ""
    assert found.ratio == 1.0


def arcs() -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Noisy bundles that bend around the three axes: every flip and swap breaks some, as in a brain (1.67 times)."""
    n, rng = 20, np.random.default_rng(0)
    away = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2] * 3, indexing="ij"), axis=-1)
    bent = np.concatenate([np.cross(axis, away) for axis in np.eye(3)])
    bent = bent / np.linalg.norm(bent, axis=-1, keepdims=True) + 0.1 * rng.standard_normal(bent.shape)
    one = np.pad(np.full((n - 2,) * 3, 0.5, np.float32), 1)
    return bent / np.linalg.norm(bent, axis=-1, keepdims=True), np.concatenate([one] * 3)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (np.diag([-1, 1, 1]), "x negated"),
        (np.diag([1, 1, -1]), "z negated"),
        (np.eye(3)[[1, 0, 2]], "the components in the order y x z"),
        (np.eye(3)[[2, 1, 0]], "the components in the order z y x"),
    ],
    ids=["x", "z", "yxz", "zyx"],
)
def test_flipped_and_swapped_b_vectors_are_found(wrong: NDArray[np.float64], named: str) -> None:
    directions, fa = arcs()
    assert fibre_coherence(directions, fa, np.full(3, 2.0)).warning == ""
    found = fibre_coherence(directions @ wrong.T, fa, np.full(3, 2.0))
    assert found.change == named
    assert named in found.warning
    assert found.ratio < 0.9


@pytest.mark.real
@pytest.mark.parametrize(("subject", "n_slices"), [("04", 40), ("05", 12), ("06", 20)])
def test_flipped_b_vectors_of_real_scans_are_found(real_data: Path, subject: str, n_slices: int) -> None:
    path = real_data / "bids_real_open" / f"sub-{subject}" / "dwi" / f"sub-{subject}_dwi.nii.gz"
    series = read_series([BidsFile(path, {"sub": subject}, uri="bids:raw:x")], 50.0)
    mask = rough_mask(unweighted(series))
    fit = fit_tensor(np.maximum(array(series.image)[mask], 1.0), series.gradients)
    along, fa = np.zeros((*mask.shape, 3)), np.zeros(mask.shape, np.float32)
    along[mask] = principal_directions(fit.elements) * [-1, 1, 1]
    fa[mask] = scalar_maps(fit).fa
    slab = slice((mask.shape[2] - n_slices) // 2, (mask.shape[2] + n_slices) // 2)
    sizes = np.linalg.norm(series.image.affine[:3, :3], axis=0)
    assert fibre_coherence(along[:, :, slab], fa[:, :, slab], sizes).warning == ""
    found = fibre_coherence(along[:, :, slab] * [1, 1, -1], fa[:, :, slab], sizes)
    assert found.change == "z negated"
    assert found.warning


def test_where_there_are_no_fibres_nothing_is_said() -> None:
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((20, 20, 20, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    assert fibre_coherence(directions, np.zeros((20, 20, 20), np.float32), np.ones(3)) == Coherence(0.0, 0.0, 0.0, "")
    assert fibre_coherence(directions, rng.random((20, 20, 20), np.float32), np.ones(3)).warning == ""


def random_fibres(seed: int, smooth: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Directions that change at random, slowly or from voxel to voxel, within a box."""
    rng = np.random.default_rng(seed)
    directions = np.stack([gaussian_filter(rng.standard_normal((36, 36, 28)), smooth) for _ in range(3)], axis=-1)
    fa = np.zeros(directions.shape[:3], np.float32)
    fa[4:-4, 4:-4, 4:-4] = 0.5
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True), fa


@pytest.mark.inputs(
    "That b-vectors look flipped or swapped is said only where one change lets fibres be followed clearly further than "
    "all others do: not of fibres at random, which prefer none, nor of slabs whose fibres leave the images."
)
@pytest.mark.parametrize("smooth", [0.0, 2.0, 4.0, 8.0])
def test_fibres_at_random_raise_no_alarm(smooth: float) -> None:
    """Before, 7 of these 12 did: of 24 orientations that are equally good, one is always the best."""
    for seed in range(3):
        found = fibre_coherence(*random_fibres(seed, smooth), np.full(3, 2.0))
        assert found.warning == ""
        assert found.ratio == 1.0


def test_fibres_that_leave_a_slab_are_not_followed_beyond_it() -> None:
    """They went on along its last slice to the last step: 120 mm in a slab of 6 mm that they cross."""
    directions = np.zeros((40, 40, 3, 3))
    directions[..., 0] = 1.0
    fa = np.zeros((40, 40, 3), np.float32)
    fa[10:30, 10:30] = 0.5
    found = fibre_coherence(directions, fa, np.full(3, 2.0))
    assert found.warning == ""
    across = fibre_coherence(directions[..., [2, 1, 0]], fa, np.full(3, 2.0))
    assert across.given <= 6.0
