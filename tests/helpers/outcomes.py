"""Made-up outcomes, and members that follow them more or less."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from bids_stroke.fusion.out_of_fold import OutOfFold
from bids_stroke.fusion.target import Target


def classes(poor: np.ndarray) -> Target:
    """Outcomes of which nothing but the class is known."""
    return Target.of_people(poor, poor.astype(float))


def simulated(n: int, strengths: tuple[float, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and members whose logits follow them with given strengths."""
    rng = np.random.default_rng(seed)
    poor = rng.random(n) < 0.5
    sign = np.where(poor, 1.0, -1.0)[:, None]
    return expit(sign * np.array(strengths) + rng.standard_normal((n, len(strengths)))), poor


def degrees(n: int, seed: int) -> tuple[np.ndarray, Target]:
    """A member's probabilities, too sure and shifted, and a skewed score of which high values are poor."""
    rng = np.random.default_rng(seed)
    said = rng.standard_normal(n)
    degree = said + rng.standard_normal(n)
    return expit(3 * said - 1), Target.of_people(degree > 0.5, np.exp(degree))


def out_of_fold(probability: np.ndarray, target: Target, score: np.ndarray | None = None) -> OutOfFold:
    """What members said; without scores and other trainings if none are given."""
    nothing = np.full(probability.shape, np.nan)
    names = tuple(f"m{i}" for i in range(probability.shape[1]))
    said = nothing if score is None else score
    return OutOfFold(names, probability, said, target.poor, target.score, target.people, nothing)
