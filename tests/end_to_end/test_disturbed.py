"""Kills, jobs that race and full disks: what is written in the end are the bytes of a run that nobody disturbed.

All of it is slow (`-m slow`). A small part of each is in CI: test_status, test_participant, test_training_resume.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

EVERYTHING = "04"
"""A person of the example dataset who has a T1w, DWI, BOLD, EEG, EMG and a lesion mask."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
N_KILLS = 50
REPORTS = (".html", "status.tsv", ".log")
"""They tell seconds and dates."""


def command(out: Path, *labels: str, work: Path | None = None) -> list[str]:
    chosen = ("--participant-label", *labels) if labels else ()
    folder = ("-w", str(work)) if work else ()
    options = ("--skip-bids-validation", "--nprocs", "1", "--omp-nthreads", "1")
    example = str(ROOT / "example_bids_dataset")
    return [sys.executable, "-m", "bids_stroke", example, str(out), "participant", *options, *folder, *chosen]


def start(words: list[str], said: int = subprocess.DEVNULL, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said, text=True, env={**os.environ, **environment})


def digests(out: Path, *labels: str) -> dict[str, str]:
    """SHA-256 of all that a run writes for people, by its path; without what tells seconds and dates."""
    folders = [out / f"sub-{label}" for label in labels] if labels else [out]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.endswith(REPORTS) and "logs" not in path.relative_to(out).parts
    }


def all_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """OUTPUT_DIR of a run of that person, and the seconds that it took."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    begin = time.monotonic()
    assert start(command(out, EVERYTHING)).wait() == 0
    return out, time.monotonic() - begin


def test_fifty_kills_leave_the_same_bytes_and_nothing_else(tmp_path: Path, undisturbed: tuple[Path, float]) -> None:
    """Killed at random moments of all steps, again and again until it is through, then from the beginning."""
    whole, seconds = undisturbed
    expected = digests(whole, EVERYTHING)
    rng, kills, rounds = np.random.default_rng(11), 0, 0
    work, scratch = tmp_path / "work", tmp_path / "tmp"
    for folder in (work, scratch):
        folder.mkdir()
    while kills < N_KILLS or rounds == 0:
        out = tmp_path / f"out{rounds}"
        in_work = work if rounds % 2 else None  # else it is a folder below TMPDIR
        while True:
            process = start(command(out, EVERYTHING, work=in_work), TMPDIR=str(scratch))
            try:
                process.wait(float(rng.uniform(2.0, seconds / 2)) if kills < N_KILLS else None)
            except subprocess.TimeoutExpired:
                process.send_signal(SIGNALS[kills % len(SIGNALS)])
                process.wait()
                kills += 1
            if process.returncode == 0:
                break
        rounds += 1
        assert digests(out, EVERYTHING) == expected
        assert not [path for path in out.rglob("*") if path.name.startswith(".") and path.name != ".bidsignore"]
        assert all_below(scratch) == []
        assert all_below(work) == []
    assert kills == N_KILLS


def test_six_jobs_on_one_person(tmp_path: Path, undisturbed: tuple[Path, float]) -> None:
    jobs = [start(command(tmp_path / "out", EVERYTHING)) for _ in range(6)]
    assert [job.wait() for job in jobs] == [0] * 6
    assert digests(tmp_path / "out", EVERYTHING) == digests(undisturbed[0], EVERYTHING)


def test_six_jobs_on_six_people(tmp_path: Path, undisturbed: tuple[Path, float]) -> None:
    labels = ("01", "02", "03", "04", "05", "06")
    jobs = [start(command(tmp_path / "out", label)) for label in labels]
    assert [job.wait() for job in jobs] == [0] * 6
    assert digests(tmp_path / "out", EVERYTHING) == digests(undisturbed[0], EVERYTHING)
    table = pd.read_csv(tmp_path / "out" / "logs" / "status.tsv", sep="\t", dtype=str)
    assert sorted(set(table["subject"])) == sorted(labels)
    assert set(table["status"]) == {"done"}


@contextmanager
def disk_of(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A folder on a disk of its own of that size."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a disk of a given size")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kilobytes", [4, 64, 256, 1000, 2000, 4000, 6000, 9000, 13000, 18000])
@pytest.mark.parametrize("place", ["out", "work", "tmp"])
def test_a_full_disk_is_named_and_the_next_run_ends_well(
    tmp_path: Path, undisturbed: tuple[Path, float], place: str, kilobytes: int
) -> None:
    """Whatever is full, the message says which folder; with room again, the next run gives the same bytes."""
    whole, _ = undisturbed
    (tmp_path / "rest").mkdir()
    with disk_of(tmp_path / "disk", kilobytes) as disk:
        out = disk / "out" if place == "out" else tmp_path / "out"
        work = disk / "work" if place == "work" else None
        scratch = str(disk if place == "tmp" else tmp_path / "rest")
        process = start(command(out, EVERYTHING, work=work), subprocess.PIPE, TMPDIR=scratch)
        _, said = process.communicate(timeout=600)
        assert process.returncode in (0, 65, 73), said
        assert "Traceback" not in said
        assert "internal-error" not in said
        if process.returncode:
            assert str(disk) in said.replace("\n", "")
            assert "No space left" in said or "full" in said, said
        if place != "out":
            again = start(command(out, EVERYTHING), TMPDIR=str(tmp_path / "rest"))
            assert again.wait() == 0
            assert digests(out, EVERYTHING) == digests(whole, EVERYTHING)
        if place == "out":
            subprocess.run(["mount", "-o", "remount,size=400m", str(disk)], check=True)
            again = start(command(out, EVERYTHING), TMPDIR=str(tmp_path / "rest"))
            assert again.wait() == 0
            assert digests(out, EVERYTHING) == digests(whole, EVERYTHING)
