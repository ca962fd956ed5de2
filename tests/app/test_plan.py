"""Which steps a unit needs, what makes a stage run again, and a unit whose log cannot be written."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bids_stroke.app.model import Model
from bids_stroke.app.plan import (
    UnitTask,
    input_paths,
    merge_features,
    missing_inputs,
    names_once,
    needed_steps,
    plan_unit,
    recipe,
)
from bids_stroke.app.unit.run import run_unit
from bids_stroke.core.digest import code_digest
from bids_stroke.core.modalities import MODALITIES
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_preprocess import BoldSettings, DwiSettings
from bids_stroke.preprocess.registry import STEPS, Step

NORMALISE = Settings(lesion_side="normalise")
AS_IS = Settings()
BUILT_ON_ALL = ("biomarkers", "prediction", "figures")
"""Stages that are made of what the steps gave."""


def file(folder: Path, name: str, **metadata: object) -> BidsFile:
    path = folder / name
    path.write_text(name)
    return BidsFile(path, {}, metadata)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "sub-1_dwi.bval").write_text("0 1000")
    return Session(
        "1",
        None,
        raw={
            "t1w": (file(raw, "sub-1_T1w.nii.gz"),),
            "dwi": (file(raw, "sub-1_dwi.nii.gz"),),
            "bold": (file(raw, "sub-1_task-rest_bold.nii.gz", RepetitionTime=2.0),),
        },
        lesion=(file(raw, "sub-1_label-L_mask.nii.gz"),),
    )


@pytest.fixture
def task(session: Session, tmp_path: Path) -> UnitTask:
    return UnitTask(session, tmp_path / "out", tmp_path, Settings(), Model(tmp_path, "abc"), "Test cohort")


def names(steps) -> list[str]:
    return [step.name for step in steps]


def keys(task: UnitTask) -> dict[str, str]:
    return {stage.name: stage.key for stage in plan_unit(task)}


def changed(one: UnitTask, other: UnitTask) -> set[str]:
    return {name for name, key in keys(one).items() if keys(other).get(name) != key}


def test_all_that_there_is(session: Session) -> None:
    needed = names(needed_steps(session, Settings()))
    assert needed == ["anat", "lesion", "dwi", "bold", "biomarkers"]
    missing = missing_inputs(session, Settings())
    assert set(missing) == {name for name, modality in MODALITIES.items() if modality.step not in needed}
    assert missing["eegemg"] == "no-eeg"


def test_only_what_a_modality_builds_on(session: Session) -> None:
    assert names(needed_steps(session, Settings(modalities=("gm",)))) == ["anat"]
    assert names(needed_steps(session, Settings(modalities=("fa",)))) == ["anat", "lesion", "dwi", "biomarkers"]
    no_t1w = replace(session, raw={**session.raw, "t1w": ()}, lesion=())
    assert names(needed_steps(no_t1w, Settings(modalities=("fa",)))) == ["dwi", "biomarkers"]


def test_ready_maps_replace_the_steps_that_would_make_them(session: Session) -> None:
    maps = dict.fromkeys(("fa", "md", "rd", "ad"), session.files("t1w")[0])
    ready = replace(session, maps=maps)
    assert names(needed_steps(ready, Settings(modalities=("fa", "md", "rd", "ad")))) == ["maps", "biomarkers"]
    some = replace(session, maps={"fa": session.files("t1w")[0]})
    needed = needed_steps(some, Settings(modalities=("fa", "md")))
    assert names(needed) == ["anat", "lesion", "dwi", "maps", "biomarkers"]


def test_a_stage_depends_on_its_own_settings_and_on_what_it_builds_on(task: UnitTask) -> None:
    dwi = replace(task, settings=Settings(dwi=DwiSettings(max_b=2000)))
    assert changed(task, dwi) == {"dwi", *BUILT_ON_ALL}
    bold = replace(task, settings=Settings(bold=BoldSettings(low_pass=0.2)))
    assert changed(task, bold) == {"bold", *BUILT_ON_ALL}
    anat = replace(task, settings=Settings(anat={"bias_shrink": 2}))
    assert changed(task, anat) == {"anat", "lesion", "dwi", "bold", *BUILT_ON_ALL}


def test_numbers_of_what_is_not_asked_for_are_not_made(task: UnitTask) -> None:
    """The lesion step runs for the diffusion images, too: without being asked for, it gives no biomarkers."""
    asked = (Settings(modalities=("fa", "lesion")), Settings(modalities=("fa",)))
    both, one = (keys(replace(task, settings=settings)) for settings in asked)
    assert both["lesion"] == one["lesion"]
    assert both["biomarkers"] != one["biomarkers"]


def test_the_seed_changes_everything(task: UnitTask) -> None:
    assert changed(task, replace(task, settings=Settings(seed=1))) == set(keys(task))


def test_model_and_covariates_change_only_the_prediction(task: UnitTask) -> None:
    assert changed(task, replace(task, model=Model(task.model.path, "other"))) == {"prediction"}
    older = replace(task, session=replace(task.session, covariates={"age": 70.0}))
    assert changed(task, older) == {"prediction"}
    outcome = replace(task, session=replace(task.session, covariates={"fma_le": 3.0, "hospital": "A"}))
    assert changed(task, outcome) == set()  # an outcome that is added later predicts nothing anew


@pytest.mark.parametrize("column", ["safe", "BBS", "nihss_day3", "fma_le_baseline"])
def test_what_a_rule_of_the_clinic_reads_makes_the_prediction_anew(task: UnitTask, column: str) -> None:
    """What the rule says stands in the prediction, and is a baseline beside it."""
    told = replace(task, session=replace(task.session, covariates={column: 4.0}))
    assert changed(task, told) == {"prediction"}
    other = replace(told, session=replace(told.session, covariates={column: 5.0}))
    assert changed(told, other) == {"prediction"}
    of_outcome = Settings(outcome=Outcome.parse(f"{column}>=6"))
    before, after = (replace(one, settings=of_outcome) for one in (told, other))
    assert changed(before, after) == set()  # now it is the outcome, which predicts nothing


def test_metadata_change_the_step_that_reads_them(task: UnitTask) -> None:
    bold = replace(task.session.files("bold")[0], metadata={"RepetitionTime": 3.0})
    assert changed(task, replace(task, session=replace(task.session, raw={**task.session.raw, "bold": (bold,)}))) == {
        "bold",
        *BUILT_ON_ALL,
    }


def test_where_and_how_fast_change_nothing(task: UnitTask, tmp_path: Path) -> None:
    assert changed(task, replace(task, work_dir=tmp_path / "elsewhere", device="cpu", force=True)) == set()


def test_gradients_and_channels_belong_to_the_input(session: Session, tmp_path: Path) -> None:
    assert {path.name for path in input_paths(session.files("dwi")[0])} == {"sub-1_dwi.nii.gz", "sub-1_dwi.bval"}
    (tmp_path / "raw" / "sub-1_task-x_channels.tsv").write_text("name")
    eeg = file(tmp_path / "raw", "sub-1_task-x_eeg.vhdr")
    (tmp_path / "raw" / "sub-1_task-x_eeg.eeg").write_text("data")
    assert {path.suffix for path in input_paths(eeg)} == {".vhdr", ".eeg", ".tsv"}


def test_what_lies_above_belongs_to_the_input_up_to_the_root(tmp_path: Path) -> None:
    eeg = tmp_path / "raw" / "sub-1" / "eeg" / "sub-1_task-x_eeg.edf"
    eeg.parent.mkdir(parents=True)
    eeg.write_text("data")
    for place in (tmp_path, tmp_path / "raw"):
        (place / "task-x_events.tsv").write_text("onset")
        (place / "participants.tsv").write_text("participant_id")
    assert input_paths(BidsFile(eeg, {})) == {eeg}  # nobody knows where the dataset begins
    (tmp_path / "raw" / "dataset_description.json").write_text("{}")
    assert input_paths(BidsFile(eeg, {})) == {eeg, tmp_path / "raw" / "task-x_events.tsv"}


def test_a_plan_reads_each_folder_once_and_the_next_plan_sees_what_is_new(
    task: UnitTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir, read = os.scandir, Counter[Path]()

    def counted(folder: Path) -> object:
        read[folder] += 1
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", counted)
    before = plan_unit(task)
    assert set(read.values()) == {1}
    (tmp_path / "raw" / "sub-1_dwi.bvec").write_text("1 0 0")
    again = plan_unit(task)
    assert {path.name for path in set(again[-1].inputs) - set(before[-1].inputs)} == {"sub-1_dwi.bvec"}
    read.clear()
    names_in = names_once()
    plan_unit(task, names_in)
    plan_unit(task, names_in)
    assert set(read.values()) == {1}


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_the_code_of_the_mirror_counts_only_where_it_is_used(step: Step) -> None:
    as_is, mirrored = recipe(step, Settings()), recipe(step, Settings(lesion_side="normalise"))
    assert mirrored["mirror code"] == code_digest("bids_stroke.preprocess.hemisphere")
    assert "mirror code" not in as_is
    writer = "bids_stroke.derivatives.outputs"
    assert mirrored["code"] == as_is["code"] == code_digest(f"bids_stroke.preprocess.{step.name}.step", writer)


def test_the_side_that_a_table_tells_counts_only_where_maps_are_mirrored(task: UnitTask) -> None:
    told = replace(task, session=replace(task.session, covariates={"lesion_side": "L"}))
    assert changed(task, told) == set()
    mirrored = Settings(lesion_side="normalise")
    assert changed(replace(task, settings=mirrored), replace(told, settings=mirrored)) == set(keys(task))


def test_features_are_merged_and_every_absence_has_a_reason(session: Session, tmp_path: Path) -> None:
    settings = Settings(modalities=("fa", "gm", "bold", "eegemg", "lesion"))
    reports = {
        "dwi": StepReport({"fa": (tmp_path / "fa",), "md": (tmp_path / "md",)}),
        "bold": StepReport(missing={"bold": "too-few-volumes"}),
    }
    features, missing = merge_features(reports, session, settings)
    assert features == {"fa": (tmp_path / "fa",)}
    numbers = {"biomarkers": StepReport({"biomarkers": (tmp_path / "numbers",)})}
    assert merge_features(reports | numbers, session, settings)[0]["biomarkers"] == (tmp_path / "numbers",)
    assert missing == {"gm": "not-computed", "lesion": "not-computed", "bold": "too-few-volumes", "eegemg": "no-eeg"}


def test_a_log_that_the_disk_has_no_room_for_costs_nothing_else(
    task: UnitTask, capfd: pytest.CaptureFixture[str]
) -> None:
    full = task.output_dir / "logs" / "person-1.log"
    full.parent.mkdir(parents=True)
    full.symlink_to("/dev/full")
    result = run_unit(replace(task, settings=Settings(modalities=("gm",)), model=None))
    assert result.status.status == "failed"  # the image is a line of text
    assert "sub-1_T1w.nii.gz" in result.status.detail
    assert "cannot be written" not in result.status.detail
    assert capfd.readouterr().err == ""


def test_stages_know_the_setting_and_what_tells_the_side(tmp_path: Path) -> None:
    def file(name: str) -> BidsFile:
        (tmp_path / name).write_text(name)
        return BidsFile(tmp_path / name, {}, {})

    session = Session("1", None, raw={"t1w": (file("sub-1_T1w.nii.gz"),), "eeg": (file("sub-1_eeg.edf"),)},
                      lesion=(file("sub-1_label-L_mask.nii.gz"),), covariates={"lesion_side": "R"})  # fmt: skip
    only_eeg = {"modalities": ("eegemg",)}
    assert [s.name for s in needed_steps(session, AS_IS.model_copy(update=only_eeg))] == ["eegemg", "biomarkers"]
    assert [s.name for s in needed_steps(session, NORMALISE.model_copy(update=only_eeg))] == [
        "anat",
        "lesion",
        "eegemg",
        "biomarkers",
    ]
    task = UnitTask(session, tmp_path / "out", tmp_path, AS_IS, None, "cohort")
    keys = []
    for settings, column in ((AS_IS, "R"), (AS_IS, "L"), (NORMALISE, "R"), (NORMALISE, "L")):
        changed = replace(task, settings=settings, session=replace(session, covariates={"lesion_side": column}))
        keys.append({stage.name: stage.key for stage in plan_unit(changed)})
    assert keys[0] == keys[1]
    for name in keys[0]:
        assert len({key[name] for key in keys}) == 3, name


def test_another_note_on_the_tables_makes_the_prediction_run_again(task: UnitTask) -> None:
    before = {stage.name: stage.key for stage in plan_unit(task)}
    noted = replace(task, session=replace(task.session, notes=("participants.tsv has no row of this person.",)))
    after = {stage.name: stage.key for stage in plan_unit(noted)}
    assert [name for name in before if before[name] != after[name]] == ["prediction"]
