"""The app from a BIDS dataset to reports, on two subjects of the example dataset: everything real."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import psutil
import pytest

from bids_stroke.core.modalities import EARLY, given_by
from bids_stroke.derivatives.manifest import manifest_path
from bids_stroke.derivatives.names import DATASET_FILES, NIFTI, UNIT_FILES, dataset_file, is_named, sidecar_of
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.derivatives.status import read_statuses

SUBJECTS = ("02", "04")
"""02 has no EEG and no lesion mask; 04 has everything, its EMG in a file of its own."""


def bids_stroke(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bids_stroke", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def children_seconds() -> float:
    """Processor time of all ended children: time on the wall also tells what else the computer does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def digests(folder: Path) -> dict[str, str]:
    """sha256 of all outputs; logs tell times and are left out."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "logs" not in path.relative_to(folder).parts
    }


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """OUTPUT_DIR after ``participant`` on two subjects and ``group``."""
    folder = tmp_path_factory.mktemp("app") / "out"
    before = digests(example)
    done = bids_stroke(example, folder, "participant", "--participant-label", *SUBJECTS, "--nprocs", 2)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    done = bids_stroke(example, folder, "group", "--participant-label", *SUBJECTS)
    assert done.returncode == 0, done.stderr
    assert digests(example) == before, "something was written into the input"
    return folder


BOLD, LEGS = {"task": "rest"}, {"task": "legmove"}
TISSUES = [{"label": label} for label in ("GM", "WM", "CSF")]
PARAMS = [{"param": param} for param in given_by("dwi")]


@pytest.mark.parametrize(
    ("role", "labels", "standard"),
    [
        *(("t1w", {}, standard) for standard in (False, True)),
        *(("brain_mask", {}, standard) for standard in (False, True)),
        *(("tissue_probability", tissue, standard) for tissue in TISSUES for standard in (False, True)),
        *(("tissue_intensity", tissue, True) for tissue in TISSUES[:2]),
        ("lesion_mask", {}, True),
        *(("tensor_map", param, standard) for param in PARAMS for standard in (False, True)),
        *((role, {}, False) for role in ("dwi", "bval", "bvec", "dwi_mask")),
        *((role, {}, False) for role in ("to_standard", "from_standard", "dwi_to_t1w")),
        *((role, BOLD, False) for role in ("confounds", "bold", "bold_to_t1w")),
        *(("bold_map", {**BOLD, "res": "3", "stat": stat}, True) for stat in ("mean", "tsnr", "alff", "falff", "reho")),
        *(("seed_map", {**BOLD, "res": "3", "label": seed}, True) for seed in ("handL", "handR", "legL", "legR")),
        *((role, LEGS, False) for role in ("eeg", "emg")),
        *((role, {**LEGS, "datatype": "eeg"}, False) for role in ("channels", "windows", "features", "spectrum")),
        *((role, {"desc": "fmale"}, False) for role in ("prediction", "prediction_table")),
        ("quality", {}, False),
    ],
)
def test_the_outputs_of_the_contract_are_there(out: Path, role: str, labels: dict[str, str], standard: bool) -> None:
    outputs = Outputs(out, "04")
    assert (outputs.standard if standard else outputs.path)(role, **labels).is_file()


def test_every_file_is_in_the_table_of_names(out: Path) -> None:
    files = {path for path in out.rglob("*") if path.is_file()} - {
        out / "dataset_description.json",
        out / ".bidsignore",
    }
    files -= {sidecar_of(path) for path in files if path.suffix != ".json"}
    whole = [re.sub(r"\{\w+\}", "*", template) for template in DATASET_FILES.values()]
    for path in files:
        of_dataset = any(path.relative_to(out).match(name) for name in whole)
        assert of_dataset or any(is_named(path, role) for role in UNIT_FILES), path


def test_every_image_and_table_has_a_sidecar_with_its_sources(out: Path, example: Path) -> None:
    for path in out.glob("sub-*/**/*"):
        if not (path.name.endswith(NIFTI) or is_named(path, "confounds")):
            continue
        sidecar = json.loads(sidecar_of(path).read_text())
        assert sidecar["Sources"], path
        for uri in sidecar["Sources"]:
            dataset, name = re.fullmatch(r"bids:(\w*):(.+)", uri).groups()
            root = {"": out, "raw": example}.get(dataset, example / "derivatives" / dataset)
            assert (root / name).is_file(), uri


def test_the_standard_grid_and_the_range_of_the_maps(out: Path) -> None:
    for param in PARAMS:
        image = nib.load(Outputs(out, "04").standard("tensor_map", **param))
        assert image.shape == (91, 109, 91)
        assert np.allclose(image.affine, [[-2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
        data = image.get_fdata(dtype=np.float32)
        brain = data[data > 0]
        assert np.isfinite(data).all()
        if param == {"param": "fa"}:
            assert brain.max() <= 1
        else:
            assert 3e-4 < np.median(brain) < 2.5e-3  # mm^2/s


def test_the_prediction_says_what_the_contract_asks(out: Path) -> None:
    prediction = json.loads(Outputs(out, "04").path("prediction", desc="fmale").read_text())
    low, high = prediction["probability_poor_interval"]
    assert 0 <= low <= prediction["probability_poor"] <= high <= 1
    assert prediction["prediction"] in ("poor", "good", "abstain")
    assert 0 <= prediction["predicted_score"] <= 34
    lowest, highest = prediction["predicted_score_interval"]
    assert 0 <= lowest < prediction["predicted_score"] < highest <= 34
    good, poor = prediction["decided_beyond"]
    assert (prediction["prediction"] == "poor") == (prediction["probability_poor"] > poor)
    assert (prediction["prediction"] == "good") == (prediction["probability_poor"] < good)
    assert set(prediction["baselines"]) > {"clinical", "tract_load", "parcels_linear", "parcels_trees", "ordinary_mean"}
    assert prediction["rules"] == []  # the tables have none of their columns
    assert len(prediction["members"]) == 18
    parts = [*prediction["members"].values(), prediction["early_fusion"]]
    assert sum(part["weight"] for part in parts) == pytest.approx(1)
    assert prediction["missing"] == {}
    assert prediction["model"]["demonstration"] is True
    assert not prediction["in_training_set"]
    assert any("synthetic" in warning for warning in prediction["warnings"])


def test_missing_modalities_are_named_and_the_others_weighed_anew(out: Path) -> None:
    prediction = json.loads(Outputs(out, "02").path("prediction", desc="fmale").read_text())
    assert prediction["missing"] == {
        **dict.fromkeys(("lesion", "lesion_regions", EARLY), "no-lesion"),
        **dict.fromkeys(("lstm", "eegemg_power", "eegemg_coherence"), "no-eeg"),
        **dict.fromkeys(("biomarkers_lesion", "biomarkers_eegemg"), "biomarkers-missing"),
    }
    assert len(prediction["members"]) == 11
    weights = {name: member["weight"] for name, member in prediction["members"].items()}
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["fa_regions"] > 0.1  # beside the early fusion it had nothing to add


def test_the_output_is_valid_bids(out: Path) -> None:
    program = Path(sys.executable).parent / "bids-validator-deno"
    done = subprocess.run([program, "--format", "json", out], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert done.returncode == 0


def test_status_and_reports(out: Path) -> None:
    table = pd.read_csv(out / "logs" / "status.tsv", sep="\t", dtype={"subject": str})
    assert list(table["subject"]) == list(SUBJECTS)
    assert set(table["status"]) == {"done"}
    assert (table["seconds"] > 0).all()
    for name in ("sub-02.html", "sub-04.html", "group.html"):
        page = (out / name).read_text()
        assert "esearch use only" in page
        assert "emonstration" in page
        for picture in re.findall(r'<img[^>]* src="([^"]+)"', page):
            assert picture.startswith("data:") or (out / picture).is_file()
        assert all(" alt=" in tag for tag in re.findall(r"<img[^>]*>", page))


def test_group_tables(out: Path) -> None:
    path = dataset_file(out, "participant_predictions")
    table = pd.read_csv(path, sep="\t")
    assert list(table["participant_id"]) == ["sub-02", "sub-04"]
    described = json.loads(sidecar_of(path).read_text())
    assert set(table.columns) <= set(described)
    evaluation = json.loads(dataset_file(out, "evaluation", name="group").read_text())
    assert evaluation["n"] == 2
    assert all(metric["value"] is None and metric["reason"] for metric in evaluation["metrics"])


def test_a_second_run_does_nothing_and_says_so(out: Path, example: Path) -> None:
    before = digests(out)
    begin = children_seconds()
    done = bids_stroke(example, out, "participant", "--participant-label", *SUBJECTS)
    assert children_seconds() - begin < 10  # a first run takes a minute and more
    assert done.returncode == 0
    assert "up to date: nothing to do" in done.stderr
    assert digests(out) == before


def test_a_lost_output_is_made_again_with_the_same_bytes(out: Path, example: Path, tmp_path: Path) -> None:
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    lost = Outputs(copy, "04").path("eeg", **LEGS)
    lost.unlink()
    done = bids_stroke(example, copy, "participant", "--participant-label", "04")
    assert done.returncode == 0, done.stderr
    assert re.search(r"sub-04: done in .* \(eegemg [\d.]+: outputs changed: .*_eeg.edf \(gone\)\)", done.stderr), (
        done.stderr
    )
    page = "sub-04.html"  # tells when its stages ended, and the command line
    assert {**digests(copy), page: ""} == {**digests(out), page: ""}


def test_reports_only_makes_lost_pages_and_figures_again_and_nothing_is_left_to_do(
    out: Path, example: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    figure = Outputs(copy, "04").path("figure", desc="tissues")
    figure.unlink()
    (copy / "sub-04.html").unlink()
    done = bids_stroke(example, copy, "participant", "--reports-only", "--participant-label", "04")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    page = "sub-04.html"
    assert {**digests(copy), page: ""} == {**digests(out), page: ""}
    text = (copy / page).read_text()
    assert "--reports-only" not in text and "participant --participant-label 02 04" in text  # what computed it
    assert "SimpleITK" in text and "iffusion tensor was fitted" in text
    done = bids_stroke(example, copy, "participant", "--participant-label", *SUBJECTS)
    assert "up to date: nothing to do" in done.stderr


@pytest.mark.parametrize(
    "options", [["--nprocs", "1"], ["--nprocs", "2"], ["--nprocs", "2", "--participant-label", "02"]], ids=" ".join
)
def test_asked_to_end_it_stops_at_once_and_leaves_no_temporary_files(
    example: Path, tmp_path: Path, options: list[str]
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    arguments = ["--modalities", "bold", "--model", "none", "--skip-bids-validation", *options]
    command = [sys.executable, "-m", "bids_stroke", str(example), str(tmp_path / "out"), "participant", *arguments]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    while not list(scratch.glob("bids_stroke_*/sub-*_anat_*")) and running.poll() is None:
        time.sleep(0.05)
    workers = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    assert "Stopped. What is finished is kept" in said and "Traceback" not in said
    assert list(scratch.iterdir()) == []
    assert not psutil.wait_procs(workers, timeout=10)[1]


def test_one_person_on_several_cpus_has_the_same_bytes_and_less_to_wait_for(
    out: Path, example: Path, tmp_path: Path
) -> None:
    """Steps side by side, each in a process of its own: they wait where they need what the anat step gives."""
    done = bids_stroke(example, tmp_path, "participant", "--participant-label", "04", "--nprocs", 4)
    assert done.returncode == 0, done.stderr
    assert "4 steps or volumes of a unit at a time" in " ".join(done.stderr.split())
    whole = digests(out)
    assert {name: digest for name, digest in digests(tmp_path).items() if name.startswith("sub-04/")} == {
        name: digest for name, digest in whole.items() if name.startswith("sub-04/")
    }
    (line,) = re.findall(r"sub-04: done in ([\d.]+) s \((.*)\)", done.stderr)
    assert float(line[0]) < sum(map(float, re.findall(r" ([\d.]+)", f" {line[1]}")))


def test_killed_and_run_again_ends_with_the_same_bytes(out: Path, example: Path, tmp_path: Path) -> None:
    copy = tmp_path / "out"
    arguments = ["--participant-label", "02", "--modalities", "bold", "--skip-bids-validation"]
    command = [sys.executable, "-m", "bids_stroke", str(example), str(copy), "participant", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    anat = manifest_path(copy, "sub-02", "anat")
    while not anat.is_file() and running.poll() is None:
        time.sleep(0.05)
    work = psutil.Process(running.pid).children()
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not psutil.wait_procs(work, timeout=10)[1]
    assert anat.is_file()
    assert not manifest_path(copy, "sub-02", "prediction").is_file()
    assert [status.reason for status in read_statuses(copy).units] == ["interrupted"]
    done = bids_stroke(example, copy, "participant", *arguments)
    assert done.returncode == 0, done.stderr
    assert "anat" not in re.search(r"sub-02: done in .*", done.stderr)[0]
    assert [status.status for status in read_statuses(copy).units] == ["done"]
    whole = digests(out)
    for name, digest in digests(copy).items():
        if re.match(r"sub-02/(anat|func)/", name):
            assert whole[name] == digest, name
