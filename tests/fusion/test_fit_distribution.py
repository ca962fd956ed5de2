"""The distribution of the outcome as it is fitted, and whether it holds of new people."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bids_stroke.evaluation.metrics import calibration_slope
from bids_stroke.fusion.fit_distribution import INTERVAL_COVERAGE, fit_distribution
from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import Target
from tests.helpers.outcomes import classes, degrees


def cohort(n: int, seed: int, knows: float, skewed: bool = False) -> tuple[np.ndarray, Target]:
    """An index that correlates so much with a degree, and a score of whole numbers; low ones are poor, or high ones."""
    rng = np.random.default_rng(seed)
    degree = rng.standard_normal(n)
    index = knows * degree + np.sqrt(1 - knows**2) * rng.standard_normal(n)
    if skewed:
        score = np.round(np.exp(1.2 + 0.9 * degree))
        return index, Target.of_people(score >= 5, score)
    score = np.clip(np.round(20 - 8 * degree), 0, 34)
    return index, Target.of_people(score <= 17, score)


def test_of_classes_it_is_a_logistic_regression() -> None:
    """Of many people, whose classes say more than the priors; only the slope is shrunk, by what it is unsure of."""
    index, target = cohort(3000, 0, 0.6)
    found = fit_distribution(index, classes(target.poor), 0.9)
    library = LogisticRegression(C=1e6).fit(index[:, None], target.poor)
    assert found.line.slope == pytest.approx(library.coef_[0, 0], rel=0.03)
    assert found.line.spread == pytest.approx(0, abs=0.08)
    np.testing.assert_allclose(found.probability(index), library.predict_proba(index[:, None])[:, 1], atol=0.03)


def test_the_slope_is_shrunk_by_its_own_variance() -> None:
    """The variance is that of samples: of noise half of the slope and more goes, of knowledge next to nothing."""
    slopes = {}
    for knows in (0.0, 0.6):
        slopes[knows] = [fit_distribution(*cohort(60, seed, knows), 0.9).slope for seed in range(30)]
    assert np.mean(slopes[0.0]) < 0.1
    assert np.mean(slopes[0.6]) == pytest.approx(0.6 / 0.8 * 1.7, abs=0.3)


@pytest.mark.parametrize("skewed", [False, True])
def test_what_is_promised_holds_of_new_people(skewed: bool) -> None:
    found = []
    for seed in range(12):
        known = fit_distribution(*cohort(200, seed, 0.6, skewed), 0.9)
        index, truth = cohort(2000, 1000 + seed, 0.6, skewed)
        probability, score, poor = known.probability(index), known.score(index), truth.poor
        ends = np.array([known.interval(value) for value in index.tolist()])
        inside = (truth.score >= ends[:, 0]) & (truth.score <= ends[:, 1])
        said = np.array([known.decide(p) for p in probability.tolist()])
        wrong = ((said == "poor") & ~poor) | ((said == "good") & poor)
        thirds = np.array_split(np.argsort(score), 3)
        slope = calibration_slope(poor.astype(float), probability, np.ones((1, len(poor))))[0]
        decided = said != "abstain"
        promised = np.minimum(probability, 1 - probability)[decided].mean()
        found.append([slope, inside.mean(), min(inside[third].mean() for third in thirds), inside[poor].mean(),
                      inside[~poor].mean(), 1 - wrong[poor].mean(), 1 - wrong[~poor].mean(),
                      wrong[decided].mean() - promised, decided.mean()])  # fmt: skip
    slope, covered, third, of_poor, of_good, sets_poor, sets_good, more_errors, decided = np.mean(found, axis=0)
    assert slope == pytest.approx(1, abs=0.1)
    assert covered == pytest.approx(INTERVAL_COVERAGE, abs=0.015)
    assert min(third, of_poor, of_good) > 0.86
    assert min(sets_poor, sets_good) > 0.9
    assert more_errors == pytest.approx(0, abs=0.02) and decided > 0.2


def test_of_noise_nothing_is_decided_and_nothing_is_sure() -> None:
    decided = []
    for seed in range(20):
        known = fit_distribution(*cohort(60, seed, 0.0), 0.9)
        index, truth = cohort(500, 1000 + seed, 0.0)
        probability = known.probability(index)
        decided.append(np.mean([known.decide(p) != "abstain" for p in probability.tolist()]))
        assert np.quantile(np.abs(probability - truth.poor.mean()), 0.95) < 0.35
    assert np.mean(decided) < 0.03


def test_the_degree_makes_the_slope_of_few_people_surer() -> None:
    """It moves less from sample to sample, and the Brier score of others is not worse."""
    fresh, outcomes = degrees(4000, 999)
    briers, slopes = [], []
    for seed in range(30):
        said, target = degrees(45, seed)
        found = [fit_distribution(np.log(said / (1 - said)), known, 0.9) for known in (target, classes(target.poor))]
        logits = np.log(fresh / (1 - fresh))
        briers.append([np.mean((one.probability(logits) - outcomes.poor) ** 2) for one in found])
        slopes.append([one.slope for one in found])
    assert np.std(slopes, axis=0)[0] < 0.85 * np.std(slopes, axis=0)[1]
    assert np.mean(briers, axis=0)[0] < np.mean(briers, axis=0)[1] + 0.0005


def test_people_who_differ_more_get_a_wider_range() -> None:
    rng = np.random.default_rng(0)
    index = rng.standard_normal(1500)
    score = index + np.exp(0.5 * index) * rng.standard_normal(1500)
    known = fit_distribution(index, Target.of_people(score > 0.5, score), 0.9)
    width = [float(np.diff(known.interval(value))[0]) for value in (-1.0, 0.0, 1.0)]
    truth = 2 * 1.645 * np.exp(0.5 * np.array([-1.0, 0.0, 1.0]))
    assert width == pytest.approx(truth.tolist(), rel=0.35)
    assert width[2] > 1.5 * width[0]


def test_sessions_of_a_person_count_as_one_and_are_left_out_together() -> None:
    index, target = cohort(60, 3, 0.5)
    rows = np.repeat(np.arange(60), 3)
    once = fit_distribution(index, target, 0.9)
    thrice = fit_distribution(index[rows], Target(target.poor[rows], target.score[rows], People.of(rows)), 0.9)
    assert thrice.slope == pytest.approx(once.slope, rel=0.02)
    assert np.array(thrice.decided) == pytest.approx(np.array(once.decided), abs=0.02)
    assert np.array(thrice.levels) == pytest.approx(np.array(once.levels), abs=0.01)
    width = [np.diff(known.probability_interval(0.5))[0] for known in (once, thrice)]
    assert width[1] == pytest.approx(width[0], rel=0.1)


def test_the_interval_of_the_probability_is_as_wide_as_new_samples_scatter() -> None:
    fitted = [fit_distribution(*cohort(150, seed, 0.6), 0.9) for seed in range(40)]
    for index in (-1.0, 0.0, 1.5):
        logits = [float(known.line.logit(index)) for known in fitted]
        ends = np.array([known.probability_interval(index) for known in fitted])
        half = np.diff(np.log(ends / (1 - ends)), axis=1) / 2 / 1.645
        assert np.mean(half) == pytest.approx(np.std(logits), rel=0.35)


def test_too_few_people_promise_nothing() -> None:
    index, target = cohort(8, 0, 0.6)
    known = fit_distribution(index, target, 0.9)
    assert known.levels is None and known.decided == (0.0, 1.0)


@pytest.mark.parametrize("poor", [np.ones(6, bool), np.zeros(6, bool)])
@pytest.mark.parametrize("score", [np.arange(6.0), np.full(6, 3.0)])
def test_one_class_only_is_told_as_it_is(poor: np.ndarray, score: np.ndarray) -> None:
    known = fit_distribution(np.linspace(-1, 1, 6), Target.of_people(poor, score), 0.9)
    assert (np.abs(known.probability(np.zeros(1)) - poor[0]) < 0.2).all()
    assert known.score(np.zeros(1))[0] == pytest.approx(score.mean(), abs=0.5)


def test_the_probability_rises_with_the_index_also_where_people_differ_more() -> None:
    """In samples whose spread changes with the index, within and far beyond the index of anybody seen."""
    far = np.linspace(-20, 20, 400)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        index = rng.standard_normal(60)
        score = 0.5 * index + np.exp(rng.choice([-0.6, 0.6]) * index) * rng.standard_normal(60)
        target = Target.of_people(score > np.quantile(score, 0.7), score)
        probability = fit_distribution(index, target, 0.9).probability(far)
        assert (np.diff(probability) >= 0).all()


def test_where_nobody_is_the_score_is_not_0() -> None:
    score = 50 + np.arange(20.0)
    known = fit_distribution(np.linspace(-1, 1, 20), Target.of_people(np.zeros(20, bool), score), 0.9)
    assert 50 <= known.score(np.array([9.0]))[0] <= 69


def test_limits_do_not_hang_on_the_last_digit_of_a_score() -> None:
    index, target = cohort(300, 0, 0.6)
    score = target.score * 1e-6
    other = np.array([float(f"{value:.10g}") for value in score])
    one, two = (fit_distribution(index, Target.of_people(target.poor, values), 0.9) for values in (score, other))
    assert len(one.limits) == len(two.limits) and one.limits == pytest.approx(two.limits)
