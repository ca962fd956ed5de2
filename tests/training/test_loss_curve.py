"""The epoch that inner folds choose."""

from __future__ import annotations

import numpy as np

from bids_stroke.training.loss_curve import Curve, best_epoch


def test_best_epoch_is_that_of_the_mean_and_a_stopped_curve_keeps_its_last_loss() -> None:
    def curve(*losses: float) -> Curve:
        empty = np.zeros((len(losses), 5))
        return Curve(np.array(losses), empty, empty)

    assert best_epoch([curve(3, 1, 2, 4), curve(3, 2, 1, 1)]) in (2, 3)
    assert best_epoch([curve(3, 2, 1.5, 1), curve(3, 1)]) == 4
    assert best_epoch([curve(1, 2, 3)]) == 1
