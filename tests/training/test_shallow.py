from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from bids_stroke.core.errors import UsageError
from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.predictions import prediction_json, prediction_row, read_prediction
from bids_stroke.ensemble.predict import predict
from bids_stroke.evaluation.evaluate import evaluate
from bids_stroke.fusion.out_of_fold import read_evidence
from bids_stroke.fusion.subset import fit_fusion
from bids_stroke.fusion.target import LOGITS_PER_DEVIATION, Target
from bids_stroke.networks import registry
from bids_stroke.networks.regions import GRID_SHAPE
from bids_stroke.training.cohort import Cases, make_cohort, read_cases
from bids_stroke.training.cross_validation import cross_validate, fit_final
from bids_stroke.training.early_fusion import join_cases
from bids_stroke.training.ensemble import train_ensemble, write_trained
from bids_stroke.training.folds import nested_folds
from bids_stroke.training.members import planned_members
from bids_stroke.training.shallow import fit_path, fit_shallow, predict_shallow, shallow_curve
from bids_stroke.training.shallow_paths import LEARNING_RATE, PENALTIES
from bids_stroke.training.trainer import Place
from tests.helpers.units import (  # fmt: skip
    CHANNELS,
    RATE,
    SECONDS,
    labelled,
    lesion,
    rhythm,
    rhythm_cohort,
    tiny_settings,
    write_recording,
    write_volume,
)

INPUTS = {"channels": list(CHANNELS), "rate": float(RATE), "seconds": SECONDS}
POWER = {"modality": "eegemg", "network": "band_power", "inputs": INPUTS}
REGIONS = {"modality": "lesion", "network": "regions", "n_parcels": 4}
TREES = REGIONS | {"n_trees": 35}
CLINICAL = {"modality": "clinical"}
PLACE = Place(torch.device("cpu"), "fp32", 0)


def silent(_: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    """Large lesions go with poor outcomes; every eighth unit lacks the map, every eighth all covariates."""
    folder, rng = tmp_path_factory.mktemp("shallow"), np.random.default_rng(0)
    units = []
    for i in range(32):
        score = float(rng.integers(2, 16) if i % 2 else rng.integers(20, 34))
        size = int(np.clip(22 - score / 2 + rng.normal(0, 2), 2, 25))
        path = write_volume(folder / f"sub-{i:02d}_lesion.nii", lesion(rng, size, bool(i % 3)))
        item = labelled(folder, f"{i:02d}", score, {} if i % 8 == 7 else {"lesion": [path]})
        units.append(replace(item, unit=replace(item.unit, covariates={})) if i % 8 == 3 else item)
    return units


def settings_of(**members: dict[str, object]) -> Settings:
    return tiny_settings(members=members)


def cases_of(cohort: list[Labelled], member: dict[str, object]) -> Cases:
    whole = make_cohort(cohort, "fma_le")
    return read_cases(*planned_members(settings_of(x=member), whole)[0], whole)


@pytest.mark.parametrize("member", [REGIONS, CLINICAL], ids=["regions", "covariates"])
def test_a_step_of_the_path_is_what_scikit_learn_fits(cohort: list[Labelled], member: dict[str, object]) -> None:
    cases = cases_of(cohort, member)
    rows = cases.having(np.arange(32))
    step, path = 9, fit_path(cases, rows, 0)
    covariates = path.scaler.transform(cases.covariates[rows])
    columns = np.concatenate([[cases.of(row)[0].numpy() for row in rows], covariates], axis=1)
    state = path.path.state(step)
    standard = (columns - state["centre"].numpy()) / state["spread"].numpy()
    poor, score = cases.cohort.poor[rows], cases.cohort.score[rows]
    z = (score - score.mean()) / score.std()
    ridge, latent = Ridge(alpha=PENALTIES[step - 1]), Target(poor, score).latent
    left_out = cross_val_predict(ridge, standard, latent, cv=LeaveOneOut())
    deviation, threshold = np.sqrt(np.mean((latent - left_out) ** 2)), norm.ppf(1 - poor.mean())
    degree = ridge.fit(standard, latent).predict(standard)
    wanted = expit(LOGITS_PER_DEVIATION * ((degree - threshold) / deviation + threshold))
    scores = ridge.fit(standard, z).predict(standard) * score.std() + score.mean()
    found = predict_shallow(fit_shallow(cases, rows, step, 0), cases, rows)
    np.testing.assert_allclose(found[0], wanted, atol=1e-9)
    np.testing.assert_allclose(found[1], scores, atol=1e-6)
    np.testing.assert_allclose(shallow_curve(cases, rows, rows, 0).at(step)[0], found[0], rtol=1e-12)


def test_a_step_of_the_trees_is_what_scikit_learn_fits(cohort: list[Labelled]) -> None:
    cases = cases_of(cohort, TREES)
    rows = cases.having(np.arange(32))
    found = [predict_shallow(fit_shallow(cases, rows, step, 5), cases, rows) for step in (1, 2, 4)]
    scaler = fit_path(cases, rows, 5).scaler
    columns = np.concatenate(
        [[cases.of(row)[0].numpy() for row in rows], scaler.transform(cases.covariates[rows])], axis=1
    )
    poor, score = cases.cohort.poor[rows], cases.cohort.score[rows]
    how = {"learning_rate": LEARNING_RATE, "subsample": 0.5, "max_depth": 2, "max_features": "sqrt",
           "min_samples_leaf": 2, "init": "zero", "random_state": 5, "n_estimators": 35}  # fmt: skip
    weights = np.where(poor, 1 / poor.mean(), 1 / (1 - poor.mean())) / 2
    chances = list(GradientBoostingClassifier(**how).fit(columns, poor, weights).staged_predict_proba(columns))
    z = (score - score.mean()) / score.std()
    scores = list(GradientBoostingRegressor(**how).fit(columns, z).staged_predict(columns))
    for (probability, expected), count in zip(found, (10, 20, 35), strict=True):
        np.testing.assert_allclose(probability, chances[count - 1][:, 1], atol=1e-9)
        np.testing.assert_allclose(expected, scores[count - 1] * score.std() + score.mean(), atol=1e-9)


def test_the_path_leads_from_the_mean_to_the_data(cohort: list[Labelled]) -> None:
    cases = cases_of(cohort, REGIONS)
    curve = shallow_curve(cases, np.arange(16), cases.having(np.arange(16, 32)), 0)
    assert curve.losses.shape == (len(PENALTIES),)
    spreads = curve.scores.std(axis=1)
    assert spreads[0] < 0.1 * spreads[-1]
    assert 0 < np.argmin(curve.losses) < len(PENALTIES) - 1
    assert curve.losses[0] - curve.losses.min() > 0.05


def test_columns_of_a_block_keep_their_proportions(cohort: list[Labelled]) -> None:
    spread = fit_path(cases_of(cohort, REGIONS), np.arange(32), 0).path.state(1)["spread"].tolist()
    assert len(set(spread[:4])) >= 3 and len(set(spread[4:8])) == len(set(spread[8:12])) == 1


def hidden_cause(folder: Path, n: int) -> list[Labelled]:
    """The score follows the lesion's size, and half as much a rhythm; every eighth lacks one, every ninth the other."""
    rng = np.random.default_rng(1)
    units = []
    for i in range(n):
        big, slow = rng.uniform(-1, 1, 2)
        score = float(np.clip(np.round(17.5 - 11 * big - 5 * slow + rng.normal(0, 0.5)), 0, 34))
        size = round(13 + 9 * big)
        mask = np.zeros(GRID_SHAPE, np.float32)
        mask[50 : 50 + size, 40 : 40 + size, 40 : 40 + size] = 1
        features: dict[str, Sequence[Path]] = {}
        if i % 8:
            features["lesion"] = [write_volume(folder / f"sub-{i:02d}_mask.nii", mask)]
        if i % 9 != 1:
            features["eegemg"] = write_recording(folder, f"sub-{i:02d}_task-leg", rhythm(3.0 - 2 * slow, 6, rng))
        units.append(labelled(folder, f"{i:02d}", score, features))
    return units


def test_early_fusion_finds_the_weak_cause_beside_the_strong_one(tmp_path: Path) -> None:
    cohort = hidden_cause(tmp_path / "cohort", 64)
    settings = tiny_settings(members={"lesion": REGIONS, "power": POWER})
    trained = train_ensemble(cohort, settings, "cpu", silent)
    assert [entry.member.name for entry in trained.contents.members] == ["lesion", "power"]
    entry = trained.contents.early
    assert entry is not None and entry.member.inputs == {"parts": ["lesion", "power"]}
    table = trained.out_of_fold
    assert "fusion_early" in table and "p_early_fusion" not in table
    assert not trained.subsets["members"].str.contains("early").any()
    found = {name: r2_score(table["score"][known], table[name][known])
             for name in ("s_lesion", "s_power", "s_fusion_early") for known in [table[name].notna()]}  # fmt: skip
    assert found["s_fusion_early"] > max(found["s_lesion"], found["s_power"]) + 0.05
    # predicting says what training said, also of somebody who lacks a part
    bundle = write_trained(tmp_path / "models", trained, settings)
    cases = make_cohort(cohort, "fma_le")
    planned = {member.name: member for member, _ in planned_members(settings, cases)}
    parts = [read_cases(planned[name], settings.training, cases) for name in ("lesion", "power")]
    joined = join_cases(planned["early_fusion"], settings.training, parts)
    network = registry.build("early_fusion", **entry.member.arguments)
    network.load_state_dict(dict(trained.contents.states["early_fusion"]))
    for row in (2, 3):
        covariates = torch.from_numpy(entry.scaler.transform(joined.covariates[row]))[None]
        expected = float(network(joined.of(row), covariates)[0, 0].sigmoid())
        said = predict(bundle, cohort[row].unit, "cpu")
        assert said.missing == {} and said.early_fusion is not None and list(said.members) == ["lesion", "power"]
        assert said.early_fusion.probability == pytest.approx(expected, abs=1e-9)
        assert prediction_row(said)["fusion_early"] == said.early_fusion.probability
        (tmp_path / "p.json").write_text(json.dumps(prediction_json(said)))
        assert read_prediction(tmp_path / "p.json") == said
    for row, part in ((8, "lesion"), (10, "power")):  # without lesion, without recording: nothing is filled in
        assert joined.samples[row] is None
        said = predict(bundle, cohort[row].unit, "cpu")
        assert set(said.missing) == {part, "early_fusion"} and said.early_fusion is None
        (rest,) = said.members.values()
        assert rest.weight == 1 and said.predicted_score is not None
        (warning,) = (text for text in said.warnings if "weight" in text)
        assert warning.startswith("1 of 2 members and no early fusion applied, which hold ")
        assert warning.endswith("% of the weight; they have weights and a calibration of their own.")
        # as an ensemble of that member alone, fitted on the same people, would say
        evidence = read_evidence(bundle.path)
        assert evidence is not None and evidence.names == ("lesion", "power", "early_fusion")
        (name,) = said.members
        own = fit_fusion(evidence, [name], 0.9).calibration
        assert own is not None and own != bundle.fusion.calibration
        assert said.probability_poor == pytest.approx(float(own.apply(np.array(rest.probability))))
    card = (bundle.path / "docs" / "model_card.md").read_text()
    assert "Whoever lacks something has those of a fusion of the other members" in card
    assert "| early_fusion | early_fusion |" in card


def test_early_fusion_is_left_out_without_two_parts_and_wrong_parts_are_refused(cohort: list[Labelled]) -> None:
    members = {"a": REGIONS, "trees": TREES, "clinical": CLINICAL, "power": POWER}

    def planned(early_fusion: object) -> list[str]:
        settings = tiny_settings(members=members, early_fusion=early_fusion)
        return [member.name for member, _ in planned_members(settings, make_cohort(cohort, "fma_le"))]

    alone = ["a", "trees", "clinical"]
    assert planned(True) == alone  # nobody has a recording; trees are no part unless named
    assert planned(["a", "power"]) == alone
    assert planned(["a", "trees"]) == [*alone, "early_fusion"]
    for wrong in (["a", "clinical"], ["a", "b"], ["a"], ["a", "a"], []):
        with pytest.raises(UsageError, match=r"training\.early_fusion"):
            planned(wrong)
    with pytest.raises(UsageError, match=r"training\.members\.early_fusion"):
        members["early_fusion"] = REGIONS
        planned(True)
    del members["early_fusion"]
    said: list[str] = []
    settings = tiny_settings(members={"a": REGIONS, "power": POWER}, early_fusion=["a", "power"])
    train_ensemble(cohort, settings, "cpu", said.append)
    assert "early_fusion: left out, fewer than two of its parts are there" in said


def test_parts_of_the_early_fusion_are_those_that_most_people_have(tmp_path: Path) -> None:
    cohort = hidden_cause(tmp_path, 16)
    rare = [replace(item, unit=replace(item.unit, features={**item.unit.features, "fa": (Path("fa.nii"),)}))
            if i < 3 else item for i, item in enumerate(cohort)]  # fmt: skip
    members = {"fa": REGIONS | {"modality": "fa"}, "lesion": REGIONS, "power": POWER}

    def parts(early_fusion: object) -> object:
        settings = tiny_settings(members=members, early_fusion=early_fusion)
        last, _ = planned_members(settings, make_cohort(rare, "fma_le"))[-1]
        return last.inputs.get("parts")

    assert parts(True) == ["lesion", "power"]
    assert parts(["fa", "lesion"]) == ["fa", "lesion"]
    assert parts(False) is None


def test_a_network_that_does_not_read_the_modality_is_refused(cohort: list[Labelled]) -> None:
    with pytest.raises(UsageError, match=r"x\.network is 'band_power', which does not read lesion"):
        cases_of(cohort, REGIONS | {"network": "band_power", "n_parcels": 4})


@pytest.mark.parametrize("member", [REGIONS, TREES], ids=["linear", "trees"])
def test_garbage_in_the_outer_test_fold_changes_nothing_that_was_fitted(
    cohort: list[Labelled], member: dict[str, object]
) -> None:
    cases = cases_of(cohort, member)
    clean = cases.cohort
    folds = nested_folds(clean.participants, clean.poor, cases.options, 0)[:1]
    train, test = folds[0].split.train, folds[0].split.test
    poor, score, covariates = clean.poor.copy(), clean.score.copy(), clean.covariates.copy()
    poor[test], score[test], covariates[test] = ~poor[test], 1e6, -1e6
    samples = [None if s is None else torch.full_like(s, 1e3) if i in test else s for i, s in enumerate(cases.samples)]
    spoilt = replace(
        cases, samples=tuple(samples), cohort=replace(clean, poor=poor, score=score, covariates=covariates)
    )
    one, two = (cross_validate(item, folds, PLACE, silent) for item in (cases, spoilt))
    assert one.epochs[0] == two.epochs[0]
    np.testing.assert_array_equal(one.inner_probability, two.inner_probability)
    np.testing.assert_array_equal(one.inner_score, two.inner_score)
    fits = [fit_shallow(item, train, int(one.epochs[0]), 0) for item in (cases, spoilt)]
    assert all(torch.equal(value, fits[1].state[name]) for name, value in fits[0].state.items())
    assert not np.array_equal(one.test_score[0, test], two.test_score[0, test], equal_nan=True)


def test_clinical_member_reads_the_first_score_and_speaks_for_whoever_has_covariates(cohort: list[Labelled]) -> None:
    cases = cases_of(cohort, CLINICAL)
    assert cases.names[-1] == "fma_le_baseline"
    assert [sample is None for sample in cases.samples] == [i % 8 == 3 for i in range(32)]
    others = cases_of(cohort, REGIONS)
    assert others.names == ("age", "sex", "days_since_stroke")
    run = cross_validate(
        cases, nested_folds(cases.cohort.participants, cases.cohort.poor, cases.options, 0), PLACE, silent
    )
    said = np.nanmax(run.test_score, axis=0, where=np.isfinite(run.test_score), initial=-np.inf)
    there = np.isfinite(said)
    assert np.corrcoef(said[there], cases.cohort.score[there])[0, 1] > 0.9
    assert fit_final(cases, run, PLACE, np.arange(len(cases.samples))) is not None


def test_bundle_predicts_as_the_fit_did_and_its_bytes_repeat(cohort: list[Labelled], tmp_path: Path) -> None:
    settings = settings_of(clinical=CLINICAL, lesion_regions=REGIONS, lesion_trees=TREES)
    ensembles = [train_ensemble(cohort, settings, "cpu", silent) for _ in range(2)]
    bundles = [write_trained(tmp_path / name, item, settings) for name, item in zip("ab", ensembles, strict=True)]
    assert bundles[0].sha256 == bundles[1].sha256
    cases = cases_of(cohort, REGIONS)
    entry = next(entry for entry in bundles[0].members if entry.member.name == "lesion_regions")
    state = bundles[0].state("lesion_regions")
    step = round(float(ensembles[0].contents.facts["epochs_or_steps_per_member"]["lesion_regions"]))
    fitted = fit_shallow(cases, np.arange(32), step, 0)
    assert all(torch.equal(value, fitted.state[name]) for name, value in state.items())
    wanted = predict_shallow(fitted, cases, np.arange(32))
    for row in (0, 1, 2):
        found = predict(bundles[0], cohort[row].unit, "cpu")
        assert found.members["lesion_regions"].probability == pytest.approx(wanted[0][row], abs=1e-6)
        assert found.members["lesion_regions"].score == pytest.approx(wanted[1][row], abs=1e-5)
    assert entry.score_mean == fitted.score_mean
    trees = next(entry.member for entry in bundles[0].members if entry.member.name == "lesion_trees")
    assert trees.arguments["n_trees"] == bundles[0].state("lesion_trees")["value"].shape[1] <= 35
    seed = 1_000_000 * 3
    chosen = fit_shallow(cases_of(cohort, TREES), np.arange(32), -(-trees.arguments["n_trees"] // 10), seed)
    wanted = predict_shallow(chosen, cases_of(cohort, TREES), np.arange(32))
    found = predict(bundles[0], cohort[1].unit, "cpu").members["lesion_trees"]
    assert (found.probability, found.score) == (pytest.approx(wanted[0][1]), pytest.approx(wanted[1][1]))
    assert set(predict(bundles[0], cohort[7].unit, "cpu").members) == {"clinical"}
    alone = predict(bundles[0], cohort[3].unit, "cpu")
    assert set(alone.members) == {"lesion_regions", "lesion_trees"}
    assert alone.missing == {"clinical": "covariates-missing"}
    assert alone.members["lesion_regions"].modality == "lesion"


def test_windows_are_predicted_in_training_as_in_the_bundle(tmp_path: Path) -> None:
    units = rhythm_cohort(tmp_path, 24)
    settings = settings_of(power=POWER)
    ensemble = train_ensemble(units, settings, "cpu", silent)
    table = ensemble.out_of_fold
    assert table.groupby("poor")["p_power"].mean().diff().iloc[-1] > 0.5
    bundle = write_trained(tmp_path / "models", ensemble, settings)
    whole = make_cohort(units, "fma_le")
    cases = read_cases(*planned_members(settings, whole)[0], whole)
    step = round(float(ensemble.contents.facts["epochs_or_steps_per_member"]["power"]))
    probabilities, _ = predict_shallow(fit_shallow(cases, np.arange(24), step, 0), cases, np.arange(24))
    found = predict(bundle, units[5].unit, "cpu").members["power"]
    assert found.n_samples == 6
    assert found.probability == pytest.approx(probabilities[5], abs=1e-6)


def test_scores_of_members_and_baselines_are_evaluated(cohort: list[Labelled]) -> None:
    settings = settings_of(clinical=CLINICAL)
    table = train_ensemble(cohort, settings, "cpu", silent).out_of_fold
    metrics = evaluate(table, settings).metrics
    r2 = metrics[metrics["metric"] == "r2"].set_index("model")["value"]
    assert {"fusion", "clinical", "initial_score", "lesion_volume", "tract_load"} <= set(r2.index)
    known = table.dropna(subset=["s_baseline_initial_score"])
    assert r2["initial_score"] == pytest.approx(r2_score(known["score"], known["s_baseline_initial_score"]))


def test_the_interval_of_the_score_goes_from_training_to_the_prediction(cohort: list[Labelled], tmp_path: Path) -> None:
    settings = settings_of(clinical=CLINICAL, lesion_regions=REGIONS)
    ensemble = train_ensemble(cohort, settings, "cpu", silent)
    bundle = write_trained(tmp_path, ensemble, settings)
    prediction = predict(bundle, cohort[0].unit, "cpu")
    assert bundle.fusion == ensemble.contents.fusion
    assert bundle.fusion.score_fusion is not None and bundle.fusion.score_fusion.half_width is not None
    low, high = prediction.predicted_score_interval or (0.0, 0.0)
    assert prediction.predicted_score is not None and low < prediction.predicted_score < high
    scores = np.array([[prediction.members[name].score for name in ("clinical", "lesion_regions")]])
    assert prediction.predicted_score == pytest.approx(float(bundle.fusion.score_fusion.apply(scores)[0]))
    content = prediction_json(prediction)
    assert content["predicted_score_interval"] == [low, high]
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert read_prediction(tmp_path / "p.json") == prediction
    row = prediction_row(prediction)
    assert (row["predicted_score_low"], row["predicted_score_high"]) == (low, high)
