"""Codes for missing values, and limits of scales."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bids_stroke.bids.scales import bounds_of, is_missing, level_of, scale_of, why_impossible


@pytest.mark.parametrize(
    "meaning",
    ["not assessed", "Missing", "unknown", "refused", "not done", "n/a", "not available", "Not assessed (refused)",
     "missing value", "no data", "unknown/not reported", "could not be tested", "lost to follow-up",
     {"Description": "not measured"}, "not known or refused", "Coded as missing", "value is missing",
     "N/A - not applicable"],
)  # fmt: skip
def test_levels_that_say_missing(meaning: Any) -> None:
    about = {"Levels": {"-99": meaning, "1": "mild"}}
    assert [is_missing(about, text) for text in ("-99", "-99.0", "1", "99")] == [True, True, False, False]


@pytest.mark.parametrize(
    "meaning",
    ["dead", "none", "no deficit", "not able to walk", "no response", "male", "missing limb", "", None, 3, ["x"]],
)
def test_levels_that_say_something_else(meaning: Any) -> None:
    assert not is_missing({"Levels": {"0": meaning}}, "0")


@pytest.mark.inputs("A 0 that means not performed or not done is the score of who could not do it.")
@pytest.mark.parametrize("meaning", ["not performed", "cannot be done", "Not done"])
def test_what_a_patient_cannot_do_scores_0(meaning: str) -> None:
    about = {"Levels": {"0": meaning, "1": "partly", "-1": meaning, "9": meaning}}
    assert [is_missing(about, text) for text in ("0", "0.0", "1", "-1", "9")] == [False, False, False, True, True]


def test_levels_of_any_form_are_looked_up() -> None:
    assert level_of({"Levels": {"01": {"Description": " a "}}}, "1") == "a"
    assert [level_of({"Levels": levels}, "1") for levels in ({}, [], "x", {"1": 2})] == [""] * 4
    assert is_missing({"Annotations": {"MissingValues": ["", "-1"]}}, "-1.0")
    assert not is_missing({"Annotations": {"MissingValues": "x"}}, "1")


@pytest.mark.parametrize(
    ("column", "bounds"),
    [
        ("fma_le", (0, 34)),
        ("FMA_LE_3m", (0, 34)),
        ("fugl_meyer_lower_extremity", (0, 34)),
        ("fma_le_baseline", (0, 34)),
        ("fm_ue_day90", (0, 66)),
        ("fma_motor", (0, 100)),
        ("NIHSS24", (0, 42)),
        ("baseline_nihss", (0, 42)),
        ("mrs_90d", (0, 6)),
        ("barthel_index_discharge", (0, 100)),
        ("nihss_change", None),
        ("nihss_item_1", None),
        ("mrs_naa", None),
        ("fma_le_percent", None),
        ("age", None),
    ],
)
def test_scales_are_known_by_the_names_of_columns(column: str, bounds: tuple[float, float] | None) -> None:
    assert scale_of(column) == bounds


def test_limits_of_the_json_come_before_those_of_the_scale() -> None:
    assert bounds_of({"Minimum": 1, "Maximum": "300"}, "mrs") == (1, 300)
    assert bounds_of({"Maximum": 20}, "barthel") == (0, 20)
    assert bounds_of({"Minimum": None, "Maximum": "high"}, "x") == (-math.inf, math.inf)
    assert why_impossible({"Maximum": 20}, "barthel", 21) == "outside 0 to 20, the limits of Minimum and Maximum"
    assert why_impossible({}, "fma_le", 34) == ""
