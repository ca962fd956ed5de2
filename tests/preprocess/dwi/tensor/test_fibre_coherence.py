"""Wrong b-vectors are found by how coherent the fibres are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_stroke.imaging.images import array
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.tensor.fibre_coherence import Coherence, fibre_coherence
from bids_stroke.preprocess.dwi.tensor.fit import principal_directions
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
def test_flipped_and_swapped_b_vectors_are_found(
    fibres: tuple[NDArray[np.float64], NDArray[np.float32]], wrong: NDArray[np.float64], named: str
) -> None:
    directions, fa = fibres
    found = fibre_coherence(directions @ wrong.T, fa, np.full(3, 3.0))
    assert found.change == named
    assert named in found.warning
    assert found.ratio < 0.9


def test_where_there_are_no_fibres_nothing_is_said() -> None:
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((20, 20, 20, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    assert fibre_coherence(directions, np.zeros((20, 20, 20), np.float32), np.ones(3)) == Coherence(0.0, 0.0, "")
    assert fibre_coherence(directions, rng.random((20, 20, 20), np.float32), np.ones(3)).warning == ""
