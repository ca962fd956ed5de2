"""The fusion in groups of people, and the test of whether it means the same in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.cohort.background import NUMBERS, WORDS, People
from bids_stroke.evaluation.cohort.subgroups import divided, same_line_p, subgroup_table
from bids_stroke.evaluation.comparisons import holm


def drawn(n: int, seed: int, shift: float = 0.0, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    said = rng.standard_normal(n)
    return (rng.random(n) < expit(shift + slope * said)).astype(float), expit(said)


def table(**columns: object) -> pd.DataFrame:
    poor, probability = drawn(120, 0)
    known = pd.DataFrame({"poor": poor, "probability_poor": probability, **dict.fromkeys((*NUMBERS, *WORDS))})
    return known.assign(**columns)


def test_each_group_has_its_own_numbers_and_people_who_are_not_known_are_in_none() -> None:
    sex = np.array(["female", "male", None], dtype=object)[np.arange(120) % 3]
    people = table(sex=sex, site="one")
    found = subgroup_table(People(people, {}), Draws(200, 0))
    assert found[["subgroup", "level"]].to_numpy().tolist() == [["sex", "female"], ["sex", "male"]]
    women = people[people["sex"] == "female"]
    row = found.iloc[0]
    assert (row["n"], row["n_poor"]) == (40, women["poor"].sum())
    assert row["auc"] == pytest.approx(roc_auc_score(women["poor"], women["probability_poor"]))
    assert row["auc_low"] < row["auc"] < row["auc_high"]
    assert row["brier"] == pytest.approx(((women["probability_poor"] - women["poor"]) ** 2).mean())


def test_the_test_is_the_likelihood_ratio_of_two_logistic_regressions() -> None:
    groups = [drawn(80, 1), drawn(70, 2, shift=0.8, slope=0.5), drawn(60, 3)]
    poor, said = (np.concatenate(part) for part in zip(*groups, strict=True))
    x, group = logit(said), np.repeat([0, 1, 2], [80, 70, 60])
    by_group = np.stack([(group == k) * part for k in range(3) for part in (np.ones(210), x)], axis=1)
    losses = []
    for design, intercept in ((x[:, None], True), (by_group, False)):
        fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000, fit_intercept=intercept).fit(design, poor)
        losses.append(log_loss(poor, fit.predict_proba(design), normalize=False))
    assert same_line_p(groups) == pytest.approx(chi2.sf(2 * (losses[0] - losses[1]), 4), abs=1e-5)


def test_a_difference_is_found_and_none_is_not() -> None:
    assert same_line_p([drawn(300, 1), drawn(300, 2, shift=1.0)]) < 0.001
    values = [same_line_p([drawn(100, 2 * seed), drawn(100, 2 * seed + 1)]) for seed in range(300)]
    assert 0.02 < np.mean(np.array(values) < 0.05) < 0.09
    assert np.isnan(same_line_p([drawn(100, 1), drawn(6, 2)]))


def test_p_is_corrected_for_the_number_of_subgroups() -> None:
    side = np.array(["left", "right"], dtype=object)[np.arange(120) % 2]
    found = subgroup_table(People(table(sex=side, lesion_side=side[::-1], age=np.arange(120.0)), {}), Draws(50, 0))
    firsts = found.drop_duplicates("subgroup")
    assert len(firsts) == 3
    assert firsts["p_holm"].tolist() == pytest.approx(holm(firsts["p"].to_numpy(float)).tolist())


def test_ages_and_times_are_cut_where_people_are_on_both_sides() -> None:
    i = np.arange(120)
    found = divided(table(age=50.0 + i % 30, days_since_stroke=np.where(i < 60, 3.0, 100.0), first_score=i % 30))
    assert list(found["age"]) == ["below 65", "65 or more"]
    assert list(found["days_since_stroke"]) == ["up to 7 days", "91 to 180 days"]
    assert found["days_since_stroke"]["up to 7 days"].sum() == 60
    assert list(found["first_score"]) == ["below 14.5", "14.5 or more"]
    young = divided(table(age=20.0 + i % 30, days_since_stroke=i % 6.0))
    assert list(young["age"]) == ["below 34.5", "34.5 or more"]
    assert list(young["days_since_stroke"]) == ["below 2.5", "2.5 or more"]
    assert divided(table()) == {}
