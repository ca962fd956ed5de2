"""The fused score: its spread, its slope and its errors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from bids_stroke.fusion.fitted import ScoreFusion
from bids_stroke.fusion.score import calibrate_scores
from bids_stroke.fusion.target import Target


def of(truth: np.ndarray) -> Target:
    """Scores of people with one row each."""
    return Target.of_people(truth > 17, truth)


def test_members_that_know_different_things_predict_the_whole_spread_together() -> None:
    """Each says the part of the score that it knows, so the truth is their sum, twice their mean."""
    rng = np.random.default_rng(1)
    causes = rng.normal(0, 5, (300, 2))
    truth = 17 + causes.sum(axis=1) + rng.normal(0, 1, 300)
    mean = 17 + causes.mean(axis=1)
    fusion = calibrate_scores(ScoreFusion((0.5, 0.5), truth.min(), truth.max(), None), mean, of(truth))
    found = fusion.apply(17 + causes)
    assert fusion.slope == pytest.approx(2, abs=0.05)
    assert r2_score(truth, found) > 0.95 > 0.8 > r2_score(truth, mean)
    assert fusion.half_width == pytest.approx(np.quantile(np.abs(found - truth), 0.9), rel=0.05)


def test_a_fused_score_that_tells_nothing_is_the_mean_and_few_people_change_little() -> None:
    rng = np.random.default_rng(2)
    truth, noise = rng.normal(17, 8, 200), rng.normal(17, 8, 200)
    plain = ScoreFusion((1.0,), truth.min(), truth.max(), None)
    assert calibrate_scores(plain, noise, of(truth)).slope < 0.2
    backwards = calibrate_scores(plain, -10 * truth, of(truth))
    assert backwards.slope == 0 and backwards.intercept == pytest.approx(truth.mean())
    few = calibrate_scores(plain, noise[:3] / 8, of(truth[:3]))
    assert few.slope == pytest.approx(1, abs=0.3) and few.half_width is None
    assert calibrate_scores(plain, noise, of(np.full(200, 5.0))).slope == 1


def test_errors_of_the_score_are_of_people_left_out_of_its_slope() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(17, 8, 12)
    said = truth + rng.normal(0, 4, 12)
    plain = ScoreFusion((1.0,), -np.inf, np.inf, None)
    wanted = calibrate_scores(plain, said, of(truth)).half_width
    penalty = truth.var()
    errors = []
    for i in range(12):
        x, y = (np.delete(values, i) for values in (said, truth))
        # the same ridge: the rows that are left, and the penalty as an eleventh row's weight on the slope about 1
        design = np.vstack([np.column_stack([np.ones(11), x - said.mean()]), [0, np.sqrt(penalty)]])
        intercept, slope = np.linalg.lstsq(design, np.append(y, np.sqrt(penalty)), rcond=None)[0]
        errors.append(abs(intercept + slope * (said[i] - said.mean()) - truth[i]))
    assert wanted == pytest.approx(np.sort(errors)[int(np.ceil(13 * 0.9)) - 1])
