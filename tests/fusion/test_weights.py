"""Weights of the members: on the simplex, near equal for few units, and honest about who knows nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from bids_stroke.fusion.fitted import clipped_logit
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import DOUBT_OF_EARLY, averaged_weights, simplex_weights
from tests.helpers.outcomes import classes, degrees, simulated


def fit_weights(probabilities: np.ndarray, target: Target, doubt: np.ndarray | None = None) -> np.ndarray:
    """From the members' logits, 0 where one knows nothing."""
    return simplex_weights(np.nan_to_num(clipped_logit(probabilities)), target.latent, target.people, doubt)


def weights_of(n: int, strengths: tuple[float, ...], seed: int) -> np.ndarray:
    probabilities, poor = simulated(n, strengths, seed)
    return fit_weights(probabilities, classes(poor))


def test_how_poor_an_outcome_is_tells_more_than_its_class() -> None:
    """Members that follow a degree of which the class is a half: weights from the degree are nearer to the best."""
    errors = {"degree": [], "class": []}
    best = np.array([2.0, 1.0, 0.0, 0.0, 0.0]) / 3
    for seed in range(20):
        rng = np.random.default_rng(seed)
        degree = rng.standard_normal(50)
        said = expit(degree[:, None] * np.array([1.0, 0.5, 0, 0, 0]) + rng.standard_normal((50, 5)) * 0.7)
        for name, score in (("degree", degree), ("class", (degree > 0).astype(float))):
            errors[name].append(np.abs(fit_weights(said, Target.of_people(degree > 0, score)) - best).sum())
    assert np.mean(errors["degree"]) < np.mean(errors["class"])


def test_weights_lie_on_the_simplex_and_prefer_the_better_member() -> None:
    probabilities, poor = simulated(200, (2.0, 0.0, 0.0))
    weights = fit_weights(probabilities, classes(poor))
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()
    assert weights[0] > 0.8


def test_members_that_say_the_same_get_the_same_weight() -> None:
    probabilities, poor = simulated(50, (1.0,))
    assert fit_weights(np.repeat(probabilities, 3, axis=1), classes(poor)) == pytest.approx(np.full(3, 1 / 3), abs=1e-6)


def test_few_units_stay_near_equal_weights() -> None:
    probabilities, poor = simulated(6, (1.0, 0.0))
    many, outcomes = simulated(400, (1.0, 0.0))
    few, enough = fit_weights(probabilities, classes(poor))[0], fit_weights(many, classes(outcomes))[0]
    assert abs(few - 0.5) < 0.25
    assert enough > 0.75


def test_weights_are_found_with_members_missing() -> None:
    probabilities, poor = simulated(300, (2.0, 0.0))
    gaps = probabilities.copy()
    gaps[::3, 0] = np.nan
    gaps[1::3, 1] = np.nan
    gaps[2] = np.nan
    assert fit_weights(gaps, classes(poor))[0] > 0.8


def test_members_that_know_nothing_get_next_to_nothing() -> None:
    shares = [weights_of(45, (1.5,) + (0.0,) * 12, seed)[0] for seed in range(20)]
    assert np.mean(shares) > 0.75
    nobody = [weights_of(45, (0.0,) * 13, seed).max() for seed in range(20)]
    assert np.isfinite(nobody).all()
    assert fit_weights(simulated(8, (1.0, 1.0))[0], classes(np.ones(8, bool))) == pytest.approx([0.5, 0.5])


def test_an_early_fusion_is_believed_first_but_not_blindly() -> None:
    doubt = np.array([DOUBT_OF_EARLY, 1.0, 1.0])
    alike, poor = simulated(60, (1.0,))
    believed = fit_weights(np.repeat(alike, 3, axis=1), classes(poor), doubt)
    assert believed[0] > 0.95
    weaker, outcomes = simulated(200, (0.0, 1.5, 0.0))
    assert fit_weights(weaker, classes(outcomes), doubt).argmax() == 1


def averaged(probabilities: np.ndarray, poor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    target = classes(poor)
    return averaged_weights(lambda half: fit_weights(probabilities[half], target.of(half)), target)


def test_means_over_halves_move_less_from_sample_to_sample() -> None:
    """Where members know little; where they know much, a single fit hardly moves either."""
    samples = [simulated(48, (0.3, 0.3) + (0.0,) * 6, seed) for seed in range(30)]
    once = [fit_weights(probabilities, classes(poor)) for probabilities, poor in samples]
    means = [averaged(*sample)[0] for sample in samples]
    assert np.var(means, axis=0).sum() < 0.8 * np.var(once, axis=0).sum()


def test_weights_for_a_row_know_neither_its_outcome_nor_what_was_said_of_it() -> None:
    said, target = degrees(40, 0)
    said = np.stack([said, simulated(40, (0.0,))[0][:, 0]], axis=1)
    poor = target.poor
    row = int(np.argmax(poor))

    def halves(probabilities: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = Target.of_people(poor, score)
        return averaged_weights(lambda half: fit_weights(probabilities[half], known.of(half)), known)

    weights, others = halves(said, target.score)
    assert weights.sum() == pytest.approx(1) and others.sum(axis=1) == pytest.approx(np.ones(40))
    score, turned = target.score.copy(), said.copy()
    score[row], turned[row] = score.max() + 1, [0.001, 0.999]  # poorest of all, of the same class: in the same halves
    for again, others_again in (halves(said, score), halves(turned, target.score)):
        np.testing.assert_array_equal(others_again[row], others[row])
        assert np.abs(again - weights).max() > 1e-3
        assert np.abs(np.delete(others_again - others, row, axis=0)).max() > 1e-3


def test_one_person_of_a_class_does_not_turn_the_others_round() -> None:
    """Half of the halves are without that person: they know nothing of the direction, and say so by equal weights."""
    score = np.arange(20.0)
    said = expit(np.stack([5 - score, score - 5], axis=1) / 5)  # a low score is poor: the first one is right
    target = Target.of_people(score < 1, score)
    weights, _ = averaged_weights(lambda half: fit_weights(said[half], target.of(half)), target)
    assert weights[0] == pytest.approx(0.75, abs=0.01)


def test_the_weights_of_one_person_are_equal() -> None:
    weights, others = averaged(np.array([[0.2, 0.9]]), np.array([True]))
    assert weights == pytest.approx([0.5, 0.5]) and others == pytest.approx(weights[None])
