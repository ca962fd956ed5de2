"""Common activity of two muscles."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.signals.muscles import co_contraction


def test_co_contraction_is_1_for_the_same_course_and_0_for_turns() -> None:
    burst = np.zeros((12, 1, 100))
    burst[::2] = 1.0
    both = np.concatenate([burst, 3 * burst, 1 - burst], axis=1)
    shared = co_contraction(both)
    assert shared[0, 1] == pytest.approx(1)
    assert shared[0, 2] == pytest.approx(0)
