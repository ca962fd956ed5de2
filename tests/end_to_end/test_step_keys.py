"""An edit of the sources makes run again what is built on them, nothing else, and the user is told why."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bids_stroke.app.model import Model
from bids_stroke.app.plan import UnitTask
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.settings import Settings
from tests.conftest import ROOT

KEYS = """
import json, pickle, sys
from pathlib import Path
from bids_stroke.app.plan import plan_unit
task = pickle.loads(Path(sys.argv[1]).read_bytes())
print(json.dumps({stage.name: stage.key for stage in plan_unit(task)}))
"""
STEPS = {"anat", "lesion", "dwi", "bold", "eegemg"}
BUILT_ON_THEM = {"biomarkers", "prediction", "figures"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's sources, to be edited."""
    leave_out = shutil.ignore_patterns("__pycache__", "example*")
    shutil.copytree(ROOT / "bids_stroke", tmp_path / "copy" / "bids_stroke", ignore=leave_out)
    return tmp_path / "copy" / "bids_stroke"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A unit of the example dataset that has every kind of input, in a file."""
    folder = tmp_path_factory.mktemp("task")
    session = find_sessions(Selection(ROOT / "example_bids_dataset", participant_labels=("05",)))[0]
    unit = UnitTask(session, folder / "out", folder, Settings(), Model(folder, "sha256"), "Example")
    (folder / "task.pickle").write_bytes(pickle.dumps(unit))
    return folder / "task.pickle"


def run(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, cwd=package.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def keys(package: Path, task: Path) -> dict[str, str]:
    return json.loads(run(package, "-c", KEYS, str(task)).stdout)


@pytest.fixture(scope="module")
def before(task: Path) -> dict[str, str]:
    found = keys(ROOT / "bids_stroke", task)
    assert set(found) == STEPS | BUILT_ON_THEM
    return found


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "# edited\n")


@pytest.mark.parametrize(
    ("edited", "again"),
    [
        ("preprocess/eegemg/spectra.py", {"eegemg"}),
        ("preprocess/dwi/susceptibility/solver.py", {"dwi"}),
        ("imaging/motion.py", {"dwi", "bold"}),
        ("imaging/images.py", STEPS),
        ("core/records.py", STEPS),
        ("derivatives/outputs.py", STEPS),
        ("core/modalities.py", {"prediction"}),
        ("preprocess/biomarkers/bold.py", {"biomarkers", "prediction"}),
        ("networks/layers/keras.py", {"prediction"}),
        ("ensemble/predict.py", {"prediction"}),
        ("report/figures/carpet.py", {"figures"}),
        ("core/settings_preprocess.py", set()),
        ("preprocess/registry.py", set()),
        ("training/trainer.py", set()),
        ("app/plan.py", set()),
        ("__init__.py", set()),
    ],
)
def test_an_edit_runs_again_what_imports_it(
    package: Path, task: Path, before: dict[str, str], edited: str, again: set[str]
) -> None:
    edit(package / edited)
    found = keys(package, task)
    expected = again | (BUILT_ON_THEM if again & STEPS else set())
    assert {name for name, key in found.items() if key != before[name]} == expected


def test_the_user_is_told_why_a_step_runs_again(package: Path, example: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "out", tmp_path / "other.yml"
    asked = ["--participant-label", "05", "--modalities", "eegemg", "--model", "none", "--skip-bids-validation"]
    command = ["-m", "bids_stroke", str(example), str(out), "participant", *asked]

    def told(*more: str) -> str:
        """The line of the unit, each number of seconds a 1."""
        line = re.search(r"sub-05: done in .*\)", run(package, *command, *more).stderr)
        return re.sub(r"(?<= )\d+\.\d(?= s|[:,)])", "1", line[0]) if line else ""

    assert "run before" not in run(package, *command, "--dry-run").stdout
    assert told() == "sub-05: done in 1 s (eegemg 1, biomarkers 1, figures 1)"
    assert told() == ""
    edit(package / "preprocess" / "eegemg" / "spectra.py")
    why = "earlier steps changed: eegemg"
    downstream = f"biomarkers 1, figures 1: {why}"
    plan = run(package, *command, "--dry-run").stdout
    assert f"sub-05 would run again: eegemg (code changed), biomarkers ({why}), figures ({why}).\n" in plan
    assert told() == f"sub-05: done in 1 s (eegemg 1: code changed; {downstream})"
    assert "Up to date: 1 of 1 units that have run before.\n" in run(package, *command, "--dry-run").stdout
    config.write_text("eegemg: {low_pass: 100}\n")
    why = "settings changed: low_pass 150.0 -> 100.0"
    assert told("--config", str(config)) == f"sub-05: done in 1 s (eegemg 1: {why}; {downstream})"
    assert told("--config", str(config), "--force") == "sub-05: done in 1 s (eegemg 1, biomarkers 1, figures 1)"
    reasons = re.findall(r"eegemg: [\d.]+ s \((.*)\)\n", (out / "logs" / "person-05.log").read_text())
    assert reasons == ["not run before", "code changed", why, "--force"]
