"""A fixed split: nothing is learned from the test part, and the ensemble that was tested is the one that is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.ensemble.bundle import Bundle
from bids_stroke.ensemble.predict import predict
from bids_stroke.training.ensemble import TrainedEnsemble, train_ensemble, write_trained
from tests.helpers.units import rhythm_cohort, tiny_settings


def silent(_: str) -> None:
    """Progress that nobody reads."""


def fixed(**training: object) -> Settings:
    return tiny_settings(split="fixed", epochs=6, **training)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    return rhythm_cohort(tmp_path_factory.mktemp("fixed"), 40)


@pytest.fixture(scope="module")
def ensemble(cohort: list[Labelled]) -> TrainedEnsemble:
    return train_ensemble(cohort, fixed(), "cpu", silent)


@pytest.fixture(scope="module")
def bundle(ensemble: TrainedEnsemble, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_trained(tmp_path_factory.mktemp("models"), ensemble, fixed())


def test_only_the_test_part_is_evaluated(ensemble: TrainedEnsemble) -> None:
    assert len(ensemble.out_of_fold) == 6
    assert ensemble.out_of_fold["poor"].sum() == 3
    assert np.isfinite(ensemble.out_of_fold[["probability_poor", "predicted_score", "p_lstm"]]).all(axis=None)


def test_the_ledger_tells_the_roles(ensemble: TrainedEnsemble, bundle: Bundle, cohort: list[Labelled]) -> None:
    assert {role: len(people) for role, people in bundle.participants.items()} == {
        "train": 28, "validation": 6, "test": 6,
    }  # fmt: skip
    tested = set(ensemble.out_of_fold["participant_id"])
    for item in cohort:
        assert bundle.saw("tiny", item.unit.participant_id) is (item.unit.participant_id not in tested)
    assert bundle.facts["participants_by_role"] == {"train": 28, "validation": 6, "test": 6}
    assert bundle.facts["units_per_member"] == {"lstm": 40} and "outer_folds" not in bundle.facts
    assert (bundle.path / "splits.tsv").read_text().count("\tvalidation\n") == 6


def test_the_ensemble_that_is_kept_is_the_one_that_was_tested(
    ensemble: TrainedEnsemble, bundle: Bundle, cohort: list[Labelled]
) -> None:
    units = {item.unit.participant_id: item.unit for item in cohort}
    for row in ensemble.out_of_fold.to_dict("records"):
        prediction = predict(bundle, units[row["participant_id"]], "cpu")
        assert prediction.in_training_set is False
        assert prediction.probability_poor == pytest.approx(row["probability_poor"], abs=1e-6)
        assert prediction.predicted_score == pytest.approx(row["predicted_score"], abs=1e-4)
        assert prediction.prediction == row["prediction"]


def test_garbage_in_the_test_part_changes_nothing_that_is_kept(
    ensemble: TrainedEnsemble, cohort: list[Labelled]
) -> None:
    tested = set(ensemble.out_of_fold["participant_id"])
    other = {"features": cohort[0].unit.features, "covariates": {"age": 1000.0, "sex": "M"}}
    spoilt = [
        replace(item, score=99.0, unit=replace(item.unit, **other)) if item.unit.participant_id in tested else item
        for item in cohort
    ]
    again = train_ensemble(spoilt, fixed(), "cpu", silent)
    for name, state in ensemble.contents.states.items():
        assert all(torch.equal(value, again.contents.states[name][key]) for key, value in state.items())
    assert again.contents.fusion == ensemble.contents.fusion
    assert set(again.out_of_fold["score"]) == {99.0}
    assert [m.scaler for m in again.contents.members] == [m.scaler for m in ensemble.contents.members]
