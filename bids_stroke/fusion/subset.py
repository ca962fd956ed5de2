"""One fusion for everybody who has the same members: weights, scales and distribution.

A weight says what a member tells beside the others. Where some of these are missing, others that told the same must
take their place, and a distribution of all is too sure of few. So whoever lacks something gets a fusion that is fitted
without what is missing, on the same people.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.modalities import EARLY
from bids_stroke.fusion.fit import fit_rows
from bids_stroke.fusion.fitted import Fusion
from bids_stroke.fusion.out_of_fold import OutOfFold

LEAST = 4
"""People of each class of whom the members said something, that a fusion of their own needs."""
LEAST_WITH_EARLY = 10
"""People of each class with the early fusion that one of all needs to be fitted on them alone; else on everybody."""


def fit_fusion(out_of_fold: OutOfFold, present: Collection[str], coverage: float) -> Fusion:
    """The fusion of some of the members.

    Parameters
    ----------
    out_of_fold : OutOfFold
        Out of the folds.
    present : collection of str
        Names of members, and of the early fusion.
    coverage : float
        As in `fit_distribution`.

    Returns
    -------
    Fusion
        Of the members that are present, in the order of ``out_of_fold``.

    Raises
    ------
    DataError
        They said nothing of anybody.
    """
    members = out_of_fold.of_members(present)
    return fit_rows(members.of_rows(np.flatnonzero(_learn_from(members))), coverage)


def fusion_among(out_of_fold: OutOfFold, present: Collection[str], whole: Fusion) -> Fusion:
    """The fusion for whoever has these members: one of their own, or the whole one if it is of no others.

    With too few people to fit it (`LEAST`) it is the whole one, too, whose weights are to be renormalised. A
    recalibration of the whole one, which was learned from everybody's probabilities, is that of the others, too.
    """
    said = out_of_fold.of_members(present).probability
    fewest = _fewest_of_a_class(out_of_fold, np.asarray(np.isfinite(said).any(axis=1)))
    if set(present) >= whole.weights.keys() or whole.distribution is None or fewest < LEAST:
        return whole
    found = fit_fusion(out_of_fold, present, whole.distribution.coverage)
    assert found.distribution is not None  # as it was fitted
    return replace(found, distribution=found.distribution.recalibrated(whole.distribution.recalibration))


def _learn_from(out_of_fold: OutOfFold) -> NDArray[np.bool_]:
    """Rows to fit on: those with the early fusion, if it takes part and they are enough, else all."""
    everybody = np.ones(len(out_of_fold.poor), dtype=bool)
    if EARLY not in out_of_fold.names:
        return everybody
    whom = np.asarray(np.isfinite(out_of_fold.probability[:, out_of_fold.names.index(EARLY)]))
    return whom if _fewest_of_a_class(out_of_fold, whom) >= LEAST_WITH_EARLY else everybody


def _fewest_of_a_class(out_of_fold: OutOfFold, rows: NDArray[np.bool_]) -> int:
    """People of the rarer class among these rows."""
    return min(out_of_fold.people.among(rows & of_class).n for of_class in (out_of_fold.poor, ~out_of_fold.poor))
