"""Marks of processes: what is left behind by one that is gone is removed, and nothing else."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from bids_stroke.core.processes import is_abandoned, nothing_collected, process_mark, remove_abandoned


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
