"""One unit: what a failed step costs, and what the status says is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.app.model import Model
from bids_stroke.app.plan import UnitTask, plan_unit
from bids_stroke.app.unit.begun import BegunSteps
from bids_stroke.app.unit.prediction import prediction_paths
from bids_stroke.app.unit.run import run_unit
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.cli.app import main
from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import Prediction, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.status import running_step
from bids_stroke.features.readers import GRID_SHAPE
from bids_stroke.preprocess.registry import STEPS, Step, StepContext
from bids_stroke.report.figures.unit import FIGURES
from tests.helpers.bids import make_dataset
from tests.helpers.predictions import leave_prediction
from tests.helpers.units import write_volume

MASK = "sub-1/anat/sub-1_space-MNI152NLin2009aSym_label-L_mask.nii.gz"
REST = "bold: no-bold; eegemg: no-eeg"
"""Modalities of which the people here have no file."""


def cube(size: int) -> np.ndarray:
    mask = np.zeros(GRID_SHAPE, np.uint8)
    mask[30 : 30 + size, 40 : 40 + size, 30 : 30 + size] = 1
    return mask


@pytest.fixture
def task(tmp_path: Path) -> UnitTask:
    """A person with a lesion mask in standard space, and diffusion images that are a line of text."""
    files = {"sub-1/dwi/sub-1_dwi.nii.gz": "no image", "sub-1/dwi/sub-1_dwi.bval": "0", "sub-1/dwi/sub-1_dwi.bvec": "0"}
    raw = make_dataset(tmp_path / "raw", files)
    write_volume(raw / MASK, cube(10))
    (session,) = find_sessions(Selection(raw))
    return UnitTask(session, tmp_path / "out", tmp_path / "work", Settings(), None, "Test cohort")


def test_a_step_that_fails_on_the_data_is_missing_with_its_reason(task: UnitTask) -> None:
    status = run_unit(task).status
    assert status.status == "failed"
    assert status.reason in ("unreadable-image", "missing-bvec", "gradient-format", "gradient-count")
    assert status.missing == f"fa md rd ad: {status.reason}; gm wm: no-t1w; {REST}"
    assert manifest.read_manifest(manifest.manifest_path(task.output_dir, "sub-1", "lesion"), task.output_dir)
    again = run_unit(task)
    assert again.status == replace(status, seconds=again.status.seconds, peak_memory_mb=again.status.peak_memory_mb)
    assert "lesion" not in again.seconds  # it is up to date


def raising(error: Exception) -> Callable[[Step, StepContext], StepReport]:
    def run(step: Step, context: StepContext) -> StepReport:
        raise error

    return run


@pytest.mark.inputs(
    "A step that fails on its data costs the person what the step gives, and no more: the prediction is made from the "
    "others and says so, the unit counts as failed, and the exit code is 65."
)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("fa"), "internal-error"),
        (MemoryError("Unable to allocate 2.00 GiB for an array"), "out-of-memory"),
        (OSError(28, "No space left on device", "/scratch/a"), "cannot-write"),
    ],
)
def test_after_other_failures_there_is_no_prediction(
    task: UnitTask, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    model = {"name": "tiny", "version": "1", "sha256": "abc", "demonstration": False, "outcome": "fma_le<=17"}
    old = leave_prediction(
        task.output_dir, task.session, Prediction(0.5, None, "good", None, {}, {}, model, False), task.dataset
    )
    monkeypatch.setattr(Step, "run", raising(error))
    status = run_unit(replace(task, model=Model(task.output_dir, "abc"))).status
    assert (status.status, status.reason) == ("failed", reason)
    assert not old.exists() and old == prediction_paths(task)[0]
    if reason == "out-of-memory":
        assert "2.15 GB more were asked for" in status.detail


def test_figures_wait_for_steps_that_exist() -> None:
    """A name that is none would be waited for by nobody: the figure would be drawn before its files are there."""
    assert {step for kind in FIGURES for step in kind.steps} <= set(STEPS)
    assert all(kind.steps for kind in FIGURES)


def table_of(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "logs" / "status.tsv", sep="\t", dtype=str, na_values="n/a").set_index("subject")


@pytest.mark.inputs(
    "What was left out for what an image holds, such as a volume or a run, stands in the column `warnings`, with all "
    "that the steps say; their number is told as the unit ends."
)
def test_what_steps_say_stands_in_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, out = make_dataset(tmp_path / "raw"), tmp_path / "out"
    for name, size in ((MASK, 10), (MASK.replace("2009aSym", "6Asym"), 8)):
        write_volume(raw / name, cube(size) * (0.4 if size == 8 else 1.0))
    for words in (["--features-only"], ["--model", "none"]):  # mean the same: the second time all is up to date
        with pytest.raises(SystemExit) as stop:
            main([str(raw), str(out), "participant", "--modalities", "lesion", *words, "--nprocs", "1",
                  "--skip-bids-validation"])  # fmt: skip
        assert stop.value.code == 0
        assert list(out.rglob("*_prediction.*")) == []
        assert "nothing in it is above 0.5" in table_of(out)["warnings"]["1"]
    said = capsys.readouterr().err
    assert "); warnings, in the report: " in said
    assert said.count("All 1 units are up to date: nothing to do.") == 1


@pytest.mark.inputs(
    "`status.tsv` and the table at the end tell what each unit lacks, and why.",
    "Which files were left out stands in `status.tsv` and below the table.",
    "A unit of which nothing that was asked for is there has failed, and the exit code is 65, also when run again.",
)
def test_a_unit_with_nothing_that_was_asked_for_has_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, out = make_dataset(tmp_path / "raw"), tmp_path / "out"
    write_volume(raw / MASK, cube(0))
    write_volume(raw / MASK.replace("sub-1", "sub-2"), cube(10))
    (raw / "sub-2" / "func").mkdir()
    (raw / "sub-2" / "func" / "sub-2_task-walk_bold.nii.gz").write_text("")
    (raw / "sub-2" / "func" / "sub-2_task-walk_bold.json").write_text("{}")
    for expected in ("done", "skipped"):
        with pytest.raises(SystemExit) as stop:
            main([str(raw), str(out), "participant", "--modalities", "lesion", "bold", "--model", "none",
                  "--nprocs", "1", "--skip-bids-validation"])  # fmt: skip
        assert stop.value.code == 65
        table, said = table_of(out), capsys.readouterr().err
        assert dict(table["status"]) == {"1": "failed", "2": "done"}
        assert table["reason"]["1"] == "no-usable-modality"
        assert dict(table["missing"]) == {"1": "lesion: empty-lesion-mask; bold: no-bold", "2": "bold: no-bold"}
        assert "sub-2_task-walk_bold.nii.gz: task walk is not rest" in table["left_out"]["2"]
        row = next(line for line in said.splitlines() if "sub-2 " in line and expected in line)
        assert "bold:" in row
        assert "\n  sub-2_task-walk_bold.nii.gz: task walk is not rest" in said


def test_the_status_file_tells_which_step_runs(task: UnitTask, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def run(step: Step, context: StepContext) -> StepReport:
        seen[step.name] = running_step(context.outputs.root, "sub-1")
        raise MissingModalityError("Nothing.", reason="nothing")

    monkeypatch.setattr(Step, "run", run)
    run_unit(task)
    names = [stage.name for stage in plan_unit(task)]
    assert [name for name in names if name in STEPS] == list(seen) == ["anat", "lesion", "dwi", "biomarkers"]
    told = {name: found.step for name, found in seen.items() if found is not None}
    assert told == {name: f"{name} ({names.index(name) + 1} of {len(names)})" for name in seen}
    assert running_step(task.output_dir, "sub-1") is not None  # its end is said by who asked for it


def test_what_runs_beside_it_is_told_too(task: UnitTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BegunSteps, "running", ("dwi", "bold"))
    seen = []
    monkeypatch.setattr(Step, "run", lambda *_: seen.append(running_step(task.output_dir, "sub-1")) or StepReport())
    run_unit(task)
    assert next(found.step for found in seen if found) == "anat (1 of 5), beside it dwi bold"
