"""What lies in OUTPUT_DIR counts for ``group`` and ``train`` only as long as the dataset and the model give it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bids_stroke.app.belonging import claim
from bids_stroke.app.currency import Currency, Unit
from bids_stroke.app.model import Model
from bids_stroke.app.plan import FAILED, UnitTask, plan_unit
from bids_stroke.app.request import Request
from bids_stroke.app.train import labelled_cohort
from bids_stroke.bids.sessions import Selection, find_sessions, read_description
from bids_stroke.bids.tables import read_table
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.records import Labelled, StepReport
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.preprocess.registry import STEPS
from tests.helpers.bids import make_dataset

T1W, DWI = "sub-1/anat/sub-1_T1w.nii.gz", "sub-1/dwi/sub-1_dwi.nii.gz"
FILES = {
    T1W: "head",
    DWI: "brain",
    "sub-1/dwi/sub-1_dwi.bval": "0 1000",
    "sub-1/dwi/sub-1_dwi.bvec": "1 0 0",
    "dwi.json": {"EchoTime": 0.08},
    "participants.tsv": "participant_id\tage\tfma_le\nsub-1\t60\t20\n",
}


def model_of(folder: Path, content: str) -> Path:
    """As much of a bundle as tells which one it is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SHA256SUMS").write_text(content)
    return folder


def leave(request: Request, failed: str = "") -> None:
    """What a run of the level participant leaves: manifests that say what the app plans, and files of their names."""
    (session,) = find_sessions(request.selection)
    name, out = str(read_description(request.selection.bids_dir)["Name"]), request.output_dir
    claim(out, request.selection.bids_dir, name)
    sha256 = manifest.stamp(out / "models" / "own" / "SHA256SUMS").sha256
    task = UnitTask(session, out, out, request.settings, Model(out / "models" / "own", sha256), name)
    for stage in plan_unit(task):
        if stage.name == failed:
            continue
        stage = stage.without({failed: "bad-data"} if failed else {})
        path = out / "sub-1" / f"sub-1_{stage.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"of": stage.name, "model": {"name": "own"}}))
        outputs = dict.fromkeys(stage.step.modalities, (path,)) if stage.step else {}
        report = StepReport(outputs=outputs, files={stage.name: path})
        done = manifest.make_manifest(out, stage.recipe, stage.inputs, [], report)
        manifest.write_manifest(stage.manifest_path(task), out, done)


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """A run of ``group`` after one of ``participant`` with a model of OUTPUT_DIR's own, on T1w and diffusion images."""
    raw = make_dataset(tmp_path / "raw", FILES)
    model_of(tmp_path / "out" / "models" / "own", "weights")
    request = Request("group", tmp_path / "out", Selection(raw), Settings(), Execution())
    leave(request)
    return request


def look(request: Request) -> Unit:
    (session,) = find_sessions(request.selection)
    name = str(read_description(request.selection.bids_dir)["Name"])
    return Currency.of(request, name).look(session, prediction=True)


def test_what_has_just_been_computed_is_current(asked: Request) -> None:
    unit = look(asked)
    assert unit.stale == {}
    assert set(unit.reports) == {"anat", "dwi", "biomarkers"}
    assert unit.prediction is not None


def write(name: str, text: str) -> Callable[[Request], object]:
    def change(request: Request) -> None:
        path = request.selection.bids_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return change


def train_anew(request: Request) -> None:
    model_of(request.output_dir / "models" / "own", "other weights")


def edit(name: str) -> Callable[[Request], object]:
    return lambda request: (request.output_dir / "sub-1" / name).write_text("{}")


def run_again(request: Request) -> None:
    """The features, not the prediction: as ``--model none`` with other settings does."""
    before = manifest.manifest_path(request.output_dir, "sub-1", "prediction").read_text()
    leave(replace(request, settings=Settings.model_validate({"dwi": {"motion": False}})))
    manifest.manifest_path(request.output_dir, "sub-1", "prediction").write_text(before)


CHANGES: dict[str, tuple[Callable[[Request], object], str]] = {
    "an image": (write(DWI, "another brain"), "inputs changed: sub-1_dwi.nii.gz"),
    "gradients": (write("sub-1/dwi/sub-1_dwi.bval", "0 2000"), "inputs changed: sub-1_dwi.bval"),
    "an image is gone": (lambda r: (r.selection.bids_dir / T1W).unlink(), "inputs changed: sub-1_T1w.nii.gz (gone)"),
    "an inherited sidecar": (
        write("dwi.json", '{"EchoTime": 0.09}'),
        "features changed: dwi (sidecars changed: sub-1_dwi.nii.gz)",
    ),
    "a map": (edit("sub-1_dwi.json"), "features changed: dwi (features changed: sub-1_dwi.json)"),
    "the prediction": (edit("sub-1_prediction.json"), "prediction changed: sub-1_prediction.json"),
    "features of other settings": (run_again, "features changed: dwi, biomarkers"),
    "the dataset's name": (
        write("dataset_description.json", '{"Name": "Other", "BIDSVersion": "1.11.1"}'),
        "dataset changed: Test cohort -> Other",
    ),
    "a recording that is new": (write("sub-1/eeg/sub-1_task-x_eeg.edf", "rhythm"), "new files: sub-1_task-x_eeg.edf"),
    "the model": (train_anew, "model changed: own was trained anew"),
}


@pytest.mark.inputs(
    "`group` counts a prediction only where its data, sidecars, covariates, features, model and the dataset's name "
    "are those of today.",
    "A prediction that is not current is named with what has changed, and stands as `left-out` in the tables.",
)
@pytest.mark.parametrize(("change", "why"), CHANGES.values(), ids=CHANGES)
def test_a_prediction_of_something_else_does_not_count(
    asked: Request, change: Callable[[Request], object], why: str
) -> None:
    change(asked)
    assert look(asked).why_no_prediction == why


def test_a_prediction_from_other_covariates_does_not_count(asked: Request) -> None:
    asked = moved(asked)  # tables are read once in a run
    write("participants.tsv", "participant_id\tage\nsub-1\t61\n")(asked)
    assert look(asked).why_no_prediction == "covariates changed"


def test_a_prediction_of_another_model_than_the_one_given_does_not_count(asked: Request, tmp_path: Path) -> None:
    other = model_of(tmp_path / "given", "others")
    assert look(replace(asked, model=other)).why_no_prediction == "made with another model than --model"
    assert look(replace(asked, model=asked.output_dir / "models" / "own")).why_no_prediction == ""


STILL: dict[str, Callable[[Request], object]] = {
    "a file of another kind": write("sub-1/beh/sub-1_task-x_beh.tsv", "a\n"),
    "the same bytes written again": write(DWI, "brain"),
    "another person": write("sub-1/anat/notes.txt", "a"),
}


@pytest.mark.parametrize("change", STILL.values(), ids=STILL)
def test_what_decides_nothing_changes_nothing(asked: Request, change: Callable[[Request], object]) -> None:
    change(asked)
    assert look(asked).stale == {}


def test_options_of_the_participant_level_need_not_be_given_again(asked: Request) -> None:
    leave(replace(asked, settings=Settings(modalities=("fa", "md"))))
    assert look(asked).why_no_prediction == ""


def test_a_step_that_failed_on_the_data_makes_no_prediction_stale(asked: Request) -> None:
    manifest.manifest_path(asked.output_dir, "sub-1", "anat").unlink()
    leave(asked, failed="anat")
    unit = look(asked)
    assert unit.prediction is not None and unit.prediction.recipe[FAILED] == {"anat": "bad-data"}
    assert unit.stale == {}


def moved(request: Request) -> Request:
    there = request.selection.bids_dir
    there.rename(there.with_name("moved"))
    return replace(request, selection=Selection(there.with_name("moved")))


@pytest.mark.inputs("A dataset may be moved, or lie elsewhere in a container: what was computed stays current.")
def test_a_dataset_that_was_moved_is_the_same(asked: Request) -> None:
    asked = moved(asked)
    write("participants.tsv", "participant_id\tage\tfma_le\tsite\nsub-1\t60\t3\tA\n")(asked)  # an outcome that is new
    assert look(asked).stale == {}
    claim(asked.output_dir, asked.selection.bids_dir, "Test cohort")
    write(T1W, "another head")(asked)
    assert look(asked).why_no_prediction == "inputs changed: sub-1_T1w.nii.gz"


@pytest.mark.inputs("`train` leaves out features that are not current, and names them.")
def test_features_that_are_not_current_are_not_trained_on(asked: Request) -> None:
    said: list[str] = []
    sessions = find_sessions(asked.selection)
    (unit,) = labelled_cohort(asked, sessions, "Test cohort", said.append)
    assert (unit.score, said) == (20.0, [])
    write(DWI, "another brain")(asked)
    with pytest.raises(InputError, match="No unit"):
        labelled_cohort(asked, find_sessions(asked.selection), "Test cohort", said.append)
    assert len(said) == 1 and "sub-1 does not count" in said[0] and "inputs changed: sub-1_dwi.nii.gz" in said[0]
    write("sub-1/anat/sub-1_run-2_T1w.nii.gz", "a second brain")(asked)
    only_t1w = replace(asked, settings=Settings(modalities=("gm",)))
    with pytest.raises(InputError, match="No unit"):
        labelled_cohort(only_t1w, find_sessions(asked.selection), "Test cohort", said.append)
    assert "new files: sub-1_run-2_T1w.nii.gz" in said[1]
    (asked.selection.bids_dir / "sub-1/anat/sub-1_run-2_T1w.nii.gz").unlink()
    (unit,) = labelled_cohort(only_t1w, find_sessions(asked.selection), "Test cohort", said.append)
    assert set(unit.unit.features) == set(STEPS["anat"].modalities) & {"gm"}


def test_a_column_that_is_dated_after_the_outcome_is_not_trained_on(asked: Request) -> None:
    header, said = "participant_id\tage\tfma_le\tfma_le_days\tBBS\tbbs_days\tage_days", list[str]()

    def cohort(days: str) -> list[Labelled]:
        read_table.cache_clear()  # a run reads each table once
        write("participants.tsv", f"{header}\nsub-1\t60\t20\t90\t30\t{days}\t21900\n")(asked)
        return labelled_cohort(asked, find_sessions(asked.selection), "Test cohort", said.append)

    assert len(cohort("7")) == 1 and said == []  # age_days is an age
    with pytest.raises(UsageError, match=r"The column bbs is dated after the outcome fma_le in sub-1 \(bbs_days 91, "):
        cohort("91")
    assert len(cohort("late")) == 1 and said[0].startswith("Warning: participants.tsv: bbs_days is 'late'")


def test_an_output_folder_without_a_word_of_its_dataset_is_taken_as_of_this_one(asked: Request) -> None:
    dataset_file(asked.output_dir, "dataset").unlink()
    assert look(asked).stale == {}
