"""Bootstrap over participants: the draws, the intervals, and when there are too few for any."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from bids_stroke.evaluation.bootstrap import Draws, too_few, with_intervals
from bids_stroke.evaluation.metrics import auc


def outcomes(n_poor: int, n_good: int) -> np.ndarray:
    return np.repeat([1.0, 0.0], [n_poor, n_good])


def test_draws_hold_as_many_as_there_are_and_are_the_same_for_the_same_number() -> None:
    weights = Draws(200, 3).weights(30)
    assert weights.shape == (200, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert np.array_equal(weights, Draws(200, 3).weights(30))
    assert not np.array_equal(weights, Draws(200, 4).weights(30))
    # a participant is left out of a draw with the probability (1 - 1/30)**30
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 30) ** 30, abs=0.02)


@pytest.mark.parametrize(
    ("poor", "reason"),
    [
        (outcomes(5, 5), ""),
        (outcomes(5, 4), "too few participants (9 of at least 10)"),
        (outcomes(4, 30), "too few of one outcome (4 poor, 30 good; at least 5 each)"),
        (outcomes(0, 30), "only one kind of outcome (0 poor, 30 good)"),
        (outcomes(0, 0), "only one kind of outcome (0 poor, 0 good)"),
    ],
)
def test_ten_participants_with_five_of_each_outcome_are_the_least(poor: np.ndarray, reason: str) -> None:
    assert too_few(poor) == reason


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = with_intervals(lambda weights: {"mean": weights @ values / 400}, 400, Draws(4000, 0))["mean"]
    assert found["value"] == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert (found["low"], found["high"]) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert found["reason"] == ""


def test_blocks_of_draws_change_nothing() -> None:
    """3,000 draws of 1,000 participants are computed in three blocks."""
    values = np.random.default_rng(0).random(1000)
    sizes = []

    def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(weights))
        return {"mean": weights @ values / 1000}

    found = with_intervals(mean, 1000, Draws(3000, 0))["mean"]
    assert sizes == [1, 1000, 1000, 1000]
    whole = Draws(3000, 0).weights(1000) @ values / 1000
    low, high = np.quantile(whole, (0.025, 0.975), method="inverted_cdf")
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize(
    ("point", "drawn", "expected"),
    [
        (np.nan, 1.0, (None, None, None, "not defined on these data")),
        (np.inf, 1.0, (None, None, None, "predictions separate the outcomes completely")),
        (1.0, np.nan, (1.0, None, None, "no interval: not defined in too many bootstrap draws")),
        (1.0, np.inf, (1.0, None, None, "the interval is not bounded on one side")),
        (1.0, 2.0, (1.0, 2.0, 2.0, "")),
    ],
)
def test_what_is_not_defined_has_a_reason_in_place_of_its_value(
    point: float, drawn: float, expected: tuple[float | None, float | None, float | None, str]
) -> None:
    def metric(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"metric": np.full(len(weights), point if len(weights) == 1 else drawn)}

    found = with_intervals(metric, 10, Draws(100, 0))["metric"]
    numbers = [None if np.isnan(found[key]) else found[key] for key in ("value", "low", "high")]
    assert (*numbers, found["reason"]) == expected


@pytest.mark.parametrize(
    ("lacking", "reason"), [(10, ""), (11, "no interval: not defined in too many bootstrap draws")]
)
def test_an_interval_needs_nine_draws_of_ten(lacking: int, reason: str) -> None:
    drawn = np.r_[np.full(lacking, np.nan), np.ones(100 - lacking)]

    def metric(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"metric": np.ones(1) if len(weights) == 1 else drawn}

    assert with_intervals(metric, 10, Draws(100, 0))["metric"]["reason"] == reason


@pytest.mark.slow
@pytest.mark.parametrize(("n", "apart"), [(80, 1.0), (200, 1.0), (80, 1.8)])
def test_the_interval_of_the_area_holds_the_truth_as_often_as_it_says(n: int, apart: float) -> None:
    """Of 1,000 cohorts .942, .947 and .930 when it was measured; the AUC of two such normals is Phi(apart / sqrt 2)."""
    truth = norm.cdf(apart / np.sqrt(2))
    held = []
    for seed in range(1000):
        poor = np.repeat([0.0, 1.0], n // 2)
        said = apart * poor + np.random.default_rng(seed).normal(size=n)
        found = with_intervals(
            lambda weights, poor=poor, said=said: {"": auc(poor, said, weights)}, n, Draws(1000, seed)
        )
        held.append(found[""]["low"] <= truth <= found[""]["high"])
    assert 0.925 <= np.mean(held) <= 0.97


def test_draws_take_people_with_replacement() -> None:
    weights = Draws(2000, 3).weights(50)
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.12)  # standard error .02
    assert weights.var(axis=0) == pytest.approx(np.full(50, 1 - 1 / 50), abs=0.2)
