"""Seeds of fits: no two fits of a training share one, whatever part they are of."""

from __future__ import annotations

from itertools import product

import torch

from bids_stroke.training.parts.seeds import place_of_fold, place_of_member
from bids_stroke.training.trainer import Place


def test_each_fit_has_its_own() -> None:
    place = Place(torch.device("cpu"), "fp32", 7)
    seeds = {place_of_fold(place_of_member(place, member), fold).seed for member, fold in product(range(3), range(50))}
    assert len(seeds) == 150
    assert min(abs(a - b) for a, b in product(seeds, seeds) if a != b) == 1000  # inner folds count on from it
    assert place_of_fold(place_of_member(place, 1), 2).seed == 2_002_007  # as trainings of this version have had it
