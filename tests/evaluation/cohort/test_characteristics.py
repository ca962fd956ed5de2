"""Table 1."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_stroke.evaluation.cohort.background import People
from bids_stroke.evaluation.cohort.characteristics import (
    MOST_LEVELS,
    OTHERS,
    characteristics_table,
    common_levels,
    levels_of,
)


def people() -> People:
    table = pd.DataFrame(
        {
            "poor": [1.0, 1, 1, 0, 0, 0], "age": [80.0, 70, np.nan, 60, 50, 40], "sessions": [1, 1, 2, 1, 1, 1],
            "sex": ["male", "female", None, "male", "male", None], "days_since_stroke": np.nan, "first_score": np.nan,
            "lesion_volume_ml": [1.0, 2, 3, 4, 5, 6], "lesion_side": None, "site": None,
        }
    )  # fmt: skip
    return People(table, {"fa": pd.Series([True, False, True, True, True, True])})


def test_numbers_have_quartiles_and_words_counts_by_outcome() -> None:
    found = characteristics_table(people())
    assert list(dict.fromkeys(found["characteristic"])) == ["age", "sex", "lesion_volume_ml", "sessions", "modality"]
    found["level"] = found["level"].fillna("")
    rows = {(row["characteristic"], row["level"], row["outcome"]): row for row in found.to_dict("records")}
    age = rows["age", "", "poor"]
    assert (age["n"], age["n_missing"], age["median"], age["lower_quartile"]) == (2, 1, 75.0, 72.5)
    male = rows["sex", "male", "good"]
    assert (male["n"], male["n_missing"], male["count"], male["share"]) == (2, 1, 2, 1.0)
    assert rows["sex", "female", "all"]["share"] == pytest.approx(1 / 4)
    there = rows["modality", "fa", "poor"]
    assert (there["n"], there["count"], there["share"]) == (3, 2, pytest.approx(2 / 3))


def test_of_many_sites_those_with_few_people_are_one() -> None:
    sites = pd.Series([f"site {i:02d}" for i in range(20) for _ in range(30 - i)] + [None])
    found = common_levels(sites)
    assert levels_of(found) == [*(f"site {i:02d}" for i in range(MOST_LEVELS - 1)), OTHERS]
    assert found.isna().sum() == 1
