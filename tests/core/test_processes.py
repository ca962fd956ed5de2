"""Marks of processes: what is left behind by one that is gone is removed, and nothing else."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from bids_stroke.core.processes import (
    cpu_limits,
    is_abandoned,
    memory_limits,
    nothing_collected,
    process_mark,
    remove_abandoned,
)


@pytest.fixture(scope="module")
def gone() -> str:
    """The mark of a process that has ended."""
    code = "from bids_stroke.core.processes import process_mark; print(process_mark())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_only_what_processes_that_are_gone_left_is_abandoned(gone: str) -> None:
    assert is_abandoned(f"work_{gone}_x")
    assert not is_abandoned(f"work_{process_mark()}_x")
    place, pid, start = gone.split("-")
    assert not is_abandoned(f"work_00000000-{pid}-{start}_x")  # of another machine or container
    assert is_abandoned(f"work_{process_mark()[: -len(start)]}1000000000_x") is True  # the number was given anew
    for name in ("work", f"work_{place}-{pid}", "work_a-b-c"):
        assert not is_abandoned(name)


def test_files_and_folders_of_the_prefix_are_removed_and_links_are_not_followed(gone: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "inner").mkdir(parents=True)
    here = tmp_path / "here"
    for name in (f"w_{gone}_a", f"w_{process_mark()}_b", f"other_{gone}"):
        (here / name / "inner").mkdir(parents=True)
    (here / f"w_{gone}_file").write_text("half")
    (here / f"w_{gone}_link").symlink_to(kept)
    remove_abandoned([here, tmp_path / "nowhere"], "w_")
    assert sorted(path.name for path in here.iterdir()) == sorted([f"w_{process_mark()}_b", f"other_{gone}"])
    assert (kept / "inner").is_dir()


def test_the_collector_rests_within_and_works_again_afterwards() -> None:
    assert gc.isenabled()
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_works_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="broken"), nothing_collected():
        raise ValueError("broken")
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with nothing_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_limits_of_a_job_are_those_of_the_groups_above_its_process(tmp_path: Path) -> None:
    """As Slurm makes them: the limit is the job's or the step's, the process lies below it."""
    job = "system.slice/slurmstepd.scope/job_7"
    write(
        tmp_path,
        {
            "own": f"0::/{job}/step_0/user/task_0\n",
            f"groups/{job}/memory.max": "4194304000\n",
            f"groups/{job}/step_0/memory.max": "max\n",
            f"groups/{job}/cpu.max": "150000 100000\n",
            f"groups/{job}/step_0/cpu.max": "max 100000\n",
        },
    )
    assert memory_limits(tmp_path / "groups", tmp_path / "own") == [4194304000]
    assert cpu_limits(tmp_path / "groups", tmp_path / "own") == [1.5]


def test_limits_of_the_first_version_are_read_too(tmp_path: Path) -> None:
    step = "slurm/uid_1000/job_7/step_0"
    write(
        tmp_path,
        {
            "own": f"9:name=systemd:/\n4:memory:/{step}/task_0\n2:cpu,cpuacct:/{step}\n0::/\n",
            f"groups/memory/{step}/memory.limit_in_bytes": "1048576000\n",
            "groups/memory/memory.limit_in_bytes": "9223372036854771712\n",
            f"groups/cpu,cpuacct/{step}/cpu.cfs_quota_us": "-1\n",
            f"groups/cpu,cpuacct/{step}/cpu.cfs_period_us": "100000\n",
            "groups/cpu,cpuacct/slurm/cpu.cfs_quota_us": "300000\n",
            "groups/cpu,cpuacct/slurm/cpu.cfs_period_us": "100000\n",
        },
    )
    assert min(memory_limits(tmp_path / "groups", tmp_path / "own")) == 1048576000
    assert cpu_limits(tmp_path / "groups", tmp_path / "own") == [3.0]


def test_within_a_container_the_limit_is_the_root_s(tmp_path: Path) -> None:
    write(tmp_path, {"own": "0::/\n", "groups/memory.max": "2000000000\n", "groups/cpu.max": "max 100000\n"})
    assert memory_limits(tmp_path / "groups", tmp_path / "own") == [2e9]
    assert cpu_limits(tmp_path / "groups", tmp_path / "own") == []
    assert memory_limits(tmp_path / "nowhere", tmp_path / "no file") == []
