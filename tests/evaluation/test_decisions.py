"""Net benefit, right and wrong calls at each limit, and what was decided of each person."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.decisions import (
    TABLE_THRESHOLDS,
    confusion_table,
    decision_curve,
    decisions_of,
    net_benefit,
    strongest,
    threshold_table,
    wilson,
)

DRAWS = Draws(300, 0)


def people(n: int = 60) -> pd.DataFrame:
    """Outcomes and probabilities that are told by a formula, so that another program can be given the same."""
    i = np.arange(n)
    poor = (i * 7 % 5 < 2).astype(float)
    table = pd.DataFrame({"participant_id": [f"sub-{k:03d}" for k in i], "poor": poor})
    table["probability_poor"] = np.round((i * 37 % 60 + 20 * poor + 1) / 82, 2)
    return table.assign(baseline_good=0.2 + 0.6 * poor, baseline_weak=0.5, baseline_rare=np.where(i < 20, poor, np.nan))


def test_net_benefit_equals_that_of_dcurves() -> None:
    """The numbers are those of ``dcurves.dca(data, "poor", ["p"], thresholds)``, version 1.1.7, on the same people.

    dcurves is no requirement of the tests: it brings lifelines, statsmodels and four more packages.
    """
    thresholds = np.array([0.05, 0.1, 0.25, 0.4, 0.5, 0.75, 0.9])
    table = people()
    poor, probability = (table[name].to_numpy(float) for name in ("poor", "probability_poor"))
    ones = np.ones((1, 60))
    found = net_benefit(poor, probability[None] >= thresholds[:, None], thresholds, ones)[0]
    dcurves = [0.369298245614, 0.338888888889, 0.266666666667, 0.1, 0.066666666667, 0.116666666667, 0.033333333333]
    assert found == pytest.approx(dcurves, abs=1e-11)
    everybody = net_benefit(poor, np.ones((7, 60), bool), thresholds, ones)[0]
    assert everybody == pytest.approx([0.368421052632, 1 / 3, 0.2, 0.0, -0.2, -1.4, -5.0], abs=1e-11)


def test_net_benefit_worked_by_hand() -> None:
    """100 people, 20 poor; at 20 % 30 are called poor, 15 of them rightly: 15/100 - 15/100 * .2/.8 = .1125."""
    poor = np.repeat([1.0, 0.0], [20, 80])
    called = np.zeros((1, 100), dtype=bool)
    called[0, :15] = called[0, 20:35] = True
    assert net_benefit(poor, called, np.array([0.2]), np.ones((1, 100)))[0, 0] == pytest.approx(0.1125)
    twice = np.full((1, 100), 2.0)
    assert net_benefit(poor, called, np.array([0.2]), twice)[0, 0] == pytest.approx(0.1125)


def test_the_curve_has_all_models_on_the_same_people() -> None:
    table = people()
    table.loc[:2, "baseline_good"] = np.nan
    curve = decision_curve(table, ["baseline_good", "baseline_weak", "baseline_rare"], DRAWS)
    assert list(dict.fromkeys(curve["model"])) == ["fusion", "good", "weak", "treat_all", "treat_none"]
    assert set(curve["n"]) == {57} and len(curve) == 5 * 99
    nobody = curve[curve["model"] == "treat_none"]
    assert (nobody[["net_benefit", "low", "high"]] == 0).all(axis=None)
    fusion = curve[curve["model"] == "fusion"]
    assert (fusion["low"] <= fusion["net_benefit"]).all() and (fusion["net_benefit"] <= fusion["high"]).all()
    assert decision_curve(table.head(6), [], DRAWS).empty


def test_the_strongest_are_those_that_err_least_of_nearly_everybody() -> None:
    assert strongest(people(), ["baseline_weak", "baseline_rare", "baseline_good"]) == [
        "baseline_good",
        "baseline_weak",
    ]


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (3, 7), (40, 41)])
def test_wilson_is_that_of_scipy(successes: int, n: int) -> None:
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high))


def test_counts_at_each_limit_are_those_of_scikit_learn() -> None:
    table = people()
    decided = np.where(
        table["probability_poor"] > 0.7, "poor", np.where(table["probability_poor"] < 0.2, "good", "abstain")
    )
    found = threshold_table(table, decided.astype(object), DRAWS)
    for threshold, row in zip(TABLE_THRESHOLDS, found.to_dict("records"), strict=False):
        matrix = confusion_matrix(table["poor"], table["probability_poor"] >= threshold)
        assert [row["true_good"], row["false_poor"], row["false_good"], row["true_poor"]] == matrix.ravel().tolist()
        assert row["sensitivity"] == matrix[1, 1] / matrix[1].sum()
        assert row["npv"] == pytest.approx(matrix[0, 0] / matrix[:, 0].sum(), nan_ok=True)
        assert (row["ppv_low"], row["ppv_high"]) == pytest.approx(wilson(matrix[1, 1], matrix[:, 1].sum()))
    own = found.set_index("rule")
    assert own.loc["decided_poor", "true_poor"] == ((table["poor"] == 1) & (decided == "poor")).sum()
    assert own.loc["not_decided_good", "true_good"] == ((table["poor"] == 0) & (decided == "good")).sum()
    assert np.isnan(own.loc["decided_poor", "net_benefit"])
    unknown = np.full(60, "", dtype=object)
    assert set(threshold_table(table, unknown, DRAWS)["rule"]) == {"probability"}
    assert threshold_table(table.head(6), unknown[:6], DRAWS).empty


def test_no_decision_has_counts_of_its_own() -> None:
    table = pd.DataFrame({"poor": [1.0, 1, 0, 0, 0], "probability_poor": [0.9, 0.5, 0.6, 0.3, 0.1]})
    decided = np.array(["poor", "abstain", "poor", "abstain", "good"], dtype=object)
    found = confusion_table(table, decided).set_index(["rule", "outcome", "said"])["n"].sort_index()
    assert found["at_half"].to_dict() == {
        ("poor", "poor"): 2,
        ("poor", "good"): 0,
        ("good", "poor"): 1,
        ("good", "good"): 2,
    }
    assert found["decisions", "poor"].to_dict() == {"poor": 1, "abstain": 1, "good": 0}
    assert found["decisions", "good"].to_dict() == {"poor": 1, "abstain": 1, "good": 1}


def test_a_person_is_decided_as_most_of_the_rows_are() -> None:
    said = {"a": ["poor", "poor", "abstain"], "b": ["poor", "good"], "c": ["good"], "d": [None]}
    rows = pd.DataFrame([{"participant_id": who, "prediction": word} for who, words in said.items() for word in words])
    people_of_rows = pd.DataFrame({"participant_id": ["d", "c", "b", "a"]})
    assert decisions_of(rows, people_of_rows).tolist() == ["", "good", "abstain", "poor"]
    assert decisions_of(rows.drop(columns="prediction"), people_of_rows).tolist() == [""] * 4
