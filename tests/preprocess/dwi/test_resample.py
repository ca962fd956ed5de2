"""One interpolation undoes motion, eddy currents and susceptibility."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import array
from bids_stroke.imaging.motion import realign
from bids_stroke.preprocess.dwi.motion.eddy import Correction
from bids_stroke.preprocess.dwi.resample import Distortion, resample_series
from tests.helpers.diffusion import WHOLE_HEAD, planted
from tests.helpers.phantom import AXIS, make_phantom

AFFINE = np.array([[-3.0, 0, 0, 50], [0, 3.0, 0.3, -60], [0, -0.3, 3.5, -40], [0, 0, 0, 1]])


def test_one_interpolation_undoes_motion_eddy_currents_and_susceptibility() -> None:
    bent = make_phantom(n_directions=6, n_b0=1, motion=1.0, eddy=0.03, field_hz=40.0, snr=1e5, **WHOLE_HEAD)
    volumes, affine = array(bent.image), bent.image.affine
    seconds = np.array([said.readout_s * said.sign for said in bent.encodings])
    correction, distortion = planted(bent), Distortion(bent.field, seconds, AXIS)

    def error(made: NDArray[np.float32]) -> float:
        return float(np.median(np.abs(made - bent.clean)[bent.mask][:, 1:]))

    undone = error(resample_series(volumes, affine, correction, distortion))
    assert error(volumes) > 12
    assert undone < 6  # what the interpolation of 4 mm voxels leaves
    assert undone < 0.85 * error(resample_series(volumes, affine, correction))
    made = resample_series(volumes, affine, correction, distortion)
    assert made.dtype == np.float32
    assert made.min() >= 0
    squeezed = np.asarray(np.abs(bent.field) > 20)  # signal piles up there: without modulation it would stay
    ratio = made[squeezed & bent.mask].sum() / bent.clean[squeezed & bent.mask].sum()
    assert ratio == pytest.approx(1.0, abs=0.03)


def test_a_field_of_zero_and_motion_equal_the_plain_realignment() -> None:
    volume = np.random.default_rng(0).random((12, 13, 14)).astype(np.float32)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", [1, -2, 3], degrees=True).as_matrix()
    motion[:3, 3] = [0.7, -0.3, 1.1]
    correction = Correction(motion[None], np.zeros((1, 4)), np.zeros((1, 14), bool), None)
    plain = np.maximum(realign(volume, AFFINE, motion, order=3), 0)
    no_field = Distortion(np.zeros(volume.shape, np.float32), np.array([0.05]), 1)
    for distortion in (None, no_field):
        made = resample_series(volume[..., None], AFFINE, correction, distortion)[..., 0]
        np.testing.assert_allclose(made, plain, atol=2e-5)
