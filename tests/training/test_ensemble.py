"""Whole ensembles: a planted signal is found, twice the same bytes, of nested folds and of a fixed split."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from bids_stroke.core.errors import DataError, UsageError
from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings, load_settings
from bids_stroke.ensemble.bundle import Bundle, load_bundle
from bids_stroke.ensemble.predict import predict
from bids_stroke.report.plots import curves_plot
from bids_stroke.training import late_fusion
from bids_stroke.training.cohort import make_cohort
from bids_stroke.training.ensemble import TrainedEnsemble, train_ensemble, write_trained
from bids_stroke.training.participants import model_facts
from tests.helpers.training import REGIONS, TREES, settings_of, silent
from tests.helpers.units import LSTM, VOLUME, blob, labelled, rhythm_cohort, tiny_settings, write_volume


@pytest.fixture(scope="module")
def ensemble(cohort: list[Labelled]) -> TrainedEnsemble:
    return train_ensemble(cohort, tiny_settings(), "cpu", silent)


def auc(ensemble: TrainedEnsemble, column: str = "probability_poor") -> float:
    table = ensemble.out_of_fold.dropna(subset=[column])
    return float(roc_auc_score(table["poor"], table[column]))


def test_planted_signal_is_found_out_of_fold(ensemble: TrainedEnsemble) -> None:
    assert auc(ensemble) > 0.8
    assert auc(ensemble, "p_lstm") > 0.8


def test_null_cohort_gives_no_more_than_chance(tmp_path: Path) -> None:
    aucs = []
    for seed in range(3):
        cohort = rhythm_cohort(tmp_path / str(seed), 24, signal=False, seed=seed)
        aucs.append(auc(train_ensemble(cohort, tiny_settings(epochs=4, patience=4), "cpu", silent)))
    assert abs(np.mean(aucs) - 0.5) < 0.17  # the standard error of this mean is 0.07


def test_out_of_fold_table_has_the_columns_of_the_evaluation(ensemble: TrainedEnsemble) -> None:
    table = ensemble.out_of_fold
    wanted = {
        "participant_id", "session_id", "fold", "repeat", "score", "poor", "probability_poor", "predicted_score",
        "p_lstm", "s_lstm", "baseline_clinical", "baseline_initial_score", "s_baseline_initial_score",
    }  # fmt: skip
    assert wanted <= set(table.columns)
    assert len(table) == 24 and table["participant_id"].is_unique
    assert set(table["fold"]) == {0, 1, 2}
    assert table["probability_poor"].between(0, 1).all()
    assert set(table["prediction"]) <= {"poor", "good", "abstain"}
    assert np.corrcoef(table["predicted_score"], table["score"])[0, 1] > 0.3


def test_bundle_predicts_a_new_person(ensemble: TrainedEnsemble, tmp_path: Path) -> None:
    bundle = write_trained(tmp_path / "models", ensemble, tiny_settings())
    assert bundle.path == tmp_path / "models" / "tiny"
    new = rhythm_cohort(tmp_path / "new", 16, seed=99)
    predictions = [predict(bundle, replace(item.unit, dataset="new"), "cpu") for item in new]
    assert roc_auc_score([item.poor for item in new], [p.probability_poor for p in predictions]) > 0.8
    assert not any(prediction.in_training_set for prediction in predictions)
    assert predict(bundle, replace(new[0].unit, dataset="tiny"), "cpu").in_training_set


def test_training_twice_gives_the_same_bytes(cohort: list[Labelled], tmp_path: Path) -> None:
    settings = tiny_settings(epochs=2)
    digests = {
        write_trained(tmp_path / name, train_ensemble(cohort, settings, "cpu", silent), settings).sha256
        for name in ("a", "b")
    }
    other = load_settings(None, training=settings.training, seed=1)
    digests.add(write_trained(tmp_path / "c", train_ensemble(cohort, other, "cpu", silent), other).sha256)
    assert len(digests) == 2


def test_bundle_remembers_everybody_and_the_settings(ensemble: TrainedEnsemble, tmp_path: Path) -> None:
    path = write_trained(tmp_path, ensemble, tiny_settings()).path
    bundle = load_bundle(path)
    assert all(bundle.saw("tiny", f"sub-{i:02d}") for i in range(24))
    assert bundle.facts["participants"] == 24
    assert bundle.facts["settings"]["training"]["members"]["lstm"]["hidden"] == [8]
    assert len(bundle.out_of_fold()) == 24
    assert bundle.profile is not None
    assert (bundle.profile.people, bundle.profile.names) == (24, ("age", "fma_le_baseline"))


@pytest.mark.parametrize(
    ("given", "told"), [("/home/someone/weights", "weights"), ("weights/", "weights"), (None, None)]
)
def test_bundle_does_not_tell_where_on_the_machine_starting_weights_lay(
    cohort: list[Labelled], given: str | None, told: str | None
) -> None:
    bold = {"modality": "bold", "network": "slice_cnn", "pretrained_dir": given}
    facts = model_facts(make_cohort(cohort, "fma_le"), [], tiny_settings(members={"lstm": LSTM, "bold": bold}))
    assert facts["settings"]["training"]["members"]["bold"]["pretrained_dir"] == told
    assert facts["settings"]["training"]["members"]["lstm"] == LSTM
    assert "someone" not in json.dumps(facts)


def test_repeats_judge_the_model_and_do_not_make_it_surer(cohort: list[Labelled]) -> None:
    """Calibration, conformal sets and intervals are those of one training: of one row of each unit."""
    once, twice = (train_ensemble(cohort, tiny_settings(epochs=3, repeats=n), "cpu", silent) for n in (1, 2))
    assert len(twice.out_of_fold) == 2 * len(once.out_of_fold) == 48
    assert twice.contents.fusion == once.contents.fusion
    repeats = twice.out_of_fold.groupby("repeat")["probability_poor"].agg(tuple)
    assert repeats[0] != repeats[1]


def volume_cohort(folder: Path, n: int) -> list[Labelled]:
    """FA tells the outcome; every fifth unit lacks it, and one of them has nothing at all."""
    rng = np.random.default_rng(0)
    units = []
    for i in range(n):
        score = float(rng.integers(2, 16) if i % 2 else rng.integers(20, 34))
        path = write_volume(folder / f"sub-{i:02d}_fa.nii", blob(0.4 if score <= 17 else 0.0, rng))
        lesion = np.zeros((91, 109, 91))
        lesion[:10, :10, : 5 + i] = 1
        files = {"lesion": [write_volume(folder / f"sub-{i:02d}_lesion.nii", lesion)]}
        units.append(labelled(folder, f"{i:02d}", score, files if i % 5 == 4 else files | {"fa": [path]}))
    return units


def test_members_on_maps_with_units_that_lack_them(tmp_path: Path) -> None:
    units = volume_cohort(tmp_path, 40)
    members = {"fa": VOLUME, "lesion": VOLUME | {"modality": "lesion", "training": {"epochs": 2}}}
    settings = tiny_settings(members=members, epochs=30, outer_folds=2, learning_rate=0.01, batch_size=4)
    ensemble = train_ensemble(units, settings, "cpu", silent)
    table = ensemble.out_of_fold
    assert table["p_fa"].isna().sum() == 8
    assert table["p_lesion"].notna().all() and table["probability_poor"].notna().all()
    assert ensemble.contents.facts["units_per_member"] == {"fa": 32, "lesion": 40}
    assert auc(ensemble, "p_fa") > 0.75
    assert ensemble.contents.fusion.weights["fa"] > ensemble.contents.fusion.weights["lesion"]
    assert "baseline_lesion_volume" in table
    bundle = write_trained(tmp_path / "models", ensemble, settings)
    prediction = predict(bundle, units[4].unit, "cpu")
    assert set(prediction.members) == {"lesion"} and set(prediction.missing) == {"fa"}


def test_member_with_too_few_units_is_left_out(cohort: list[Labelled], tmp_path: Path) -> None:
    fa = write_volume(tmp_path / "fa.nii", blob(0.1, np.random.default_rng(0)))
    unit = replace(cohort[0].unit, features={**cohort[0].unit.features, "fa": (fa,)})
    settings = tiny_settings(members={"lstm": LSTM, "fa": VOLUME}, epochs=1)
    said: list[str] = []
    ensemble = train_ensemble([replace(cohort[0], unit=unit), *cohort[1:]], settings, "cpu", said.append)
    assert list(ensemble.contents.fusion.weights) == ["lstm"]
    assert "fa: left out, too few have fa (0 with a poor, 1 with a good outcome)" in said
    assert [text for text in said if text.startswith("[1/2] lstm: fold 3/3: ")]
    with pytest.raises(DataError, match="no member could be trained in any fold") as caught:
        only = tiny_settings(members={"fa": VOLUME}, epochs=1)
        train_ensemble([replace(cohort[0], unit=unit), *cohort[1:]], only, "cpu", silent)
    assert "fa: fa (0 with a poor, 1 with a good outcome). 3 outer and 2 inner folds need 6 of each" in str(
        caught.value
    )
    assert "No numbers of folds work with fewer than 4" in caught.value.remedy


def test_a_fold_in_which_nobody_could_be_trained_ends_with_numbers_and_folds_that_would_do() -> None:
    """Of 12 and 12 people 5 and 5 have what the member reads, and they lie badly in the folds."""
    people = [labelled(Path(), f"{i:02d}", 5.0 if i % 2 else 30.0, {}) for i in range(24)]
    known = [replace(one, unit=replace(one.unit, covariates={})) if i >= 10 else one for i, one in enumerate(people)]
    settings = tiny_settings(members={"clinical": {"modality": "clinical"}}, outer_folds=2, inner_folds=2)
    with pytest.raises(DataError, match="no member could be trained in") as caught:
        train_ensemble(known, settings, "cpu", silent)
    assert "clinical: clinical (5 with a poor, 5 with a good outcome)" in str(caught.value)
    assert "would do" in caught.value.remedy
    assert caught.value.reason == "too-few-participants"


@pytest.mark.parametrize(("n", "folds"), [(4, (4, 3)), (5, (5, 3)), (6, (3, 2))])
def test_as_few_as_are_allowed_can_be_trained_on(n: int, folds: tuple[int, int]) -> None:
    """What the check lets pass, and what its advice says, ends with a model and not in a wall."""
    people = [labelled(Path(), f"{i:02d}", 5.0 + i % 5 if i < n else 30.0 - i % 3, {}) for i in range(2 * n)]
    members = {"clinical": {"modality": "clinical"}}
    settings = tiny_settings(members=members, outer_folds=folds[0], inner_folds=folds[1])
    ensemble = train_ensemble(people, settings, "cpu", silent)
    assert len(ensemble.out_of_fold) == 2 * n


def test_a_member_that_did_not_earn_its_weight_is_in_no_bundle(
    lesion_cohort: list[Labelled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one below half of the weight, so that one of two good ones is."""
    monkeypatch.setattr(late_fusion, "EARNED", 0.5)
    settings, said = settings_of(regions=REGIONS, trees=TREES), list[str]()
    ensemble = train_ensemble(lesion_cohort, settings, "cpu", said.append)
    bundle = write_trained(tmp_path, ensemble, settings)
    ((name, why),) = bundle.facts["left_out_members"].items()
    other = {"regions": "trees", "trees": "regions"}[name]
    assert why.startswith("it earned 0.") and why.endswith(" of the weight beside others on lesion")
    assert [text for text in said if text.startswith(f"{name}: left out, {why}")]
    assert {entry.member.name for entry in bundle.members} == set(bundle.fusion.weights) == {other}
    assert not (bundle.path / "models" / f"{name}.safetensors").exists()
    assert (bundle.path / "models" / f"{other}.safetensors").is_file()
    assert f"- left out members: {name} {why}\n" in (bundle.path / "docs" / "model_card.md").read_text()
    assert {f"p_{name}", f"s_{name}"} <= set(ensemble.out_of_fold)  # it is evaluated
    assert not {f"p_{name}", f"s_{name}"} & set(bundle.out_of_fold())
    assert ensemble.modality_of == {"regions": "lesion", "trees": "lesion"}
    told = predict(bundle, lesion_cohort[0].unit, "cpu")
    assert set(told.members) == {other} and told.missing == {}
    monkeypatch.setattr(late_fusion, "EARNED", 0.0)
    assert "left_out_members" not in train_ensemble(lesion_cohort, settings, "cpu", silent).contents.facts


def test_sessions_of_a_person_stay_together(cohort: list[Labelled]) -> None:
    again = [replace(item, unit=replace(item.unit, session="02")) for item in cohort[:6]]
    first = [replace(item, unit=replace(item.unit, session="01")) for item in cohort[:6]]
    table = train_ensemble([*first, *again, *cohort[6:]], tiny_settings(epochs=1), "cpu", silent).out_of_fold
    assert len(table) == 30
    assert (table.groupby("participant_id")["fold"].nunique() == 1).all()
    assert set(table["session_id"].dropna()) == {"ses-01", "ses-02"}


def test_the_same_session_twice_is_refused(cohort: list[Labelled]) -> None:
    with pytest.raises(UsageError, match="sub-00 is in the cohort twice"):
        train_ensemble([*cohort, cohort[0]], tiny_settings(), "cpu", silent)


def test_one_kind_of_outcome_is_refused(cohort: list[Labelled]) -> None:
    with pytest.raises(UsageError, match="24 participants have a poor and 0 a good outcome"):
        train_ensemble([replace(item, poor=True) for item in cohort], tiny_settings(), "cpu", silent)


def test_a_file_that_only_a_baseline_reads_is_met_before_any_training(cohort: list[Labelled], tmp_path: Path) -> None:
    broken = tmp_path / "lesion.nii"
    broken.write_bytes(b"broken")
    unit = replace(cohort[0].unit, features={**cohort[0].unit.features, "lesion": (broken,)})
    said: list[str] = []
    settings = tiny_settings(members={"lstm": LSTM, "wm": VOLUME | {"modality": "wm"}}, epochs=1)
    with pytest.raises(DataError, match=r"lesion\.nii cannot be read"):
        train_ensemble([replace(cohort[0], unit=unit), *cohort[1:]], settings, "cpu", said.append)
    assert said == ["wm: left out, nobody has wm"]


def test_every_inner_fold_leaves_its_curve(ensemble: TrainedEnsemble) -> None:
    curves = ensemble.curves
    assert set(curves["member"]) == {"lstm"}
    assert len(curves.groupby(["outer_fold", "inner_fold"])) == 6
    assert np.isfinite(curves["loss"]).all()
    taken = curves[curves["chosen"]]
    assert (taken.groupby("outer_fold")["epoch"].nunique() == 1).all()
    picture = curves_plot(curves)
    assert picture.count("<svg") == 1
    assert picture == curves_plot(curves)


def fixed(**training: object) -> Settings:
    return tiny_settings(split="fixed", epochs=6, **training)


@pytest.fixture(scope="module")
def fixed_cohort(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    return rhythm_cohort(tmp_path_factory.mktemp("fixed"), 40)


@pytest.fixture(scope="module")
def fixed_ensemble(fixed_cohort: list[Labelled]) -> TrainedEnsemble:
    return train_ensemble(fixed_cohort, fixed(), "cpu", silent)


@pytest.fixture(scope="module")
def fixed_bundle(fixed_ensemble: TrainedEnsemble, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_trained(tmp_path_factory.mktemp("models"), fixed_ensemble, fixed())


def test_only_the_test_part_is_evaluated(fixed_ensemble: TrainedEnsemble) -> None:
    assert len(fixed_ensemble.out_of_fold) == 6
    assert fixed_ensemble.out_of_fold["poor"].sum() == 3
    assert np.isfinite(fixed_ensemble.out_of_fold[["probability_poor", "predicted_score", "p_lstm"]]).all(axis=None)


def test_the_ledger_tells_the_roles(
    fixed_ensemble: TrainedEnsemble, fixed_bundle: Bundle, fixed_cohort: list[Labelled]
) -> None:
    assert {role: len(people) for role, people in fixed_bundle.participants.items()} == {
        "train": 28, "validation": 6, "test": 6,
    }  # fmt: skip
    tested = set(fixed_ensemble.out_of_fold["participant_id"])
    for item in fixed_cohort:
        assert fixed_bundle.saw("tiny", item.unit.participant_id) is (item.unit.participant_id not in tested)
    assert fixed_bundle.facts["participants_by_role"] == {"train": 28, "validation": 6, "test": 6}
    assert fixed_bundle.facts["units_per_member"] == {"lstm": 40} and "outer_folds" not in fixed_bundle.facts
    assert (fixed_bundle.path / "splits.tsv").read_text().count("\tvalidation\n") == 6


def test_the_ensemble_that_is_kept_is_the_one_that_was_tested(
    fixed_ensemble: TrainedEnsemble, fixed_bundle: Bundle, fixed_cohort: list[Labelled]
) -> None:
    units = {item.unit.participant_id: item.unit for item in fixed_cohort}
    for row in fixed_ensemble.out_of_fold.to_dict("records"):
        prediction = predict(fixed_bundle, units[row["participant_id"]], "cpu")
        assert prediction.in_training_set is False
        assert prediction.probability_poor == pytest.approx(row["probability_poor"], abs=1e-6)
        assert prediction.predicted_score == pytest.approx(row["predicted_score"], abs=1e-4)
        assert prediction.prediction == row["prediction"]


def test_garbage_in_the_test_part_changes_nothing_that_is_kept(
    fixed_ensemble: TrainedEnsemble, fixed_cohort: list[Labelled]
) -> None:
    tested = set(fixed_ensemble.out_of_fold["participant_id"])
    other = {"features": fixed_cohort[0].unit.features, "covariates": {"age": 1000.0, "sex": "M"}}
    spoilt = [
        replace(item, score=99.0, unit=replace(item.unit, **other)) if item.unit.participant_id in tested else item
        for item in fixed_cohort
    ]
    again = train_ensemble(spoilt, fixed(), "cpu", silent)
    for name, state in fixed_ensemble.contents.states.items():
        assert all(torch.equal(value, again.contents.states[name][key]) for key, value in state.items())
    assert again.contents.fusion == fixed_ensemble.contents.fusion
    assert set(again.out_of_fold["score"]) == {99.0}
    assert [m.scaler for m in again.contents.members] == [m.scaler for m in fixed_ensemble.contents.members]
