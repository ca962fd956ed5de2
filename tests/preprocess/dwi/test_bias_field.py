"""The bias field of diffusion images."""

from __future__ import annotations

import numpy as np

from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.bias_field import bias_field
from tests.helpers.diffusion import COARSE
from tests.helpers.phantom import make_phantom


def test_the_bias_field_is_taken_out_and_leaves_fa_alone() -> None:
    phantom = make_phantom(**COARSE, n_directions=6, n_b0=2, snr=100.0, bias=0.6)
    unweighted = array(phantom.image)[..., 0]
    field = bias_field(like(phantom.image, unweighted), phantom.mask)
    true = unweighted[phantom.mask] / np.maximum(phantom.clean[..., 0][phantom.mask], 1)
    assert true.std() / true.mean() > 0.12
    left = true / field[phantom.mask]
    assert left.std() / left.mean() < 0.6 * true.std() / true.mean()
