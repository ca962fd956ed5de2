"""The script of a job: run by bash as Slurm runs it, with words that a shell would take apart."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bids_stroke.cluster.script import job_script, sbatch_options, task_words, words_for_job
from bids_stroke.core.settings import ClusterSettings

HOSTILE = "it's $(touch hacked) `x` ; & \" \\ *"


def write(folder: Path, command: str, **settings: object) -> tuple[Path, Path]:
    """Script and OUTPUT_DIR of two tasks; the second one has two sessions."""
    root = folder / HOSTILE.replace("/", "")
    (root / "logs" / "slurm").mkdir(parents=True)
    path = root / "logs" / "slurm" / "job.sh"
    tasks = [task_words([("01", None)]), task_words([("01", "a"), ("02", "b")])]
    chosen = ClusterSettings(command=command, **settings)  # type: ignore[arg-type]
    path.write_text(job_script(root, chosen, ["in put", HOSTILE, "participant"], tasks))
    return path, root


def run(path: Path, folder: Path, index: int) -> int:
    environment = os.environ | {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": str(index)}
    return subprocess.run(["bash", str(path)], env=environment, cwd=folder, check=False).returncode


def a_program(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/bash\nprintf '%s\\n' \"$@\" >> {folder}/words\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_every_word_arrives_as_it_is_and_the_status_is_left_behind(tmp_path: Path) -> None:
    path, root = write(tmp_path, a_program(tmp_path, "exit 65"), setup=("export SEEN=yes",))
    assert run(path, tmp_path, 1) == 65
    words = ["in put", HOSTILE, "participant", "--participant-label"]
    sessions = [[*words, "01", "--session-label", "a"], [*words, "02", "--session-label", "b"]]
    assert (tmp_path / "words").read_text().splitlines() == [word for one in sessions for word in one]
    assert not (tmp_path / "hacked").exists()
    assert (root / "logs" / "slurm" / "12_1.end").read_text().strip() == "65"


def test_what_cannot_begin_ends_the_task(tmp_path: Path) -> None:
    path, root = write(tmp_path, a_program(tmp_path, "exit 2"))
    assert run(path, tmp_path, 1) == 2
    assert (tmp_path / "words").read_text().count("participant\n") == 1
    assert (root / "logs" / "slurm" / "12_1.end").read_text().strip() == "2"


def test_slurms_word_to_end_reaches_the_program_that_cleans_up(tmp_path: Path) -> None:
    wait = f"trap 'touch {tmp_path}/cleaned; exit 143' TERM\ntouch {tmp_path}/runs\nsleep 30 & wait"
    path, root = write(tmp_path, a_program(tmp_path, wait))
    environment = os.environ | {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "0"}
    running = subprocess.Popen(["bash", str(path)], env=environment, cwd=tmp_path, start_new_session=True)
    try:
        end = time.monotonic() + 20
        while not (tmp_path / "runs").exists() and time.monotonic() < end:
            time.sleep(0.02)
        running.terminate()
        assert running.wait(20) == 143
        assert (tmp_path / "cleaned").exists()
        assert (root / "logs" / "slurm" / "12_0.end").read_text().strip() == "143"
    finally:
        os.killpg(running.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("in out participant --cluster slurm --no-wait --seed 3", "in out participant --seed 3"),
        ("in out participant --participant_label 01 02 --nprocs 4 -v", "in out participant -v"),
        ("--nthreads=8 in out participant --session-label=a --mem-gb 4", "in out participant --mem-gb 4"),
        ("in out participant --modalities fa md --cluster=slurm", "in out participant --modalities fa md"),
        ("in out participant --skip_bids_validation --outcome x<=-3", "in out participant --outcome x<=-3"),
    ],
)
def test_words_of_the_command_that_are_not_for_the_task_are_left_out(given: str, kept: str) -> None:
    assert words_for_job(given.split()) == kept.split()


def test_options_of_the_user_come_before_those_that_must_hold(tmp_path: Path) -> None:
    settings = ClusterSettings(sbatch=("--partition=long", "--job-name=mine"))
    options = sbatch_options(tmp_path / "50%", settings, "bids_stroke-group", 2)
    assert options[:2] == ["--partition=long", "--job-name=mine"]
    assert f"--output={tmp_path}/50%%/logs/slurm/%A_%a.out" in options
    assert "--cpus-per-task=2" in options
