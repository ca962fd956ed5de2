"""The numbers of a map: parcels, the tract, both sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bids_stroke.networks.regions import GRID_SHAPE, Regions, RegionsArguments, atlas
from tests.helpers.units import lesion


def regions(**arguments: object) -> Regions:
    network = Regions(RegionsArguments(**arguments))  # type: ignore[arg-type]
    network.prepare()
    return network


def test_parcels_and_tract_are_mirror_images_of_about_one_size() -> None:
    labels, tract = atlas(12, 1)
    np.testing.assert_array_equal(labels, labels[::-1])
    np.testing.assert_allclose(tract, tract[::-1], atol=1e-6)
    sizes = np.bincount(labels.ravel())
    assert len(sizes) == 13 and sizes[:12].max() < 3 * sizes[:12].min()
    assert 1_600_000 < sizes[:12].sum() * 8 < 2_200_000  # mm3 of the template's brain
    assert 20_000 < tract.sum() * 8 < 40_000


def test_flipping_a_lesion_swaps_the_sides() -> None:
    network = regions(quantity="volume", n_parcels=6)
    image = torch.from_numpy(lesion(np.random.default_rng(1), 12, left=True))[None, None]
    one, other = network.features(image)[0], network.features(image.flip(2))[0]
    differences = [2, *range(10, 16)]
    same = [i for i in range(16) if i not in differences]
    torch.testing.assert_close(one[same], other[same])
    torch.testing.assert_close(one[differences], -other[differences])
    assert (one[10:] >= 0).all() and one[10:].max() > 1  # the left is positive
    assert one[0] == pytest.approx(np.log1p(12**3 * 0.008))


def test_a_map_is_averaged_in_its_regions() -> None:
    network = regions(quantity="mean", n_parcels=6)
    image = torch.full((1, 1, *GRID_SHAPE), 0.3)
    image[:, :, 46:] = 0.5  # the left
    features = network.features(image)[0]
    torch.testing.assert_close(features[4:10], torch.full((6,), 0.8, dtype=torch.float64), atol=0.02, rtol=0)
    torch.testing.assert_close(
        features[[2, 3, *range(10, 16)]], torch.full((8,), 0.2, dtype=torch.float64), atol=0.02, rtol=0
    )
    assert features[0] == pytest.approx(0.4, abs=0.002)
    other = network.features(image.flip(2))[0]  # either side may be affected
    torch.testing.assert_close(other[3:], features[3:])
    torch.testing.assert_close(other[2], -features[2])


def test_shrunk_maps_give_nearly_the_same_numbers() -> None:
    image = torch.from_numpy(lesion(np.random.default_rng(2), 14, left=False))[None, None]
    fine = regions(quantity="volume", n_parcels=4).features(image)[0]
    coarse = regions(quantity="volume", n_parcels=4, shrink=3)
    small = coarse.features(torch.nn.functional.avg_pool3d(image, 3))[0]
    torch.testing.assert_close(small, fine, atol=0.6, rtol=0)
    assert small[0] == pytest.approx(float(fine[0]), abs=1e-6)


def test_of_a_lesion_the_volumes_are_measured_of_other_maps_the_means() -> None:
    assert Regions.from_input("lesion", {"shrink": 2}) == {"shrink": 2, "quantity": "volume"}
    assert Regions.from_input("fa", {"shrink": 1}) == {"shrink": 1, "quantity": "mean"}
