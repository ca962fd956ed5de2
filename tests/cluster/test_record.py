"""The record of what was handed over."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bids_stroke.cluster.record import Job, ended_tasks, exit_status, forget_earlier, last_tasks, read_jobs, write_job

FIRST = Job("9", "participant", (("sub-1", "sub-2"), ("sub-3_ses-a",)), 1024, 60, "2026-12-01T10:00:00+00:00")
SECOND = Job("10", "participant", (("sub-2",),), 2048, 60, "2026-12-01T11:00:00+00:00")


def test_the_last_task_of_a_unit_counts_and_other_files_do_not(tmp_path: Path) -> None:
    for job in (SECOND, FIRST):
        write_job(tmp_path, job)
    (tmp_path / "logs" / "slurm" / "11.json").write_text('{"number": 11}')
    (tmp_path / "logs" / "slurm" / "12.json").write_text("")
    assert read_jobs(tmp_path) == [FIRST, SECOND]
    last = {unit: task for unit, (_, task) in last_tasks(read_jobs(tmp_path)).items()}
    assert last == {"sub-1": "9_0", "sub-2": "10_0", "sub-3_ses-a": "9_1"}


def test_what_a_script_left_is_read(tmp_path: Path) -> None:
    write_job(tmp_path, FIRST)
    (tmp_path / "logs" / "slurm" / "9_0.end").write_text("143\n")
    (tmp_path / "logs" / "slurm" / "9_1.end").write_text("")
    assert exit_status(tmp_path, "9_0") == 143
    assert exit_status(tmp_path, "9_1") is None
    assert exit_status(tmp_path, "10_0") is None
    assert ended_tasks(tmp_path) == {"9_0", "9_1"}
    assert ended_tasks(tmp_path / "none") == set()


def test_numbers_that_begin_again_do_not_mislead(tmp_path: Path) -> None:
    """As on a cluster that was set up anew: what a task of the same number left long ago says nothing of this one."""
    later = Job("3", "participant", (("sub-1",), ("sub-2",)), 1024, 60, "2026-12-02T10:00:00+00:00")
    for job in (FIRST, later):
        write_job(tmp_path, job)
    assert last_tasks(read_jobs(tmp_path))["sub-1"][1] == "3_0"
    old, new = (tmp_path / "logs" / "slurm" / f"3_{index}.end" for index in (0, 1))
    for path in (old, new):
        path.write_text("0\n")
    os.utime(old, (1e9, 1e9))
    forget_earlier(tmp_path, later, time.time())
    assert ended_tasks(tmp_path) == {"3_1"}
