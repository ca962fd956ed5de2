"""The table of simulated people: outcomes follow the planted causes, and each person stays the same."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bids_stroke.simulate.options import CohortOptions, Weights
from bids_stroke.simulate.table import draw_people, outcome

NULL = Weights(0, 0, 0)


@cache
def columns(weights):
    people = draw_people(CohortOptions(n_subjects=600, seed=5, weights=weights))
    return {
        "load": np.array([p.load for p in people]),
        "age": np.array([p.age for p in people]),
        "coupling": np.array([p.coupling for p in people]),
        "fma_le": np.array([p.fma_le for p in people]),
        "baseline": np.array([p.fma_le_baseline for p in people]),
    }


@pytest.fixture(scope="module")
def planted():
    return columns(Weights())


def correlation(table, cause):
    return np.corrcoef(table[cause], table["fma_le"])[0, 1]


def test_planted_causes_show_in_the_outcome(planted):
    assert correlation(planted, "load") < -0.6
    assert correlation(planted, "age") < -0.1
    assert correlation(planted, "coupling") > 0.3


@pytest.mark.parametrize("cause", ["load", "age", "coupling"])
def test_null_cohort_has_no_cause(cause):
    # 600 people: the SD of a correlation of independent columns is .041.
    assert abs(correlation(columns(NULL), cause)) < 0.14


@pytest.mark.parametrize("weights", [NULL, Weights(), Weights(2, 0, 0)])
def test_both_classes_are_populated_whatever_the_weights(weights):
    table = columns(weights)
    assert 0.35 < (table["fma_le"] <= 17).mean() < 0.65
    assert table["fma_le"].min() >= 0
    assert table["fma_le"].max() <= 34


def test_one_weight_moves_only_its_own_cause():
    table = columns(Weights(0, 0, 1))
    assert correlation(table, "coupling") > 0.7
    assert abs(correlation(table, "load")) < 0.14


def test_causes_do_not_depend_on_the_weights(planted):
    null = columns(NULL)
    for cause in ("load", "age", "coupling"):
        np.testing.assert_array_equal(null[cause], planted[cause])


def test_null_outcome_ignores_its_causes():
    assert outcome((0.0, 40.0, 1.0), NULL, 0.3) == outcome((1.0, 85.0, 0.0), NULL, 0.3)


def test_baseline_score_goes_with_the_outcome(planted):
    assert np.corrcoef(planted["baseline"], planted["fma_le"])[0, 1] > 0.6


def test_a_person_stays_when_the_cohort_grows():
    few = draw_people(CohortOptions(n_subjects=3, seed=4))
    many = draw_people(CohortOptions(n_subjects=12, seed=4, missing_rate={"dwi": 0.5}))
    for one, same in zip(few, many, strict=False):
        assert (one.age, one.load, one.fma_le) == (same.age, same.load, same.fma_le)


def test_seeds_give_different_people():
    one, other = (draw_people(CohortOptions(n_subjects=8, seed=seed)) for seed in (1, 2))
    assert [p.load for p in one] != [p.load for p in other]


def test_labels_sort_as_numbers():
    labels = [p.subject for p in draw_people(CohortOptions(n_subjects=101))]
    assert labels[0] == "001"
    assert labels == sorted(labels)
