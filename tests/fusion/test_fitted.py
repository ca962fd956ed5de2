"""A fitted fusion applied: members that are missing, and the scale of those that are there."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.fusion.fitted import Fusion, Scale, clipped_logit, fuse, more_likely, renormalise


def test_fuse_leaves_missing_members_out() -> None:
    values = np.array([[0.2, 0.8], [np.nan, 0.8], [np.nan, np.nan]])
    fused = fuse(values, np.array([0.75, 0.25]))
    assert fused[:2] == pytest.approx([0.35, 0.8])
    assert np.isnan(fused[2])
    assert renormalise(np.array([0.6, 0.2, 0.2]), np.array([True, False, True])) == pytest.approx([0.75, 0, 0.25])


def test_a_degree_is_the_mean_of_both_outputs_by_their_own_deviations() -> None:
    scale = Scale((0.5, 2.0), (17.0, -4.0))  # low scores are poor
    probability, score = np.array([0.8, 0.8, np.nan]), np.array([13.0, np.nan, 13.0])
    logit = (np.log(4) - 0.5) / 2
    found = scale.degree(probability, score)
    assert found[:2] == pytest.approx([(logit + 1) / 2, logit]) and np.isnan(found[2])
    assert Scale((0.5, 2.0)).degree(probability, score)[0] == pytest.approx(logit)


def test_the_index_is_a_weighted_mean_over_the_members_that_are_there() -> None:
    fusion = Fusion({"a": 0.75, "b": 0.25}, (Scale((0.0, 1.0)), Scale((0.0, 2.0))))
    said = np.array([[0.9, 0.9], [np.nan, 0.9], [np.nan, np.nan]])
    nothing = np.full_like(said, np.nan)
    logit = float(clipped_logit(0.9))
    found = fusion.index(said, nothing)
    assert found[:2] == pytest.approx([0.75 * logit + 0.25 * logit / 2, logit / 2]) and np.isnan(found[2])


def test_without_a_distribution_the_more_likely_outcome_is_named() -> None:
    assert [more_likely(p) for p in (0.2, 0.5, 0.8)] == ["good", "poor", "poor"]
