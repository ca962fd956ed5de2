"""Validity: shares of people of whom what was said was true, each person once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.calibration import calibration_intercept
from bids_stroke.evaluation.metrics import calibration_slope
from bids_stroke.evaluation.validity import CALIBRATION, COLUMNS, INTERVAL_COVERAGE, validity_table

DRAWS = Draws(200, 0)


def people(n: int, seed: int = 0) -> pd.DataFrame:
    """A tenth of the people wrong, a third undecided; intervals of 8 points around scores with an error of SD 3."""
    rng = np.random.default_rng(seed)
    poor = rng.random(n) < 0.4
    wrong, undecided = rng.random(n) < 0.1, rng.random(n) < 1 / 3
    said = np.where(undecided, "abstain", np.where(poor != wrong, "poor", "good"))
    predicted = np.where(poor, 10.0, 25.0) + rng.normal(0, 4, n)
    score = predicted + rng.normal(0, 3, n)
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{i}" for i in range(n)], "poor": poor.astype(int), "prediction": said,
            "probability_poor": np.where(rng.random(n) < 0.2, rng.random(n), np.where(poor, 0.8, 0.2)),
            "score": score, "predicted_score": predicted, "predicted_score_low": predicted - 4,
            "predicted_score_high": predicted + 4,
        }
    )  # fmt: skip


def values(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {(row["quantity"], row["people"]): row["value"] for row in table.to_dict("records")}


def test_shares_are_what_was_planted() -> None:
    table = people(3000)
    found = values(validity_table(table, 0.9, DRAWS))
    assert found["decided", "all"] == pytest.approx(2 / 3, abs=0.03)
    assert found["error_decided", "all"] == pytest.approx(0.1, abs=0.02)
    assert found["set_coverage", "all"] == pytest.approx(1 - 0.1 * 2 / 3, abs=0.02)
    assert found["interval_coverage", "all"] == pytest.approx(0.818, abs=0.03)  # 4 points are 1.33 SD
    assert found["interval_width", "all"] == pytest.approx(8)
    assert set(found) == {
        *((q, who) for q in ("decided", "error_decided", "set_coverage") for who in ("all", "poor", "good")),
        *((q, who) for q in ("interval_coverage", "interval_width") for who in ("all", "lowest", "middle", "highest")),
        *((q, "all") for q in CALIBRATION),
    }


def test_groups_are_told_apart_and_what_was_promised_stands_beside() -> None:
    table = people(600)
    table.loc[table["poor"] == 1, "prediction"] = "good"  # wrong of everybody with a poor outcome
    high = table["predicted_score"] > table["predicted_score"].quantile(2 / 3)
    table.loc[high, "score"] = 99.0
    made = validity_table(table, 0.85, DRAWS)
    found = values(made)
    assert found["set_coverage", "poor"] == 0 and found["error_decided", "poor"] == 1
    assert found["set_coverage", "good"] > 0.85
    assert found["interval_coverage", "highest"] == 0 and found["interval_coverage", "lowest"] > 0.7
    promised = made.set_index(["quantity", "people"])["promised"]
    assert promised["set_coverage", "poor"] == 0.85
    assert promised["interval_coverage", "all"] == INTERVAL_COVERAGE
    assert promised.isna().sum() == len(made) - 7


def test_each_person_counts_once() -> None:
    table = people(40)
    busy = table[table["participant_id"] == "sub-0"].assign(prediction="abstain", score=999.0)
    table = pd.concat([table[table["participant_id"] != "sub-0"], *[busy] * 200])
    found = values(validity_table(table, 0.9, DRAWS))
    alone = values(validity_table(table.drop_duplicates("participant_id"), 0.9, DRAWS))
    assert found == pytest.approx(alone)


def test_sub_01_of_two_datasets_are_two_people() -> None:
    table = people(12)
    both = pd.concat([table.assign(dataset="a"), table.assign(dataset="b")])
    assert set(validity_table(both, 0.9, DRAWS).query("people == 'all'")["n"]) == {24}


def test_too_few_and_nothing_have_their_reason() -> None:
    few = validity_table(people(3), 0.9, DRAWS)
    assert few["value"].isna().all() and few["reason"].str.startswith("too few participants (").all()
    undecided = people(40).assign(prediction="abstain")
    row = validity_table(undecided, 0.9, DRAWS).set_index(["quantity", "people"]).loc[("error_decided", "all")]
    assert np.isnan(row["value"]) and row["reason"] == "not defined on these data"
    assert values(validity_table(undecided, 0.9, DRAWS))["set_coverage", "all"] == 1
    nothing = validity_table(people(40).drop(columns="prediction"), 0.9, DRAWS)
    assert nothing.empty and list(nothing) == list(COLUMNS)
    without = validity_table(people(40).drop(columns="predicted_score_low"), 0.9, DRAWS)
    assert not without["quantity"].str.startswith("interval").any()
    left_out = validity_table(people(40).assign(prediction="left-out", score=None), 0.9, DRAWS)
    assert left_out.empty


def test_calibration_is_told_with_intervals_and_without_where_a_class_is_too_rare() -> None:
    table = people(600)
    made = validity_table(table, 0.9, DRAWS).set_index(["quantity", "people"])
    poor, probability = table["poor"].to_numpy(float), table["probability_poor"].to_numpy(float)
    ones = np.ones((1, 600))
    assert made.loc[("calibration_slope", "all"), "value"] == pytest.approx(
        calibration_slope(poor, probability, ones)[0]
    )
    assert made.loc[("calibration_intercept", "all"), "value"] == pytest.approx(
        calibration_intercept(poor, probability, ones)[0]
    )
    row = made.loc[("ici", "all")]
    assert row["low"] < row["value"] < row["high"]
    rare = validity_table(table[table["poor"] == 0], 0.9, DRAWS).set_index(["quantity", "people"])
    assert rare.loc[("ici", "all"), "reason"].startswith("only one kind of outcome")


def test_people_with_and_without_a_modality_are_told_apart() -> None:
    table = people(400)
    has = np.arange(400) % 4 != 0
    table = table.assign(p_fa=np.where(has, 0.5, np.nan), p_md=np.where(has, 0.5, np.nan), p_clinical=0.5)
    table.loc[~has, "prediction"] = "abstain"
    table.loc[~has, "score"] = 99.0
    modalities = {"fa": "fa", "md": "md", "clinical": "clinical"}
    made = validity_table(table, 0.9, DRAWS, modalities).set_index(["quantity", "people"])
    groups = {who for _, who in made.index if who.startswith("with")}
    assert groups == {"with fa", "without fa", "with md", "without md"}
    assert made.loc[("decided", "without fa"), "value"] == 0 < made.loc[("decided", "with fa"), "value"]
    assert made.loc[("interval_coverage", "without fa"), "value"] == 0
    assert made.loc[("set_coverage", "with fa"), "n"] == 300
    assert np.isfinite(made.loc[("ici", "without fa"), "value"])
