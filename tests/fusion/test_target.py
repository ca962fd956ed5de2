"""Outcomes as the fusion sees them."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.fusion.target import Target


def test_latent_scores_follow_ranks_towards_the_poor() -> None:
    score = np.array([30.0, 1.0, 5.0, 5.0, 1000.0])
    low_is_poor, high_is_poor = Target.of_people(score < 6, score), Target.of_people(score > 6, score)
    assert low_is_poor.latent == pytest.approx(-high_is_poor.latent)
    assert list(np.argsort(low_is_poor.latent, kind="stable")) == [4, 0, 2, 3, 1]
    assert low_is_poor.latent[2] == low_is_poor.latent[3] and low_is_poor.latent.mean() == pytest.approx(0)
    assert not Target.of_people(score < 0, score).latent.any()
