"""The group page: what it says of predictions, of their worth, and of who was left out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.records import StepReport, UnitStatus
from bids_stroke.core.settings import Settings
from bids_stroke.evaluation.cohort.describe import described
from bids_stroke.evaluation.evaluate import evaluate, evaluate_apart
from bids_stroke.report.group import GroupDetails, write_group_report
from tests.helpers.background import background_of
from tests.helpers.evaluated import QUICK, cohort
from tests.helpers.pages import FLAGGED_STEPS, HOSTILE, Page, times_shown_and_never_obeyed


def test_pages_are_the_same_bytes_again_and_load_nothing_from_outside(tmp_path: Path) -> None:
    table = cohort()
    first, second = (write_group_report(tmp_path, evaluate(table, QUICK), table).read_bytes() for _ in range(2))
    assert first == second
    page = Page(tmp_path / "group.html")
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert len(page.sources) == 7
    assert b"http" not in re.sub(rb"base64,[\w+/=]+", b"", first)


def test_group_page_gives_every_model_with_intervals(tmp_path: Path) -> None:
    table = cohort()
    evaluation = evaluate(table, QUICK)
    page = Page(write_group_report(tmp_path, evaluation, table, GroupDetails(how="Five folds by participant.")))
    rows = evaluation.metrics.set_index(["model", "metric"])
    for model in ("fusion", "fa", "clinical"):
        auc = rows.loc[(model, "auc")]
        assert f"{auc['value']:.2f} {auc['low']:.2f} to {auc['high']:.2f}" in page.text
    assert f"Evaluated: {evaluation.n} people" in page.text
    assert "Five folds by participant." in page.text
    assert "permutation p = 0.005" in page.text
    assert "Brier score and Calibration slope of fa: its probabilities are not calibrated." in page.text
    people = [link for link in page.links if not link.startswith("#")]
    assert people[:2] == ["sub-000.html#examination", "sub-001.html#examination"]


def test_group_page_tells_whether_it_keeps_what_it_promises(tmp_path: Path) -> None:
    table = cohort()
    evaluation = evaluate(table, QUICK, coverage=0.9)
    page = Page(write_group_report(tmp_path, evaluation, table))
    assert "Does it keep what it promises?" in page.text
    rows = evaluation.validity.set_index(["quantity", "people"])
    held = [rows.loc[("set_coverage", who)] for who in ("all", "poor", "good")]
    shown = " ".join(f"{row['value']:.2f} {row['low']:.2f} to {row['high']:.2f}" for row in held)
    assert f"The true outcome is among those held possible {shown} 0.90 or more" in page.text
    assert f"The true score lies in its interval {rows.loc[('interval_coverage', 'all')]['value']:.2f}" in page.text
    assert f"poor outcome ({evaluation.n_poor}) good outcome ({60 - evaluation.n_poor}) Promised" in page.text
    assert "lowest third of predicted scores (20)" in page.text
    unknown = Page(write_group_report(tmp_path, evaluate(table, QUICK), table))  # of a model that is not at hand
    assert f"The true outcome is among those held possible {shown} –" in unknown.text
    plain = Page(write_group_report(tmp_path, evaluate(table.drop(columns="prediction"), QUICK), table))
    assert "promises" not in plain.text


def test_group_page_without_outcomes_lists_predictions_and_says_so(tmp_path: Path) -> None:
    table = cohort(5).assign(poor=np.nan).drop(columns="score")
    for evaluation in (None, evaluate(table, QUICK)):
        page = Page(write_group_report(tmp_path, evaluation, table))
        assert "No outcome is known" in page.text
        assert "sub-004" in page.text and "AUC" not in page.text and "Known outcome" not in page.text


def test_group_page_with_too_few_outcomes_gives_no_numbers(tmp_path: Path) -> None:
    table = cohort(6)
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table))
    assert "No metrics are given." in page.text and "AUC" not in page.text
    assert "too few participants (6 of at least 10)" in page.text or "only one kind of outcome" in page.text


def test_group_page_names_who_was_left_out_or_failed(tmp_path: Path) -> None:
    table = cohort().assign(demonstration=True, excluded=None)
    table.loc[0, "excluded"] = "in-training-set"
    failed = UnitStatus("077", "01", "failed", "no-usable-modality", "nothing there")
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table, GroupDetails([failed])))
    assert "sub-000 – the person was in the model's training data" in page.text
    assert "sub-077, session 01 no usable modality nothing there" in page.text
    assert "sub-077.html#ses-01" in page.links
    assert "Demonstration model" in page.text


def test_group_page_tells_who_the_model_had_seen(tmp_path: Path) -> None:
    table = cohort().assign(in_training_set=[True] * 20 + [False] * 40, excluded=None)
    table = table.assign(out_of_fold=[True] * 15 + [False] * 45)
    table.loc[15:19, ["excluded", "prediction"]] = "in-training-set", "left-out"
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table))
    assert "People who were not in the model's training data: 40." in page.text
    assert "predicted (out of fold): 15." in page.text
    assert "are not evaluated: 5." in page.text
    assert "was in the training data: out-of-fold prediction" in page.text
    assert "on the model that had not seen them" in page.text
    poor, good, unsure = ((table["prediction"] == word).sum() for word in ("poor", "good", "abstain"))
    assert poor + good + unsure == 55 and poor and good
    counts = f"poor outcome decided in {poor}, a good one in {good}, no decision in {unsure}, not shown in 5 because"
    assert counts in page.text
    row = table.iloc[0]
    assert f"sub-000 {row['prediction'].replace('abstain', 'no decision')} " in page.text


def test_group_page_of_two_sessions_without_outcome_as_the_group_level_gives_them(tmp_path: Path) -> None:
    rows = [
        {"participant_id": "sub-01", "session_id": f"ses-0{i}", "score": None, "poor": None, "probability_poor": 0.4,
         "probability_poor_low": 0.1, "probability_poor_high": 0.8, "prediction": "abstain", "predicted_score": 12.0,
         "in_training_set": False, "excluded": None, "demonstration": True, "p_fa": 0.4}
        for i in (1, 2)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table))
    assert "1 person, 2 examinations" in page.text and "No outcome is known" in page.text
    assert "sub-01 02 no decision 40 % 10 % to 80 % 12.0" in page.text


def test_group_page_lists_the_flagged_units(tmp_path: Path) -> None:
    table = cohort()
    page = Page(
        write_group_report(tmp_path, evaluate(table, QUICK), table, GroupDetails(steps={"sub-000": FLAGGED_STEPS}))
    )
    assert "1 examination to look at" in page.text
    assert "sub-000 cannot be right T1-weighted image: brain volume 300 ml (usual: 900 to 2000 ml)" in page.text


def of_two_kinds(n_new: int = 30) -> pd.DataFrame:
    """60 people of the training set, out of fold, and new ones."""
    new = cohort(n_new).assign(in_training_set=False, out_of_fold=False)
    new["participant_id"] = [f"sub-new{i:02d}" for i in range(n_new)]
    new["probability_poor"] = 0.3 * new["probability_poor"] + 0.4 * np.random.default_rng(1).random(n_new)
    return pd.concat([cohort().assign(in_training_set=True, out_of_fold=True), new], ignore_index=True)


def test_training_cohort_and_new_people_stand_apart(tmp_path: Path) -> None:
    table = of_two_kinds()
    evaluation = evaluate_apart(table, QUICK, coverage=0.9)
    page = Page(write_group_report(tmp_path, evaluation, table))
    inside, new = (part.metrics.set_index(["model", "metric"]).loc[("fusion", "auc")] for part in evaluation.parts)
    beside = " ".join(f"{row['value']:.2f} {row['low']:.2f} to {row['high']:.2f}" for row in (inside, new))
    assert f"Training cohort, out of fold 60 people, {evaluation.n_poor} poor New people 30 people, " in page.text
    assert f"AUC {beside}" in page.text
    better = "Is the fusion better than its parts"
    assert f"Training cohort, out of fold: {better}" in page.text and f"New people: {better}" in page.text
    first, second = page.text.index("out of fold (internal)"), page.text.index("not in the training data (external)")
    assert first < page.text.index("Evaluated: 60 people") < second < page.text.index("Evaluated: 30 people")
    assert page.text.index("Do the probabilities fit these people?") > second
    assert len(page.sources) == 13
    assert "90 people" not in page.text.replace("90 people, 90 examinations", "")


def test_new_people_alone_have_no_overview_and_their_recalibration(tmp_path: Path) -> None:
    table = of_two_kinds()
    table = table[~table["in_training_set"]].reset_index(drop=True)
    evaluation = evaluate_apart(table, QUICK)
    page = Page(write_group_report(tmp_path, evaluation, table))
    assert "nothing is pooled" not in page.text and "(external)" not in page.text
    rows = evaluation.recalibration.set_index(["version", "quantity"])["value"]
    shown = [f"{rows[version, 'brier']:.2f}" for version in ("original", "in_the_large", "intercept_and_slope")]
    told = page.text.split("Brier score (0 is perfect) ")[1].split()
    assert [told[0], told[4], told[8]] == shown
    needed = f"{evaluation.needed['people_for_oe']} people are needed to tell the observed over the expected number"
    assert needed in page.text
    few = table.head(12)
    page = Page(write_group_report(tmp_path, evaluate_apart(few, QUICK), few))
    assert "Not recalibrated: recalibration needs 20 people with a known outcome and 5 of each" in page.text
    assert "As the model says" not in page.text


def test_text_from_data_is_escaped_wherever_it_stands(tmp_path: Path) -> None:
    bad = HOSTILE
    table = cohort().assign(excluded=None, missing=bad).rename(columns={"p_fa": f"p_{bad}"})
    table.loc[0, "excluded"] = bad
    table.loc[1, "prediction"] = bad
    steps = {f"sub-{i:03d}": {bad: StepReport(qc={bad: float(i)}), "dwi": StepReport(qc={"fa_wm_median": 0.01 * i})}
             for i in range(20)}  # fmt: skip
    failed = UnitStatus("077", None, "failed", bad, bad)
    details = GroupDetails([failed], steps, how=bad, member_modality={bad: bad})
    path = write_group_report(tmp_path, evaluate(table, QUICK), table, details)
    assert times_shown_and_never_obeyed(path, scripts=1) > 8


def test_the_table_tells_what_it_can_be_filtered_by(tmp_path: Path) -> None:
    table = cohort(40).assign(missing=["lesion", None] * 20)
    table.loc[3, "poor"] = np.nan
    path = write_group_report(tmp_path, None, table, GroupDetails(steps={"sub-000": FLAGGED_STEPS}))
    text = path.read_text()
    first = re.search(r"<tr data-decision.*?</tr>", text, re.DOTALL)
    assert first is not None
    assert 'data-look="fail"' in first[0] and 'data-missing="Lesion mask"' in first[0]
    assert f'data-v="{table.loc[0, "probability_poor"]:.6g}"' in first[0]
    assert text.count('data-outcome="unknown"') == 1
    assert '<option value="Lesion mask">' in text and '<form id="filter" class="filter" hidden>' in text


def test_many_failures_are_folded_and_each_leads_to_its_page(tmp_path: Path) -> None:
    failed = [UnitStatus(f"{i:04d}", None, "failed", "missing-bval", "no .bval") for i in range(1000)]
    path = write_group_report(tmp_path, None, cohort(3), GroupDetails(failed))
    text = path.read_text()
    assert re.search(r"<details>\s*<summary>1000 examinations, and why", text)
    assert Page(path).links.count("sub-0999.html#examination") == 1


@pytest.mark.slow
def test_the_page_of_two_thousand_people_stays_below_15_mb(tmp_path: Path) -> None:
    """It had 4.5 MB, and evaluation, description and page took some 30 s of CPU, when it was measured."""
    table = cohort(2000).assign(in_training_set=np.arange(2000) % 2 == 0, out_of_fold=True, session_id=None)
    rng = np.random.default_rng(2)
    for i in range(20):
        said = np.clip(table["poor"] * 0.3 + rng.random(2000) * 0.7, 0, 1)
        table[f"p_m{i}"] = said.where(rng.random(2000) < (0.8 if i % 2 else 1.0))
    modality_of = {f"m{i}": ("fa", "md", "gm", "bold", "eegemg")[i % 5] for i in range(20)}
    apart = evaluate_apart(table, Settings(), modality_of)
    page = write_group_report(tmp_path, described(apart, table, background_of(table), Settings(), modality_of), table)
    assert page.stat().st_size < 15e6
