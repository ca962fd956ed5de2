"""The field told by the T1w: found in part, or not at all, and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.phase_encoding import Encoding
from bids_stroke.preprocess.dwi.susceptibility import from_t1w
from bids_stroke.preprocess.dwi.susceptibility.fit_pair import Fit, Level, Pair, Smoothness, fit_pair
from bids_stroke.preprocess.dwi.susceptibility.from_t1w import field_from_t1w
from tests.helpers.phantom import Phantom, make_phantom
from tests.helpers.susceptibility import GRID, anatomy_of, seen


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
