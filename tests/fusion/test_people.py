"""Sessions are not people: what several rows of one person change, and what they must not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from bids_stroke.fusion.calibration import fit_calibration
from bids_stroke.fusion.fit import fit_probabilities, fit_scores
from bids_stroke.fusion.fitted import ScoreFusion, pool
from bids_stroke.fusion.out_of_fold import OutOfFold, out_of_fold_table, read_out_of_fold
from bids_stroke.fusion.people import People
from bids_stroke.fusion.score import calibrate_scores
from bids_stroke.fusion.subset import LEAST, fit_fusion, fusion_among
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import N_SPLITS, averaged_weights

TIMES = 3


def repeated(target: Target, times: int = TIMES) -> tuple[Target, np.ndarray]:
    """Every person with the same outcome several times, and the row of each."""
    rows = np.repeat(np.arange(len(target.poor)), times)
    return Target(target.poor[rows], target.score[rows], People.of(rows)), rows


def cohort(n: int, seed: int, knows: float = 0.0) -> tuple[np.ndarray, Target]:
    """Three sessions of n people: the outcome stays, what two members say changes little from session to session."""
    rng = np.random.default_rng(seed)
    degree = rng.standard_normal(n)
    own = knows * degree[:, None] + rng.standard_normal((n, 2))
    score = 20 + 5 * degree
    target, rows = repeated(Target.of_people(score < 20, score))
    return expit(-(own[rows] + 0.3 * rng.standard_normal((n * TIMES, 2)))), target


def test_the_same_rows_several_times_change_nothing() -> None:
    """But for the leaving out of ranks of equal scores: weights, calibration and the score's line are the same."""
    rng = np.random.default_rng(0)
    truth = rng.normal(20, 5, 60)
    said = expit((20 - truth[:, None]) / 5 + rng.standard_normal((60, 3)))
    scores = truth[:, None] + rng.normal(0, 4, (60, 3))
    once = Target.of_people(truth < 18, truth)
    thrice, rows = repeated(once)
    one, three = fit_probabilities(said, once, 0.9), fit_probabilities(said[rows], thrice, 0.9)
    assert three.weights == pytest.approx(one.weights, abs=5e-3)
    ours, theirs = one.calibration, three.calibration
    assert theirs.temperature == pytest.approx(ours.temperature, rel=0.01)
    assert np.array(theirs.covariance) == pytest.approx(np.array(ours.covariance), rel=0.03, abs=1e-4)
    assert theirs.quantiles == pytest.approx(ours.quantiles, abs=0.01)
    one_score, three_scores = fit_scores(scores, once), fit_scores(scores[rows], thrice)
    assert three_scores.slope == pytest.approx(one_score.slope, rel=1e-4)
    assert three_scores.half_width == pytest.approx(one_score.half_width, rel=1e-4)


def test_sessions_of_noise_give_no_steeper_slope_than_people() -> None:
    """Taken for people, three sessions of 40 make luck look like knowledge."""
    slopes, taken_for_people = [], []
    for seed in range(30):
        said, target = cohort(40, seed)
        as_people = Target.of_people(target.poor, target.score)
        slopes.append(1 / fit_probabilities(said, target, 0.9).calibration.temperature)
        taken_for_people.append(1 / fit_probabilities(said, as_people, 0.9).calibration.temperature)
    assert np.mean(slopes) < 0.7 * np.mean(taken_for_people)


def test_the_covariance_is_that_of_new_samples_of_people() -> None:
    found = []
    for seed in range(60):
        said, target = cohort(120, seed, knows=1.0)
        classes = Target(target.poor, target.poor.astype(float), target.people)
        found.append(fit_calibration(said[:, 0], classes, 0.0, 0.9))
    observed = np.var([[c.intercept, 1 / c.temperature] for c in found], axis=0)
    expected = np.mean([np.diag(c.covariance) for c in found], axis=0)
    assert observed == pytest.approx(expected, rel=0.5)


def test_a_person_s_rows_are_in_the_same_half() -> None:
    _, target = cohort(20, 1)
    seen = []

    def fit(rows: np.ndarray) -> np.ndarray:
        seen.append(rows)
        return np.array([1.0, 0.0])

    _, others = averaged_weights(fit, target)
    assert len(seen) == 2 * N_SPLITS
    assert others.sum(axis=1) == pytest.approx(np.ones(60))
    for rows in seen:
        assert set(np.bincount(target.people.of_row[rows], minlength=20)) <= {0, TIMES}


def test_sets_and_intervals_cover_new_people() -> None:
    """Ranks by rows would be of 90 sessions: here of 30 people."""
    covered, inside = [], []
    for seed in range(40):
        said, target = cohort(30, seed, knows=1.0)
        fitted = fit_probabilities(said, target, 0.9)
        scores = fit_scores(20 - 5 * np.log(said / (1 - said)), target)
        fresh, truth = cohort(300, 1000 + seed, knows=1.0)
        probability = fitted.calibration.apply(pool(fresh, fitted.weights))
        quantiles = np.where(truth.poor, fitted.calibration.quantiles[0], fitted.calibration.quantiles[1])
        covered.append(np.mean(np.where(truth.poor, 1 - probability, probability) <= quantiles))
        predicted = scores.apply(20 - 5 * np.log(fresh / (1 - fresh)))
        inside.append(np.mean(np.abs(predicted - truth.score) <= scores.half_width))
    assert 0.88 < np.mean(covered) < 0.97
    assert 0.88 < np.mean(inside) < 0.97


def test_who_is_left_out_of_the_score_s_line_is_so_with_all_sessions() -> None:
    rng = np.random.default_rng(4)
    people = People.of(rng.integers(0, 9, 30))
    truth = rng.normal(17, 8, 9)[people.of_row]
    said = truth + rng.normal(0, 4, 30)
    found = calibrate_scores(ScoreFusion((1.0,), -np.inf, np.inf, None), said, Target(truth < 17, truth, people))
    penalty = people.mean((truth - people.mean(truth)) ** 2)
    errors = np.empty(30)
    for person in range(9):
        own, weight = people.of_row == person, np.sqrt(people.weight)
        design = np.column_stack([np.ones(30), said])[~own] * weight[~own, None]
        # the ridge about a slope of 1, as one more row that the intercept has no part in
        design = np.vstack([design, [0, np.sqrt(penalty)]])
        wanted = np.append(truth[~own] * weight[~own], np.sqrt(penalty))
        intercept, slope = np.linalg.lstsq(design, wanted, rcond=None)[0]
        errors[own] = np.abs(intercept + slope * said[own] - truth[own])
    assert found.half_width == pytest.approx(people.quantile(errors, 0.9))


def test_a_pattern_of_few_people_has_no_fusion_of_its_own_however_many_sessions_it_has() -> None:
    said, target = cohort(LEAST - 1 + 30, 2)
    said[TIMES * 2 * (LEAST - 1) :, 0] = np.nan  # the first member knows few people, whom it saw often
    evidence = OutOfFold(("a", "b"), said, 20 - said, target.poor, target.score, target.people)
    whole = fit_fusion(evidence, ("a", "b"), 0.9)
    assert min(np.unique(target.poor[:18], return_counts=True)[1]) >= LEAST  # sessions
    assert fusion_among(evidence, ("a",), whole) is whole
    assert fusion_among(evidence, ("b",), whole) is not whole


def test_whose_rows_they_are_is_kept_in_the_bundle(tmp_path: Path) -> None:
    said, target = cohort(10, 3)
    evidence = OutOfFold(("a", "b"), said, said, target.poor, target.score, target.people)
    file = tmp_path / "evidence.tsv"
    out_of_fold_table(evidence).to_csv(file, sep="\t", index=False)
    again = read_out_of_fold(file)
    assert again.people.of_row.tolist() == target.people.of_row.tolist()
    out_of_fold_table(evidence).drop(columns="person").to_csv(file, sep="\t", index=False)
    assert read_out_of_fold(file).people.n == 30  # of an older version, which did not tell
