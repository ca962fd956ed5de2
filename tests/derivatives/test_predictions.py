"""Predictions as files and as rows of a table: names and numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bids_stroke.core.records import Contribution, Prediction
from bids_stroke.derivatives.predictions import prediction_json, prediction_row, read_prediction
from bids_stroke.ensemble.bundle import write_bundle
from bids_stroke.ensemble.predict import predict
from bids_stroke.features.clinical_rules import clinical_rules
from tests.helpers.bundles import rhythm_unit
from tests.helpers.units import tiny_contents


@pytest.fixture
def prediction(tmp_path: Path) -> Prediction:
    bundle = write_bundle(tmp_path / "models" / "tiny", tiny_contents())
    return predict(bundle, rhythm_unit(tmp_path), "cpu")


def test_json_has_the_shape_of_the_contract(prediction: Prediction) -> None:
    content = prediction_json(prediction)
    json.dumps(content, allow_nan=False)
    wanted = {
        "probability_poor", "probability_poor_interval", "prediction", "predicted_score", "members", "missing", "model",
        "in_training_set", "warnings",
    }  # fmt: skip
    assert wanted <= set(content)
    assert content["prediction"] in ("poor", "good", "abstain")
    assert set(content["model"]) == {"name", "version", "sha256", "demonstration", "outcome"}
    assert content["members"]["a"]["n_windows"] == 3
    assert sum(member["weight"] for member in content["members"].values()) == pytest.approx(1)


def test_row_holds_the_numbers(prediction: Prediction) -> None:
    row = prediction_row(prediction)
    assert row["probability_poor"] == prediction.probability_poor
    assert row["probability_poor_low"] < row["probability_poor"] < row["probability_poor_high"]
    assert row["p_b"] == prediction.members["b"].probability


def test_baselines_rules_and_the_limits_of_the_decision_come_back_from_the_file(
    prediction: Prediction, tmp_path: Path
) -> None:
    rules = tuple(asdict(rule) for rule in clinical_rules({"safe": 9.0, "bbs": 3.0}))
    whole = replace(prediction, baselines={"clinical": (0.4, 17.5), "ordinary_mean": (0.5, 16.0)}, rules=rules)
    file = tmp_path / "p.json"
    file.write_text(json.dumps(prediction_json(whole), allow_nan=False))
    assert read_prediction(file) == whole
    content = json.loads(file.read_text())
    assert content["baselines"]["clinical"] == {"probability_poor": 0.4, "predicted_score": 17.5}
    assert [(rule["rule"], rule["says"], rule["missing"]) for rule in content["rules"]] == [
        ("PREP2", "excellent", []), ("TWIST 2022", "", ["knee extension (MRC)"]),
    ]  # fmt: skip
    assert content["decided_beyond"] == [0.4, 0.6] and content["decision_rule"].startswith("good below the first")
    row = prediction_row(whole)
    assert (row["baseline_clinical"], row["s_baseline_clinical"]) == (0.4, 17.5)
    assert row["rule_PREP2"] == "excellent" and row["rule_TWIST_2022"] is None
    assert row["s_a"] == prediction.members["a"].score


def test_a_cohort_is_read_without_what_each_number_moves(prediction: Prediction, tmp_path: Path) -> None:
    whole = replace(prediction, contributions=(Contribution("a", "fa", "", 0.5),))
    file = tmp_path / "p.json"
    file.write_text(json.dumps(prediction_json(whole), allow_nan=False))
    assert read_prediction(file) == whole
    assert read_prediction(file, contributions=False) == replace(whole, contributions=())
