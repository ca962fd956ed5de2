"""What is to be predicted: the classes, the score, and the latent degree that stands behind both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from bids_stroke.fusion.people import People

Array = NDArray[np.float64]

LOGITS_PER_DEVIATION = 1.702
"""A normal distribution function is the logistic one of so many times its argument, to within 0.01 (Haley 1952)."""


@dataclass(frozen=True, eq=False)
class Target:
    """Outcomes of n rows.

    Attributes
    ----------
    poor : (n,) bool
        Whether the score lies beyond the outcome's threshold.
    score : (n,) float64
        In any unit; large ones may be poor or good.
    people : People
        Whose rows they are.
    """

    poor: NDArray[np.bool_]
    score: Array
    people: People

    @classmethod
    def of_people(cls, poor: NDArray[np.bool_], score: Array) -> Target:
        """Outcomes of people with one row each."""
        return cls(poor, score, People.of(np.arange(len(poor))))

    def of(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Target:
        """Outcomes of some of the rows."""
        return Target(self.poor[rows], self.score[rows], self.people.among(rows))

    @property
    def has_degrees(self) -> bool:
        """Whether the score tells more than the class, and both classes are there."""
        return len(np.unique(self.score)) > 2 and bool(self.poor.any()) and not self.poor.all()

    @property
    def latent(self) -> Array:
        """Normal scores of the outcome, large ones poor, with mean 0, (n,); all 0 where there is one class only.

        How poor an outcome is tells more than that it is poor: who learns from classes alone gives away a third of the
        people or more (Altman and Royston 2006, "The cost of dichotomising continuous variables"). Ranks only, so that
        a skewed score does no harm; equal outcomes share their mean rank (Blom 1958, "Statistical estimates and
        transformed beta-variables").
        """
        if self.poor.all() or not self.poor.any():  # which end of the score is poor, nobody knows
            return np.zeros(len(self.score))
        downwards = self.score[self.poor].mean() < self.score[~self.poor].mean()
        rank = self.people.ranks(-self.score if downwards else self.score)
        normal = norm.ppf((rank - 0.375) / (self.people.n + 0.25))
        return np.asarray(normal - self.people.mean(normal))
