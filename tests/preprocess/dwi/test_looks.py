"""What volumes look like beside each other."""

from __future__ import annotations

import numpy as np

from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.looks import look
from tests.helpers.template_scan import TemplateScan


def test_a_brighter_volume_with_lost_slices_is_as_bright_as_its_other_slices(still: TemplateScan) -> None:
    data = array(still.image).copy()
    data[..., 1] = 1.5 * data[..., 0]
    data[:, :, ::3, 1] = 0
    looks = look(like(still.image, data))
    found = looks.compare(looks.logs[:, :2], looks.logs[:, 0])
    np.testing.assert_allclose(found.level, [0, np.log(1.5)], atol=1e-3)
    np.testing.assert_allclose(found.upper, [0, np.log(1.5)], atol=1e-3)
    np.testing.assert_allclose(found.spread, 0, atol=1e-3)


def test_head_and_background_are_told_apart(still: TemplateScan) -> None:
    looks = look(still.image)
    assert (looks.contrast > 5).all()
    assert not looks.headless.any()
    assert not looks.empty.any()
    np.testing.assert_allclose(np.exp(looks.background), 2.4, rtol=0.2)  # the mean of noise with an SD of 2
