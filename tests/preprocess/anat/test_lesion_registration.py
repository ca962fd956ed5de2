"""Beside a lesion the registration still finds its place, and the tissues elsewhere do not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from bids_stroke.core.settings_preprocess import AnatSettings
from bids_stroke.preprocess.anat.quality import Anatomy
from tests.helpers.lesion_heads import PLACES, Place, Scan, dice, near_error, process, scan

Made = tuple[Scan, Anatomy]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The head without a lesion."""
    seen = scan(None)
    return seen, process(seen, tmp_path_factory.mktemp("healthy"))


def tissue_dice(made: Made, truth: Scan, outside: np.ndarray) -> np.ndarray:
    """Dice of GM and WM with the truth, outside the lesion."""
    probability = made[1].tissues.probability
    return np.array(
        [
            dice((probability[..., index] > 0.5) & outside, (truth.shares[name] > 0.5) & outside)
            for index, name in ((1, "gm"), (2, "wm"))
        ]
    )


def check(place: Place, healthy: Made, work: Path) -> float:
    """Process the head with this lesion; give the error near it."""
    hurt = scan(place)
    anatomy = process(hurt, work)
    outside = ~ndimage.binary_dilation(hurt.mask)
    before, after = (tissue_dice(made, healthy[0], outside) for made in (healthy, (hurt, anatomy)))
    assert before.min() > 0.92
    assert np.abs(after - before).max() < 0.01
    error = near_error(hurt, anatomy.warp)
    print(f"{place.name}: {hurt.mask.sum() * 0.008:.1f} ml, {error:.2f} mm,", after - before)
    return error


@pytest.mark.parametrize("place", [PLACES[1], PLACES[7]], ids=lambda place: place.name)
def test_two_places(place: Place, healthy: Made, tmp_path: Path) -> None:
    assert check(place, healthy, tmp_path) < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_ten_places(place: Place, healthy: Made, tmp_path: Path) -> None:
    assert check(place, healthy, tmp_path) <= 1.5


@pytest.mark.slow
def test_ignoring_the_lesion_would_be_seen(tmp_path: Path) -> None:
    """The tests above can fail: with nothing done about the lesion the error is over the limit."""
    seen = scan(PLACES[5])
    anatomy = process(seen, tmp_path, AnatSettings(lesion_handling="none"))
    assert near_error(seen, anatomy.warp) > 2.0
