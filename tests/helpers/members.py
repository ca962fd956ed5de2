"""Trained members without networks: some know a cause, others nothing."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from scipy.special import expit

from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import Member
from bids_stroke.training.cohort import Cohort
from bids_stroke.training.cross_validation import MemberFolds, TrainedMember
from bids_stroke.training.folds import OuterFold, nested_folds
from tests.helpers.units import tiny_settings

N_NOTHING = 6


NAMES = (EARLY, "big", "small", *(f"nothing{i}" for i in range(N_NOTHING)))


def cohort_of(score: np.ndarray) -> Cohort:
    n = len(score)
    empty = np.empty((n, 0))
    return Cohort((cast(Any, None),) * n, tuple(map(str, range(n))), score <= 0, score, empty, (), empty, "")


def trained(n: int, lacking: np.ndarray, seed: int = 0) -> tuple[list[TrainedMember], Cohort, list[OuterFold]]:
    """An early fusion that knows two causes, members that know one, and some that know nothing; no networks."""
    rng = np.random.default_rng(seed)
    causes = rng.standard_normal((n, 2)) * np.array([1.0, 0.7])
    cohort = cohort_of(-causes.sum(axis=1) - 0.5 * rng.standard_normal(n))
    folds = nested_folds(cohort.participants, cohort.poor, tiny_settings(outer_folds=5, inner_folds=3).training, 0)
    members = []
    for i, name in enumerate(NAMES):
        known = causes.sum(axis=1) if i == 0 else causes[:, i - 1] if i < 3 else np.zeros(n)
        said = np.full((4, len(folds), n), np.nan)
        for k, outer in enumerate(folds):
            for j, rows in ((0, outer.split.train), (2, outer.split.test)):
                value = 0.8 * known[rows] + 0.3 * rng.standard_normal(len(rows))
                said[j, k, rows], said[j + 1, k, rows] = expit(2 * value), -value
        if name == EARLY:
            said[:, :, lacking] = np.nan
        member = Member(name, EARLY if i == 0 else f"modality of {name}", EARLY if i == 0 else "regions", {}, {})
        outputs = MemberFolds(*said, epochs=np.ones(len(folds)), curves=[])
        members.append(TrainedMember(member, outputs, cast(Any, None), n))
    return members, cohort, folds
