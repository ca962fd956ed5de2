"""Preprocessed images of other tools, and of an earlier run, stand for the raw ones that they were made from."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from bids_stroke.app.dry_run import print_plan
from bids_stroke.app.plan import UnitTask, missing_inputs, needed_steps, plan_unit
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.records import SPACE, Session
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import sidecar_of
from bids_stroke.derivatives.outputs import Outputs
from tests.helpers.bids import make_dataset

RAW = {
    "sub-01/anat/sub-01_T1w.nii.gz": None,
    "sub-01/dwi/sub-01_dwi.nii.gz": None,
    "sub-01/fmap/sub-01_dir-PA_epi.nii.gz": None,
    "sub-01/fmap/sub-01_dir-PA_epi.json": {"PhaseEncodingDirection": "j"},
    "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz": None,
    "sub-02/ses-2/anat/sub-02_ses-2_T1w.nii.gz": None,
}
CASYM = "space-MNI152NLin2009cAsym_res-2"


def native(subject: str, space: str = "", folder: str = "") -> dict[str, None]:
    """Anatomy as fMRIPrep names it, or with ``space-ACPC_`` as QSIPrep."""
    stem = f"sub-{subject}{folder}/anat/sub-{subject}{folder.replace('/', '_')}_{space}"
    endings = ["desc-preproc_T1w", "desc-brain_mask", *(f"label-{tissue}_probseg" for tissue in ("GM", "WM", "CSF"))]
    others = {f"{stem.removesuffix(space)}space-MNI152NLin2009cAsym_{ending}.nii.gz": None for ending in endings[:2]}
    return others | {f"{stem}{ending}.nii.gz": None for ending in endings}


def diffusion(stem: str) -> dict[str, None]:
    series = {f"{stem}_desc-preproc_dwi.{ending}": None for ending in ("nii.gz", "bval", "bvec", "json")}
    return {name: value for name, value in series.items() if not name.endswith("json")} | {
        f"{stem}_desc-brain_mask.nii.gz": None,
        f"{stem}_dwiref.nii.gz": None,
    }


QSIPREP = native("01", "space-ACPC_") | diffusion("sub-01/dwi/sub-01_space-ACPC")
OLDER_QSIPREP = native("01") | diffusion("sub-01/dwi/sub-01_space-T1w")
FMRIPREP = native("01") | native("02", folder="")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "raw", RAW)


def unit_of(raw: Path, derivatives: dict[str, Path], subject: str = "01", **options: object) -> Session:
    return find_sessions(Selection(raw, participant_labels=(subject,), derivatives=derivatives, **options))[0]


def datasets(unit: Session) -> dict[str, str]:
    return {role: file.uri.split(":")[1] for role, file in unit.ready.items()}


@pytest.mark.parametrize("files", [QSIPREP, OLDER_QSIPREP, native("01") | diffusion("sub-01/dwi/sub-01")])
def test_what_is_ready_stands_for_the_raw_files(raw: Path, tmp_path: Path, files: dict) -> None:
    prep = make_dataset(tmp_path / "prep", files)
    unit = unit_of(raw, {"prep": prep})
    assert list(unit.ready) == ["t1w", "brain_mask", "gm", "wm", "csf", "dwi", "dwi_mask"]
    assert (unit.files("t1w"), unit.files("dwi"), unit.files("epi")) == ((), (), ())
    assert set(unit.inputs) == set(unit.ready.values())
    for name in ("sub-01_T1w.nii.gz", "sub-01_dwi.nii.gz", "sub-01_dir-PA_epi.nii.gz"):
        assert "of prep replaces it" in unit.left_out[name]
    steps = {step.name: step.files(unit) for step in needed_steps(unit, Settings()) if not step.gathers}
    assert {name: len(items) for name, items in steps.items()} == {"anat": 5, "dwi": 2}
    assert unit_of(raw, {"prep": prep}, modalities=("gm",)).ready_dwi == ()


def test_without_derivatives_nothing_changes(raw: Path) -> None:
    unit = unit_of(raw, {})
    assert unit.ready == {}
    assert len(unit.files("epi")) == 1
    assert [step.name for step in needed_steps(unit, Settings())] == ["anat", "dwi", "biomarkers"]


def test_the_anatomy_is_of_one_source_and_a_series_of_another(raw: Path, tmp_path: Path) -> None:
    no_tissues = {name: None for name in native("01") if "probseg" not in name}
    folders = {"qsiprep": make_dataset(tmp_path / "q", QSIPREP), "fmriprep": make_dataset(tmp_path / "f", no_tissues)}
    found = datasets(unit_of(raw, folders))
    # the T1w that was not turned comes first; the tissues of the other one do not fit it
    assert found == {"t1w": "fmriprep", "brain_mask": "fmriprep", "dwi": "qsiprep", "dwi_mask": "qsiprep"}
    turned = datasets(unit_of(raw, {"qsiprep": folders["qsiprep"]}))
    assert set(turned.values()) == {"qsiprep"}


def test_masks_alone_are_of_no_use(raw: Path, tmp_path: Path) -> None:
    files = {name: None for name in QSIPREP if "preproc" not in name}
    unit = unit_of(raw, {"prep": make_dataset(tmp_path / "prep", files)})
    assert unit.ready == {}
    assert len(unit.files("t1w")) == len(unit.files("dwi")) == 1


def test_a_lesion_drawn_on_the_raw_t1w_keeps_the_raw_t1w(raw: Path, tmp_path: Path) -> None:
    prep = make_dataset(tmp_path / "prep", QSIPREP)
    make_dataset(raw, {"derivatives/lesions/sub-01/anat/sub-01_label-L_mask.nii.gz": None})
    unit = unit_of(raw, {"prep": prep})
    assert list(unit.ready) == ["dwi", "dwi_mask"]
    assert [file.path.name for file in unit.files("t1w")] == ["sub-01_T1w.nii.gz"]
    assert "before prep turned it" in unit.left_out["sub-01_space-ACPC_desc-preproc_T1w.nii.gz"]
    (raw / "sub-01" / "anat" / "sub-01_T1w.nii.gz").unlink()
    assert "t1w" in unit_of(raw, {"prep": prep}).ready
    unturned = make_dataset(tmp_path / "fmriprep", FMRIPREP)
    assert "t1w" in unit_of(raw, {"fmriprep": unturned}).ready


def test_a_t1w_above_the_sessions_serves_all_of_them(raw: Path, tmp_path: Path) -> None:
    prep = make_dataset(tmp_path / "fmriprep", FMRIPREP)
    units = find_sessions(Selection(raw, participant_labels=("02",), derivatives={"fmriprep": prep}))
    assert [unit.session for unit in units] == ["1", "2"]
    assert [unit.ready["t1w"].path.name for unit in units] == ["sub-02_desc-preproc_T1w.nii.gz"] * 2
    make_dataset(prep, native("02", folder="/ses-2"))
    units = find_sessions(Selection(raw, participant_labels=("02",), derivatives={"fmriprep": prep}))
    names = [unit.ready["t1w"].path.name for unit in units]
    assert names == ["sub-02_desc-preproc_T1w.nii.gz", "sub-02_ses-2_desc-preproc_T1w.nii.gz"]
    assert units[1].ready["gm"].path.name == "sub-02_ses-2_label-GM_probseg.nii.gz"


def test_one_of_several_series_is_used_and_the_others_are_named(raw: Path, tmp_path: Path) -> None:
    files = diffusion("sub-01/dwi/sub-01_dir-AP_space-ACPC") | diffusion("sub-01/dwi/sub-01_dir-PA_space-ACPC")
    unit = unit_of(raw, {"prep": make_dataset(tmp_path / "prep", files)})
    assert [file.path.name for file in unit.ready_dwi] == [
        "sub-01_dir-AP_space-ACPC_desc-preproc_dwi.nii.gz", "sub-01_dir-AP_space-ACPC_desc-brain_mask.nii.gz"
    ]  # fmt: skip
    assert "is used" in unit.left_out["sub-01_dir-PA_space-ACPC_desc-preproc_dwi.nii.gz"]


def test_a_person_without_raw_diffusion_runs_the_step(raw: Path, tmp_path: Path) -> None:
    (raw / "sub-01" / "dwi" / "sub-01_dwi.nii.gz").unlink()
    unit = unit_of(raw, {"prep": make_dataset(tmp_path / "prep", diffusion("sub-01/dwi/sub-01_space-ACPC"))})
    assert unit.files("epi") == ()
    assert "dwi" in [step.name for step in needed_steps(unit, Settings())]


def test_ready_maps_win_over_ready_images(raw: Path, tmp_path: Path) -> None:
    maps = [
        f"sub-01/dwi/sub-01_space-{SPACE}_model-tensor_param-{kind}_dwimap.nii.gz" for kind in ("fa", "md", "rd", "ad")
    ]
    unit = unit_of(raw, {"prep": make_dataset(tmp_path / "prep", QSIPREP | dict.fromkeys(maps))})
    assert [step.name for step in needed_steps(unit, Settings())] == ["anat", "maps", "biomarkers"]


def test_a_changed_ready_file_changes_the_step(raw: Path, tmp_path: Path) -> None:
    prep = make_dataset(tmp_path / "prep", QSIPREP)

    def stage(name: str):
        task = UnitTask(unit_of(raw, {"prep": prep}), tmp_path / "out", tmp_path / "work", Settings(), None, "x")
        return next(stage for stage in plan_unit(task) if stage.name == name)

    before = stage("dwi")
    names = {path.name for path in before.inputs}
    assert {f"sub-01_space-ACPC_desc-preproc_dwi.{end}" for end in ("nii.gz", "bval", "bvec")} <= names
    make_dataset(prep, {"sub-01/dwi/sub-01_space-ACPC_desc-preproc_dwi.json": {"Denoised": True}})
    assert stage("dwi").key != before.key


def test_the_plan_says_what_is_replaced(raw: Path, tmp_path: Path) -> None:
    unit = unit_of(raw, {"prep": make_dataset(tmp_path / "prep", QSIPREP)})
    text = io.StringIO()
    print_plan(Console(file=text, width=300), [unit], Settings())
    for said in (
        "from prep, replaces all corrections",
        "from prep, replaces the brain extraction",
        "of prep replaces it",
    ):
        assert said in text.getvalue()


STUDY_A = {"01": "c4", "02": "p4"}


def lay_out(source: Path, folder: Path, units: str | None = "10^-2 mm^2/s") -> Path:
    """The published maps as docs/derivatives.md tells: names in BIDS, one sidecar for all people."""
    sidecars = {f"param-{kind}_dwimap.json": {"Units": units} for kind in ("md", "rd", "ad") if units}
    root = make_dataset(folder, sidecars)
    for subject, name in STUDY_A.items():
        stem = f"sub-{subject}_space-MNI152NLin6Asym"
        files = {f"n1_{name}_dti2_{kind.upper()}_reg": f"dwi/{stem}_model-tensor_param-{kind}_dwimap"
                 for kind in ("fa", "md", "rd", "ad")}  # fmt: skip
        files |= {
            f"t1_{name}_structural_{kind}": f"anat/{stem}_label-{kind}_desc-intensity_T1w" for kind in ("GM", "WM")
        }
        for old, new in files.items():
            path = root / f"sub-{subject}" / f"{new}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / f"{old}.nii.gz", path)
    return root


@pytest.mark.real
def test_the_published_maps_are_accepted_with_their_unit(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "miccai_maps"
    if not source.is_dir():
        pytest.skip(f"the published maps are not in {source}")
    maps = lay_out(source, tmp_path / "maps")
    raw = make_dataset(tmp_path / "raw", {f"sub-{subject}/.keep": None for subject in STUDY_A})
    kinds = ["fa", "md", "rd", "ad", "gm", "wm"]
    command = [sys.executable, "-m", "bids_stroke", raw, tmp_path / "out", "participant", "--model", "none",
               "--derivatives", f"studya={maps}", "--modalities", *kinds, "--nprocs", "1"]  # fmt: skip
    done = subprocess.run([str(item) for item in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for subject, name in STUDY_A.items():
        path = Outputs(tmp_path / "out", subject).standard
        found = {kind: nib.load(path("tensor_map", param=kind)).get_fdata() for kind in kinds[:4]}
        for kind in ("md", "rd", "ad"):
            published = np.nan_to_num(nib.load(source / f"n1_{name}_dti2_{kind.upper()}_reg.nii.gz").get_fdata())
            np.testing.assert_allclose(found[kind], np.maximum(published, 0) * 0.01, rtol=1e-5)
        assert found["fa"].max() == 1
        white = (found["fa"] > 0.4) & (found["fa"] < 0.9) & (found["md"] > 3e-4)
        assert 6e-4 < np.median(found["md"][white]) < 9e-4
        sidecar = json.loads(sidecar_of(path("tensor_map", param="md")).read_text())
        assert sidecar["Units"] == "mm^2/s"
        assert sidecar["Sources"][0].startswith(f"bids:studya:sub-{subject}/dwi/")
        assert all(path("tissue_intensity", label=tissue).is_file() for tissue in ("GM", "WM"))


def run_files(name: str = "task-rest", *spaces: str, confounds: str | None = "timeseries") -> dict[str, None]:
    """One run as fMRIPrep lays it out."""
    stem = f"sub-01/func/sub-01_{name}"
    images = {f"{stem}_{space}_{end}": None for space in spaces or (CASYM,)
              for end in ("desc-preproc_bold.nii.gz", "desc-brain_mask.nii.gz", "boldref.nii.gz")}  # fmt: skip
    images = {path.replace("__", "_"): None for path in images}
    return images | ({f"{stem}_desc-confounds_{confounds}.tsv": None} if confounds else {})


def raw_of(folder: Path, *names: str) -> Path:
    files = {f"sub-01/func/sub-01_{name}_bold.nii.gz": None for name in names}
    return make_dataset(folder, {**files, "sub-01/anat/.keep": None})


def bold_unit(raw: Path, prep: Path, **options: object) -> Session:
    selection = Selection(raw, participant_labels=("01",), derivatives={"fmriprep": prep}, **options)
    return find_sessions(selection)[0]


def bold_names(unit: Session) -> list[str]:
    return [file.path.name for file in unit.files("bold")]


def test_a_ready_run_stands_for_its_raw_one_and_others_stay_raw(tmp_path: Path) -> None:
    raw = raw_of(tmp_path / "raw", "task-rest_dir-AP_run-01", "task-rest_dir-AP_run-02", "task-move")
    prep = make_dataset(tmp_path / "prep", run_files("task-rest_dir-AP_run-1") | run_files("task-move"))
    unit = bold_unit(raw, prep)
    ready = f"sub-01_task-rest_dir-AP_run-1_{CASYM}_desc-preproc_bold.nii.gz"
    assert bold_names(unit) == [ready, "sub-01_task-rest_dir-AP_run-02_bold.nii.gz"]
    assert unit.files("bold")[0].beside == {
        "mask": prep / "sub-01" / "func" / ready.replace("preproc_bold", "brain_mask"),
        "confounds": prep / "sub-01" / "func" / "sub-01_task-rest_dir-AP_run-1_desc-confounds_timeseries.tsv",
    }
    assert "of fmriprep replaces it" in unit.left_out["sub-01_task-rest_dir-AP_run-01_bold.nii.gz"]
    assert "ask for it with --task-label" in unit.left_out[f"sub-01_task-move_{CASYM}_desc-preproc_bold.nii.gz"]
    assert bold_names(bold_unit(raw, prep, task_labels=("move",)))[0].startswith(f"sub-01_task-move_{CASYM}")
    assert bold_unit(raw, prep, modalities=("eegemg",)).files("bold") == ()


def test_a_person_and_a_task_without_raw_runs(tmp_path: Path) -> None:
    raw = raw_of(tmp_path / "raw")
    prep = make_dataset(tmp_path / "prep", run_files() | run_files("task-move"))
    unit = bold_unit(raw, prep)
    assert bold_names(unit) == [f"sub-01_task-rest_{CASYM}_desc-preproc_bold.nii.gz"]
    assert "bold" not in missing_inputs(unit, Settings())
    assert len(bold_unit(raw, prep, task_labels=("move",)).files("bold")) == 1


def test_of_several_spaces_one_is_used(tmp_path: Path) -> None:
    spaces = ("", "space-T1w", "space-MNI152NLin6Asym", "space-MNI152NLin2009aSym_res-3", "space-fsaverage")
    prep = make_dataset(tmp_path / "prep", run_files("task-rest", *spaces))
    raw = raw_of(tmp_path / "raw", "task-rest")
    assert "space-MNI152NLin2009aSym" in bold_names(bold_unit(raw, prep))[0]
    make_dataset(raw, {"sub-01/anat/sub-01_T1w.nii.gz": None})
    unit = bold_unit(raw, prep)
    assert bold_names(unit) == ["sub-01_task-rest_desc-preproc_bold.nii.gz"]
    assert unit.files("bold")[0].beside["mask"].name == "sub-01_task-rest_desc-brain_mask.nii.gz"
    assert unit.left_out["sub-01_task-rest_space-T1w_desc-preproc_bold.nii.gz"] == f"{bold_names(unit)[0]} is used"
    assert not any("fsaverage" in name for name in unit.left_out)


def test_without_confounds_the_raw_run_is_used_and_that_is_said(tmp_path: Path) -> None:
    raw = raw_of(tmp_path / "raw", "task-rest")
    prep = make_dataset(tmp_path / "prep", run_files(confounds=None))
    unit = bold_unit(raw, prep)
    assert bold_names(unit) == ["sub-01_task-rest_bold.nii.gz"]
    assert "the raw run is used" in unit.left_out[f"sub-01_task-rest_{CASYM}_desc-preproc_bold.nii.gz"]
    make_dataset(prep, run_files(confounds="regressors"))  # the older name
    assert bold_unit(raw, prep).files("bold")[0].beside["confounds"].name.endswith("desc-confounds_regressors.tsv")


def test_the_plan_says_it_and_changed_confounds_run_the_step_again(tmp_path: Path) -> None:
    raw, prep = raw_of(tmp_path / "raw", "task-rest"), make_dataset(tmp_path / "prep", run_files())
    unit = bold_unit(raw, prep)
    text = io.StringIO()
    print_plan(Console(file=text, width=300), [unit], Settings())
    assert "from fmriprep, replaces steady state, slice timing and motion correction" in text.getvalue()
    assert "replaces it" in text.getvalue()
    task = UnitTask(unit, tmp_path / "out", tmp_path / "work", Settings(), None, "x")
    inputs = {path for stage in plan_unit(task) if stage.name == "bold" for path in stage.inputs}
    assert set(unit.files("bold")[0].beside.values()) <= inputs
