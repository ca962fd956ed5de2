from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score, roc_auc_score

from bids_stroke.core.errors import DataError, ModelError, UsageError
from bids_stroke.core.modalities import Sample, record_of
from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.core.settings import load_settings
from bids_stroke.ensemble.bundle import load_bundle
from bids_stroke.ensemble.predict import predict
from bids_stroke.features.readers import GRID_SHAPE, complete_inputs
from bids_stroke.fusion.fit import fit_head, fit_scores
from bids_stroke.fusion.target import Target
from bids_stroke.networks import NETWORKS
from bids_stroke.report.plots import curves_plot
from bids_stroke.training.baselines import baselines, predict_baselines
from bids_stroke.training.cohort import make_cohort, read_cases
from bids_stroke.training.cross_validation import best_epoch, cross_validate
from bids_stroke.training.ensemble import TrainedEnsemble, model_facts, train_ensemble, write_trained
from bids_stroke.training.folds import nested_folds
from bids_stroke.training.loss_curve import Curve
from bids_stroke.training.members import planned_members
from bids_stroke.training.trainer import Place, Trainer, fit, predict_rows
from tests.conftest import ROOT
from tests.helpers.units import (  # fmt: skip
    LSTM,
    VOLUME,
    blob,
    labelled,
    rhythm,
    rhythm_cohort,
    tiny_settings,
    write_recording,
    write_volume,
)


def silent(_: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    return rhythm_cohort(tmp_path_factory.mktemp("planted"), 24)


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


def test_garbage_in_the_outer_test_fold_changes_nothing_that_was_fitted(cohort: list[Labelled]) -> None:
    settings = tiny_settings(epochs=4)
    clean = make_cohort(cohort, "fma_le")
    folds = nested_folds(clean.participants, clean.poor, settings.training, 0)[:1]
    test = folds[0].split.test
    member, options = planned_members(settings, clean)[0]
    cases = read_cases(member, options, clean)
    poor, score, covariates = clean.poor.copy(), clean.score.copy(), clean.covariates.copy()
    poor[test], score[test], covariates[test] = ~poor[test], 1e6, -1e6
    samples = [None if s is None else torch.full_like(s, 1e3) if i in test else s for i, s in enumerate(cases.samples)]
    dirty = replace(clean, poor=poor, score=score, covariates=covariates)
    spoilt = replace(cases, samples=tuple(samples), cohort=dirty)
    place = Place(torch.device("cpu"), "fp32", 3)
    one, two = (cross_validate(item, folds, place, silent) for item in (cases, spoilt))
    assert one.epochs[0] == two.epochs[0]
    np.testing.assert_array_equal(one.inner_probability, two.inner_probability)
    heads, scores = [], []
    for run, item in ((one, clean), (two, dirty)):
        inner = np.stack([run.inner_probability[0], 1 - run.inner_probability[0]], axis=1)
        heads.append(fit_head(inner, Target(item.poor, item.score), 0.9))
        learned = folds[0].learned
        said = np.stack([run.inner_score[0][learned], np.arange(len(learned))], axis=1)
        scores.append(fit_scores(said, Target(item.poor, item.score).of(learned)))
    assert heads[0].calibration == heads[1].calibration and scores[0] == scores[1]
    np.testing.assert_array_equal(heads[0].weights, heads[1].weights)
    for attribute in ("scaler", "score_mean", "score_sd"):
        fits = [fit(item, folds[0].split.train, 1, place) for item in (cases, spoilt)]
        assert getattr(fits[0], attribute) == getattr(fits[1], attribute)
    assert not np.array_equal(one.test_probability[0, test], two.test_probability[0, test])


def test_validation_rows_are_predicted_by_a_network_that_did_not_see_them(cohort: list[Labelled]) -> None:
    settings = tiny_settings(epochs=3)
    whole = make_cohort(cohort, "fma_le")
    folds = nested_folds(whole.participants, whole.poor, settings.training, 0)[:1]
    cases = read_cases(*planned_members(settings, whole)[0], whole)
    run = cross_validate(cases, folds, Place(torch.device("cpu"), "fp32", 0), silent)
    assert np.isfinite(run.inner_probability[0, folds[0].split.train]).all()
    assert np.isnan(run.inner_probability[0, folds[0].split.test]).all()
    assert np.isnan(run.test_probability[0, folds[0].split.train]).all()


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
    assert "fa: left out, too few units have fa" in said
    with pytest.raises(DataError, match="No member could be trained"):
        only = tiny_settings(members={"fa": VOLUME}, epochs=1)
        train_ensemble([replace(cohort[0], unit=unit), *cohort[1:]], only, "cpu", silent)


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
    with pytest.raises(UsageError, match="0 participants have a good outcome"):
        train_ensemble([replace(item, poor=True) for item in cohort], tiny_settings(), "cpu", silent)


@pytest.mark.parametrize(
    ("member", "error", "message"),
    [
        ({"modality": "ct"}, UsageError, "training.members.x.modality is 'ct'"),
        ({"modality": "eegemg", "training": {"speed": 1}}, UsageError, "training has no speed"),
        ({"modality": "eegemg", "inputs": {"zoom": 1}}, ModelError, "no input option zoom"),
        (
            {"modality": "fa", "inputs": [3]},
            UsageError,
            r"training.members.x.inputs is \[3\]. Write 'key: value' lines",
        ),
        ({"modality": "fa", "training": 3}, UsageError, "training.members.x.training is 3"),
        ({"modality": "fa", "training": {3: 4}}, UsageError, "training.members.x.training has no 3"),
        ({"modality": ["fa"]}, UsageError, r"training.members.x.modality is \['fa'\]"),
        ({"modality": "fa"}, UsageError, "No unit has a modality of the members x"),
        ({"modality": "eegemg", "network": "lstn"}, UsageError, "x.network is 'lstn'"),
        (LSTM | {"hiden": [3]}, ModelError, "lstm has no argument hiden"),
        (LSTM | {"hidden": "x"}, ModelError, "lstm.hidden is 'x': Input should be a valid tuple"),
        ({"modality": "clinical", "n_covariates": 1.5}, ModelError, "covariates.n_covariates is 1.5"),
        (LSTM | {"n_channels": 7}, UsageError, "x.n_channels is 7, but eegemg as it is read here makes it 3"),
        (LSTM | {"training": {"epochs": 0}}, UsageError, "x.training.epochs: Input should be greater"),
        ({"modality": "clinical", "training": {"epochs": 3}}, UsageError, "fitted in one go"),
        ({"modality": "clinical", "n_covariates": 9}, UsageError, "n_covariates is above 8"),
    ],
)
def test_wrong_member_is_refused(
    cohort: list[Labelled], member: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        planned_members(tiny_settings(members={"x": member}), make_cohort(cohort, "fma_le"))


@pytest.mark.parametrize("name", ["../x", "a b", "", "baseline_clinical"])
def test_a_member_whose_name_is_no_file_and_column_name_is_refused(cohort: list[Labelled], name: str) -> None:
    with pytest.raises(UsageError, match="part of file and column names"):
        planned_members(tiny_settings(members={name: LSTM}), make_cohort(cohort, "fma_le"))


def test_a_file_that_only_a_baseline_reads_is_met_before_any_training(cohort: list[Labelled], tmp_path: Path) -> None:
    broken = tmp_path / "fa.nii"
    broken.write_bytes(b"broken")
    unit = replace(cohort[0].unit, features={**cohort[0].unit.features, "fa": (broken,)})
    said: list[str] = []
    settings = tiny_settings(members={"lstm": LSTM, "wm": VOLUME | {"modality": "wm"}}, epochs=1)
    with pytest.raises(DataError, match=r"fa\.nii cannot be read"):
        train_ensemble([replace(cohort[0], unit=unit), *cohort[1:]], settings, "cpu", said.append)
    assert said == ["wm: left out, nobody has wm"]


def test_default_members_are_those_of_each_modality_that_is_there(cohort: list[Labelled]) -> None:
    unit = replace(cohort[0].unit, features={**cohort[0].unit.features, "fa": (Path("fa.nii"),)})
    members = planned_members(tiny_settings(members={}), make_cohort([replace(cohort[0], unit=unit)], "fma_le"))
    assert [(member.name, member.network) for member, _ in members] == [
        ("fa", "cbam_resnet3d"), ("eegemg", "lstm"), ("clinical", "covariates"), ("fa_regions", "regions"),
        ("eegemg_power", "band_power"), ("eegemg_coherence", "coherence"),
        ("early_fusion", "early_fusion"),
    ]  # fmt: skip
    arguments = {member.name: member.arguments for member, _ in members}
    assert arguments["fa"]["n_covariates"] == arguments["fa_regions"]["n_covariates"] == 6
    assert arguments["eegemg"]["n_channels"] == arguments["eegemg_power"]["n_channels"] == 22
    assert arguments["clinical"]["n_covariates"] == 8  # the first score too


def test_member_may_train_in_its_own_way(cohort: list[Labelled]) -> None:
    settings = tiny_settings(members={"x": LSTM | {"training": {"epochs": 7}}, "y": LSTM})
    planned = planned_members(settings, make_cohort(cohort, "fma_le"))
    assert [options.epochs for _, options in planned] == [7, 25]


def test_demonstration_settings_describe_every_kind_of_member() -> None:
    settings = load_settings(ROOT / "bids_stroke" / "data" / "demonstration.yml")
    assert settings.training.demonstration
    everything = {modality: (Path("x"),) for modality in settings.modalities}
    unit = Labelled(UnitFeatures("01", None, everything, {}, {"age": 60.0}), 10, True)
    members = [member for member, _ in planned_members(settings, make_cohort([unit], "fma_le"))]
    assert {record_of(member.modality).sample for member in members} == set(get_args(Sample))
    assert {member.network for member in members} == set(NETWORKS) - {"miccai2025"}
    assert len(members) == 15


def test_baselines_use_only_what_they_are_named_for() -> None:
    rng = np.random.default_rng(0)
    units = []
    for i in range(60):
        score = float(rng.integers(0, 34))
        known = {"age": rng.normal(60, 10), "sex": "F", "fma_le_baseline": score + rng.normal(), "fma_le": score}
        units.append(Labelled(UnitFeatures(f"{i}", None, {}, {}, known, "d"), score, score <= 17))
    cohort = make_cohort(units, "fma_le")
    values = baselines(cohort, {})
    assert set(values) == {"clinical", "initial_score"}
    split = nested_folds(cohort.participants, cohort.poor, tiny_settings().training, 0)[0].split
    predicted = predict_baselines(values, cohort, split)
    poor, score = cohort.poor[split.test], cohort.score[split.test]
    assert roc_auc_score(poor, predicted["initial_score"][0]) > 0.95
    assert roc_auc_score(poor, predicted["clinical"][0]) < 0.85
    assert r2_score(score, predicted["initial_score"][1]) > 0.9 > r2_score(score, predicted["clinical"][1])


def test_baseline_is_missing_where_its_predictor_is() -> None:
    score = np.where(np.arange(20) % 2, 10.0, 30.0)
    known = [{"age": 50.0 + i} | ({"fma_le_baseline": i} if i < 19 else {}) for i in range(20)]
    units = [Labelled(UnitFeatures(f"{i}", None, {}, {}, known[i], "d"), score[i], score[i] <= 17) for i in range(20)]
    cohort = make_cohort(units, "fma_le")
    split = nested_folds(cohort.participants, cohort.poor, tiny_settings(outer_folds=2).training, 0)[0].split
    if 19 not in split.test:
        split = replace(split, train=split.test, test=split.train)
    predicted = predict_baselines(baselines(cohort, {}), cohort, split)
    for values in predicted["initial_score"]:
        assert np.isnan(values).tolist() == [row == 19 for row in split.test]
    assert np.isfinite(predicted["clinical"][0]).all()


def test_baselines_of_images_measure_what_they_are_named_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    units = []
    for i in range(6):
        fa, lesion = np.full(GRID_SHAPE, 0.4), np.zeros(GRID_SHAPE)
        fa[46:] -= 0.05 * i  # the left
        lesion[30:36, 50:60, 40:50] = i / 5
        files = {"fa": [write_volume(tmp_path / f"{i}_fa.nii", fa)],
                 "lesion": [write_volume(tmp_path / f"{i}_lesion.nii", lesion)]}  # fmt: skip
        files |= {"eegemg": write_recording(tmp_path, f"sub-{i}_task-leg", rhythm(2.0 if i < 3 else 6.0, 3, rng))}
        units.append(labelled(tmp_path, f"{i}", 10.0 + i, files))
    inputs = {"eegemg": complete_inputs("eegemg", LSTM["inputs"])}
    found = baselines(make_cohort(units, "fma_le"), inputs)
    assert set(found) == {
        "clinical", "initial_score", "lesion_volume", "tract_load", "tract_asymmetry", "band_power"
    }  # fmt: skip
    np.testing.assert_allclose(
        found["lesion_volume"].columns[:, 0], np.log1p(np.arange(6) / 5 * 600 * 0.008), rtol=1e-5
    )
    left = 0.4 - 0.05 * np.arange(6)
    np.testing.assert_allclose(found["tract_asymmetry"].columns[:, 0], (0.4 - left) / (0.4 + left), atol=0.01)
    delta, theta = found["band_power"].columns[:, 0], found["band_power"].columns[:, 1]
    assert ((delta > theta) == (np.arange(6) < 3)).all()
    assert found["tract_load"].columns.shape[1] == found["lesion_volume"].columns.shape[1] + 1
    without = baselines(make_cohort(units, "fma_le"), {})
    assert "band_power" not in without


def test_best_epoch_is_that_of_the_mean_and_a_stopped_curve_keeps_its_last_loss() -> None:
    def curve(*losses: float) -> Curve:
        empty = np.zeros((len(losses), 5))
        return Curve(np.array(losses), empty, empty)

    assert best_epoch([curve(3, 1, 2, 4), curve(3, 2, 1, 1)]) in (2, 3)
    assert best_epoch([curve(3, 2, 1.5, 1), curve(3, 1)]) == 4
    assert best_epoch([curve(1, 2, 3)]) == 1


def test_restored_weights_predict_what_the_trained_network_did(cohort: list[Labelled]) -> None:
    settings = tiny_settings(epochs=2)
    whole = make_cohort(cohort, "fma_le")
    cases = read_cases(*planned_members(settings, whole)[0], whole)
    place = Place(torch.device("cpu"), "fp32", 0)
    fitted = fit(cases, np.arange(24), 2, place)
    probabilities, scores = predict_rows(fitted, cases, np.arange(24), place)
    assert np.isfinite(probabilities).all() and np.isfinite(scores).all()
    assert probabilities.std() > 0
    assert 0 < fitted.score_sd < 34


def test_the_learning_rate_follows_its_schedule(cohort: list[Labelled]) -> None:
    rates = {}
    for schedule in ("constant", "cosine", "plateau"):
        settings = tiny_settings(schedule=schedule, epochs=20, learning_rate=0.01)
        whole = make_cohort(cohort, "fma_le")
        [(member, options)] = planned_members(settings, whole)
        trainer = Trainer(read_cases(member, options, whole), np.arange(8), Place(torch.device("cpu"), "fp32", 0))
        trainer.start({})
        rates[schedule] = []
        for _ in range(20):
            trainer.epoch()
            rates[schedule].append(trainer.optimiser.param_groups[0]["lr"])
    assert set(rates["constant"]) == {0.01}
    np.testing.assert_allclose(rates["cosine"], 0.005 * (1 + np.cos(np.pi * np.arange(1, 21) / 20)), atol=1e-12)
    assert set(rates["plateau"]) <= {0.01 * 0.5**i for i in range(5)}
    assert rates["plateau"] == sorted(rates["plateau"], reverse=True)


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
