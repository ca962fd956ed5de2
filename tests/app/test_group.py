"""The group level on what runs have left: units that failed, run or were interrupted, and broken status files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from bids_stroke.app.failures import lost_units
from bids_stroke.app.group import run_group
from bids_stroke.app.request import Request
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.records import MemberPrediction, Prediction, Session, UnitStatus
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.status import write_running, write_status
from tests.helpers.bids import make_dataset
from tests.helpers.predictions import leave_prediction

LABELS = ("1", "2", "3", "4")


def ran(tmp_path: Path, seen: str = "") -> Request:
    """A dataset of which two people were predicted, one failed and one is being computed; ``seen`` was trained on."""
    raw = make_dataset(tmp_path / "raw", {f"sub-{label}/anat/sub-{label}_T1w.nii.gz": None for label in LABELS})
    out = tmp_path / "out"
    model = {"name": "tiny", "version": "1", "sha256": "abc", "demonstration": False, "outcome": "fma_le<=17"}
    members = {"a": MemberPrediction(0.7, 12.0, 3, 1.0, "eegemg")}
    for label in LABELS[:2]:
        prediction = Prediction(0.7, (0.5, 0.9), "poor", 12.0, members, {}, model, label == seen)
        leave_prediction(out, Session(label, None), prediction, "Test cohort")
        write_status(out, UnitStatus(label, None, "done"))
    write_status(out, UnitStatus("3", None, "failed", "missing-bval", "sub-3_dwi.nii.gz has no .bval file."))
    write_running(out, "4", None)
    return Request("group", out, Selection(raw), Settings(), Execution())


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    return ran(tmp_path)


def run(asked: Request, code: int = 65) -> tuple[str, str]:
    """What the level says, and its page."""
    said = io.StringIO()
    sessions = find_sessions(asked.selection)
    assert run_group(asked, sessions, "Test cohort", Console(file=said, width=500)) == code
    return said.getvalue(), (asked.output_dir / "group.html").read_text()


def test_units_that_failed_or_run_stand_on_the_page(asked: Request) -> None:
    said, page = run(asked)
    assert "Warning: sub-3 failed (missing-bval): sub-3_dwi.nii.gz has no .bval file." in said
    assert "Warning: sub-4 running (still-running): Running since" in said
    assert said.count("Warning") == 2
    assert "<strong>2</strong> examinations could not be completed" in page
    assert "has no .bval file" in page
    assert "still running" in page and "process " in page


def test_whom_no_run_came_to_is_named_and_is_no_failure(asked: Request) -> None:
    for path in (asked.output_dir / "logs" / "status").glob("person-[34].json"):
        path.unlink()
    said, _ = run(asked, code=0)
    assert "Warning: No run of the participant level came to 2 of the selected units: sub-3 sub-4." in said


def test_of_many_that_were_lost_ten_are_named_and_the_others_counted(asked: Request) -> None:
    statuses = [UnitStatus(f"{label:03d}", None, "failed", "interrupted", "Gone.") for label in range(100)]
    selected = [f"sub-{label:03d}" for label in range(120)]
    said = lost_units(selected, ["sub-119"], statuses)
    assert said[0] == "sub-000 failed (interrupted): Gone."
    assert said[10] == "90 more units failed or never ended: logs/status.tsv has them."
    assert said[11].endswith("came to 19 of the selected units: " + " ".join(selected[100:110]) + " and 9 more.")
    assert len(said) == 12


@pytest.mark.parametrize("content", ["", "null", "[1]", '{"status": 3}', "\udcff"])
def test_a_broken_status_file_is_named_and_the_level_goes_on(asked: Request, content: str) -> None:
    broken = asked.output_dir / "logs" / "status" / "person-2.json"
    broken.write_bytes(content.encode(errors="surrogateescape"))
    said, page = run(asked)
    assert f"Warning: {broken} is no status of a unit and is passed over" in said
    assert "<strong>2</strong> examinations could not be completed" in page


def test_a_model_that_is_not_at_hand_leaves_out_whom_it_was_trained_on(tmp_path: Path) -> None:
    _, page = run(replace(ran(tmp_path, seen="1"), model=tmp_path / "nowhere"))
    assert "the model was trained on them" in page


def test_a_prediction_that_was_changed_by_hand_is_named_and_does_not_count(asked: Request) -> None:
    path = asked.output_dir / "sub-1" / "sub-1_desc-fmale_prediction.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"probability_poor": 0.1}))
    said, page = run(asked)
    why = f"prediction changed: {path.name}"
    assert f"Warning: sub-1 does not count, because what was computed is not current: {why}." in said
    assert f"not current: {why}" in page
    table = pd.read_csv(dataset_file(asked.output_dir, "group_predictions"), sep="\t")
    assert list(table["prediction"]) == ["left-out", "poor"]
    assert table["probability_poor"].isna().tolist() == [True, False]


def test_whose_outcome_is_not_known_is_said_and_why(asked: Request) -> None:
    table = asked.selection.bids_dir / "participants.tsv"
    table.write_text("Participant_ID\tfma_le\n1\t9\nsub-77\t30\n")
    said, _ = run(asked)
    assert "Outcomes: 1 of 2 units have no row in any table with the column fma_le: sub-2." in said
    assert "Outcomes: participants.tsv has no row of this person; its first row is '1', '9'. (sub-2)" in said
    assert "'Participant_ID' is read as participant_id" in said
