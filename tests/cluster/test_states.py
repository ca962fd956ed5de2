"""How tasks ended: by what Slurm, its lines in their logs, and their scripts left."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.cluster.slurm import TaskState
from bids_stroke.cluster.states import (
    CANCELLED,
    JOB_FAILED,
    NODE_FAILED,
    OUT_OF_MEMORY,
    PREEMPTED,
    PROCESS_KILLED,
    RAN,
    TIME_LIMIT,
    Ending,
    in_words,
    judge,
    tail,
)

CANCELLED_LOG = "slurmstepd-n1: error: *** JOB 19 ON n1 CANCELLED AT 2026-12-01T03:59:41 ***\nTerminated\n"
TIME_LOG = "slurmstepd-n1: error: *** JOB 24 ON n1 CANCELLED AT 2026-12-01T04:01:14 DUE TO TIME LIMIT ***\nStopped.\n"
MEMORY_LOG = (
    "slurmstepd-n2: error: StepId=20.batch exceeded memory limit (1799557120 > 1468006400), being killed\n"
    "slurmstepd-n2: error: *** JOB 20 ON n2 CANCELLED AT 2026-12-01T03:59:24 ***\n"
)
CGROUP_LOG = (
    "slurmstepd: error: Detected 1 oom_kill event in StepId=20.batch. Some of the step tasks have been OOM Killed.\n"
)


@pytest.mark.parametrize(
    ("state", "status", "log", "reason"),
    [
        ("COMPLETED", 0, "", RAN),
        ("FAILED", 65, "some units failed", RAN),
        ("FAILED", None, MEMORY_LOG, OUT_OF_MEMORY),
        ("OUT_OF_MEMORY", 137, CGROUP_LOG, OUT_OF_MEMORY),
        ("TIMEOUT", 143, TIME_LOG, TIME_LIMIT),
        ("CANCELLED", 143, CANCELLED_LOG, CANCELLED),
        ("PREEMPTED", None, "", PREEMPTED),
        ("NODE_FAIL", None, "", NODE_FAILED),
        ("FAILED", 127, "bash: bids_stroke: command not found", JOB_FAILED),
        (None, 143, TIME_LOG, TIME_LIMIT),
        (None, 143, CANCELLED_LOG, CANCELLED),
        (None, None, MEMORY_LOG, OUT_OF_MEMORY),
        (None, 137, "", PROCESS_KILLED),
        ("FAILED", 137, "", PROCESS_KILLED),
        (None, 0, "a person's file is called DUE TO TIME LIMIT", RAN),
        (None, 1, "a person's file is called DUE TO TIME LIMIT", JOB_FAILED),
    ],
)
def test_a_task_that_ended(state: str | None, status: int | None, log: str, reason: str) -> None:
    ending = judge(TaskState(state, "n1") if state else None, status, log)
    assert ending is not None
    assert (ending.ended, ending.reason) == (True, reason)


def test_what_slurm_begins_again_has_not_ended() -> None:
    """A task that had to make room leaves its status behind, and waits in the queue again."""
    assert judge(TaskState("PENDING", reason="BeginTime"), 143, CANCELLED_LOG) == Ending(
        False, state="PENDING", place="waits for BeginTime"
    )
    assert judge(TaskState("COMPLETING", "n1"), None, "") == Ending(False, state="COMPLETING", place="on n1")
    assert judge(TaskState("COMPLETING", "n1"), 0, "") == Ending(True, RAN, "COMPLETING", "on n1")


def test_of_what_nobody_tells_nothing_is_said() -> None:
    assert judge(None, None, "") is None


def test_the_sentence_names_the_log_and_the_last_line_of_a_job_that_could_not_begin(tmp_path: Path) -> None:
    log = tmp_path / "12_3.out"
    log.write_text("x" * 50_000 + "\n./job.sh: line 9: bids_stroke: command not found\n\n")
    assert len(tail(log)) == 20_000
    said = in_words("12_3", Ending(True, JOB_FAILED), log)
    assert "task 12_3 ended before" in said
    assert '"./job.sh: line 9: bids_stroke: command not found"' in said
    assert str(log) in said
    assert "more memory" in in_words("12_3", Ending(True, OUT_OF_MEMORY), log)
    assert tail(tmp_path / "none") == ""
