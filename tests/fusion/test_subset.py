"""The fusion of those members that somebody has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bids_stroke.fusion.distribution import Recalibration
from bids_stroke.fusion.subset import fit_fusion, fusion_among
from bids_stroke.training.late_fusion import fuse_members
from tests.helpers.members import NAMES, trained


def test_with_too_few_people_to_fit_it_the_weights_of_all_are_renormalised() -> None:
    members, cohort, folds = trained(60, np.zeros(60, bool))
    evidence = fuse_members(members, cohort, folds, 0.9).evidence
    whole = fit_fusion(evidence, NAMES, 0.9)
    assert fusion_among(evidence, NAMES, whole) is whole
    assert fusion_among(evidence, ["big"], whole).weights == {"big": 1.0}
    few = replace(evidence, probability=np.where(np.arange(60)[:, None] < 6, evidence.probability, np.nan))
    assert fusion_among(few, ["big"], whole) is whole


def test_whoever_lacks_something_gets_the_recalibration_of_the_whole() -> None:
    members, cohort, folds = trained(60, np.zeros(60, bool))
    evidence = fuse_members(members, cohort, folds, 0.9).evidence
    whole, change = fit_fusion(evidence, NAMES, 0.9), Recalibration(-1.0, 0.7, (0.1, 0.0, 0.1))
    assert whole.distribution is not None
    plain = fusion_among(evidence, ["big"], whole).distribution
    new = fusion_among(evidence, ["big"], replace(whole, distribution=whole.distribution.recalibrated(change)))
    assert plain is not None and new.distribution == plain.recalibrated(change) != plain
    index = np.linspace(-2, 2, 9)
    assert np.allclose(new.distribution.probability(index), [change.of(p) for p in plain.probability(index).tolist()])
