"""Operators and the conjugate gradients of the field's fit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import spline_filter

from bids_stroke.preprocess.dwi.susceptibility.solver import (
    central,
    central_transposed,
    conjugate_gradients,
    laplacian,
    pull_back,
)

Array = NDArray[np.float64]


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
