"""Members fitted in one go: as scikit-learn fits; nothing of the test fold is learned; bundles predict as the fit."""

from __future__ import annotations

import json
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
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from bids_stroke.core.records import Labelled
from bids_stroke.derivatives.predictions import prediction_json, prediction_row, read_prediction
from bids_stroke.ensemble.predict import predict
from bids_stroke.evaluation.evaluate import evaluate
from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import LOGITS_PER_DEVIATION, Target
from bids_stroke.training.cohort import Cases, make_cohort, read_cases
from bids_stroke.training.cross_validation import cross_validate
from bids_stroke.training.ensemble import train_ensemble, write_trained
from bids_stroke.training.folds import nested_folds
from bids_stroke.training.members import planned_members
from bids_stroke.training.shallow import fit_path, fit_shallow, predict_shallow, shallow_curve
from bids_stroke.training.shallow_paths import LEARNING_RATE, PENALTIES, penalty_path
from bids_stroke.training.trainer import Place
from tests.helpers.training import CLINICAL_MEMBER, KERNEL, POWER, REGIONS, TREES, cases_of, settings_of, silent
from tests.helpers.units import rhythm_cohort

PLACE = Place(torch.device("cpu"), "fp32", 0)


@pytest.mark.parametrize("member", [REGIONS, CLINICAL_MEMBER], ids=["regions", "covariates"])
def test_a_step_of_the_path_is_what_scikit_learn_fits(lesion_cohort: list[Labelled], member: dict[str, object]) -> None:
    cases = cases_of(lesion_cohort, member)
    rows = cases.having(np.arange(32))
    step, path = 9, fit_path(cases, rows, 0)
    covariates = path.scaler.transform(cases.covariates[rows])
    columns = np.concatenate([[cases.of(row)[0].numpy() for row in rows], covariates], axis=1)
    state = path.path.state(step)
    standard = (columns - state["centre"].numpy()) / state["spread"].numpy()
    poor, score = cases.cohort.poor[rows], cases.cohort.score[rows]
    z = (score - score.mean()) / score.std()
    ridge, latent = Ridge(alpha=PENALTIES[step - 1]), Target.of_people(poor, score).latent
    left_out = cross_val_predict(ridge, standard, latent, cv=LeaveOneOut())
    deviation, threshold = np.sqrt(np.mean((latent - left_out) ** 2)), norm.ppf(1 - poor.mean())
    degree = ridge.fit(standard, latent).predict(standard)
    wanted = expit(LOGITS_PER_DEVIATION * ((degree - threshold) / deviation + threshold))
    scores = ridge.fit(standard, z).predict(standard) * score.std() + score.mean()
    found = predict_shallow(fit_shallow(cases, rows, step, 0), cases, rows)
    np.testing.assert_allclose(found[0], wanted, atol=1e-9)
    np.testing.assert_allclose(found[1], scores, atol=1e-6)
    np.testing.assert_allclose(shallow_curve(cases, rows, rows, 0).at(step)[0], found[0], rtol=1e-12)


def test_a_step_of_the_trees_is_what_scikit_learn_fits(lesion_cohort: list[Labelled]) -> None:
    cases = cases_of(lesion_cohort, TREES)
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
    people = People.of(range(len(rows)))  # its mean, because a tree's ties hang on the last digit
    centre = people.mean(score)
    deviation = np.sqrt(people.mean((score - centre) ** 2))
    z = (score - centre) / deviation
    scores = list(GradientBoostingRegressor(**how).fit(columns, z, people.weight).staged_predict(columns))
    for (probability, expected), count in zip(found, (10, 20, 35), strict=True):
        np.testing.assert_allclose(probability, chances[count - 1][:, 1], atol=1e-9)
        np.testing.assert_allclose(expected, scores[count - 1] * deviation + centre, atol=1e-9)


def test_with_many_waves_it_is_a_kernel_machine(lesion_cohort: list[Labelled]) -> None:
    """With enough waves the score is that of scikit-learn's kernel ridge regression, on new people too."""
    cases = cases_of(lesion_cohort, KERNEL | {"n_waves": 5000})
    train, test, step = np.arange(24), cases.having(np.arange(24, 32)), 12
    rows = cases.having(train)
    state = (path := fit_path(cases, rows, 0)).path.state(step)
    blocks = (1, 1, 1, 1, 4, 4, *((1,) * cases.n_covariates))

    def standard(of: np.ndarray) -> np.ndarray:
        covariates = path.scaler.transform(cases.covariates[of])
        columns = np.concatenate([[cases.of(row)[0].numpy() for row in of], covariates], axis=1)
        return (columns - state["centre"].numpy()) / state["spread"].numpy()

    x, y = standard(rows), cases.cohort.score[rows]
    gram = rbf_kernel(x, gamma=1 / len(blocks))
    middle = np.eye(len(x)) - 1 / len(x)
    centred = middle @ gram @ middle
    penalty = PENALTIES[step - 1] * np.trace(centred) / len(x)  # the waves' variances sum to 1
    dual = np.linalg.solve(centred + penalty * np.eye(len(x)), y - y.mean())
    across = (rbf_kernel(standard(test), x, gamma=1 / len(blocks)) - gram.mean(0)) @ middle
    found = predict_shallow(fit_shallow(cases, rows, step, 0), cases, test)[1]
    np.testing.assert_allclose(found, across @ dual + y.mean(), atol=0.15 * y.std())
    assert np.corrcoef(found, across @ dual)[0, 1] > 0.98


@pytest.mark.parametrize("member", [REGIONS, TREES, KERNEL], ids=["linear", "trees", "kernel"])
def test_what_nobody_lacked_in_training_moves_nobody_who_lacks_it(
    lesion_cohort: list[Labelled], member: dict[str, object]
) -> None:
    """A person without an age, where all had one, is told what a person of the mean age is told."""
    bare = cases_of(lesion_cohort, member)
    rows = bare.having(np.arange(24))

    def aged(ages: np.ndarray | float) -> Cases:
        covariates = bare.cohort.covariates.copy()
        covariates[:, 0] = ages
        return replace(bare, cohort=replace(bare.cohort, covariates=covariates))

    ages = np.linspace(40, 90, len(lesion_cohort))
    fitted = fit_shallow(aged(ages), rows, 3, 0)
    changed = [predict_shallow(fitted, aged(age), rows) for age in (np.nan, ages[rows].mean())]
    np.testing.assert_allclose(changed[0], changed[1], rtol=1e-5)


def test_the_path_leads_from_the_mean_to_the_data(lesion_cohort: list[Labelled]) -> None:
    cases = cases_of(lesion_cohort, REGIONS)
    curve = shallow_curve(cases, np.arange(16), cases.having(np.arange(16, 32)), 0)
    assert curve.losses.shape == (len(PENALTIES),)
    spreads = curve.scores.std(axis=1)
    assert spreads[0] < 0.1 * spreads[-1]
    assert 0 < np.argmin(curve.losses) < len(PENALTIES) - 1
    assert curve.losses[0] - curve.losses.min() > 0.05


@pytest.mark.parametrize("member", [REGIONS, TREES | {"n_trees": 10}, KERNEL], ids=["linear", "trees", "kernel"])
def test_a_person_counts_once_however_many_sessions_there_are(
    lesion_cohort: list[Labelled], member: dict[str, object]
) -> None:
    """Everybody's row thrice changes nothing; of trees, which draw half of the rows, only what chance does."""
    cases = cases_of(lesion_cohort, member)
    rows = cases.having(np.arange(32))
    thrice = np.repeat(rows, 3)
    once, again = (predict_shallow(fit_shallow(cases, of, 1, 0), cases, rows) for of in (rows, thrice))
    tolerance = 0.2 if "n_trees" in member else 1e-6
    np.testing.assert_allclose(again[0], once[0], atol=tolerance)
    np.testing.assert_allclose(again[1], once[1], atol=tolerance * 30)
    losses = [shallow_curve(cases, rows, valid, 0).losses for valid in (rows[:9], np.repeat(rows[:9], 3))]
    np.testing.assert_allclose(losses[1], losses[0])


def test_people_are_left_out_with_all_their_sessions() -> None:
    """The deviation of a fit is that of people who are not in it: as if it were fitted again without each of them."""
    rng = np.random.default_rng(0)
    people = People.of(rng.integers(0, 12, 30))
    columns, degree = rng.standard_normal((30, 3)), rng.standard_normal(12)[people.of_row]
    target = Target(degree > 0, degree + 0.1 * rng.standard_normal(30), people)
    step = 11
    state = penalty_path(columns, target, (1, 1, 1)).state(step)
    standard = (columns - state["centre"].numpy()) / state["spread"].numpy()
    latent, squares = target.latent, 0.0
    for person in range(people.n):
        own = people.of_row == person
        fit = Ridge(alpha=PENALTIES[step - 1]).fit(standard[~own], latent[~own], people.weight[~own])
        squares += people.weight[own] @ (latent[own] - fit.predict(standard[own])) ** 2
    whole = Ridge(alpha=PENALTIES[step - 1]).fit(standard, latent, people.weight)
    deviation = np.sqrt(squares / people.n)
    np.testing.assert_allclose(state["weight"][0].numpy(), LOGITS_PER_DEVIATION * whole.coef_ / deviation, rtol=1e-6)


def test_columns_of_a_block_keep_their_proportions(lesion_cohort: list[Labelled]) -> None:
    spread = fit_path(cases_of(lesion_cohort, REGIONS), np.arange(32), 0).path.state(1)["spread"].tolist()
    assert len(set(spread[:4])) >= 3 and len(set(spread[4:8])) == len(set(spread[8:12])) == 1


@pytest.mark.parametrize("member", [REGIONS, TREES, KERNEL], ids=["linear", "trees", "kernel"])
def test_garbage_in_the_outer_test_fold_changes_nothing_that_was_fitted(
    lesion_cohort: list[Labelled], member: dict[str, object]
) -> None:
    cases = cases_of(lesion_cohort, member)
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


def test_bundle_predicts_as_the_fit_did_and_its_bytes_repeat(lesion_cohort: list[Labelled], tmp_path: Path) -> None:
    settings = settings_of(clinical=CLINICAL_MEMBER, lesion_regions=REGIONS, lesion_trees=TREES)
    ensembles = [train_ensemble(lesion_cohort, settings, "cpu", silent) for _ in range(2)]
    bundles = [write_trained(tmp_path / name, item, settings) for name, item in zip("ab", ensembles, strict=True)]
    assert bundles[0].sha256 == bundles[1].sha256
    cases = cases_of(lesion_cohort, REGIONS)
    entry = next(entry for entry in bundles[0].members if entry.member.name == "lesion_regions")
    state = bundles[0].state("lesion_regions")
    step = round(float(ensembles[0].contents.facts["epochs_or_steps_per_member"]["lesion_regions"]))
    fitted = fit_shallow(cases, np.arange(32), step, 0)
    assert all(torch.equal(value, fitted.state[name]) for name, value in state.items())
    wanted = predict_shallow(fitted, cases, np.arange(32))
    for row in (0, 1, 2):
        found = predict(bundles[0], lesion_cohort[row].unit, "cpu")
        assert found.members["lesion_regions"].probability == pytest.approx(wanted[0][row], abs=1e-6)
        assert found.members["lesion_regions"].score == pytest.approx(wanted[1][row], abs=1e-5)
    assert entry.score_mean == fitted.score_mean
    trees = next(entry.member for entry in bundles[0].members if entry.member.name == "lesion_trees")
    assert trees.arguments["n_trees"] == bundles[0].state("lesion_trees")["value"].shape[1] <= 35
    seed = 1_000_000 * 3
    chosen = fit_shallow(cases_of(lesion_cohort, TREES), np.arange(32), -(-trees.arguments["n_trees"] // 10), seed)
    wanted = predict_shallow(chosen, cases_of(lesion_cohort, TREES), np.arange(32))
    found = predict(bundles[0], lesion_cohort[1].unit, "cpu").members["lesion_trees"]
    assert (found.probability, found.score) == (pytest.approx(wanted[0][1]), pytest.approx(wanted[1][1]))
    assert set(predict(bundles[0], lesion_cohort[7].unit, "cpu").members) == {"clinical"}
    alone = predict(bundles[0], lesion_cohort[3].unit, "cpu")
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


def test_scores_of_members_and_baselines_are_evaluated(lesion_cohort: list[Labelled]) -> None:
    settings = settings_of(clinical=CLINICAL_MEMBER)
    table = train_ensemble(lesion_cohort, settings, "cpu", silent).out_of_fold
    metrics = evaluate(table, settings).metrics
    r2 = metrics[metrics["metric"] == "r2"].set_index("model")["value"]
    assert {"fusion", "clinical", "initial_score", "lesion_volume", "tract_load"} <= set(r2.index)
    known = table.dropna(subset=["s_baseline_initial_score"])
    assert r2["initial_score"] == pytest.approx(r2_score(known["score"], known["s_baseline_initial_score"]))


def test_the_interval_of_the_score_goes_from_training_to_the_prediction(
    lesion_cohort: list[Labelled], tmp_path: Path
) -> None:
    settings = settings_of(clinical=CLINICAL_MEMBER, lesion_regions=REGIONS)
    ensemble = train_ensemble(lesion_cohort, settings, "cpu", silent)
    bundle = write_trained(tmp_path, ensemble, settings)
    prediction = predict(bundle, lesion_cohort[0].unit, "cpu")
    assert bundle.fusion == ensemble.contents.fusion
    known = bundle.fusion.distribution
    assert known is not None and known.levels is not None
    low, high = prediction.predicted_score_interval or (0.0, 0.0)
    assert prediction.predicted_score is not None and low < prediction.predicted_score < high
    said = [prediction.members[name] for name in ("clinical", "lesion_regions")]
    index = bundle.fusion.index(np.array([[m.probability for m in said]]), np.array([[m.score for m in said]]))
    assert prediction.predicted_score == pytest.approx(float(known.score(index)[0]))
    assert prediction.probability_poor == pytest.approx(float(known.probability(index)[0]))
    assert prediction.decided_beyond == known.decided and known.refitting > 0
    content = prediction_json(prediction)
    assert content["predicted_score_interval"] == [low, high]
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert read_prediction(tmp_path / "p.json") == prediction
    row = prediction_row(prediction)
    assert (row["predicted_score_low"], row["predicted_score_high"]) == (low, high)
