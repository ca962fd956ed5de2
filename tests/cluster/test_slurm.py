"""Slurm's answers, as version 22.05 on two nodes gave them."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from bids_stroke.cluster import slurm
from bids_stroke.core.errors import InputError, UsageError

QUEUE = """\
12_1|PENDING||2026-12-01T04:03:00|Resources
12_0|RUNNING|n1|2026-12-01T03:58:00|None
1_1|CANCELLED|n2|2026-12-01T03:46:13|None
1_0|FAILED|n1|2026-12-01T03:46:13|JobLaunchFailure
25|RUNNING|n2|2026-12-01T03:46:13|None
"""


def a_program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_queue_is_read_task_by_task() -> None:
    found = slurm.parse_queue(QUEUE)
    assert list(found) == ["12_1", "12_0", "1_1", "1_0"], "a job that is no array is none of ours"
    assert found["12_0"] == slurm.TaskState("RUNNING", "n1", "", "2026-12-01T03:58:00")
    assert found["1_0"].reason == "JobLaunchFailure"


def test_accounting_is_read_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    a_program(tmp_path, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert slurm.accounting(["1"]) == {}
    a_program(
        tmp_path,
        "sacct",
        "echo '1_0|OUT_OF_MEMORY|n1|2026-12-01T03:46:13'; echo '1_[4-9]|PENDING|None assigned|Unknown'",
    )
    assert slurm.accounting(["1"]) == {"1_0": slurm.TaskState("OUT_OF_MEMORY", "n1", since="2026-12-01T03:46:13")}


def test_a_refusal_is_said_in_slurms_words_and_a_full_queue_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    a_program(tmp_path, "sbatch", "echo 'sbatch: error: Memory specification can not be satisfied' >&2; exit 1")
    with pytest.raises(UsageError, match=r"Slurm refuses the job: Memory specification can not be satisfied\."):
        slurm.submit(tmp_path / "job.sh", [], environment)
    a_program(tmp_path, "sbatch", "echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1")
    assert slurm.submit(tmp_path / "job.sh", [], environment) is None
    a_program(tmp_path, "sbatch", "echo '12;north'")
    assert slurm.submit(tmp_path / "job.sh", [], environment) == "12"


def test_without_slurm_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="sbatch is not here"):
        slurm.check_here()
    assert slurm.queue() is None
    assert slurm.accounting(["1"]) == {}


def test_the_largest_array_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    a_program(tmp_path, "scontrol", "echo 'MaxArraySize            = 4001'")
    assert slurm.largest_array() == 4001
    assert [len(part) for part in slurm.split_array(1200, 1001)] == [1001, 199]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("30:00", 30), ("1:30:00", 90), ("2-00:00:00", 2880), ("infinite", inf), ("n/a", inf), ("0:30", 0.5)],
)
def test_no_more_is_asked_for_than_a_partition_has(text: str, minutes: float) -> None:
    answer = f"main*|4000|{text}\nbig|64000+|1-00:00:00\n"
    assert slurm.parse_limits(answer) == slurm.Limits(4000, minutes)
    assert slurm.parse_limits(answer, "big") == slurm.Limits(64000, 1440)
    assert slurm.parse_limits(answer, "none") == slurm.Limits()
