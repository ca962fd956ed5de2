"""The group level's table: outcomes joined, training participants only by what was predicted out of fold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bids_stroke.app import group_tables
from bids_stroke.app.request import Request
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.records import MemberPrediction, Prediction, Session
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.derivatives.names import dataset_file, sidecar_of
from bids_stroke.derivatives.predictions import read_predictions
from bids_stroke.ensemble import bundle
from bids_stroke.evaluation.evaluate import evaluate, evaluate_apart
from tests.helpers.bids import make_dataset
from tests.helpers.predictions import leave_prediction
from tests.helpers.units import tiny_contents, tiny_distribution

PEOPLE = {"00": 10, "01": 30, "02": 12, "03": 28}


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    rows = "".join(f"sub-{label}\t{score}\n" for label, score in PEOPLE.items())
    files = {"participants.tsv": "participant_id\tfma_le\n" + rows}
    files |= {f"sub-{label}/anat/sub-{label}_T1w.nii.gz": None for label in PEOPLE}
    raw = make_dataset(tmp_path / "raw", files)
    (raw / "dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.11.1"}')
    return Request("group", tmp_path / "out", Selection(raw), Settings(), Execution())


def predict(asked: Request, label: str, **changes: object) -> Prediction:
    """Write a prediction as the participant level does."""
    model = {"name": "tiny", "version": "1", "sha256": "abc", "demonstration": False, "outcome": "fma_le<=17"}
    members = {"a": MemberPrediction(0.7, 12.0, 3, 1.0, "eegemg")}
    prediction = Prediction(0.7, (0.5, 0.9), "poor", 12.0, members, {"b": "no-dwi"}, model, False)
    prediction = replace(prediction, **changes)
    leave_prediction(asked.output_dir, Session(label, None), prediction, "tiny")
    return prediction


def table_of(asked: Request) -> pd.DataFrame:
    sessions = find_sessions(asked.selection)
    predictions = read_predictions(asked.output_dir, sessions)
    outcome = group_tables.the_outcome(asked, predictions)
    return group_tables.prediction_table(asked, sessions, predictions, outcome).set_index("participant_id")


def test_a_prediction_survives_its_file(asked: Request) -> None:
    written = predict(asked, "02")
    assert read_predictions(asked.output_dir, find_sessions(asked.selection)) == {"sub-02": written}


def test_predictions_are_joined_with_outcomes(asked: Request) -> None:
    predict(asked, "02")
    predict(asked, "03", probability_poor=0.2)
    table = table_of(asked)
    assert list(table["poor"]) == [1, 0]
    assert list(table["score"]) == [12, 28]
    assert list(table["probability_poor"]) == [0.7, 0.2]
    assert list(table["p_a"]) == [0.7, 0.7]
    assert list(table["missing"]) == ["b", "b"]


def trained(asked: Request) -> str:
    """A bundle that was trained on sub-00 and sub-01 of this dataset, beside the predictions."""
    return bundle.write_bundle(asked.output_dir / "models" / "tiny", tiny_contents()).sha256


def test_training_participants_count_with_their_out_of_fold_prediction(asked: Request) -> None:
    model = {"name": "t", "version": "1", "sha256": trained(asked), "demonstration": False, "outcome": "fma_le<=17"}
    predict(asked, "00", model=model, in_training_set=True, probability_poor=0.99)
    predict(asked, "02", model=model)
    table = table_of(asked)
    assert table.loc["sub-00", "probability_poor"] == pytest.approx(0.3)
    assert list(table["out_of_fold"]) == [True, False]
    assert list(table["prediction"]) == ["good", "poor"]
    assert table.loc["sub-02", "probability_poor"] == 0.7


@pytest.mark.parametrize(
    ("said", "probabilities", "decision"),
    [
        (("good", "good", "abstain"), (0.2, 0.3, 0.4), "good"),
        (("good", "abstain"), (0.2, 0.4), "abstain"),
        (("poor", "good", "abstain"), (0.9, 0.1, 0.6), "abstain"),
        (("poor", "poor", "good"), (0.55, 0.55, 0.05), "abstain"),
    ],
)
def test_training_participants_have_the_decision_of_most_repeats(
    asked: Request, said: tuple[str, ...], probabilities: tuple[float, ...], decision: str
) -> None:
    people = pd.DataFrame(
        {"dataset": "tiny", "participant_id": "sub-00", "session_id": None, "repeat": range(len(said))}
    )
    table = people.assign(probability_poor=probabilities, prediction=said)
    written = bundle.write_bundle(asked.output_dir / "models" / "tiny", tiny_contents(out_of_fold=table))
    model = {"name": "t", "version": "1", "sha256": written.sha256, "demonstration": False, "outcome": "fma_le<=17"}
    predict(asked, "00", model=model, in_training_set=True, probability_poor=0.99, prediction="poor")
    row = table_of(asked).loc["sub-00"]
    assert row["prediction"] == decision
    assert row["probability_poor"] == pytest.approx(sum(probabilities) / len(probabilities))


def test_without_the_bundle_training_participants_are_left_out(asked: Request) -> None:
    predict(asked, "00", in_training_set=True, probability_poor=0.99)
    predict(asked, "02")
    table = table_of(asked)
    assert table.loc["sub-00", "excluded"] == "in-training-set"
    evaluation = evaluate(table.reset_index(), asked.settings)
    assert list(evaluation.left_out["participant_id"]) == ["sub-00"]
    assert list(evaluation.participants["participant_id"]) == ["sub-02"]


def test_training_cohort_and_new_people_are_never_one_row(asked: Request) -> None:
    model = {"name": "t", "version": "1", "sha256": trained(asked), "demonstration": False, "outcome": "fma_le<=17"}
    for label, seen in (("00", True), ("01", True), ("02", False), ("03", None)):
        predict(asked, label, model=model, in_training_set=seen)
    table = table_of(asked).reset_index()
    group_tables.write_group_tables(asked.output_dir, table, evaluate_apart(table, asked.settings))
    metrics = pd.read_csv(dataset_file(asked.output_dir, "metrics", name="group"), sep="\t")
    people = metrics.query("model == 'fusion' and metric == 'auc'").set_index("cohort")["n"]
    assert people.to_dict() == {"internal": 2, "external": 1, "unknown": 1}


def test_what_sets_promise_is_told_by_the_model_not_by_todays_settings(asked: Request) -> None:
    contents = tiny_contents()
    contents = replace(contents, fusion=replace(contents.fusion, distribution=tiny_distribution(coverage=0.8)))
    made = bundle.write_bundle(asked.output_dir / "models" / "tiny", contents)
    model = {"name": "t", "version": "1", "sha256": made.sha256, "demonstration": False, "outcome": "fma_le<=17"}
    assert group_tables.promised_coverage(asked, [predict(asked, "00", model=model)]) == 0.8
    assert asked.settings.training.coverage != 0.8
    assert group_tables.promised_coverage(asked, [predict(asked, "00", model={**model, "sha256": "elsewhere"})]) is None


def test_predictions_of_two_models_are_not_mixed(asked: Request) -> None:
    predict(asked, "02")
    model = {"name": "t", "version": "1", "sha256": "other", "demonstration": False, "outcome": "fma_le<=17"}
    predict(asked, "03", model=model)
    with pytest.raises(InputError, match="made with 2 models"):
        table_of(asked)


def test_an_outcome_that_the_model_does_not_predict_is_refused(asked: Request) -> None:
    predict(asked, "02")
    asked = replace(asked, outcome_given=True, settings=Settings(outcome=Outcome.parse("nihss>=5")))
    with pytest.raises(UsageError, match="the model predicts fma_le<=17"):
        table_of(asked)


def test_no_prediction_at_all(asked: Request) -> None:
    with pytest.raises(InputError, match="holds no prediction"):
        table_of(asked)


def damage(key: str) -> Callable[[dict], dict]:
    return lambda content: {name: value for name, value in content.items() if name != key}


@pytest.mark.parametrize("key", ["members", "probability_poor_interval", "model"])
def test_a_file_that_is_no_prediction_is_named(asked: Request, key: str) -> None:
    predict(asked, "02")
    path = asked.output_dir / "sub-02" / "sub-02_desc-fmale_prediction.json"
    path.write_text(json.dumps(damage(key)(json.loads(path.read_text()))))
    with pytest.raises(InputError, match=r"sub-02_desc-fmale_prediction\.json is no prediction"):
        table_of(asked)


def test_sessions_become_one_row_a_participant(asked: Request) -> None:
    table = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-1", "sub-2"],
            "session_id": ["ses-1", "ses-2", None],
            "probability_poor": [0.2, 0.4, 0.9],
            "predicted_score": [20.0, 22.0, 5.0],
            "prediction": ["good", "abstain", "poor"],
            "in_training_set": [False, False, True],
            "demonstration": [True, True, True],
            "poor": [0.0, 0.0, 1.0],
        }
    )
    group_tables.write_group_tables(asked.output_dir, table, evaluate(table, asked.settings))
    path = dataset_file(asked.output_dir, "participant_predictions")
    wide = pd.read_csv(path, sep="\t").set_index("participant_id")
    assert wide.loc["sub-1", "probability_poor"] == pytest.approx(0.3)
    assert list(wide["n_sessions"]) == [2, 1]
    assert list(wide["prediction"]) == ["differs", "poor"]
    assert set(wide.columns) <= set(json.loads(sidecar_of(path).read_text()))
    assert dataset_file(asked.output_dir, "metrics", name="group").is_file()
