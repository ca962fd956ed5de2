"""A modality that the package does not have, FLAIR, added in the places that CONTRIBUTING names and nowhere else.

The real app then finds it, preprocesses it, shows it, trains on it and predicts by it.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_stroke import preprocess
from bids_stroke.app.plan import step_reports
from bids_stroke.cli.app import main
from bids_stroke.core.modalities import MODALITIES, QUERIES, Modality, Query
from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import GRID, NIFTI, UNIT_FILES, OutputName
from bids_stroke.preprocess.registry import STEPS, Step
from bids_stroke.quality import judge
from bids_stroke.quality.rules import RULES, Rule
from bids_stroke.training.cohort import make_cohort
from bids_stroke.training.members import planned_members
from tests.helpers.bids import make_dataset

STEP = '''
"""FLAIR images on the standard grid, by their affine."""

from bids_stroke.core.records import StepReport
from bids_stroke.imaging.images import array, load_image
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.imaging.transforms import resample


def run(context):
    (file,) = context.session.files("flair")
    image = resample(load_image(file.path, 3), standard_grid())
    path = context.outputs.standard("flair")
    context.outputs.save_image(path, image, {"Sources": context.outputs.sources([file])})
    return StepReport(outputs={"flair": (path,)}, qc={"brightest": float(array(image).max())})
'''
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


@pytest.fixture
def flair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """All that a new modality is made of: record and query, step, names, rules. A map has a reader already."""
    monkeypatch.setitem(QUERIES, "flair", Query("FLAIR"))
    monkeypatch.setitem(MODALITIES, "flair", Modality("flair", "FLAIR image", "flair", ("flair",), scale=0.01))
    folder = tmp_path / "preprocess" / "flair"
    folder.mkdir(parents=True)
    (folder / "step.py").write_text(STEP)
    monkeypatch.setattr(preprocess, "__path__", [*preprocess.__path__, str(folder.parent)])
    monkeypatch.setitem(STEPS, "flair", Step("flair", inputs=("flair",)))
    monkeypatch.setitem(UNIT_FILES, "flair", OutputName("anat", "FLAIR", NIFTI, {"desc": "preproc"}, GRID))
    rule = Rule("brightest voxel", "1", "Of the image as it was measured", (1.0, None))
    monkeypatch.setattr(judge, "RULES", {**RULES, "flair/brightest": rule})
    yield
    for name in ("bids_stroke.preprocess.flair.step", "bids_stroke.preprocess.flair"):
        sys.modules.pop(name, None)
    vars(preprocess).pop("flair", None)


def write_flair(t1w: Path, path: Path, brightness: float = 1.0) -> None:
    """A T1w with dark and bright exchanged."""
    image = nib.load(t1w)
    data = np.asanyarray(image.dataobj)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image((brightness * (data.max() - data)).astype(np.int16), image.affine).to_filename(path)


def app(*arguments: object) -> None:
    """The command line, in this process, which knows the modality."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--skip-bids-validation", "--nprocs", "1", "--quiet"])
    assert ended.value.code == 0


@pytest.mark.usefixtures("flair")
def test_the_app_takes_it_like_any_other(example: Path, tmp_path: Path) -> None:
    raw, out = shutil.copytree(example, tmp_path / "raw"), tmp_path / "out"
    anat = raw / "sub-02" / "anat"
    write_flair(anat / "sub-02_T1w.nii.gz", anat / "sub-02_FLAIR.nii.gz")
    app(raw, out, "participant", "--participant-label", "02", "--modalities", "flair", "--model", "none")
    reports = step_reports(out, "sub-02")
    assert list(reports) == ["flair"]
    (path,) = reports["flair"].outputs["flair"]
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert path.name == "sub-02_space-MNI152NLin2009aSym_res-2_desc-preproc_FLAIR.nii.gz"
    assert sidecar["Sources"] == ["bids:raw:sub-02/anat/sub-02_FLAIR.nii.gz"]
    page = (out / "sub-02.html").read_text()
    assert "brightest voxel" in page
    assert "FLAIR image" in page


@pytest.mark.usefixtures("flair")
def test_without_settings_a_network_is_planned_for_it() -> None:
    unit = Labelled(UnitFeatures("01", None, {"flair": (Path("flair.nii.gz"),)}, {}, {"age": 60.0}), 10, True)
    member, options = planned_members(Settings(), make_cohort([unit], "fma_le"))[0]
    assert (member.name, member.modality, member.network) == ("flair", "flair", "cbam_resnet3d")
    assert member.inputs == {"scale": 0.01, "shrink": 1}
    assert options == Settings().training


@pytest.mark.usefixtures("flair")
def test_an_ensemble_is_trained_on_it_and_predicts_by_it(example: Path, tmp_path: Path) -> None:
    people = range(1, 17)
    rows = [f"sub-{i}\t{60 + i % 3}\t{i + 9}" for i in people]
    table = "\n".join(["participant_id\tage\tfma_le", *rows]) + "\n"
    raw, out = make_dataset(tmp_path / "raw", {"participants.tsv": table}), tmp_path / "out"
    for i in people:
        t1w = example / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
        write_flair(t1w, raw / f"sub-{i}" / "anat" / f"sub-{i}_FLAIR.nii.gz", brightness=i / 10)
    config = tmp_path / "settings.yml"
    config.write_text(json.dumps(SETTINGS))
    options = ("--config", config)
    app(raw, out, "participant", *options, "--model", "none")
    app(raw, out, "train", *options)
    model = out / "models" / "ensemble"
    app(raw, out, "participant", *options, "--model", model)
    prediction = json.loads((out / "sub-2" / "sub-2_desc-fmale_prediction.json").read_text())
    assert prediction["members"]["flair_regions"]["modality"] == "flair"
    app(raw, out, "group", *options)
    assert set(pd.read_csv(out / "group_patterns.tsv", sep="\t")["modalities"]) == {"flair"}
