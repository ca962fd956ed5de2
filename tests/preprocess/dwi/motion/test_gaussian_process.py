"""Volumes predicted from the others by a Gaussian process, shell by shell."""

from __future__ import annotations

import numpy as np

from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.motion.gaussian_process import groups, precision, residuals


def test_predictions_are_those_of_a_process_fitted_without_the_volume() -> None:
    rng = np.random.default_rng(0)
    bvecs = rng.normal(size=(12, 3))
    bvecs /= np.linalg.norm(bvecs, axis=1, keepdims=True)
    fibres = rng.normal(size=(400, 3))
    fibres /= np.linalg.norm(fibres, axis=1, keepdims=True)
    clean = 300 * np.exp(-1.5 * (bvecs @ fibres.T) ** 2)
    signal = clean + rng.normal(0, 5, clean.shape)
    inverse = precision(signal, bvecs)
    np.testing.assert_allclose(inverse.sum(axis=1), 0, atol=1e-9)
    # simple kriging without one volume: the precision's block of the others gives its conditional mean
    others = np.arange(12) != 3
    expected = -inverse[3, others] @ signal[others] / inverse[3, 3]
    np.testing.assert_allclose(signal[3] - residuals(signal, inverse)[3], expected)
    changed = signal.copy()
    changed[3] += 1000
    np.testing.assert_allclose(changed[3] - residuals(changed, inverse)[3], expected)
    assert residuals(signal, inverse).std() < 0.6 * (signal - signal.mean(axis=0)).std()


def test_small_shells_join_their_neighbour() -> None:
    bvals = np.array([0.0, 300, 300, 1000, 1000, 1000, 1000, 1000, 2500, 2500])
    found = groups(Gradients(bvals, np.zeros((10, 3))), bvals == 0)
    assert [group.tolist() for group in found] == [(bvals > 0).tolist()]
    many = np.repeat([0.0, 1000, 2500], [1, 6, 6])
    assert [int(group.sum()) for group in groups(Gradients(many, np.zeros((13, 3))), many == 0)] == [6, 6]
