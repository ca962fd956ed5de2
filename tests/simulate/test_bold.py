"""Simulated BOLD series: networks that go together, and the lesion that takes no part."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.simulate.bold import network_maps, simulate_bold, slow_signal
from bids_stroke.simulate.head import scanner_affine, view
from tests.helpers.simulated import SIZES, a_head


@pytest.fixture(scope="module")
def bold():
    head = a_head("L")
    image = simulate_bold(head, SIZES, 1.0, True, np.random.default_rng(5))
    return head, image, view(head, SIZES.bold_shape, image.affine)


def test_bold_has_its_tr_and_settles_after_two_volumes(bold):
    _, image, seen = bold
    assert image.header.get_zooms()[3] == 2.0
    assert image.header.get_xyzt_units() == ("mm", "sec")
    means = image.get_fdata()[seen.share("brain") > 0.9].mean(axis=0)
    assert means[0] > 1.15 * means[2:].mean()
    assert means[2:].std() < 0.02 * means[2:].mean()


def test_regions_of_one_network_go_together(bold):
    _, image, seen = bold
    maps = network_maps(seen, seen.share("gm"))
    series = image.get_fdata()[..., 2:]
    left = seen.points[..., 0] < 0

    def region(name, side):
        return np.average(series, axis=(0, 1, 2), weights=np.repeat((maps[name] * side)[..., None], series.shape[3], 3))

    brain = series[seen.share("brain") > 0.9].mean(axis=0)
    left_visual, right_visual = (region("visual", side) / brain for side in (left, ~left))
    assert np.corrcoef(left_visual, right_visual)[0, 1] > 0.7


def test_coupling_strengthens_the_sensorimotor_network():
    head, spread = a_head("L"), []
    for coupling in (0.0, 1.0):
        image = simulate_bold(head, SIZES, coupling, True, np.random.default_rng(5))
        seen = view(head, SIZES.bold_shape, image.affine)
        weight = network_maps(seen, seen.share("gm"))["sensorimotor"] > 0.5
        spread.append(image.get_fdata()[..., 2:][weight].mean(axis=0).std())
    assert spread[1] > 1.4 * spread[0]


def test_the_lesion_takes_no_part_in_a_network():
    head = a_head("R")
    head.lesion.centre[:] = (38.0, -24.0, 56.0)
    affine = scanner_affine(SIZES.bold_shape, SIZES.bold_mm, np.eye(3), True)
    seen = view(head, SIZES.bold_shape, affine)
    maps = network_maps(seen, seen.tissues()["gm"])
    assert maps["sensorimotor"][seen.lesion > 0.95].max() < 0.05


def test_slow_signal_is_in_the_band():
    signal = slow_signal(400, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(signal - signal.mean())) ** 2
    frequency = np.fft.rfftfreq(400, 2.0)
    assert power[(frequency > 0.008) & (frequency < 0.11)].sum() > 0.95 * power.sum()
