"""A modality that the package does not have, FLAIR, added in the places that CONTRIBUTING names and nowhere else.

It is written into a copy of the sources. The real app then finds its files, preprocesses and shows them, trains on them
and predicts by them, and the tests that ask the registries pass as they stand.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import Outputs
from tests.conftest import ROOT
from tests.helpers.bids import make_dataset

FILES = {
    "preprocess/flair/__init__.py": '"""FLAIR images."""\n',
    "preprocess/flair/step.py": '''"""FLAIR images on the standard grid, by their affine."""

from bids_stroke.core.records import StepReport
from bids_stroke.imaging.images import array, load_image
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.imaging.transforms import resample


def run(context):
    """Bring the FLAIR image of a session onto the standard grid."""
    (file,) = context.session.files("flair")
    image = resample(load_image(file.path, 3), standard_grid())
    path = context.outputs.standard("flair")
    context.outputs.save_image(path, image, {"Sources": context.outputs.sources([file])})
    return StepReport(outputs={"flair": (path,)}, qc={"brightest": float(array(image).max())})
''',
    "report/figures/flair.py": '''"""Figure of the FLAIR image in standard space."""

import nibabel as nib

from bids_stroke.report.figures.common import feature_files, standard_brain
from bids_stroke.report.figures.slices import Panel, draw_slices, slice_heights


def draw_flair(outputs, reports):
    """Draw slices of the FLAIR image in standard space."""
    for path in feature_files(reports, "flair"):
        panels = [Panel(nib.load(path), "FLAIR")]
        yield "", draw_slices("FLAIR", panels, slice_heights(standard_brain(), 4), standard_brain())
''',
}
"""New files, below bids_stroke/."""
LINES = (
    ("core/modalities.py", "QUERIES: Mapping[str, Query] = {", '    "flair": Query("FLAIR"),'),
    (
        "core/modalities.py",
        '        Modality("eegemg", "EEG and EMG", "eegemg", ("eeg", "emg"), sample="window", network="lstm"),',
        '        Modality("flair", "FLAIR image", "flair", ("flair",), scale=0.01),',
    ),
    (
        "preprocess/registry.py",
        '        Step("eegemg", inputs=("eeg", "emg"), settings="eegemg"),',
        '        Step("flair", inputs=("flair",)),',
    ),
    (
        "derivatives/names.py",
        "UNIT_FILES: Mapping[str, OutputName] = {",
        '    "flair": OutputName("anat", "FLAIR", NIFTI, {**_STANDARD, "desc": "preproc"}),',
    ),
    (
        "quality/rules.py",
        "_ANAT = {",
        '    "flair/brightest": Rule("brightest voxel", "1", "Of the image as it was measured", (1.0, None)),',
    ),
    (
        "report/methods.py",
        '        "maps": (Said("Ready maps of other tools were resampled to the grid of the template"),),',
        '        "flair": (Said("FLAIR images were resampled to the grid of the template"),),',
    ),
    ("report/figures/unit.py", "from matplotlib.figure import Figure", "from bids_stroke.report.figures import flair"),
    (
        "report/figures/unit.py",
        "FIGURES: tuple[UnitFigure, ...] = (",
        '    UnitFigure("flair", ("flair",), flair.draw_flair, "FLAIR in standard space", "Old lesions are bright."),',
    ),
)
"""New lines: below bids_stroke/, file, the line after which it stands, line."""
DOCUMENTED = "| `flair` | `anat/P_space-S_res-<label>_desc-preproc_FLAIR.nii.gz` | FLAIR image | arbitrary |"
"""In the table of docs/outputs.md."""
ASK_THE_REGISTRIES = (
    "core/test_modalities.py", "core/test_records.py", "preprocess/test_registry.py", "derivatives/test_names.py",
    "quality/test_rules.py", "features/test_readers.py", "app/test_plan.py", "training/test_members.py",
    "report/figures/test_unit.py", "evaluation/test_missing_modalities.py",
)  # fmt: skip
SETTINGS = {
    "seed": 1,
    "training": {
        "members": {"flair_regions": {"modality": "flair", "network": "regions", "inputs": {"shrink": 2}}},
        "outer_folds": 2,
        "inner_folds": 2,
        "bootstrap": 100,
        "permutations": 100,
    },
}
PLANNED = """
from pathlib import Path
from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.core.settings import Settings
from bids_stroke.training.cohort import make_cohort
from bids_stroke.training.members import planned_members
unit = Labelled(UnitFeatures("01", None, {"flair": (Path("flair.nii.gz"),)}, {}, {"age": 60.0}), 10, True)
print(*[(member.name, member.network) for member, _ in planned_members(Settings(), make_cohort([unit], "fma_le"))])
"""


def add_after(path: Path, line: str, new: str) -> None:
    text = path.read_text()
    assert text.count(f"\n{line}\n") == 1, (path, line)
    path.write_text(text.replace(f"\n{line}\n", f"\n{line}\n{new}\n"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with all that a new modality is made of. One map on the standard grid has a reader."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("bids_stroke", "tests", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "README.md"):
        shutil.copy(ROOT / name, copy)
    for name, content in FILES.items():
        (copy / "bids_stroke" / name).parent.mkdir(exist_ok=True)
        (copy / "bids_stroke" / name).write_text(content)
    for name, line, new in LINES:
        add_after(copy / "bids_stroke" / name, line, new)
    outputs = (copy / "docs" / "outputs.md").read_text()
    (before,) = (line for line in outputs.splitlines() if line.startswith("| `lesion_shares` |"))
    add_after(copy / "docs" / "outputs.md", before, DOCUMENTED)
    return copy


def python(checkout: Path, *arguments: object) -> str:
    """What a command says; it must end with 0."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def app(checkout: Path, *arguments: object) -> None:
    python(checkout, "-m", "bids_stroke", *arguments, "--skip-bids-validation", "--nprocs", 2)


def write_flair(t1w: Path, path: Path, brightness: float = 1.0) -> None:
    """A T1w with dark and bright exchanged."""
    image = nib.load(t1w)
    data = np.asanyarray(image.dataobj)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image((brightness * (data.max() - data)).astype(np.int16), image.affine).to_filename(path)


def test_contributing_names_these_places() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith("| add a modality |"))
    named = {name for name in re.findall("`([^`]+)`", row) if "/" in name}
    named = {re.sub("NAME/$", "flair/", name) for name in named} - {"features/readers.py"}
    touched = {*FILES, *(name for name, _, _ in LINES)}
    assert {next(name for name in named if path.startswith(name)) for path in touched} == named


def test_the_app_takes_it_like_any_other(checkout: Path, example: Path, tmp_path: Path) -> None:
    raw, out = shutil.copytree(example, tmp_path / "raw"), tmp_path / "out"
    anat = raw / "sub-02" / "anat"
    write_flair(anat / "sub-02_T1w.nii.gz", anat / "sub-02_FLAIR.nii.gz")
    options = ("--participant-label", "02", "--modalities", "flair", "--model", "none")
    app(checkout, raw, out, "participant", *options)
    unit = out / "sub-02"
    sidecar = json.loads((unit / "anat" / "sub-02_space-MNI152NLin2009aSym_res-2_desc-preproc_FLAIR.json").read_text())
    assert sidecar["Sources"] == ["bids:raw:sub-02/anat/sub-02_FLAIR.nii.gz"]
    manifest = json.loads((out / "logs" / "manifests" / "person-02_step-flair.json").read_text())
    assert list(manifest["report"]["outputs"]) == ["flair"]
    page = (out / "sub-02.html").read_text()
    for text in ("FLAIR image", "brightest voxel", "FLAIR in standard space", "Old lesions are bright."):
        assert text in page
    assert Outputs(out, "02").path("figure", desc="flair").stat().st_size > 10_000


def test_without_settings_a_network_is_planned_for_it(checkout: Path) -> None:
    assert python(checkout, "-c", PLANNED) == "('flair', 'cbam_resnet3d') ('clinical', 'covariates')\n"


def test_an_ensemble_is_trained_on_it_and_predicts_by_it(checkout: Path, example: Path, tmp_path: Path) -> None:
    people = range(1, 17)
    rows = [f"sub-{i}\t{60 + i % 3}\t{i + 9}" for i in people]
    table = "\n".join(["participant_id\tage\tfma_le", *rows]) + "\n"
    raw, out = make_dataset(tmp_path / "raw", {"participants.tsv": table}), tmp_path / "out"
    for i in people:
        t1w = example / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
        write_flair(t1w, raw / f"sub-{i}" / "anat" / f"sub-{i}_FLAIR.nii.gz", brightness=i / 10)
    config = tmp_path / "settings.yml"
    config.write_text(json.dumps(SETTINGS))
    app(checkout, raw, out, "participant", "--config", config, "--model", "none")
    app(checkout, raw, out, "train", "--config", config)
    app(checkout, raw, out, "participant", "--config", config, "--model", out / "models" / "ensemble")
    prediction = json.loads(Outputs(out, "2").path("prediction", desc="fmale").read_text())
    assert prediction["members"]["flair_regions"]["modality"] == "flair"
    app(checkout, raw, out, "group", "--config", config)
    assert set(pd.read_csv(dataset_file(out, "patterns", name="group"), sep="\t")["modalities"]) == {"flair"}


def test_no_test_lists_modalities_by_hand(checkout: Path) -> None:
    files = [checkout / "tests" / name for name in ASK_THE_REGISTRIES]
    python(checkout, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not real", *files)
