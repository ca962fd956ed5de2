from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from bids_stroke.core.errors import DataError
from bids_stroke.evaluation.metrics import calibration_slope
from bids_stroke.fusion.calibration import conformal_quantile, disagreement, fit_calibration
from bids_stroke.fusion.fit import fit_head
from bids_stroke.fusion.fitted import Calibration, fuse, pool
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import DOUBT_OF_EARLY, averaged_weights, fit_weights


def classes(poor: np.ndarray) -> Target:
    """Outcomes of which nothing but the class is known."""
    return Target(poor, poor.astype(float))


def simulated(n: int, strengths: tuple[float, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and members whose logits follow them with given strengths."""
    rng = np.random.default_rng(seed)
    poor = rng.random(n) < 0.5
    sign = np.where(poor, 1.0, -1.0)[:, None]
    return expit(sign * np.array(strengths) + rng.standard_normal((n, len(strengths)))), poor


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
            errors[name].append(np.abs(fit_weights(said, Target(degree > 0, score)) - best).sum())
    assert np.mean(errors["degree"]) < np.mean(errors["class"])


def test_latent_scores_follow_ranks_towards_the_poor() -> None:
    score = np.array([30.0, 1.0, 5.0, 5.0, 1000.0])
    low_is_poor, high_is_poor = Target(score < 6, score), Target(score > 6, score)
    assert low_is_poor.latent == pytest.approx(-high_is_poor.latent)
    assert list(np.argsort(low_is_poor.latent, kind="stable")) == [4, 0, 2, 3, 1]
    assert low_is_poor.latent[2] == low_is_poor.latent[3] and low_is_poor.latent.mean() == pytest.approx(0)
    assert not Target(score < 0, score).latent.any()


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


def test_no_prediction_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="No unit has a prediction"):
        fit_weights(np.full((4, 2), np.nan), classes(np.array([True, False, True, False])))


def test_calibration_finds_a_known_temperature_and_intercept() -> None:
    rng = np.random.default_rng(0)
    true = expit(1.5 * rng.standard_normal(4000))
    poor = rng.random(4000) < true
    calibration = fit_calibration(expit(2.0 * (logit(true) - 0.4)), classes(poor), 0.0, 0.9)
    assert calibration.temperature == pytest.approx(2.0, rel=0.1)
    assert calibration.intercept == pytest.approx(0.4, abs=0.1)
    assert np.abs(calibration.apply(expit(2.0 * (logit(true) - 0.4))) - true).max() < 0.05


def test_calibration_of_noise_says_the_base_rate() -> None:
    rng = np.random.default_rng(1)
    poor = rng.random(600) < 0.3
    fused = expit(rng.standard_normal(600))
    for target in (classes(poor), Target(poor, np.where(poor, 1, 0) + rng.random(600))):
        calibrated = fit_calibration(fused, target, 0.0, 0.9).apply(np.array([0.1, 0.5, 0.9]))
        assert np.abs(calibrated - 0.3).max() < 0.12
        assert calibrated[0] < calibrated[1] < calibrated[2]


def degrees(n: int, seed: int) -> tuple[np.ndarray, Target]:
    """A member's probabilities, too sure and shifted, and a skewed score of which high values are poor."""
    rng = np.random.default_rng(seed)
    said = rng.standard_normal(n)
    degree = said + rng.standard_normal(n)
    return expit(3 * said - 1), Target(degree > 0.5, np.exp(degree))


def test_the_degree_makes_the_temperature_of_few_units_surer() -> None:
    """It moves less from sample to sample, and others' Brier score is not worse."""
    fresh, outcomes = degrees(4000, 999)
    briers, slopes = [], []
    for seed in range(40):
        fused, target = degrees(45, seed)
        found = [fit_calibration(fused, known, 0.0, 0.9) for known in (target, classes(target.poor))]
        briers.append([np.mean((c.apply(fresh) - outcomes.poor) ** 2) for c in found])
        slopes.append([1 / c.temperature for c in found])
    by_degree, by_class = np.std(slopes, axis=0)
    assert by_degree < 0.85 * by_class
    by_degree, by_class = np.mean(briers, axis=0)
    assert by_degree < by_class + 0.0005


@pytest.mark.parametrize("tails", ["heavy", "normal"])
def test_the_classes_decide_the_calibration_of_many_units(tails: str) -> None:
    """Also where the degree is nothing like normal about what the members say."""
    rng = np.random.default_rng(2)
    said = rng.standard_normal(3000)
    noise = rng.standard_t(2, 3000) if tails == "heavy" else rng.standard_normal(3000)
    score = said + noise
    fused, target = expit(2 * said), Target(score > 1, score)
    calibrated = fit_calibration(fused, target, 0.0, 0.9).apply(fused)
    truth, even = target.poor.astype(float), np.ones((1, 3000))
    assert calibration_slope(truth, calibrated, even)[0] == pytest.approx(1, abs=0.05)
    assert calibrated.mean() == pytest.approx(target.poor.mean(), abs=0.01)


def test_covariance_shrinks_with_the_number_of_units() -> None:
    variances = []
    for n in (40, 400):
        probabilities, poor = simulated(n, (1.0,))
        variances.append(np.trace(fit_calibration(probabilities[:, 0], classes(poor), 0.0, 0.9).covariance))
    assert variances[1] < variances[0] / 4


def test_covariance_is_that_of_repeated_samples() -> None:
    fits = [simulated(300, (0.7,), seed) for seed in range(60)]
    found = [fit_calibration(p[:, 0], classes(poor), 0.0, 0.9) for p, poor in fits]
    observed = np.var([[c.intercept, 1 / c.temperature] for c in found], axis=0)
    expected = np.mean([np.diag(c.covariance) for c in found], axis=0)
    assert observed == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_conformal_sets_cover_each_class(seed: int) -> None:
    probabilities, poor = simulated(400, (0.8,), seed)
    calibration = fit_calibration(probabilities[:, 0], classes(poor), 0.0, 0.9)
    fresh, outcomes = simulated(4000, (0.8,), seed + 100)
    decisions = np.array([calibration.decide(float(p)) for p in calibration.apply(fresh[:, 0])])
    for outcome, wrong in ((True, "good"), (False, "poor")):
        assert (decisions[outcomes == outcome] == wrong).mean() < 0.15
    assert 0.1 < (decisions == "abstain").mean() < 0.9


def test_conformal_quantile_excludes_nothing_where_there_are_too_few() -> None:
    assert conformal_quantile(np.linspace(0.1, 0.8, 8), 0.9) == 1.0
    assert conformal_quantile(np.linspace(0.1, 0.9, 9), 0.9) == pytest.approx(0.9)
    assert conformal_quantile(np.linspace(0.01, 0.99, 99), 0.9) == pytest.approx(0.9)


def test_disagreement_is_zero_among_equals_and_ignores_missing_members() -> None:
    same = np.array([[0.3, 0.3], [0.7, np.nan]])
    assert disagreement(same, np.array([0.5, 0.5])) == pytest.approx(0)
    assert disagreement(np.array([[0.2, 0.8]]), np.array([0.5, 0.5])) == pytest.approx(np.log(4))


def test_head_leaves_units_without_members_undecided() -> None:
    probabilities, poor = simulated(60, (1.0, 0.5))
    probabilities[5] = np.nan
    head = fit_head(probabilities, classes(poor), 0.9)
    fused, calibrated = head.apply(probabilities)
    assert np.isnan(fused[5]) and np.isnan(calibrated[5])
    assert np.isfinite(np.delete(calibrated, 5)).all()
    assert fused[0] == pytest.approx(pool(probabilities, head.weights)[0])


def test_pool_is_a_mean_of_logits_over_the_members_present() -> None:
    values = np.array([[0.2, 0.8], [np.nan, 0.8], [np.nan, np.nan], [0.9, 0.9]])
    pooled = pool(values, np.array([0.5, 0.5]))
    assert pooled[[0, 1, 3]] == pytest.approx([0.5, 0.8, 0.9])
    assert np.isnan(pooled[2])


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
    return averaged_weights(lambda half: fit_weights(probabilities[half], target.of(half)), poor)


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
        known = Target(poor, score)
        return averaged_weights(lambda half: fit_weights(probabilities[half], known.of(half)), poor)

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
    target = Target(score < 1, score)
    weights, _ = averaged_weights(lambda half: fit_weights(said[half], target.of(half)), target.poor)
    assert weights[0] == pytest.approx(0.75, abs=0.01)


def test_the_weights_of_one_person_are_equal() -> None:
    weights, others = averaged(np.array([[0.2, 0.9]]), np.array([True]))
    assert weights == pytest.approx([0.5, 0.5]) and others == pytest.approx(weights[None])


def test_two_members_together_are_surer_than_the_better_one() -> None:
    areas = []
    for seed in range(20):
        probabilities, poor = simulated(60, (1.0, 0.8), seed)
        head = fit_head(probabilities, classes(poor), 0.9)
        fresh, outcomes = simulated(2000, (1.0, 0.8), 1000 + seed)
        areas.append([roc_auc_score(outcomes, p) for p in (head.apply(fresh)[1], *fresh.T)])
    fused, first, second = np.mean(areas, axis=0)
    assert fused > max(first, second) + 0.04


def test_calibration_does_not_take_the_luck_of_the_weights_for_knowledge() -> None:
    """Brier score and slope on people who were not there; the base rate alone has a Brier score of 0.25."""
    slopes, scores = {"crossed": [], "own rows": []}, []
    for seed in range(30):
        probabilities, poor = simulated(45, (0.8,) + (0.0,) * 8, seed)
        head = fit_head(probabilities, classes(poor), 0.9)
        naive = fit_calibration(pool(probabilities, head.weights), classes(poor), 0.0, 0.9)
        fresh, outcomes = simulated(2000, (0.8,) + (0.0,) * 8, 1000 + seed)
        fused, calibrated = head.apply(fresh)
        truth, even = outcomes.astype(float), np.ones((1, len(fresh)))
        scores.append(np.mean((calibrated - truth) ** 2))
        for name, found in (("crossed", calibrated), ("own rows", naive.apply(fused))):
            slopes[name].append(calibration_slope(truth, found, even)[0])
    assert np.mean(scores) < 0.24
    assert np.median(slopes["crossed"]) > np.median(slopes["own rows"])
    assert 0.7 < np.median(slopes["crossed"]) < 1.5


def test_a_calibration_from_before_logits_were_pooled_is_read_as_it_was_made() -> None:
    values, weights = np.array([[0.2, 0.9]]), np.array([0.5, 0.5])
    assert Calibration().fuse(values, weights) == pytest.approx(fuse(values, weights))
    probabilities, poor = simulated(40, (1.0, 1.0))
    assert fit_head(probabilities, classes(poor), 0.9).calibration.pools == "logits"
