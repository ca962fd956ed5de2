"""A network of a bundle with what its inputs and outputs need."""

from __future__ import annotations

from dataclasses import dataclass

from bids_stroke.core.records import Member
from bids_stroke.features.covariates import CovariateScaler


@dataclass(frozen=True)
class BundleMember:
    """One member, the early fusion or a baseline, with what its inputs and outputs need.

    Attributes
    ----------
    member : Member
        Name, modality, network, arguments and reader's options, all complete.
    scaler : CovariateScaler
        Fitted on the training participants.
    score_mean, score_sd : float
        The network's score is standardised with these (outcome's units).
    """

    member: Member
    scaler: CovariateScaler
    score_mean: float
    score_sd: float
