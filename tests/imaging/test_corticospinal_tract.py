"""The corticospinal tract: its course and its cross-sections."""

from __future__ import annotations

import numpy as np

from bids_stroke.imaging.corticospinal_tract import N_POINTS, centre_line, cross_sections, radius


def test_tract_runs_from_medulla_to_cortex():
    points, tangents = centre_line()
    assert points.shape == tangents.shape == (N_POINTS, 3)
    assert points[0, 2] < -50
    assert points[-1, 2] > 60
    assert np.all(points[:, 0] > 0)
    np.testing.assert_allclose(np.linalg.norm(tangents, axis=1), 1)
    steps = np.diff(points, axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), np.linalg.norm(steps[0]), rtol=0.01)
    assert np.all(np.einsum("ij,ij->i", steps, tangents[:-1]) > 0.95 * np.linalg.norm(steps, axis=1))


def test_cross_sections_fill_the_tract():
    points, tangents = centre_line()
    offsets = cross_sections() - points[:, None, :]
    reach = np.linalg.norm(offsets, axis=2).max(axis=1)
    np.testing.assert_allclose(reach, 0.9 * radius(np.linspace(0, 1, N_POINTS)))
    np.testing.assert_allclose(np.einsum("ijk,ik->ij", offsets, tangents), 0, atol=1e-9)
