from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bids_stroke.core.errors import ModelError
from bids_stroke.derivatives.outputs import write_json
from bids_stroke.derivatives.predictions import prediction_json, read_prediction
from bids_stroke.ensemble.applicability import far_from_cohort, measured
from bids_stroke.ensemble.bundle import load_bundle, write_bundle
from bids_stroke.ensemble.metadata import METADATA, verify_bundle
from bids_stroke.ensemble.metadata_fields import metadata_fields
from bids_stroke.ensemble.predict import predict
from bids_stroke.ensemble.profile import CohortProfile, Range
from tests.helpers.bundles import rhythm_unit
from tests.helpers.units import tiny_contents

AGE = Range("age", False, (40.0, 45.0, 60.0, 66.0, 72.0, 80.0, 86.0), 100)
LESION = Range("lesion_volume_ml", True, (0.5, 1.0, 5.0, 12.0, 30.0, 90.0, 150.0), 90)
PROFILE = CohortProfile((AGE, LESION), (0.3, 0.5, 0.8, 0.9, 1.3), 100)


def test_the_number_its_value_and_the_cohorts_range_are_named() -> None:
    assert far_from_cohort(PROFILE, {"age": 66.0, "lesion_volume_ml": 140.0}) == []
    assert far_from_cohort(PROFILE, {}) == []
    assert far_from_cohort(PROFILE, {"age": 66.0, "lesion_volume_ml": 1500.0}) == [
        "lesion volume is 1500 ml, far from the people whom the model was trained on (nine of ten of them: 1 to 90 "
        "ml): what it predicts may not hold."
    ]
    both = far_from_cohort(PROFILE, {"age": 20.0, "lesion_volume_ml": 1500.0})
    assert [text.partition(" is ")[0] for text in both] == ["lesion volume", "age"]  # the furthest first


def test_a_prediction_warns_of_a_person_unlike_the_cohort_only(tmp_path: Path) -> None:
    bundle, unit = write_bundle(tmp_path / "tiny", tiny_contents(profile=PROFILE)), rhythm_unit(tmp_path)
    child = replace(unit, covariates={**unit.covariates, "age": 9.0})
    nobody = replace(unit, covariates={})
    assert not [text for text in predict(bundle, unit, "cpu").warnings if "far from" in text]
    assert not [text for text in predict(bundle, nobody, "cpu").warnings if "far from" in text]
    assert [text for text in predict(bundle, child, "cpu").warnings if text.startswith("age is 9 years, far from")]


def test_a_prediction_tells_how_far_the_person_is(tmp_path: Path) -> None:
    bundle, unit = write_bundle(tmp_path / "tiny", tiny_contents(profile=PROFILE)), rhythm_unit(tmp_path)
    found = predict(bundle, unit, "cpu")
    assert found.applicability == {
        "distance": 0.0, "limit": 1.3, "percentile": 0.0,
        "numbers": {"age": {"value": 66.0, "percentile": 50.0, "distance": 0.0}},
    }  # fmt: skip
    write_json(tmp_path / "prediction.json", prediction_json(found))
    assert read_prediction(tmp_path / "prediction.json") == found
    older = write_bundle(tmp_path / "older", tiny_contents())
    assert predict(older, unit, "cpu").applicability is None


def test_distance_is_that_of_the_furthest_number() -> None:
    found = measured(PROFILE, {"age": 89.0, "lesion_volume_ml": 12.0})
    assert found is not None
    assert (found["distance"], found["percentile"]) == (1.15, pytest.approx(97.5))
    assert found["numbers"]["age"]["percentile"] == 99.0
    assert measured(PROFILE, {"mean_fa": 0.3}) is None


def test_a_bundle_keeps_its_profile_and_one_without_still_loads(tmp_path: Path) -> None:
    assert write_bundle(tmp_path / "with", tiny_contents(profile=PROFILE)).profile == PROFILE
    bundle = write_bundle(tmp_path / "without", tiny_contents())
    assert bundle.profile is None
    content = json.loads((bundle.path / METADATA).read_text())
    del content["applicability"]  # as in bundles from before
    assert metadata_fields(bundle.path / METADATA, content).applicability is None
    assert load_bundle(bundle.path).profile is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("distances", [0.1, 0.2]), ("distances", [0.5, 0.4, 0.6, 0.7, 0.8]), ("ranges", []), ("people", 0)],
)
def test_a_profile_that_is_none_is_refused(tmp_path: Path, key: str, value: object) -> None:
    bundle = write_bundle(tmp_path / "with", tiny_contents(profile=PROFILE))
    assert verify_bundle(bundle.path).applicability is not None
    content = json.loads((bundle.path / METADATA).read_text())
    content["applicability"][key] = value
    with pytest.raises(ModelError, match="applicability"):
        metadata_fields(bundle.path / METADATA, content)
