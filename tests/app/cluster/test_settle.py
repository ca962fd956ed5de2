"""Units whose tasks died without a word: what their rows say afterwards, without Slurm and with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_stroke.app.cluster.settle import look, settle
from bids_stroke.app.cluster.status import in_lines, standings
from bids_stroke.app.cluster.waiting import in_queue
from bids_stroke.cluster.record import Job, write_job
from bids_stroke.core.errors import InputError
from bids_stroke.core.records import UnitStatus
from bids_stroke.derivatives.status import read_statuses, write_running, write_status, write_submitted

TIME_LOG = "slurmstepd: error: *** JOB 9 ON n1 CANCELLED AT 2026-12-01T04:01:14 DUE TO TIME LIMIT ***\n"
PEOPLE = ("1", "2", "3", "4")


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four units of job 9: done; killed at its limit while it ran; with its task; that waits still."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    root = tmp_path / "out"
    write_submitted(root, [(label, None) for label in PEOPLE])
    tasks = (("sub-1",), ("sub-2", "sub-3"), ("sub-4",))
    write_job(root, Job("9", "participant", tasks, 1024, 60, "2026-12-01T10:00:00+00:00"))
    write_status(root, UnitStatus("1", None, "done", seconds=3.0))
    with monkeypatch.context() as patch:
        patch.setenv("SLURM_ARRAY_JOB_ID", "9")
        patch.setenv("SLURM_ARRAY_TASK_ID", "1")
        write_running(root, "2", None)
    (root / "logs" / "slurm" / "9_1.out").write_text(TIME_LOG)
    (root / "logs" / "slurm" / "9_1.end").write_text("143\n")
    return root


def slurm_says(out: Path, text: str) -> None:
    for name, answer in (("squeue", f"cat <<'E'\n{text}\nE"), ("sacct", "exit 1")):
        path = out.parent / "bin" / name
        path.write_text(f"#!/bin/sh\necho x >> {out.parent}/asked_{name}\n{answer}\n")
        path.chmod(0o755)


def rows(out: Path) -> dict[str, tuple[str, str]]:
    return {one.subject: (one.status, one.reason) for one in read_statuses(out).units}


def test_without_slurm_what_scripts_and_logs_left_counts(out: Path) -> None:
    settle(out)
    assert rows(out) == {
        "1": ("done", ""), "2": ("failed", "time-limit"), "3": ("failed", "time-limit"), "4": ("waiting", "submitted"),
    }  # fmt: skip
    assert settle(out) == [], "nothing is said twice"
    assert in_queue(out) == {"sub-4": "9_2"}


def test_slurm_is_asked_once_and_its_word_counts(out: Path) -> None:
    slurm_says(out, "9_1|PENDING||N/A|BeginTime\n9_2|NODE_FAIL|n2|2026-12-01T04:00:00|None")
    settle(out)
    assert rows(out)["2"] == ("running", "still-running"), "Slurm begins it again"
    assert rows(out)["3"] == ("waiting", "submitted")
    assert rows(out)["4"] == ("failed", "node-failed")
    assert (out.parent / "asked_squeue").read_text() == "x\n"


def test_what_was_taken_from_the_queue_before_it_began_was_cancelled(out: Path) -> None:
    slurm_says(out, "")
    settle(out)
    assert rows(out)["4"] == ("failed", "cancelled")
    (out / "logs" / "slurm" / "9_2.out").write_text("begins\n")
    assert look(out, ["9_2"])["9_2"].reason == "lost"


def test_what_another_run_said_of_a_unit_is_left_alone(out: Path) -> None:
    """A run on this machine that computes it now; the task in which it died is history."""
    write_running(out, "2", None)
    assert [one.subject for one in settle(out)] == ["3"]
    path = out / "logs" / "status" / "person-3.json"
    assert "time limit" in json.loads(path.read_text())["detail"]


def test_the_status_tells_all_of_it_and_writes_nothing(out: Path) -> None:
    slurm_says(out, "9_2|PENDING||N/A|Resources")
    before = rows(out)
    found = {one.unit: (one.state, one.task) for one in standings(out)}
    assert found == {
        "sub-1": ("done", ""), "sub-2": ("TIMEOUT", ""), "sub-3": ("TIMEOUT", ""), "sub-4": ("pending", "9_2"),
    }  # fmt: skip
    assert rows(out) == before
    assert (out.parent / "asked_squeue").read_text() == "x\n"
    lines = in_lines(standings(out))
    assert lines[-1] == "4 in all: 2 TIMEOUT, 1 done, 1 pending."
    assert not any(line.startswith("sub-1 ") for line in lines)
    assert "waits for Resources" in lines[2]


def test_a_level_that_is_one_job_is_told_of_while_it_waits_and_when_it_died(out: Path) -> None:
    write_job(out, Job("11", "train", ((),), 1024, 60, "2026-12-01T10:00:00+00:00"))
    slurm_says(out, "11_0|PENDING||N/A|Dependency")
    assert [(one.unit, one.state) for one in standings(out)][-1] == ("train", "pending")
    slurm_says(out, "11_0|OUT_OF_MEMORY|n1|2026-12-01T04:00:00|None")
    assert [(one.unit, one.state) for one in standings(out)][-1] == ("train", "OUT_OF_MEMORY")
    slurm_says(out, "11_0|COMPLETED|n1|2026-12-01T04:00:00|None")
    assert [one.unit for one in standings(out)][-1] == "sub-4"


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        standings(tmp_path)
