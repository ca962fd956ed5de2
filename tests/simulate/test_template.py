"""The template that heads are drawn from."""

from __future__ import annotations

import numpy as np

from bids_stroke.imaging.corticospinal_tract import centre_line
from bids_stroke.simulate.template import sample


def test_template_is_mirror_symmetric_and_its_tract_is_white():
    points, _ = centre_line()
    right = sample("tract", points, 2, 2.0)
    left = sample("tract", points * [-1, 1, 1], 2, 2.0)
    np.testing.assert_allclose(left, right, atol=0.02)
    assert np.median(right) > 0.75
    assert sample("tract", np.array([[45.0, 40.0, 10.0]]), 2, 2.0)[0] == 0
