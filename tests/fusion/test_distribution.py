"""The distribution of one person's outcome: its probability, score, range and decision belong together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from bids_stroke.fusion.distribution import Distribution, Line
from tests.helpers.units import tiny_distribution

KNOWN = tiny_distribution()
INDEX = np.linspace(-4, 4, 33)


def test_probability_is_the_share_beyond_the_cut() -> None:
    """The score of a person whose outcome is -17.5 (the cut, towards poor) has just so much beyond it."""
    at_cut = KNOWN.level(INDEX, np.full(len(INDEX), 17.5))
    np.testing.assert_allclose(KNOWN.probability(INDEX), 1 - at_cut, atol=1e-12)
    narrow = np.exp(-0.1 * np.clip(INDEX, -3, 3))
    np.testing.assert_allclose(KNOWN.probability(INDEX), expit((0.2 + 1.2 * INDEX) * narrow), atol=1e-12)
    assert (np.diff(KNOWN.probability(INDEX)) > 0).all()


def test_score_is_the_mean_and_falls_where_the_probability_of_a_poor_one_rises() -> None:
    scores = KNOWN.score(INDEX)
    assert (np.diff(scores) < 0).all() and scores.min() >= 4.0 and scores.max() <= 30.0
    beyond = expit((np.array(KNOWN.intercepts) + 1.2 * 0.5) * np.exp(-0.1 * 0.5))
    shares = -np.diff(np.concatenate([[1], beyond, [0]]))
    assert KNOWN.score(np.array([0.5]))[0] == pytest.approx(shares @ [30, 21, 13, 4])


def test_the_range_holds_the_middle_of_the_distribution_and_ends_where_outcomes_end() -> None:
    for index in INDEX.tolist():
        low, high = KNOWN.interval(index)
        assert 0 <= low <= KNOWN.score(np.array([index]))[0] <= high <= 34
        for end, level in ((high, 0.05), (low, 0.95)):  # high scores are good: the lower levels
            if 0 < end < 34:
                assert KNOWN.level(np.array([index]), np.array([end]))[0] == pytest.approx(level)
    assert tiny_distribution(levels=None).interval(0.0) is None
    upwards = tiny_distribution(direction=1)
    assert upwards.interval(0.5) == tuple(-end for end in reversed(KNOWN.interval(0.5)))


@pytest.mark.parametrize(
    ("probability", "decision"), [(0.39, "good"), (0.4, "abstain"), (0.5, "abstain"), (0.6, "abstain"), (0.61, "poor")]
)
def test_nothing_is_decided_between_the_limits(probability: float, decision: str) -> None:
    assert KNOWN.decide(probability) == decision
    assert tiny_distribution(decided=(0.0, 1.0)).decide(probability) == "abstain"


def test_the_interval_of_the_probability_is_of_what_it_was_learned_from() -> None:
    still = tiny_distribution(others=(), refitting=0.0)
    assert still.probability_interval(0.5) == pytest.approx((still.probability(np.array([0.5]))[0],) * 2)
    only_members = tiny_distribution(others=(), refitting=0.5, spread=0.0)
    half = 1.6448536 * 1.2 * 0.5
    assert only_members.probability_interval(0.0) == pytest.approx((expit(0.2 - half), expit(0.2 + half)))
    one, other = KNOWN.others
    apart = abs(float(one.logit(0.5)) - float(other.logit(0.5)))
    lines = tiny_distribution(refitting=0.0)
    low, high = (np.log(p / (1 - p)) for p in lines.probability_interval(0.5))
    assert high - low == pytest.approx(2 * 1.6448536 * apart / 2)  # two groups: half their squared distance, halved


def test_steepness_is_the_slope_of_the_logit() -> None:
    line = Line(0.3, 1.4, 0.2, 2.0)
    for index in (0.7, 3.0, -5.0):
        step = float(line.logit(index + 1e-6) - line.logit(index - 1e-6)) / 2e-6
        assert line.steepness(index) == pytest.approx(step, rel=1e-6)


def test_of_classes_the_distribution_is_the_probability() -> None:
    found = Distribution(
        (0.5,), (0.3,), 1.0, 0.0, 1.0, 0, (-0.5, 1.5), (0.0, 1.0), (0.0, 1.0), 1, None, (0.2, 0.8), 0.9
    )
    np.testing.assert_allclose(found.score(INDEX), found.probability(INDEX))
    assert found.interval(0.0) is None
