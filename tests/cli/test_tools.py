"""The second command, ``bids_stroke_tools``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bids_stroke.cli.tools import main
from bids_stroke.ensemble.bundle import write_bundle
from tests.conftest import ROOT
from tests.helpers.bids import make_dataset
from tests.helpers.units import tiny_contents


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_a_bundle_is_shown_and_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_bundle(tmp_path / "tiny", tiny_contents()).path
    code, out, _ = run(capsys, "model", "show", folder)
    assert code == 0
    assert "Research use only" in out
    code, out, _ = run(capsys, "model", "verify", folder)
    assert code == 0
    assert "is whole" in out


def test_a_changed_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_bundle(tmp_path / "tiny", tiny_contents()).path
    (folder / "docs" / "model_card.md").write_text("better than it is")
    code, _, err = run(capsys, "model", "verify", folder)
    assert code == 66
    assert "model_card.md is corrupt" in err
    assert run(capsys, "model", "verify", tmp_path / "none")[0] == 66


def test_simulate_writes_the_asked_number_of_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cohort"
    code, _, err = run(capsys, "simulate", out, "--n-subjects", 2, "--missing-rate", "dwi=0.5", "--seed", 3)
    assert code == 0, err
    assert len(list(out.glob("sub-*"))) == 2
    assert len(list(out.glob("sub-*/dwi"))) == 1
    assert run(capsys, "simulate", out)[0] == 2  # not empty


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--missing-rate", "dwi"], "NAME=RATE"),
        (["--missing-rate", "pet=0.1"], "pet"),
        (["--resolution", "huge"], "huge"),
        (["--n-subjects", "0"], "n-subjects"),
    ],
)
def test_wrong_options(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    code, _, err = run(capsys, "simulate", tmp_path / "cohort", *arguments)
    assert code == 2
    assert message in err
    assert not (tmp_path / "cohort").exists()


def test_settings_and_descriptor_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "lesion_handling" in run(capsys, "settings")[1]
    assert json.loads(run(capsys, "descriptor")[1])["name"] == "bids_stroke"


def test_labels_are_those_of_the_dataset_one_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = make_dataset(tmp_path / "raw", {f"sub-{label}/anat/sub-{label}_T1w.nii.gz": None for label in ("10", "2a")})
    assert run(capsys, "labels", raw) == (0, "10\n2a\n", "")
    assert run(capsys, "labels", tmp_path)[0] == 16


@pytest.mark.parametrize("text", ["01\n02\n", "01\n02", "01\n\n02\n\n"])
def test_the_array_s_last_line_needs_no_end(tmp_path: Path, text: str) -> None:
    """The script for a job array, run as Slurm would run it, with a program that prints what it is given."""
    (tmp_path / "labels.txt").write_text(text)
    program = tmp_path / "bids_stroke"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)

    def task(number: int) -> subprocess.CompletedProcess[str]:
        command = ["bash", str(ROOT / "hpc" / "participant.sbatch"), "/data", "/out", str(tmp_path / "labels.txt")]
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": str(number)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert "--participant-label 01 " in task(0).stdout and "--participant-label 02 " in task(1).stdout
    beyond = task(2)
    assert beyond.returncode == 2 and "has no line for task 2" in beyond.stderr
