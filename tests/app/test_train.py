"""The training level of the app: units of other settings are refused, and covariates told."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bids_stroke.app import train as train_level
from bids_stroke.app.plan import recipe
from bids_stroke.app.request import Request
from bids_stroke.app.train import check_same_recipe, run_train, tell_of_lost
from bids_stroke.bids.sessions import Selection
from bids_stroke.core.errors import UsageError
from bids_stroke.core.records import Session, StepReport, UnitStatus
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.derivatives.manifest import make_manifest, manifest_path, write_manifest
from bids_stroke.derivatives.status import write_running, write_status
from bids_stroke.preprocess.registry import STEPS
from bids_stroke.training import ensemble as training
from tests.helpers.units import labelled


def test_training_says_how_the_covariates_were_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = [labelled(tmp_path, f"{i:02d}", 5.0 + i, {}) for i in range(4)]
    cohort = [replace(item, unit=replace(item.unit, covariates={"age": "89+", "sex": "F"})) for item in cohort]
    monkeypatch.setattr(train_level, "labelled_cohort", lambda *_: cohort)

    class Reached(Exception):
        """Stands for the training."""

    def train(*_: object) -> None:
        raise Reached

    monkeypatch.setattr(training, "train_ensemble", train)
    run = Request("train", tmp_path / "out", Selection(tmp_path), Settings(), Execution())
    console = Console(file=io.StringIO(), width=60)
    with pytest.raises(Reached):
        run_train(run, [], "tiny", console)
    assert "Covariates: age is 89+ (4 of 4 units): read as the number without the plus.\n" in console.file.getvalue()


def test_whom_it_could_not_train_on_is_named_and_makes_the_exit_code(tmp_path: Path) -> None:
    run = Request("train", tmp_path / "out", Selection(tmp_path), Settings(), Execution())
    sessions = [Session(label, None) for label in ("00", "01", "02")]
    cohort, said = [labelled(tmp_path, "00", 5.0, {})], list[str]()
    write_status(run.output_dir, UnitStatus("00", None, "done"))
    assert tell_of_lost(run, sessions, cohort, said.append) == 0
    assert said == ["Warning: No run of the participant level came to 2 of the selected units: sub-01 sub-02."]
    write_status(run.output_dir, UnitStatus("01", None, "failed", "missing-bval", "No .bval file."))
    write_running(run.output_dir, "02", None)
    said.clear()
    assert tell_of_lost(run, sessions, cohort, said.append) == 65
    assert said[0] == "Warning: sub-01 failed (missing-bval): No .bval file."
    assert said[1].startswith("Warning: sub-02 running (still-running): Running since")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"lesion_side": "normalise"}, "mirror code changed, .*lesion_side changed: as-is -> normalise"),
        ({"seed": 1}, "seed changed: 0 -> 1"),
        ({"dwi": {"bias": False}}, "settings changed: bias true -> false"),
    ],
    ids=["side", "seed", "step"],
)
def test_features_of_other_settings_are_not_trained_on(tmp_path: Path, other: dict[str, object], words: str) -> None:
    made, changed = Settings(), Settings.model_validate(other)
    step = STEPS["dwi"]
    done = make_manifest(tmp_path, {**recipe(step, made), "metadata": {}}, [], [], StepReport(outputs={"fa": ()}))
    write_manifest(manifest_path(tmp_path, "sub-1", "dwi"), tmp_path, done)
    check_same_recipe(tmp_path, "sub-1", made)
    check_same_recipe(tmp_path, "sub-2", changed)  # nothing was made
    with pytest.raises(UsageError, match=f"sub-1: the features of the step dwi were made with other .*{words}"):
        check_same_recipe(tmp_path, "sub-1", changed)
    training = made.model_copy(update={"training": made.training.model_copy(update={"epochs": 7})})
    check_same_recipe(tmp_path, "sub-1", training)
