"""Logistic regressions for many draws at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bids_stroke.evaluation.logistic import logistic_level, logistic_line


def test_lines_of_many_draws_are_those_of_each_alone() -> None:
    rng = np.random.default_rng(0)
    x = 3 + 2 * rng.standard_normal(90)
    poor = (rng.random(90) < 1 / (1 + np.exp(3 - x))).astype(float)
    weights = rng.multinomial(90, np.full(90, 1 / 90), size=40).astype(float)
    together = logistic_line(poor, x, weights)
    assert together == pytest.approx([logistic_line(poor, x, row[None])[0] for row in weights], abs=1e-8)
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x[:, None], poor, sample_weight=weights[0])
    assert together[0] == pytest.approx(fit.coef_[0, 0], abs=1e-5)


def test_the_level_makes_the_sum_right() -> None:
    rng = np.random.default_rng(1)
    offset = rng.standard_normal(60)
    poor = (rng.random(60) < 0.3).astype(float)
    weights = rng.integers(0, 4, (5, 60)).astype(float)
    found = logistic_level(poor, offset, weights)
    fitted = 1 / (1 + np.exp(-(found[:, None] + offset)))
    assert (weights * fitted).sum(axis=1) == pytest.approx(weights @ poor)
