"""What tables tell of a unit, who has no row in them, and what was forgiven: at every level, with the right values."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bids_stroke.app.dry_run import print_plan
from bids_stroke.bids.person import Known, known_of
from bids_stroke.bids.rows import Unit
from bids_stroke.bids.sessions import Selection, find_sessions, notes_in_short
from bids_stroke.core.errors import InputError
from bids_stroke.core.settings import Settings
from tests.helpers.bids import make_dataset


def known(root: Path, subject: str = "02", session: str | None = None) -> Known:
    return known_of(Unit(root, subject, session))


def dataset(folder: Path, table: str, about: dict[str, Any] | None = None, sessions: str = "") -> Path:
    """A dataset of sub-02, with the tables as they are given."""
    files: dict[str, Any] = {"participants.tsv": table, "sub-02/anat/sub-02_T1w.nii.gz": None}
    files |= {"participants.json": about} if about is not None else {}
    files |= {"sub-02/sub-02_sessions.tsv": sessions} if sessions else {}
    return make_dataset(folder, files)


@pytest.mark.inputs(
    "Blanks around cells, capitals in labels and in the names of columns, and a lacking `sub-` or `ses-` are forgiven, "
    "and said (but for capitals in the names of covariates)."
)
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("participant_id\tage\tsex\nsub-02\t53\tF\n", ""),
        ("Participant_ID\tAge\tSEX\nsub-02\t53\tF\n", "its column 'Participant_ID' is read as participant_id"),
        ("participant_id\tage\tsex\nsub-02 \t53\tF\n", "blanks around cells are taken away ('sub-02 ' in line 2)"),
        ("participant_id\tage\tsex\n02\t53\tF\n", "labels that do not begin with 'sub-' ('02' in line 2)"),
        ("participant_id\tage\tsex\nSUB-02\t53\tF\n", "labels that do not begin with 'sub-' ('SUB-02' in line 2)"),
        ("participant_id\tage\tsex\n 02\t53\t F\n", "labels that do not begin with 'sub-' ('02' in line 2)"),
        ("\ufeffparticipant_id \tage\tsex\r\nsub-02\t53\tF\r\n", "blanks around cells"),
    ],
)
def test_what_is_forgiven_gives_the_values_and_is_said(tmp_path: Path, table: str, said: str) -> None:
    found = known(dataset(tmp_path, table))
    assert found.values == {"age": 53.0, "sex": "F"}
    assert bool(found.notes) == bool(said)
    assert said in " ".join(found.notes)


def test_a_label_in_another_case_is_another_person_where_both_have_folders(tmp_path: Path) -> None:
    root = make_dataset(
        tmp_path, {"participants.tsv": "participant_id\tage\nsub-a\t50\n", "sub-A/x": None, "sub-a/x": None}
    )
    assert (known(root, "a").values, known(root, "A").values) == ({"age": 50.0}, {})
    assert "no row of this person" in known(root, "A").notes[0]


@pytest.mark.inputs(
    "Who has no row in participants.tsv or in the table of sessions is told so in the prediction, the report, "
    "`--dry-run` and the terminal, with what the first row looks like.",
    "Zeros are part of a label: `1` is not `01`, but is named as what may be meant.",
)
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("participant_id\tage\nsub-03\t50\n", "has no row of this person; its first row is 'sub-03', '50'."),
        ("participant_id\tage\n2\t50\n", "'2' in line 2 may be meant: write sub-02."),
        ("participant_id\tage\nsub-03\t1\nsub-002\t50\n", "'sub-002' in line 3 may be meant"),
        ("participant_id\tage\n", "has no row of this person: it has no rows."),
        ("participant_id\tage\nsub_02\t50\n", "its first row is 'sub_02', '50'"),
        (
            "participant_id\tsession_id\tage\nsub-02\tses-a\t50\n",
            "has rows of this person, but none without a session_id",
        ),
    ],
)
def test_a_row_that_is_not_found_is_no_missing_value(tmp_path: Path, table: str, said: str) -> None:
    unit = find_sessions(Selection(dataset(tmp_path, table)))[0]
    assert unit.covariates == {}
    assert said in unit.notes[-1] and unit.notes[-1].startswith("participants.tsv ")
    assert notes_in_short([unit])[-1] == f"sub-02: {unit.notes[-1]}"
    plan = io.StringIO()
    print_plan(Console(file=plan), [unit], Settings())
    assert f"note: {unit.notes[-1]}\n" in plan.getvalue()


@pytest.mark.parametrize("other", ["participants.csv", "Participants.tsv", "participants.xlsx"])
def test_no_participants_and_what_may_be_meant(tmp_path: Path, other: str) -> None:
    root = make_dataset(tmp_path, {"sub-02/anat/sub-02_T1w.nii.gz": None})
    assert known(root).notes == ("There is no participants.tsv: age, sex and time since stroke are not known.",)
    (root / other).touch()
    assert f"There is {other}: BIDS asks for participants.tsv" in known(root).notes[0]


def test_a_value_that_is_missing_needs_no_word(tmp_path: Path) -> None:
    assert known(dataset(tmp_path, "participant_id\tage\tsex\nsub-02\tn/a\tN/A\n")) == Known({}, ())


@pytest.mark.inputs(
    "Where a table of sessions has the time since stroke or the outcome of other sessions and none of this one, that "
    "of the person does not stand in for it, which is said."
)
@pytest.mark.parametrize(
    ("sessions", "days", "said"),
    [
        ("session_id\tdays_since_stroke\nses-01\t5\nses-02\t95\n", [5.0, 95.0], ""),
        (
            "session_id\tdays_since_stroke\n01\t5\n02\t95\n",
            [5.0, 95.0],
            "labels that do not begin with 'ses-' ('01' in line 2)",
        ),
        ("Session_ID\tdays_since_stroke\nses-01 \t5\nSES-02\t95\n", [5.0, 95.0], "'Session_ID' is read as session_id"),
        (
            "session_id\tdays_since_stroke\nses-1\t5\nses-2\t95\n",
            [None, None],  # 7 is of another session than one of them
            "'ses-2' in line 3 may be meant: write ses-02.",
        ),
        (
            "session_id\tdays_since_stroke\nses-01\t5\nses-02\tn/a\n",
            [5.0, None],
            "sub-02_sessions.tsv has days_since_stroke of other sessions and none of ses-02",
        ),
        ("session_id\tdays_since_stroke\nses-01\tn/a\nses-02\tn/a\n", [7.0, 7.0], ""),
        (
            "session_id\tdays_since_stroke\nses-01\t5\n",
            [5.0, 7.0],
            "has no row of ses-02; its first row is 'ses-01', '5'.",
        ),
        ("", [7.0, 7.0], "There is no sub-02_sessions.tsv: participants.tsv tells of all sessions"),
    ],
)
def test_rows_of_sessions(tmp_path: Path, sessions: str, days: list[float], said: str) -> None:
    root = dataset(tmp_path, "participant_id\tage\tdays_since_stroke\nsub-02\t53\t7\n", sessions=sessions)
    make_dataset(root, {f"sub-02/ses-{label}/x": None for label in ("01", "02")})
    found = [known(root, "02", label) for label in ("01", "02")]
    assert [item.values.get("days_since_stroke") for item in found] == days
    assert all(item.values["age"] == 53.0 for item in found)
    assert said in " ".join(found[1].notes) if said else not found[1].notes


@pytest.mark.inputs(
    "Rows of one person that disagree are an error that names both lines; rows that agree count as one."
)
@pytest.mark.parametrize(("second", "age"), [("sub-02\t53\tn/a", 53.0), ("02\t53.0\tF", 53.0), ("sub-02\t54\tF", None)])
def test_two_rows_of_one_person(tmp_path: Path, second: str, age: float | None) -> None:
    root = dataset(tmp_path, f"participant_id\tage\tsex\nsub-02\t53\tF\n{second}\n")
    if age is not None:
        assert known(root).values == {"age": age, "sex": "F"}
    else:
        with pytest.raises(InputError, match=r"age of sub-02 is '53' in line 2 and '54' in line 3"):
            known(root)
        assert "in line 3" in find_sessions(Selection(root))[0].error


@pytest.mark.inputs(
    "A code that `Levels` explain as not assessed, missing, unknown, refused, not done, not available or the like, or "
    "that Neurobagel's `MissingValues` list, is a missing value."
)
@pytest.mark.parametrize(
    "about",
    [
        {"Levels": {"-99": "not assessed"}},
        {"Levels": {"-99.0": {"Description": "Refused by the patient"}}},
        {"Annotations": {"MissingValues": ["-99"]}},
    ],
)
def test_codes_for_missing_are_missing_in_every_table(tmp_path: Path, about: dict[str, Any]) -> None:
    text = {"age": about, "FMA_LE": about, "sex": about}
    root = dataset(tmp_path / "a", "participant_id\tage\tfma_le\tsex\nsub-02\t-99\t-99\t-99\nsub-03\t1\t1\t1\n", text)
    assert known(root).values == {}
    assert known(root, "03").values["sex"] == 1.0  # the code says nothing against 0 and 1
    sessions = "session_id\tage\nses-a\t-99\n"
    assert known(dataset(tmp_path / "b", "participant_id\tage\nsub-02\t50\n", text, sessions), "02", "a").values == {
        "age": 50
    }
    own = dataset(tmp_path / "c", "participant_id\tage\nsub-02\t50\n", {}, sessions)
    (own / "sessions.json").write_text(json.dumps(text))
    assert known(own, "02", "a").values == {"age": 50.0}


@pytest.mark.inputs(
    "participants.tsv, or its JSON file, that has not been fetched costs what is read from it: age, sex and time since "
    "stroke are not known, and that is said; of a table of sessions, the time since stroke of the session."
)
@pytest.mark.parametrize("name", ["participants.tsv", "participants.json"])
def test_tables_that_are_not_fetched_cost_what_is_in_them(tmp_path: Path, name: str) -> None:
    root = dataset(tmp_path, "participant_id\tage\tdays_since_stroke\nsub-02\t720\t7\n", {"age": {"Units": "month"}})
    (root / name).unlink()
    (root / name).symlink_to(".git/annex/objects/x")
    unit = find_sessions(Selection(root))[0]
    assert (unit.covariates, unit.error, len(unit.files("t1w"))) == ({}, "", 1)
    assert f"{name}: its content is not here (git-annex): datalad get {root / name}" in unit.notes[0]
    assert "age, sex and time since stroke are not known" in unit.notes[0]


def test_a_table_of_sessions_that_is_not_fetched_leaves_the_time_unknown(tmp_path: Path) -> None:
    root = dataset(tmp_path, "participant_id\tage\tdays_since_stroke\nsub-02\t60\t7\n")
    (root / "sub-02" / "sub-02_sessions.tsv").symlink_to("../.git/annex/objects/x")
    found = known(root, "02", "a")
    assert found.values == {"age": 60.0}
    assert "sub-02_sessions.tsv: its content is not here (git-annex): datalad get" in found.notes[0]


def test_notes_are_short_on_the_terminal(tmp_path: Path) -> None:
    rows = "participant_id\tage\n" + "".join(f"{i:02d}\t50\n" for i in range(1, 5))
    files: dict[str, Any] = {f"sub-{i:02d}/anat/sub-{i:02d}_T1w.nii.gz": None for i in range(1, 31)}
    units = find_sessions(Selection(make_dataset(tmp_path, {**files, "participants.tsv": rows})))
    first, second = notes_in_short(units)
    assert (
        first
        == "all units: participants.tsv: labels that do not begin with 'sub-' ('01' in line 2) are read as if they did."
    )
    assert second.startswith(
        "sub-05, sub-06, sub-07 and 23 more: participants.tsv has no row of this person; its first"
    )
