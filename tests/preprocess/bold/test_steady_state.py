"""The part of a BOLD run that shows a head in steady state."""

from __future__ import annotations

import numpy as np

from bids_stroke.preprocess.bold.steady_state import count_unsteady


def test_bright_first_volumes_are_counted() -> None:
    means = np.random.default_rng(5).normal(100, 0.1, 40)
    assert count_unsteady(means) == 0
    assert count_unsteady(means * np.r_[1.5, 1.2, 1.03, np.ones(37)]) == 3
    assert count_unsteady(means * np.linspace(1.02, 0.98, 40)) == 0  # a drift is none
    assert count_unsteady(means * np.r_[1, 1.3, np.ones(38)]) == 0  # nor is a jump after the first
