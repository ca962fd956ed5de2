"""Numbers that tell whether a lesion mask fits the image."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.imaging.images import array
from bids_stroke.imaging.lesion.check import check_warnings, image_numbers, ventricles
from bids_stroke.imaging.standard_space import STANDARD_AFFINE, STANDARD_SHAPE, template
from tests.helpers.lesions import LEFT, ball

LESION = ball(STANDARD_AFFINE, STANDARD_SHAPE)


def test_a_lesion_is_seen_where_it_is() -> None:
    head = 100.0 * array(template("T1w"))
    head[LESION] = 20.0
    numbers = image_numbers(LESION, head)
    assert numbers["lesion_rim_contrast"] < -1.0
    assert numbers["lesion_mirror_contrast"] < -1.0
    assert numbers["lesion_in_ventricle_fraction"] < 0.1
    assert check_warnings(numbers | {"lesion_in_brain_fraction": 1.0}) == []


@pytest.mark.inputs(
    "A mask in which the T1w shows nothing, neither against its rim nor against the other side, or that lies over the "
    "ventricles or outside the brain, is used with a warning."
)
def test_a_mask_that_fits_nothing_is_said() -> None:
    head = np.full(STANDARD_SHAPE, 100.0, np.float32) + np.random.default_rng(0).normal(0, 5, STANDARD_SHAPE)
    numbers = image_numbers(LESION, head.astype(np.float32)) | {"lesion_in_brain_fraction": 0.8}
    assert numbers["lesion_seen_contrast"] < 0.25
    outside, unseen = check_warnings(numbers)
    assert "80 % of the lesion mask lies in the standard brain" in outside
    assert "Nothing is seen of the lesion" in unseen
    wet = image_numbers(ventricles(), 100.0 * array(template("T1w"))) | {"lesion_in_brain_fraction": 1.0}
    assert wet["lesion_in_ventricle_fraction"] == 1.0
    assert "100 % of the lesion mask lies over the ventricles" in check_warnings(wet)[0]
    assert 10.0 < 0.008 * ventricles().sum() < 40.0
    assert (ventricles() == ventricles()[::-1]).all()


def test_without_a_t1w_only_the_place_counts() -> None:
    assert check_warnings({"lesion_in_brain_fraction": 1.0}) == []
    assert LEFT[0] < 0
