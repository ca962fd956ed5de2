"""The phantom of the diffusion tests is distorted as it says."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from bids_stroke.imaging.images import array
from bids_stroke.simulate.template import grid_points
from tests.helpers.diffusion import COARSE
from tests.helpers.phantom import make_phantom


def test_the_phantom_is_distorted_as_it_says() -> None:
    phantom = make_phantom(**COARSE, n_directions=6, n_b0=2, snr=1e5, motion=1.0, eddy=0.03, field_hz=40.0, pairs="b0")
    affine, axis = phantom.image.affine, 1
    points = grid_points(phantom.mask.shape, affine)
    centre, to_voxel = points.reshape(-1, 3).mean(axis=0), np.linalg.inv(affine)
    unweighted = np.flatnonzero(phantom.b0)
    assert {phantom.encodings[i].sign for i in unweighted} == {1, -1}
    for i in unweighted:  # their contrast does not turn with the head
        true = points @ phantom.motions[i][:3, :3].T + phantom.motions[i][:3, 3]
        said = phantom.encodings[i]
        shift = phantom.eddy[i, 0] + (true - centre) @ phantom.eddy[i, 1:] + phantom.field * said.readout_s * said.sign
        at = np.moveaxis(true @ to_voxel[:3, :3].T + to_voxel[:3, 3], -1, 0).copy()
        at[axis] += shift
        seen = array(phantom.image)[..., i]
        undone = map_coordinates(seen, at, order=3) * (1 + np.gradient(shift, axis=axis))
        error = [np.abs(image - phantom.clean[..., i])[phantom.mask].mean() for image in (seen, undone)]
        assert error[1] < 0.5 * error[0]  # the rest is interpolation at 5 mm
