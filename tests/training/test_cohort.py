"""The cohort: a covariate that is the outcome under another name is refused; outcomes are shuffled by person."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bids_stroke.core.errors import UsageError
from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.training.cohort import FEWEST_TO_CORRELATE, Cohort, check_covariates, make_cohort, shuffled_rows


def cohort(noise: float, n: int = 40, column: str = "fma_le_baseline") -> Cohort:
    """People whose column is their score plus noise (SD, points of 10)."""
    rng = np.random.default_rng(0)
    scores = rng.normal(20, 10, n)
    units = []
    for i, score in enumerate(scores):
        known = {"age": 60.0 + i % 7, column: float(score + noise * rng.normal())}
        units.append(Labelled(UnitFeatures(f"{i}", None, {}, {}, known, "d"), float(score), score <= 17))
    return make_cohort(units, "fma_le")


@pytest.mark.inputs(
    "A covariate that is all but the outcome (correlation above .98 in ten units or more) is refused with its name by "
    "`train`: exit code 2."
)
@pytest.mark.parametrize("column", ["fma_le_baseline", "days_since_stroke"])
def test_the_outcome_under_another_name_is_refused_with_its_name(column: str) -> None:
    made = cohort(0.1, column=column)
    if column == "days_since_stroke":  # below 0 is no number of days
        made.covariates[:, made.names.index(column)] = made.score
    with pytest.raises(UsageError, match=rf"The column {column} is all but the outcome itself \(correlation"):
        check_covariates(made)


def test_a_first_score_that_tells_much_is_taken() -> None:
    telling = cohort(2.0)
    assert 0.94 < np.corrcoef(telling.first, telling.score)[0, 1] < 0.98
    check_covariates(telling)
    check_covariates(cohort(0.0, FEWEST_TO_CORRELATE - 1))  # of so few it may be chance
    same = cohort(0.1)
    same.first[:] = 5.0
    check_covariates(same)


def test_outcomes_go_from_person_to_person_as_a_whole() -> None:
    people = ["a", "b", "c", "a", "b", "c", "d", "d"]
    seen = set()
    for seed in range(30):
        order = shuffled_rows(people, np.random.default_rng(seed))
        assert sorted(order.tolist()) == list(range(8))  # all have two sessions: the same outcomes as before
        given = {person: {people[row] for row, own in zip(order.tolist(), people, strict=True) if own == person}
                 for person in "abcd"}  # fmt: skip
        assert all(len(donors) == 1 for donors in given.values())
        assert Counter(donor for donors in given.values() for donor in donors) == Counter("abcd")
        seen.add(tuple(order.tolist()))
    assert len(seen) > 10
    uneven = shuffled_rows(["a", "a", "a", "b"], np.random.default_rng(1))
    assert set(uneven[:3].tolist()) in ({3}, {0, 1, 2})
