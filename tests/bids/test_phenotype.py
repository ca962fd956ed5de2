"""Covariates and outcomes from the tables of a dataset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_stroke.bids.person import description
from bids_stroke.bids.phenotype import (
    NO_VALUE,
    Measured,
    check_outcome_column,
    find_outcome,
    outcome_notes,
    unit_covariates,
    unit_outcome,
)
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.features.covariates import covariate_notes, covariate_values
from tests.helpers.bids import make_dataset


def test_the_outcome_is_looked_up_in_sessions_then_phenotype_then_participants(tmp_path: Path) -> None:
    root = make_dataset(
        tmp_path,
        {
            "participants.tsv": "participant_id\tscore\nsub-01\t2\nsub-02\tn/a\nsub-03\t1\nsub-04\tn/a\n",
            "phenotype/motor.tsv": "participant_id\tscore\nsub-01\t2\nsub-02\t2\n",
            "sub-01/sub-01_sessions.tsv": "session_id\tscore\nses-a\t3\n",
        },
    )
    assert unit_outcome(root, "score", "01", "a") == 3
    assert unit_outcome(root, "score", "01", "b") == 2
    assert unit_outcome(root, "score", "02", None) == 2
    assert unit_outcome(root, "score", "03", None) == 1
    assert unit_outcome(root, "score", "04", None) is None
    assert unit_outcome(root, "score", "05", None) is None


@pytest.mark.inputs(
    "Where a table of sessions has the time since stroke or the outcome of other sessions and none of this one, that "
    "of the person does not stand in for it, which is said."
)
@pytest.mark.parametrize("code", ["n/a", "", "NaN", "-99"])
@pytest.mark.parametrize(
    ("table", "first"),
    [("sub-01/sub-01_sessions.tsv", "session_id"), ("phenotype/motor.tsv", "participant_id\tsession_id")],
)
def test_a_session_without_a_score_does_not_get_the_score_of_the_person(
    tmp_path: Path, code: str, table: str, first: str
) -> None:
    who = "" if first == "session_id" else "sub-01\t"
    people = {
        "participants.tsv": "participant_id\tfma_le\nsub-01\t9\n",
        "participants.json": {"fma_le": {"Levels": {"-99": "not assessed"}}},
    }
    rows = f"{first}\tfma_le\n{who}ses-01\t{{}}\n{who}ses-02\t{code}\n"
    root = make_dataset(tmp_path / "a", {**people, table: rows.format(3)})
    assert unit_outcome(root, "fma_le", "01", "01") == 3
    found = find_outcome(root, "fma_le", "01", "02")
    assert (found.value, found.why) == (None, NO_VALUE)
    assert "has fma_le of other sessions of this person and none of ses-02" in found.notes[-1]
    root = make_dataset(tmp_path / "b", {**people, table: rows.format("n/a")})  # tells nothing at all
    assert unit_outcome(root, "fma_le", "01", "02") == 9


def test_an_outcome_that_is_no_number_names_file_and_person(tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"participants.tsv": "participant_id\tscore\nsub-01\tgood\n"})
    with pytest.raises(InputError, match=r"participants\.tsv: score of sub-01 \(line 2\) is 'good', not a number"):
        unit_outcome(root, "score", "01", None)


def test_a_column_that_no_table_has_is_a_usage_error(tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"participants.tsv": "participant_id\tage\nsub-01\t50\n"})
    check_outcome_column(root, "age")
    with pytest.raises(UsageError, match=r"no table of .* has a column 'fma_le'"):
        check_outcome_column(root, "fma_le")


def test_labels_with_leading_zeros_and_a_byte_order_mark(tmp_path: Path) -> None:
    root = make_dataset(tmp_path)
    (root / "participants.tsv").write_text("\ufeffparticipant_id\tage\nsub-001\t50\nsub-01\t60\n", encoding="utf-8")
    assert unit_covariates(root, "001", None) == {"age": 50.0}
    assert unit_covariates(root, "01", None) == {"age": 60.0}


def test_a_table_that_is_not_text_is_an_input_error(tmp_path: Path) -> None:
    root = make_dataset(tmp_path)
    (root / "participants.tsv").write_bytes(b"participant_id\tname\nsub-01\t\x8d\x81\n")
    with pytest.raises(InputError, match="UTF-8"):
        unit_covariates(root, "01", None)


@pytest.mark.parametrize("text", ["NaN", "nan", "inf", "-inf", "n/a", ""])
def test_what_is_not_a_finite_number_is_no_outcome(tmp_path: Path, text: str) -> None:
    root = make_dataset(tmp_path, {"participants.tsv": f"participant_id\tscore\tage\nsub-01\t{text}\t50\n"})
    assert unit_outcome(root, "score", "01", None) is None
    assert unit_covariates(root, "01", None) == {"age": 50.0}


def test_a_table_with_rows_for_sessions_gives_each_its_own(tmp_path: Path) -> None:
    rows = "participant_id\tsession_id\tscore\nsub-01\tses-a\t1\nsub-01\tses-b\t2\n"
    root = make_dataset(tmp_path, {"phenotype/motor.tsv": rows})
    assert [unit_outcome(root, "score", "01", session) for session in ("a", "b", "c", None)] == [1, 2, None, None]


def outcome(root: Path, subject: str = "02", session: str | None = None, column: str = "fma_le") -> Measured:
    return find_outcome(root, column, subject, session)


HEAD = "participant_id\tfma_le\n"


@pytest.mark.parametrize("levels", [{"-99": "not assessed"}, {"-99": "missing"}, {"999": "refused", "-99": "unknown"}])
@pytest.mark.parametrize("place", ["participants", "phenotype/motor", "sub-02/sub-02_sessions"])
def test_a_code_for_missing_is_no_outcome(tmp_path: Path, place: str, levels: dict[str, str]) -> None:
    head = "session_id\tfma_le\nses-a" if "sessions" in place else f"{HEAD}sub-02"
    about = {"fma_le": {"Levels": levels}}
    root = make_dataset(tmp_path, {f"{place}.tsv": f"{head}\t-99\n", f"{place}.json": about})
    assert outcome(root, session="a") == Measured(None, "no value")
    (root / f"{place}.json").rename(root / "participants.json")  # which holds where a table says nothing itself
    description.cache_clear()
    assert outcome(root, session="a") == Measured(None, "no value")


@pytest.mark.inputs(
    "An outcome outside `Minimum` and `Maximum` of its column, or outside the scale that the column is named after "
    "(such as `fma_le` 0 to 34, `fma_ue` 0 to 66, `nihss` 0 to 42, `mrs` 0 to 6, `barthel` 0 to 100, also "
    "`nihss_day90`), is refused by person, file and line; as a covariate it is missing, and said.",
    "So is an outcome of -99, 999 or another usual code where no scale and no limits are known, and a negative one "
    "that `Levels` explain in other words.",
)
@pytest.mark.parametrize(
    ("column", "text", "about", "said"),
    [
        ("fma_le", "-99", {}, "'-99', outside 0 to 34, the limits of the scale"),
        ("fma_le", "999", {}, "outside 0 to 34"),
        ("fma_le_3m", "35", {}, "outside 0 to 34"),
        ("nihss_day90", "43", {}, "outside 0 to 42"),
        ("mrs", "7", {}, "outside 0 to 6"),
        ("barthel", "101", {}, "outside 0 to 100"),
        ("walk", "11", {"Minimum": 0, "Maximum": 10}, "outside 0 to 10, the limits of Minimum and Maximum"),
        ("walk", "-99", {}, "looks like a code for a missing value"),
        ("walk", "999", {}, "looks like a code for a missing value"),
        ("walk", "-5", {"Levels": {"-5": "nicht erhoben"}}, "which its Levels explain as 'nicht erhoben'"),
        ("fma_le", "5 points", {}, "not a number"),
        ("fma_le", "<5", {}, "not a number"),
    ],
)
def test_an_outcome_that_cannot_be_is_refused(
    tmp_path: Path, column: str, text: str, about: dict[str, Any], said: str
) -> None:
    table = f"participant_id\t{column}\nsub-01\t1\nsub-02\t{text}\n"
    root = make_dataset(tmp_path, {"phenotype/motor.tsv": table, "phenotype/motor.json": {column: about}})
    with pytest.raises(InputError, match=rf"motor\.tsv: {column} of sub-02 \(line 3\) is .*{re.escape(said)}"):
        outcome(root, column=column)
    assert outcome(root, "01", column=column).value == 1


def test_limits_of_the_json_allow_what_looks_like_a_code(tmp_path: Path) -> None:
    about = {"walk": {"Minimum": -1000, "Maximum": 2000}}
    rows = "participant_id\twalk\nsub-01\t-99\nsub-02\t999\n"
    root = make_dataset(tmp_path, {"participants.tsv": rows, "participants.json": about})
    assert [outcome(root, label, column="walk").value for label in ("01", "02")] == [-99, 999]


def test_a_first_score_that_cannot_be_is_missing_and_said(tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"participants.tsv": "participant_id\tfma_le_baseline\tage\nsub-02\t-99\t60\n"})
    known = unit_covariates(root, "02", None)
    assert np.isnan(covariate_values(known, ("fma_le_baseline",))[0])
    [note] = covariate_notes(known, ("age", "fma_le_baseline"))
    assert str(note).startswith("fma_le_baseline is -99 (outside 0 to 34, the limits of the scale): no number")


@pytest.mark.parametrize(("text", "low"), [("130", 0), ("130", None), ("12", 18)])
def test_a_covariate_outside_its_limits_is_missing_and_said(tmp_path: Path, text: str, low: float | None) -> None:
    about = {"age": {"Maximum": 110, **({} if low is None else {"Minimum": low})}}
    files = {"participants.tsv": f"participant_id\tage\nsub-02\t{text}\n", "participants.json": about}
    known = unit_covariates(make_dataset(tmp_path, files), "02", None)
    assert np.isnan(covariate_values(known, ("age",))[0])
    assert "the limits of Minimum and Maximum" in str(covariate_notes(known, ("age",))[0])


@pytest.mark.inputs(
    "Tables of `phenotype/` and participants.tsv that disagree about the outcome of a person are an error that names "
    "both; what a table has for a session comes first, and may differ from what is of the person.",
)
@pytest.mark.parametrize(
    ("tables", "session", "value"),
    [
        ({"phenotype/a.tsv": "5", "phenotype/b.tsv": "30"}, None, None),
        ({"phenotype/a.tsv": "5", "participants.tsv": "30"}, None, None),
        ({"phenotype/a.tsv": "5", "phenotype/b.tsv": "5.0", "participants.tsv": "n/a"}, None, 5),
        ({"phenotype/a.tsv": "n/a", "phenotype/b.tsv": "30"}, None, 30),
        ({"sub-02/sub-02_sessions.tsv": "7", "phenotype/a.tsv": "5", "participants.tsv": "30"}, "a", 7),
        ({"sub-02/sub-02_sessions.tsv": "n/a", "phenotype/a.tsv": "5", "participants.tsv": "30"}, "a", None),
    ],
)
def test_tables_of_one_level_must_agree(
    tmp_path: Path, tables: dict[str, str], session: str | None, value: float | None
) -> None:
    files = {
        name: f"session_id\tfma_le\nses-a\t{text}\n" if "sessions" in name else f"{HEAD}sub-02\t{text}\n"
        for name, text in tables.items()
    }
    root = make_dataset(tmp_path, files)
    if value is not None:
        assert outcome(root, session=session).value == value
    else:
        with pytest.raises(InputError, match="for the same person") as error:
            outcome(root, session=session)
        assert all(str(root / name) in error.value.message for name, text in list(tables.items())[-2:])
        assert error.value.reason == "tables-disagree"


def test_rows_for_sessions_in_phenotype_are_of_the_level_of_sessions(tmp_path: Path) -> None:
    rows = "participant_id\tsession_id\tfma_le\nsub-02\tses-a\t5\n02\tB\t30\nsub-02\tn/a\t9\n"
    files = {"phenotype/motor.tsv": rows, "participants.tsv": f"{HEAD}sub-02\t9\n"}
    root = make_dataset(tmp_path / "a", files)
    assert [outcome(root, session=label).value for label in ("a", "b", "c", None)] == [5, 30, 9, 9]
    other = make_dataset(tmp_path / "b", {**files, "sub-02/sub-02_sessions.tsv": "session_id\tfma_le\na\t6\n"})
    with pytest.raises(InputError, match=r"fma_le is 6 in .*sessions\.tsv \(line 2\) and 5 in .*motor\.tsv \(line 2\)"):
        outcome(other, session="a")


def test_rows_that_disagree_in_the_outcome_are_named(tmp_path: Path) -> None:
    rows = "participant_id\tvisit\tfma_le\nsub-02\t1\t5\nsub-02\t2\t30\nsub-01\t1\t4\nsub-01\t2\t4\n"
    root = make_dataset(tmp_path, {"phenotype/motor.tsv": rows})
    with pytest.raises(InputError, match=r"motor\.tsv: fma_le of sub-02 is '5' in line 2 and '30' in line 3"):
        outcome(root)
    assert outcome(root, "01").value == 4


@pytest.mark.parametrize(
    ("rows", "why", "said"),
    [
        (f"{HEAD}sub-02\tn/a\n", "no value", ""),
        (f"{HEAD}sub-03\t5\n", "no row", "has no row of this person; its first row is 'sub-03', '5'."),
        (f"{HEAD}2\t5\n", "no row", "'2' in line 2 may be meant: write sub-02."),
        ("participant_id\tother\nsub-02\t5\n", "no column", ""),
    ],
)
def test_why_there_is_no_outcome(tmp_path: Path, rows: str, why: str, said: str) -> None:
    found = outcome(make_dataset(tmp_path, {"phenotype/motor.tsv": rows}))
    assert (found.value, found.why) == (None, why)
    assert said in found.notes[-1] if said else not found.notes


@pytest.mark.inputs("`train` and `group` say of whom the outcome is not known, and whether it is the row or the value.")
def test_a_cohort_is_told_who_has_no_outcome(tmp_path: Path) -> None:
    rows = "Participant_id\tFMA_LE\nsub-01\t5\nsub-02\tn/a\n3\t9\n"
    root = make_dataset(tmp_path, {"participants.tsv": rows})
    notes = outcome_notes(root, "fma_le", [(label, None) for label in ("01", "02", "03", "04")])
    assert notes[:2] == [
        "2 of 4 units have no row in any table with the column fma_le: sub-03, sub-04.",
        "1 of 4 units have a row, and no value of fma_le in it: sub-02.",
    ]
    assert "participants.tsv: its column 'FMA_LE' is read as fma_le." in notes
    assert "participants.tsv has no row of this person; '3' in line 4 may be meant: write sub-03. (sub-03)" in notes
    assert outcome_notes(root, "fma_le", [("01", None)])[0].startswith("participants.tsv: ")


@pytest.mark.inputs(
    "An outcome that a table that has not been fetched may hold is refused, with the command to fetch it."
)
@pytest.mark.parametrize("name", ["participants.tsv", "phenotype/motor.tsv", "phenotype/motor.json"])
def test_an_outcome_in_a_table_that_is_not_fetched(tmp_path: Path, name: str) -> None:
    root = make_dataset(
        tmp_path, {"participants.tsv": f"{HEAD}sub-02\t5\n", "phenotype/motor.tsv": f"{HEAD}sub-02\t5\n"}
    )
    (root / name).unlink(missing_ok=True)
    (root / name).symlink_to(root / ".git/annex/objects/x")
    with pytest.raises(InputError, match=f"its content is not here .*datalad get {root / name}"):
        outcome(root)
    if name.endswith(".tsv"):
        with pytest.raises(InputError, match="its content is not here"):
            check_outcome_column(root, "other")


def test_a_column_that_is_looked_for_in_vain_is_told_what_there_is(tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"participants.tsv": "participant_id\tfugl\nsub-01\t50\n"})
    with pytest.raises(UsageError, match="There are: participant_id, fugl"):
        check_outcome_column(root, "fma_le")
    check_outcome_column(root, "FUGL")


@pytest.mark.inputs("So is -7, -8 or -9 in a column that has no other negative values.")
@pytest.mark.parametrize(("others", "value"), [((3, -9, 0), None), ((3, -1, 0), -9), ((-3, -20, -9), -9)])
def test_small_codes(tmp_path: Path, others: tuple[int, ...], value: float | None) -> None:
    rows = "".join(f"sub-1{index}\t{score}\n" for index, score in enumerate(others))
    root = make_dataset(tmp_path, {"participants.tsv": f"participant_id\twalk\nsub-01\t-9\n{rows}"})
    if value is not None:
        assert unit_outcome(root, "walk", "01", None) == value
    else:
        with pytest.raises(InputError, match=r"walk of sub-01 \(line 2\) is '-9', which looks like a code"):
            unit_outcome(root, "walk", "01", None)
