"""Covariates as people write them: codes, units, open ages, decimal commas, and what is refused with which word."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_stroke.bids.phenotype import unit_covariates
from bids_stroke.core.errors import InputError
from bids_stroke.features.covariates import (
    CovariateScaler,
    cohort_notes,
    covariate_names,
    covariate_notes,
    covariate_values,
)
from tests.helpers.bids import make_dataset

NAMES = ("age", "sex", "days_since_stroke")


def table(tmp_path: Path, text: str, described: dict[str, Any] | None = None) -> Path:
    """A dataset whose participants.tsv has the columns and rows of ``text``, written with spaces."""
    rows = "\n".join("\t".join(line.split()) for line in text.strip().splitlines())
    root = make_dataset(tmp_path, {"participants.tsv": rows + "\n"})
    if described is not None:
        (root / "participants.json").write_text(json.dumps(described))
    return root


def value(root: Path, name: str, subject: str = "01") -> float:
    return float(covariate_values(unit_covariates(root, subject, None), (name,))[0])


def notes(root: Path, subject: str = "01") -> list[str]:
    return [str(note) for note in covariate_notes(unit_covariates(root, subject, None), NAMES)]


@pytest.mark.parametrize(
    "levels",
    [
        {"1": "male", "2": "female"},
        {"1": "Male participants", "2": "Female participants"},
        {"1": {"Description": "M"}, "2": {"Description": "F", "TermURL": "none"}},
    ],
)
def test_codes_of_the_sex_mean_what_the_levels_say(tmp_path: Path, levels: dict[str, Any]) -> None:
    root = table(tmp_path, "participant_id sex\nsub-01 1\nsub-02 2\nsub-03 3", {"sex": {"Levels": levels}})
    assert [value(root, "sex", subject) for subject in ("01", "02")] == [1.0, 0.0]
    assert notes(root, "01") == notes(root, "02") == []
    assert math.isnan(value(root, "sex", "03"))
    assert "code 3" in notes(root, "03")[0]


def test_levels_may_turn_the_usual_code_around(tmp_path: Path) -> None:
    levels = {"Levels": {"0": "man", "1": "woman"}}
    root = table(tmp_path, "participant_id gender\nsub-01 0\nsub-02 1", {"gender": levels})
    assert [value(root, "sex", subject) for subject in ("01", "02")] == [1.0, 0.0]


def test_codes_1_and_2_without_levels_are_missing_for_both_and_the_remedy_is_told(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id sex\nsub-01 1\nsub-02 2\nsub-03 n/a")
    for subject in ("01", "02"):
        assert math.isnan(value(root, "sex", subject))
        [note] = notes(root, subject)
        assert f"code {int(subject)}" in note and "Levels" in note and "participants.json" in note
    assert notes(root, "03") == []


def test_codes_0_and_1_without_levels_are_taken_as_usual_and_told(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id sex\nsub-01 0\nsub-02 1\nsub-03 n/a")
    assert [value(root, "sex", subject) for subject in ("01", "02")] == [0.0, 1.0]
    assert "taken as 1 for male and 0 for female" in notes(root, "02")[0]


def test_a_sex_that_is_neither_is_missing_and_told(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id sex\nsub-01 O\nsub-02 Female\nsub-03 unknown")
    assert math.isnan(value(root, "sex"))
    assert "neither male nor female" in notes(root)[0]
    assert value(root, "sex", "02") == 0.0
    assert notes(root, "02") == notes(root, "03") == []


@pytest.mark.parametrize(
    ("units", "written", "years"),
    [
        ("year", "63.5", 63.5),
        ("years", "63,5", 63.5),
        ("n/a", "63.5", 63.5),
        ("months", "756", 63.0),
        ("age in months at the scan", "756", 63.0),
        ("days", "23010.75", 63.0),
        ("d", "23010.75", 63.0),
        ("weeks", "89+", 89 * 7 / 365.25),
    ],
)
def test_ages_in_other_units_become_years(tmp_path: Path, units: str, written: str, years: float) -> None:
    root = table(tmp_path, f"participant_id age\nsub-01 {written}", {"age": {"Units": units}})
    assert value(root, "age") == pytest.approx(years)
    assert notes(root) == []


@pytest.mark.parametrize(
    ("units", "written", "days"), [("weeks", "2", 14), ("hour", "36", 1.5), ("months", "3", 91.3125)]
)
def test_times_in_other_units_become_days(tmp_path: Path, units: str, written: str, days: float) -> None:
    root = table(tmp_path, f"participant_id days_since_onset\nsub-01 {written}", {"days_since_onset": {"Units": units}})
    assert value(root, "days_since_stroke") == pytest.approx(days)


def test_units_that_nobody_knows_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id age\nsub-01 63", {"age": {"Units": "fortnights"}})
    assert math.isnan(value(root, "age"))
    [note] = notes(root)
    assert "63 fortnights" in note and "hour, day, week, month or year" in note


def test_open_ages_are_read_and_told(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id age\nsub-01 89+")
    assert value(root, "age") == 89.0
    assert notes(root) == ["age is 89+: read as the number without the plus."]


@pytest.mark.parametrize("written", ["720", "-9", "999", "1,234", "60-65", "old"])
def test_ages_that_cannot_be_are_missing_and_told(tmp_path: Path, written: str) -> None:
    root = table(tmp_path, f"participant_id age\nsub-01 {written}")
    assert math.isnan(value(root, "age"))
    [note] = notes(root)
    assert written in note and "Units" in note and "missing" in note


@pytest.mark.parametrize("written", ["-3", "99999"])
def test_times_before_the_stroke_or_absurd_are_missing_and_told(tmp_path: Path, written: str) -> None:
    root = table(tmp_path, f"participant_id days_since_stroke\nsub-01 {written}")
    assert math.isnan(value(root, "days_since_stroke"))
    assert f"days_since_stroke is {written}: cannot be a number of days" in notes(root)[0]


@pytest.mark.parametrize("written", ["n/a", "NA", "unknown", "?"])
def test_what_is_missing_is_no_surprise(tmp_path: Path, written: str) -> None:
    root = table(tmp_path, f"participant_id age sex\nsub-01 {written} {written}")
    assert math.isnan(value(root, "age")) and math.isnan(value(root, "sex"))
    assert notes(root) == []


def test_the_json_of_sessions_tells_of_its_own_table(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id age sex\nsub-01 60 F", {"age": {"Units": "year"}})
    folder = root / "sub-01"
    folder.mkdir(exist_ok=True)
    (folder / "sub-01_sessions.tsv").write_text("session_id\tage\tdays_since_stroke\nses-a\t732\t3\n")
    (root / "sessions.json").write_text(json.dumps({"age": {"Units": "day"}, "days_since_stroke": {"Units": "week"}}))
    (folder / "sub-01_sessions.json").write_text(json.dumps({"age": {"Units": "month"}}))
    values = covariate_values(unit_covariates(root, "01", "a"), NAMES)
    assert values.tolist() == pytest.approx([61.0, 0.0, 21.0])


def test_a_session_counts_more_under_another_name_too(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id age sex days_since_stroke\nsub-01 60 F 3")
    folder = root / "sub-01"
    folder.mkdir(exist_ok=True)
    (folder / "sub-01_sessions.tsv").write_text("session_id\tage_at_scan\tdays_since_onset\nses-a\t61\t90\n")
    assert covariate_values(unit_covariates(root, "01", "a"), NAMES).tolist() == [61.0, 0.0, 90.0]


def with_sessions(root: Path, sex: dict[str, str], column: str = "sex") -> Path:
    """The dataset with a sessions.tsv of one session ``a`` for each subject."""
    for subject, code in sex.items():
        path = root / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"session_id\t{column}\nses-a\t{code}\n")
    return root


def sex_of_session(root: Path, subject: str) -> float:
    return float(covariate_values(unit_covariates(root, subject, "a"), ("sex",))[0])


def test_codes_in_tables_of_sessions_are_judged_together(tmp_path: Path) -> None:
    """One table with a 1 alone does not tell that 2 is in the others."""
    root = with_sessions(table(tmp_path, "participant_id age\nsub-01 60\nsub-02 60"), {"01": "1", "02": "2"})
    assert math.isnan(sex_of_session(root, "01")) and math.isnan(sex_of_session(root, "02"))
    [note] = covariate_notes(unit_covariates(root, "01", "a"), NAMES)
    assert "code 1" in str(note) and "Levels" in str(note)


def test_codes_in_tables_of_sessions_are_judged_with_those_of_participants(tmp_path: Path) -> None:
    root = with_sessions(table(tmp_path, "participant_id sex\nsub-01 n/a\nsub-02 2"), {"01": "1"})
    assert math.isnan(sex_of_session(root, "01"))


def test_codes_0_and_1_in_tables_of_sessions_are_taken_as_usual(tmp_path: Path) -> None:
    root = with_sessions(table(tmp_path, "participant_id age\nsub-01 60"), {"01": "1", "02": "0"})
    (root / "sub-03").mkdir()
    (root / "sub-03" / "sub-03_sessions.tsv").write_bytes(b"session_id\tsex\nses-a\t\xff\n")  # of somebody else
    assert [sex_of_session(root, subject) for subject in ("01", "02")] == [1.0, 0.0]


@pytest.mark.parametrize("column", ["sex", "gender"])
def test_levels_of_participants_hold_for_sessions_without_their_own(tmp_path: Path, column: str) -> None:
    levels = {"sex": {"Levels": {"1": "female", "2": "male"}}}
    root = table(tmp_path, "participant_id sex\nsub-01 n/a\nsub-02 n/a", levels)
    with_sessions(root, {"01": "1", "02": "2"}, column)
    assert [sex_of_session(root, subject) for subject in ("01", "02")] == [0.0, 1.0]
    (root / "sessions.json").write_text(json.dumps({column: {"Levels": {"1": "male", "2": "female"}}}))
    again = with_sessions(make_dataset(tmp_path / "again"), {"01": "1"}, column)
    for name in ("participants.json", "sessions.json"):
        (again / name).write_text((root / name).read_text())
    assert sex_of_session(again, "01") == 1.0


@pytest.mark.parametrize("column", ["sex", "gender"])
def test_levels_of_participants_do_not_hold_for_sessions_with_other_codes(tmp_path: Path, column: str) -> None:
    levels = {"sex": {"Levels": {"0": "male", "1": "female"}}}
    root = table(tmp_path, "participant_id sex\nsub-01 n/a\nsub-02 n/a", levels)
    with_sessions(root, {"01": "1", "02": "2"}, column)
    assert all(np.isnan(sex_of_session(root, subject)) for subject in ("01", "02"))


@pytest.mark.parametrize("unreadable", ["1,234", "about_60", "400", "unknown"])
def test_the_first_column_that_is_understood_counts(tmp_path: Path, unreadable: str) -> None:
    root = table(tmp_path, f"participant_id age age_at_scan\nsub-01 {unreadable} 62+\nsub-02 50 60")
    assert [value(root, "age", subject) for subject in ("01", "02")] == [62.0, 50.0]
    [note] = notes(root)
    if unreadable != "unknown":
        assert f"age is {unreadable}: not understood, so the column age_at_scan is read instead." in note
    assert "without the plus" in note
    assert notes(root, "02") == []


def test_columns_that_are_all_not_understood_are_missing_and_told(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id age age_at_scan\nsub-01 old older")
    assert math.isnan(value(root, "age"))
    [note] = notes(root)
    assert note.startswith("age is old: no number of years, and treated as missing.")


def test_other_columns_are_left_as_they_are(tmp_path: Path) -> None:
    described = {"nihss": {"Units": "months", "Levels": {"7": "male"}}, "age": "years"}
    root = table(tmp_path, "participant_id age nihss lesion_side\nsub-01 60 7 L", described)
    assert unit_covariates(root, "01", None) == {"age": 60.0, "nihss": 7.0, "lesion_side": "L"}


def test_a_broken_json_is_named(tmp_path: Path) -> None:
    root = table(tmp_path, "participant_id age\nsub-01 60")
    (root / "participants.json").write_text("{")
    with pytest.raises(InputError, match=r"participants\.json is not JSON"):
        unit_covariates(root, "01", None)


def test_a_cohort_is_told_once_for_each_kind_with_examples() -> None:
    people = [{"age": 60.0, "sex": "F", "days_since_stroke": -float(i)} for i in range(1, 6)]
    people += [{"age": "89+", "sex": "M", "days_since_stroke": 3.0}]
    days, age = sorted(cohort_notes(people, NAMES), reverse=True)
    assert days.startswith("days_since_stroke is -1 or -2 or -3 (5 of 6 units): cannot be")
    assert age.startswith("age is 89+ (1 of 6 units): read as")
    assert cohort_notes([{"age": 60.0}], NAMES) == []


@pytest.mark.parametrize("column", ["age", "Age", "AGE_YEARS"])
def test_the_outcome_is_no_covariate_however_it_is_written(column: str) -> None:
    assert covariate_names(column) == ("sex", "days_since_stroke")


def test_covariates_are_found_under_their_synonyms() -> None:
    known = {"Age": 70.0, "gender": "Male", "days_stroke_to_baseline": 12.0, "fma_le": 30.0}
    assert covariate_values(known, covariate_names("fma_le")).tolist() == [70.0, 1.0, 12.0]


@pytest.mark.parametrize(
    ("sex", "value"), [("F", 0.0), ("m", 1.0), (1.0, 1.0), (2.0, np.nan), ("other", np.nan), (None, np.nan)]
)
def test_sex_is_understood_or_missing(sex: object, value: float) -> None:
    known = {} if sex is None else {"sex": sex}
    assert covariate_values(known, ("sex",)) == pytest.approx([value], nan_ok=True)  # type: ignore[arg-type]


def test_the_outcome_is_never_a_covariate() -> None:
    assert "age" not in covariate_names("age_years")
    assert covariate_names("nihss") == ("age", "sex", "days_since_stroke")


def test_scaler_standardises_and_marks_what_is_missing() -> None:
    values = np.array([[50.0, 1.0], [70.0, np.nan], [np.nan, np.nan]])
    scaler = CovariateScaler.fit(("age", "sex"), values)
    rows = scaler.transform(values)
    assert rows.shape == (3, 2 * len(scaler.names))
    assert rows[:, 0].tolist() == [-1.0, 1.0, 0.0]
    assert rows[:, 2:].tolist() == [[0, 0], [0, 1], [1, 1]]
    assert scaler.sd[1] == 1.0


def test_scaler_complains_of_values_outside_the_training_range() -> None:
    scaler = CovariateScaler.fit(("age", "sex"), np.array([[50.0, 1.0], [70.0, 0.0]]))
    assert scaler.complaints(np.array([60.0, 1.0])) == []
    complaints = scaler.complaints(np.array([85.0, np.nan]))
    assert "85 is outside the training range 50 to 70" in complaints[0]
    assert "sex is missing" in complaints[1]


@pytest.mark.inputs(
    "A covariate that nobody had in training, or that was one value for all, changes no prediction, whatever a new "
    "person has; that a new person lacks it, too, is not worth a word."
)
def test_what_did_not_vary_in_training_changes_nothing_afterwards() -> None:
    names = ("age", "sex", "days_since_stroke")
    scaler = CovariateScaler.fit(names, np.array([[50.0, 1.0, np.nan], [70.0, 1.0, np.nan]]))
    usual = scaler.transform(np.array([60.0, 1.0, np.nan]))
    assert scaler.transform(np.array([60.0, 0.0, 30.0])).tolist() == usual.tolist() == [0, 0, 0, 0, 0, 1]
    assert scaler.complaints(np.array([60.0, 1.0, np.nan])) == []
    assert scaler.complaints(np.array([60.0, 0.0, 30.0])) == [
        "sex 0 is not used: in training it was 1 for all.",
        "days_since_stroke 30 is not used: nobody had it in training.",
    ]
    assert not scaler.tells_of(np.array([np.nan, np.nan, 30.0]))
    assert scaler.tells_of(np.array([50.0, np.nan, np.nan]))


def test_a_covariate_that_was_0_for_all_was_known() -> None:
    scaler = CovariateScaler.fit(("sex",), np.array([[0.0], [0.0]]))
    assert scaler.transform(np.array([1.0])).tolist() == scaler.transform(np.array([0.0])).tolist() == [0, 0]
    assert scaler.complaints(np.array([1.0])) == ["sex 1 is not used: in training it was 0 for all."]
    assert scaler.tells_of(np.array([0.0]))
