"""One fusion for everybody who has the same members: weights, calibration and the fusion of the scores.

A weight says what a member tells beside the others. Where some of these are missing, others that told the same must
take their place, and a calibration of all is too sure of few. So whoever lacks something gets a fusion that is fitted
without what is missing, on the same people.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.modalities import EARLY
from bids_stroke.fusion.fit import fit_head, fit_scores
from bids_stroke.fusion.fitted import Fusion
from bids_stroke.fusion.out_of_fold import Evidence
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import DOUBT_OF_EARLY

LEAST = 4
"""People of each class of whom the members said something, that a fusion of their own needs."""
LEAST_WITH_EARLY = 10
"""People of each class with the early fusion that one of all needs to be fitted on them alone; else on everybody."""


def fit_fusion(evidence: Evidence, present: Collection[str], coverage: float) -> Fusion:
    """The fusion of some of the members.

    Parameters
    ----------
    evidence : Evidence
        Out of the folds.
    present : collection of str
        Names of members, and of the early fusion.
    coverage : float
        Of the conformal sets.

    Returns
    -------
    Fusion
        Of the members that are present, in the order of the evidence.

    Raises
    ------
    DataError
        They said nothing of anybody.
    """
    evidence = evidence.of_members(present)
    target = Target(evidence.poor, evidence.outcome)
    doubt = np.array([DOUBT_OF_EARLY if name == EARLY else 1.0 for name in evidence.names])
    whom = _learn_from(evidence)[:, None]
    head = fit_head(np.where(whom, evidence.probability, np.nan), target, coverage, doubt)
    scores = fit_scores(np.where(whom, evidence.score, np.nan), target, doubt)
    return Fusion(dict(zip(evidence.names, head.weights.tolist(), strict=True)), head.calibration, scores)


def fusion_among(evidence: Evidence, present: Collection[str], whole: Fusion) -> Fusion:
    """The fusion for whoever has these members: one of their own, or the whole one if it is of no others.

    With too few people to fit it (`LEAST`) it is the whole one, too, whose weights are to be renormalised.
    """
    said = evidence.of_members(present).probability
    poor = evidence.poor[np.isfinite(said).any(axis=1)]
    if set(present) >= whole.weights.keys() or whole.calibration is None or min(poor.sum(), (~poor).sum()) < LEAST:
        return whole
    return fit_fusion(evidence, present, whole.calibration.coverage)


def _learn_from(evidence: Evidence) -> NDArray[np.bool_]:
    """Rows to fit on: those with the early fusion, if it takes part and they are enough, else all."""
    everybody = np.ones(len(evidence.poor), dtype=bool)
    if EARLY not in evidence.names:
        return everybody
    whom = np.asarray(np.isfinite(evidence.probability[:, evidence.names.index(EARLY)]))
    poor = evidence.poor[whom]
    return whom if min(poor.sum(), (~poor).sum()) >= LEAST_WITH_EARLY else everybody
