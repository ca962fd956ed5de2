"""What is left of a run that was killed, and of status files that are broken: later runs say so and go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import psutil
import pytest

from bids_stroke.features.readers import GRID_SHAPE
from tests.helpers.bids import make_dataset
from tests.helpers.units import write_volume

PEOPLE = ("1", "2", "3", "4")
OPTIONS = ("--modalities", "lesion", "--model", "none", "--skip-bids-validation", "--nprocs", "1")
"""A second for each person: a lesion mask that is in standard space already."""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = make_dataset(tmp_path_factory.mktemp("status") / "raw")
    mask = np.zeros(GRID_SHAPE, np.uint8)
    mask[30:40, 40:50, 30:40] = 1
    for label in PEOPLE:
        name = f"sub-{label}_space-MNI152NLin2009aSym_label-L_mask.nii.gz"
        write_volume(raw / f"sub-{label}" / "anat" / name, mask)
    return raw


@pytest.fixture(scope="module")
def killed(raw: Path) -> Path:
    """OUTPUT_DIR after a run was killed while it computed the second person."""
    out = raw.parent / "out"
    command = [sys.executable, "-m", "bids_stroke", str(raw), str(out), "participant", *OPTIONS]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    second = out / "logs" / "status" / "person-2.json"
    while says(second) != "running" and running.poll() is None:
        time.sleep(0.01)
    (work,) = psutil.Process(running.pid).children()
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not psutil.wait_procs([work], timeout=10)[1]
    assert json.loads(second.read_text())["pid"] == work.pid
    return out


def says(path: Path) -> str:
    return str(json.loads(path.read_text())["status"]) if path.is_file() else ""


def participant(raw: Path, out: Path, *labels: str, options: Sequence[str] = OPTIONS) -> CompletedProcess[str]:
    command = [sys.executable, "-m", "bids_stroke", str(raw), str(out), "participant", *options]
    chosen = ["--participant-label", *labels] if labels else []
    return subprocess.run([*command, *chosen], capture_output=True, text=True, check=False)


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "logs" / "status.tsv", sep="\t", dtype=str, na_values="n/a").set_index("subject")


def test_a_run_that_was_killed_leaves_a_row_of_everybody(killed: Path) -> None:
    """Of those, too, whose turn had not come: nobody is lost. A test beside it may have run somebody again."""
    assert list(table(killed).index) == list(PEOPLE)


def test_the_next_run_of_another_person_tells_of_the_killed_one(raw: Path, killed: Path) -> None:
    done = participant(raw, killed, "1")
    assert done.returncode == 0, done.stderr
    assert "Other units in this folder: 1 interrupted, 2 not-begun." in done.stderr
    assert dict(table(killed)["status"]) == {"1": "done", **dict.fromkeys("234", "failed")}
    assert dict(table(killed)["reason"].iloc[1:]) == {"2": "interrupted", "3": "not-begun", "4": "not-begun"}
    assert "which is gone without a word" in table(killed)["detail"]["2"]


def test_broken_and_foreign_files_are_named_and_the_run_goes_on(raw: Path, killed: Path) -> None:
    folder = killed / "logs" / "status"
    broken = {"person-3.json": b"", "person-4.json": b"\xff", "person-5.json": b"[]", "notes.json": b"{}"}
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    done = participant(raw, killed, "1")
    assert done.returncode == 0, done.stderr
    assert [name for name in broken if f"{folder / name} is no status of a unit" not in done.stderr] == []
    assert list(table(killed).index) == ["1", "2"]


def test_run_again_all_are_done_and_their_files_are_whole(raw: Path, killed: Path) -> None:
    (killed / "logs" / "status" / "person-3.json").write_bytes(b"")
    done = participant(raw, killed, *PEOPLE)
    assert done.returncode == 0, done.stderr
    assert dict(table(killed)["status"]) == dict.fromkeys(PEOPLE, "done")
    assert all((killed / f"sub-{label}.html").is_file() for label in PEOPLE)


def test_a_status_that_cannot_be_written_fails_its_unit_only(raw: Path, killed: Path) -> None:
    participant(raw, killed, *PEOPLE)  # a test beside it may run in another process
    path = killed / "logs" / "status" / "person-3.json"
    path.unlink()
    path.mkdir()
    (killed / "logs" / "manifests" / "person-3_step-figures.json").unlink()
    (killed / "logs" / "manifests" / "person-4_step-figures.json").unlink()
    done = participant(raw, killed, *PEOPLE)
    path.rmdir()
    assert done.returncode == 65, done.stderr
    assert "sub-3 failed (cannot-write)" in done.stderr and f"{path} cannot be written" in done.stderr
    assert dict(table(killed)["status"]) == {**dict.fromkeys(PEOPLE, "done"), "3": "failed"}
    assert "person-3.json cannot be written" in (killed / "sub-3.html").read_text()
    done = participant(raw, killed, *PEOPLE)
    assert done.returncode == 0, done.stderr
    assert dict(table(killed)["status"]) == dict.fromkeys(PEOPLE, "done")
    assert "cannot be written" not in (killed / "sub-3.html").read_text()


def test_the_dataset_is_validated_when_there_is_something_to_compute(raw: Path, killed: Path) -> None:
    """To validate 1,000 people takes longer than to see that nothing is to be done for them."""
    participant(raw, killed, *PEOPLE)
    options = [option for option in OPTIONS if option != "--skip-bids-validation"]
    done = participant(raw, killed, options=options)
    assert (done.returncode, "are up to date: nothing to do" in done.stderr) == (0, True), done.stderr
    assert "BIDS validator" not in done.stderr
    (killed / "logs" / "manifests" / "person-4_step-figures.json").unlink()
    done = participant(raw, killed, options=options)
    assert done.returncode == 0, done.stderr
    assert "BIDS validator: " in done.stderr and "1 units to do" in done.stderr
