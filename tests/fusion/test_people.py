"""Sessions are not people: what several rows of one person change, and what they must not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from crepes import ConformalClassifier, ConformalRegressor
from scipy.special import expit

from bids_stroke.fusion.fit import fit_rows
from bids_stroke.fusion.fitted import Fusion
from bids_stroke.fusion.out_of_fold import out_of_fold_table, read_out_of_fold
from bids_stroke.fusion.people import People
from bids_stroke.fusion.subset import LEAST, fit_fusion, fusion_among
from bids_stroke.fusion.target import Target
from bids_stroke.fusion.weights import N_SPLITS, averaged_weights
from tests.helpers.outcomes import out_of_fold

TIMES = 3


def slope(fusion: Fusion) -> float:
    """Of the logit, per deviation of the members' logits."""
    assert fusion.distribution is not None
    return fusion.distribution.slope


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


def test_sessions_of_noise_give_no_steeper_slope_than_people() -> None:
    """Taken for people, three sessions of 40 make luck look like knowledge."""
    slopes, taken_for_people = [], []
    for seed in range(30):
        said, target = cohort(40, seed)
        as_people = Target.of_people(target.poor, target.score)
        slopes.append(slope(fit_rows(out_of_fold(said, target), 0.9)))
        taken_for_people.append(slope(fit_rows(out_of_fold(said, as_people), 0.9)))
    assert np.mean(slopes) < 0.8 * np.mean(taken_for_people)


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


HAIR = 1e-9
"""Off the coverage for crepes, which has (1 - 0.8) * 10 as 1 and takes the next rank where a rank fits exactly."""


@pytest.mark.filterwarnings("ignore:the no. of calibration examples")
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [5, 8, 9, 10, 19, 20, 39, 57, 200])
def test_the_conformal_rank_is_that_of_crepes(n: int, coverage: float) -> None:
    """Of residuals, and in each class of what a decision must not contradict; None is its infinite range."""
    rng = np.random.default_rng(n)
    residuals = rng.standard_normal(n)
    own = People.of(range(n)).quantile(np.abs(residuals), coverage)
    library = ConformalRegressor().fit(residuals).predict_int(np.zeros(1), confidence=coverage - HAIR)
    assert library[0].tolist() == ([-np.inf, np.inf] if own is None else [-own, own])
    probability, poor = rng.uniform(size=n), np.arange(n) % 3 == 0
    fresh = np.concatenate([rng.uniform(size=50), probability])
    for kind in (poor, ~poor):
        limit = People.of(range(n)).among(kind).quantile(probability[kind], coverage)
        fitted = ConformalClassifier().fit(probability[kind])
        held_possible = fitted.predict_p(fresh[:, None], smoothing=False)[:, 0] > 1 - coverage + HAIR
        assert (~held_possible).tolist() == [limit is not None and value > limit for value in fresh]


def test_decisions_and_ranges_hold_of_new_people() -> None:
    """Ranks by rows would be of 90 sessions: here of 30 people."""
    contradicted, inside = [], []
    for seed in range(40):
        said, target = cohort(30, seed, knows=1.0)
        fusion = fit_rows(out_of_fold(said, target), 0.9)
        fresh, truth = cohort(300, 1000 + seed, knows=1.0)
        assert fusion.distribution is not None
        index = fusion.index(fresh, np.full(fresh.shape, np.nan))
        decided = [fusion.distribution.decide(p) for p in fusion.distribution.probability(index).tolist()]
        contradicted.append(np.mean(np.array(decided) == np.where(truth.poor, "good", "poor")))
        ends = np.array([fusion.distribution.interval(value) for value in index.tolist()])
        inside.append(np.mean((truth.score >= ends[:, 0]) & (truth.score <= ends[:, 1])))
    assert np.mean(contradicted) < 0.1
    assert 0.88 < np.mean(inside) < 0.95


def test_a_pattern_of_few_people_has_no_fusion_of_its_own_however_many_sessions_it_has() -> None:
    said, target = cohort(LEAST - 1 + 30, 2)
    said[TIMES * 2 * (LEAST - 1) :, 0] = np.nan  # the first member knows few people, whom it saw often
    evidence = out_of_fold(said, target, 20 - said)
    whole = fit_fusion(evidence, ("m0", "m1"), 0.9)
    assert min(np.unique(target.poor[:18], return_counts=True)[1]) >= LEAST  # sessions
    assert fusion_among(evidence, ("m0",), whole) is whole
    assert fusion_among(evidence, ("m1",), whole) is not whole


def test_whose_rows_they_are_is_kept_in_the_bundle(tmp_path: Path) -> None:
    said, target = cohort(10, 3)
    evidence = out_of_fold(said, target, said)
    file = tmp_path / "evidence.tsv"
    out_of_fold_table(evidence).to_csv(file, sep="\t", index=False)
    again = read_out_of_fold(file)
    assert again.people.of_row.tolist() == target.people.of_row.tolist()
