"""Rules of the clinic, on the examples of their own pages and at every threshold."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.features.clinical_rules import RANKS, RULES, RuleResult, baseline_columns, clinical_rules, values_of


def said(rule: str, **known: float | str) -> RuleResult:
    (found,) = (result for result in clinical_rules(known) if result.rule == rule)
    return found


@pytest.mark.parametrize(
    ("known", "says"),
    [
        # the categories as the tool's own page describes the people of each (presto.auckland.ac.nz, seen 2026-11-30)
        ({"SAFE": 5.0, "age": 79.0}, "excellent"),
        ({"safe": 8.0, "age": 80.0}, "excellent"),
        ({"safe": 10.0}, "excellent"),  # whatever the age
        ({"safe": 5.0, "age": 80.0}, "good"),
        ({"safe": 7.0, "age": 93.0}, "good"),
        ({"safe": 4.0, "mep": 1.0}, "good"),
        ({"safe_score": 0.0, "mep_status": "MEP+"}, "good"),
        ({"safe": 4.0, "mep": 0.0, "nihss_day3": 6.0}, "limited"),
        ({"safe": 0.0, "mep": "absent", "nihss_d3": 7.0}, "poor"),
    ],
)
def test_prep2(known: dict[str, float | str], says: str) -> None:
    found = said("PREP2", **known)
    assert found.says == says and found.missing == ()
    assert "2017" in found.source


@pytest.mark.parametrize(
    ("known", "missing"),
    [
        ({"safe": 6.0}, ("age",)),
        ({"safe": 3.0}, ("MEP",)),
        ({"safe": 3.0, "mep": 0.0}, ("NIHSS on day 3",)),
        ({"mep": 1.0}, ("SAFE",)),
        ({"safe": 3.0, "mep": "perhaps"}, ("MEP",)),
        ({"safe": 3.0, "mep": 0.0, "nihss_day3": 99.0}, ("NIHSS on day 3",)),
    ],
)
def test_what_is_missing_is_named(known: dict[str, float | str], missing: tuple[str, ...]) -> None:
    found = said("PREP2", **known)
    assert found.says == "" and found.missing == missing


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"tct": 41.0}, "walks independently by 6 weeks"),
        ({"trunk_control_test": 40.0, "hip_extension_mrc": 3.0}, "walks independently by 12 weeks"),
        ({"tct": 12.0, "hip_extension_mrc": 2.0}, "walks with help at 12 weeks"),
    ],
)
def test_twist_of_2017(known: dict[str, float | str], says: str) -> None:
    assert said("TWIST 2017", **known).says == says


@pytest.mark.parametrize(
    ("berg", "knee", "age", "points"),
    [(5, 2, 80, 0), (6, 2, 80, 1), (15, 3, 80, 2), (16, 2, 80, 2), (16, 3, 79, 4), (0, 5, 50, 2), (56, 0, 79, 3)],
)
def test_twist_of_2022(berg: float, knee: float, age: float, points: int) -> None:
    found = said("TWIST 2022", bbs=float(berg), knee_extension_mrc=float(knee), age=float(age))
    assert found.says.startswith(f"{points} of 4 points")
    assert found.used == {"Berg Balance Scale": berg, "knee extension (MRC)": knee, "age": age}


def test_nothing_is_told_where_nothing_was_measured() -> None:
    assert clinical_rules({"age": 70.0, "nihss_day3": 4.0, "sex": "F"}) == []
    assert clinical_rules({"safe": 40.0}) == []  # not on its scale


@pytest.mark.parametrize(
    ("rank", "known", "value"),
    [
        ("prep2", {"safe": 8.0}, 0),
        ("prep2", {"SAFE": 5.0, "age": 80.0}, 1),
        ("prep2", {"safe": 4.0, "mep": 0.0, "nihss_day3": 6.0}, 2),
        ("prep2", {"safe": 0.0, "mep": "absent", "nihss_d3": 7.0}, 3),
        ("prep2", {"safe": 6.0}, np.nan),  # without the age
        ("prep2", {"prep2": 1.0, "safe": 6.0}, np.nan),  # what a table calls so is another's
        ("twist_2017", {"tct": 41.0}, 0),
        ("twist_2017", {"tct": 40.0, "hip_extension_mrc": 3.0}, 1),
        ("twist_2017", {"tct": 12.0, "hip_extension_mrc": 2.0}, 2),
        ("twist_2022", {"bbs": 15.0, "knee_extension_mrc": 3.0, "age": 79.0}, 3),
        ("twist_2022", {"bbs": 0.0, "knee_extension_mrc": 0.0, "age": 81.0}, 0),
        ("twist_2022", {"bbs": 0.0}, np.nan),
    ],
)
def test_ranks_are_the_places_of_what_the_rules_say(rank: str, known: dict[str, float | str], value: float) -> None:
    np.testing.assert_array_equal(values_of(known, ("sex", rank)), [np.nan, value])
    if np.isfinite(value):
        (found,) = (result for result in clinical_rules(known) if result.rule == RANKS[rank].name)
        assert found.says == RANKS[rank].says[int(value)]


def test_each_rule_has_a_rank_and_covariates_stay_what_they_are() -> None:
    assert list(RANKS) == ["prep2", "twist_2017", "twist_2022"] and len(RULES) == 3
    np.testing.assert_array_equal(values_of({"AGE": 60.0, "sex": "M"}, ("age", "sex", "x")), [60.0, 1.0, np.nan])


def test_columns_that_predict_an_outcome_are_named_and_not_the_outcome_itself() -> None:
    assert {"fma_le_baseline", "safe_day3", "bbs"} <= baseline_columns("FMA_LE")
    assert "bbs" not in baseline_columns("BBS") and "berg" in baseline_columns("BBS")
