"""Cross-validation of members: nothing is learned from rows that are predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from bids_stroke.core.records import Labelled
from bids_stroke.fusion.fit import fit_rows
from bids_stroke.fusion.target import Target
from bids_stroke.training.cohort import make_cohort, read_cases
from bids_stroke.training.cross_validation import cross_validate, fit_final, fit_shuffled
from bids_stroke.training.folds import nested_folds
from bids_stroke.training.members import planned_members
from bids_stroke.training.trainer import Place, fit, predict_rows
from tests.helpers.outcomes import out_of_fold
from tests.helpers.training import CLINICAL_MEMBER, REGIONS, cases_of, silent
from tests.helpers.units import tiny_settings

PLACE = Place(torch.device("cpu"), "fp32", 0)


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
    fitted = []
    for run, item in ((one, clean), (two, dirty)):
        inner = np.stack([run.inner_probability[0], 1 - run.inner_probability[0]], axis=1)
        scores = np.stack([run.inner_score[0], np.arange(len(inner), dtype=float)], axis=1)
        evidence = out_of_fold(inner, Target.of_people(item.poor, item.score), scores)
        fitted.append(fit_rows(evidence.of_rows(folds[0].learned), 0.9))
    assert fitted[0] == fitted[1]
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


def test_clinical_member_reads_the_first_score_and_speaks_for_whoever_has_covariates(
    lesion_cohort: list[Labelled],
) -> None:
    cases = cases_of(lesion_cohort, CLINICAL_MEMBER)
    assert cases.names[-1] == "fma_le_baseline"
    assert [sample is None for sample in cases.samples] == [i % 8 == 3 for i in range(32)]
    others = cases_of(lesion_cohort, REGIONS)
    assert others.names == ("age", "sex", "days_since_stroke")
    run = cross_validate(
        cases, nested_folds(cases.cohort.participants, cases.cohort.poor, cases.options, 0), PLACE, silent
    )
    said = np.nanmax(run.test_score, axis=0, where=np.isfinite(run.test_score), initial=-np.inf)
    there = np.isfinite(said)
    assert np.corrcoef(said[there], cases.cohort.score[there])[0, 1] > 0.9
    assert fit_final(cases, run, PLACE, np.arange(len(cases.samples))) is not None


def test_outcomes_are_shuffled_among_people_who_have_the_modality(cohort: list[Labelled]) -> None:
    settings = tiny_settings(epochs=25)
    whole = make_cohort(cohort, "fma_le")
    cases = read_cases(*planned_members(settings, whole)[0], whole)
    rows, lacking = np.arange(len(cases.samples)), 3
    cases = replace(cases, samples=tuple(None if i == lacking else one for i, one in enumerate(cases.samples)))
    run = cross_validate(cases, nested_folds(whole.participants, whole.poor, settings.training, 0)[:1], PLACE, silent)
    own, *shuffled = fit_final(cases, run, PLACE, rows), *(fit_shuffled(cases, run, PLACE, rows) for _ in range(2))
    assert own is not None and shuffled[0] is not None and shuffled[1] is not None
    assert all(torch.equal(value, shuffled[1].state[name]) for name, value in shuffled[0].state.items())
    there = cases.having(rows)
    told = [predict_rows(one, cases, there, PLACE)[1] for one in (own, shuffled[0])]
    known = [abs(np.corrcoef(scores, whole.score[there])[0, 1]) for scores in told]
    assert known[0] > 0.8 > known[1] + 0.2
    assert shuffled[0].score_mean == own.score_mean  # the same people's outcomes, so that nobody's who lacks it
