"""The tensor: equal to DIPY's, right on known tensors, sane on noise."""

from __future__ import annotations

import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.tensor.wls import (
    ScalarMaps,
    TensorFit,
    eigenvalues,
    fit_tensor,
    scalar_maps,
    solve_systems,
)
from tests.helpers.phantom import Phantom

Array = NDArray[np.float64]
S0 = 500.0


def scheme(n_directions: int = 30, b: float = 1000.0, n_b0: int = 3) -> Gradients:
    z = 1 - (np.arange(n_directions) + 0.5) / n_directions
    angle = np.pi * (1 + 5**0.5) * np.arange(n_directions)
    vectors = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    return Gradients(np.repeat([0.0, b], [n_b0, n_directions]), np.vstack([np.zeros((n_b0, 3)), vectors]))


def known(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Eigenvalues (n, 3), largest first, and tensors (n, 3, 3) turned at random."""
    values = np.sort(rng.uniform(0.2e-3, 1.8e-3, (n, 3)), axis=1)[:, ::-1]
    axes = Rotation.random(n, random_state=7).as_matrix()
    return values, np.einsum("nij,nj,nkj->nik", axes, values, axes)


def signals(tensors: Array, gradients: Gradients) -> Array:
    along = np.einsum("gi,nij,gj->ng", gradients.bvecs, tensors, gradients.bvecs)
    return S0 * np.exp(-gradients.bvals * along)


def rician(clean: Array, sd: float, rng: np.random.Generator) -> Array:
    return np.hypot(clean + rng.normal(0, sd, clean.shape), rng.normal(0, sd, clean.shape))


def fa_of(values: Array) -> Array:
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(np.sqrt(1.5 * (centred**2).sum(axis=1) / (values**2).sum(axis=1)))


@pytest.mark.parametrize("sd", [20.0, 400.0])
def test_equals_dipy(sd: float) -> None:
    rng = np.random.default_rng(1)
    gradients = scheme()
    noisy = rician(signals(known(3000, rng)[1], gradients), sd, rng)
    ours = scalar_maps(fit_tensor(noisy, gradients))
    theirs = TensorModel(gradient_table(gradients.bvals, bvecs=gradients.bvecs), fit_method="WLS").fit(noisy)
    assert (ours.not_positive.mean() > 0.2) == (sd > 100)
    np.testing.assert_allclose(ours.fa, theirs.fa, atol=1e-8)
    for name in ("md", "rd", "ad"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-7, atol=1e-13)


def test_recovers_known_tensors_exactly_without_noise() -> None:
    values, tensors = known(500, np.random.default_rng(2))
    fit = fit_tensor(signals(tensors, scheme(6, n_b0=1)), scheme(6, n_b0=1))
    maps = scalar_maps(fit)
    np.testing.assert_allclose(maps.fa, fa_of(values), atol=1e-9)
    np.testing.assert_allclose(maps.md, values.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(maps.ad, values[:, 0], rtol=1e-9)
    np.testing.assert_allclose(maps.rd, values[:, 1:].mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(fit.s0, S0, rtol=1e-9)
    assert np.isnan(fit.residual_sd).all()  # seven volumes leave no freedom


def test_noise_costs_little() -> None:
    rng = np.random.default_rng(3)
    values, tensors = known(4000, rng)
    fit = fit_tensor(rician(signals(tensors, scheme()), S0 / 30, rng), scheme())
    error = scalar_maps(fit).fa - fa_of(values)
    assert np.median(np.abs(error)) < 0.03
    assert abs(np.median(error)) < 0.01
    assert np.median(fit.residual_sd) == pytest.approx(S0 / 30, rel=0.1)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    noisy = rician(signals(known(100, rng)[1], scheme()), 20.0, rng)
    whole = fit_tensor(noisy, scheme())
    monkeypatch.setattr("bids_stroke.preprocess.dwi.tensor.wls._CHUNK", 7)
    np.testing.assert_allclose(fit_tensor(noisy, scheme()).elements, whole.elements, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("fill", [0.0, 1e-6, 3e4])
def test_voxels_without_contrast_give_numbers(fill: float) -> None:
    maps = scalar_maps(fit_tensor(np.full((5, 33), fill), scheme()))
    for name in ("fa", "md", "rd", "ad"):
        np.testing.assert_allclose(getattr(maps, name), 0.0, atol=1e-5 if name == "fa" else 2e-9)


def test_lost_volumes_stay_finite() -> None:
    signal = signals(known(50, np.random.default_rng(5))[1], scheme())
    signal[:, ::3] = 0.0
    fit = fit_tensor(signal, scheme())
    maps = scalar_maps(fit)
    assert np.isfinite([maps.fa, maps.md, maps.rd, maps.ad]).all()
    assert ((maps.fa >= 0) & (maps.fa <= 1)).all()


def test_eigenvalues_equal_lapack_s() -> None:
    rng = np.random.default_rng(6)
    alike = [[2.0, 2.0, 2.0], [2.0, 2.0, 1.0], [2.0, 1.0, 1.0], [2.0, 1.0 + 1e-9, 1.0], [1.0, 0.0, 0.0], [0.0] * 3]
    axes = Rotation.random(60, random_state=1).as_matrix()
    matrices = np.einsum("nij,nj,nkj->nik", axes, np.array(alike * 10), axes)
    matrices = np.concatenate([matrices, rng.normal(size=(200, 3, 3)) + 0.0])
    matrices = (matrices + matrices.transpose(0, 2, 1)) / 2
    found = eigenvalues(matrices[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]])
    np.testing.assert_allclose(found.T, np.linalg.eigvalsh(matrices)[:, ::-1], atol=3e-8)


def test_systems_are_solved_as_by_numpy_and_singular_ones_by_pseudo_inverse() -> None:
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(40, 12, 7))
    rows[3, :, 2], rows[5] = rows[3, :, 1], 0.0
    normal, right = rows.transpose(0, 2, 1) @ rows, rng.normal(size=(40, 7))
    right[3, 2] = right[3, 1]
    triangles = normal[:, *np.triu_indices(7)].T
    found = solve_systems(triangles.copy(), right.T).T
    wanted = np.stack([np.linalg.pinv(a, hermitian=True) @ b for a, b in zip(normal, right, strict=True)])
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)
    assert (found[5] == 0).all()


def maps_of(eigenvalues: list[float]) -> ScalarMaps:
    elements = np.array([[*eigenvalues, 0.0, 0.0, 0.0]])
    return scalar_maps(TensorFit(elements, np.ones(1), np.zeros(1)))


def test_shapes_of_tensors() -> None:
    assert maps_of([1e-3, 1e-3, 1e-3]).fa[0] == pytest.approx(0.0, abs=1e-12)
    assert maps_of([1e-3, 0.0, 0.0]).fa[0] == pytest.approx(1.0, abs=2e-6)
    assert maps_of([0.0, 0.0, 0.0]).fa[0] == 0.0


def test_negative_eigenvalues_are_counted_and_cut() -> None:
    maps = maps_of([1e-3, 0.5e-3, -0.4e-3])
    assert maps.not_positive.tolist() == [True]
    assert maps.md[0] == pytest.approx(0.5e-3)
    assert maps.rd[0] == pytest.approx(0.25e-3, abs=1e-9)
    assert maps.fa[0] <= 1.0
    assert not maps_of([1e-3, 0.5e-3, 0.1e-3]).not_positive.any()


def test_without_noise_the_truth_is_found(small: Phantom) -> None:
    fit = scalar_maps(fit_tensor(small.clean[small.mask], Gradients(small.bvals, small.bvecs)))
    np.testing.assert_allclose(fit.fa, small.truth["fa"][small.mask], atol=2e-4)
    np.testing.assert_allclose(fit.md, small.truth["md"][small.mask], rtol=2e-3)
    assert 0.4 < np.median(small.truth["fa"][small.white]) < 0.7
    assert small.tissues["gm"][small.mask].mean() > 0.25
