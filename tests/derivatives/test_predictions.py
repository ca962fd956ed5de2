"""Predictions as files and as rows of a table: names and numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_stroke.core.records import Prediction
from bids_stroke.derivatives.predictions import prediction_json, prediction_row
from bids_stroke.ensemble.bundle import write_bundle
from bids_stroke.ensemble.predict import predict
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
