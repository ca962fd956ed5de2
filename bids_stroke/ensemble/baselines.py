"""Baselines of a bundle: ordinary models of few numbers that the fusion is held against, on new people too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bids_stroke.ensemble.member import BundleMember
from bids_stroke.fusion.fitted import Fusion

T = TypeVar("T", float, NDArray[np.float64])

PARTS = ("parcels_linear", "parcels_trees")
MEAN = "ordinary_mean"
"""Mean of a regularised regression and of boosted trees on the same numbers (`PARTS`)."""


@dataclass(frozen=True)
class Baseline:
    """One baseline.

    Attributes
    ----------
    entry : BundleMember
        Named ``baseline_<name>``; a network that was fitted in one go.
    fusion : Fusion
        Of it alone: its scale and the distribution of the outcome.
    needs : str, optional
        Covariate without which it says nothing.
    """

    entry: BundleMember
    fusion: Fusion
    needs: str | None = None

    @property
    def name(self) -> str:
        """``clinical``, ``tract_load`` ..."""
        return self.entry.member.name.removeprefix("baseline_")

    def outcome(self, probability: float, score: float) -> tuple[float, float]:
        """Calibrated probability of a poor outcome, and score, from what the network said."""
        known = self.fusion.distribution
        assert known is not None  # of a baseline, there always is one
        index = self.fusion.index(np.array([[probability]]), np.array([[score]]))
        return float(known.probability(index)[0]), float(known.score(index)[0])


def ordinary_mean(said: Mapping[str, tuple[T, T]]) -> dict[str, tuple[T, T]]:
    """The `MEAN` of probabilities and of scores (numbers, or arrays); nothing where one of its parts is not there."""
    if not set(PARTS) <= said.keys():
        return {}
    (one, first), (other, second) = (said[name] for name in PARTS)
    return {MEAN: ((one + other) / 2, (first + second) / 2)}
