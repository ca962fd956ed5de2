"""Asked to end in any step, the app ends within ten seconds, leaves nothing half-written, and the next run goes on.

All of it is slow (`-m slow`); one step is in test_participant, a library that answers nothing in cli/test_supervise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.status import running_step
from tests.conftest import ROOT
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.slow

EVERYTHING = "04"
"""A person of the example dataset who has a T1w, DWI, BOLD, EEG, EMG and a lesion mask."""
STEPS = ("anat", "lesion", "dwi", "bold", "eegemg", "biomarkers", "prediction", "figures")
WITHIN = 10.0
"""Seconds after which ``docker stop`` kills."""


def start(out: Path, scratch: Path, level: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bids_stroke", str(ROOT / "example_bids_dataset"), str(out), level]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
                            env=environment)  # fmt: skip


def end(process: subprocess.Popen[str], what: str) -> None:
    """Ask to end, and see how it does."""
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    seconds = time.monotonic() - begin
    print(f"{what}: {seconds:.1f} s")
    assert code == 128 + signal.SIGTERM
    assert seconds < WITHIN


def half_written(out: Path) -> list[Path]:
    return [path for path in out.rglob(".*") if path.name != ".bidsignore"]


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_in_each_step(tmp_path: Path, nprocs: str) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    options = ("--participant-label", EVERYTHING, "--skip-bids-validation", "--nprocs", nprocs)

    def has_come_to(step: str) -> bool:  # or past it, where it was over between two looks
        found = running_step(out, f"sub-{EVERYTHING}")
        at = found.step.split()[0] if found is not None and found.step else ""
        return at in STEPS and STEPS.index(at) >= STEPS.index(step)

    for step in STEPS:
        process = start(out, scratch, "participant", *options)
        wait_for(lambda process=process, step=step: has_come_to(step) or process.poll() is not None, 900)  # type: ignore[misc]
        if process.poll() is not None:  # the last one was over between two looks
            assert process.returncode == 0
            break
        end(process, f"--nprocs {nprocs}, {step}")
        table = pd.read_csv(dataset_file(out, "status_table"), sep="\t", dtype=str)
        assert (table["status"].item(), table["reason"].item()) == ("failed", "interrupted"), step
        assert "Stopped by SIGTERM" in table["detail"].item()
        assert half_written(out) == []
        assert list(scratch.iterdir()) == []
    assert start(out, scratch, "participant", *options).wait() == 0
    assert half_written(out) == []


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("features")
    labels = [f"{number:02d}" for number in range(7, 31)]  # those who have a lesion mask and nothing else
    options = ("--participant-label", *labels, "--modalities", "lesion", "--skip-bids-validation")
    assert start(out, out, "participant", *options).wait() == 0
    return out


@pytest.mark.parametrize("seconds", [2.0, 6.0, 12.0])
@pytest.mark.parametrize("level", ["group", "train"])
def test_in_the_levels_of_everybody(features: Path, tmp_path: Path, level: str, seconds: float) -> None:
    process = start(features, tmp_path, level, *(("--modalities", "lesion") if level == "train" else ()))
    time.sleep(seconds)
    if process.poll() is None:
        end(process, f"{level} after {seconds:g} s")
    assert half_written(features) == [path for path in features.rglob("*.unfinished") if path.name.startswith(".")]
    assert list(tmp_path.iterdir()) == []
