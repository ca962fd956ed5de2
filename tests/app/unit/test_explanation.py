"""A unit's explanations on disk: files, sidecars, sides, and what is forgotten; the whole thing on a tiny bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_stroke.app.model import Model
from bids_stroke.app.plan import UnitTask
from bids_stroke.app.unit.explanation import affected_side, labels_of
from bids_stroke.app.unit.run import run_unit
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.records import Member, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.explanations import read_explanations
from bids_stroke.derivatives.names import UNIT_FILES
from bids_stroke.ensemble.bundle import Bundle, write_bundle
from bids_stroke.ensemble.explanation.verdict import Audit
from bids_stroke.features.readers import GRID_AFFINE, GRID_SHAPE
from bids_stroke.networks import registry
from tests.helpers.bids import make_dataset
from tests.helpers.units import tiny_contents, tiny_fusion, write_volume

MASK = "sub-1/anat/sub-1_space-MNI152NLin2009aSym_label-L_mask.nii.gz"
NAME = "m <b>1"
FAULTY = Audit(0.52, 0.4, 0.7, 0.8, 0.5, 0.0, 8)


def lesion_bundle(folder: Path) -> Bundle:
    """One small network on lesion masks, under a name that no file could have."""
    contents = tiny_contents(names=("a",))
    arguments = {"widths": [4, 4, 4, 8], "n_plain_blocks": 0, "dense": 4}
    member = Member(NAME, "lesion", "cbam_resnet3d", arguments, {"scale": 1.0, "shrink": 2})
    torch.manual_seed(0)
    network = registry.build(member.network, **arguments)
    network.head[-1].weight.data.abs_()  # type: ignore[union-attr]
    return write_bundle(
        folder,
        tiny_contents(
            names=("a",),
            members=(replace(contents.members[0], member=member),),
            states={NAME: network.state_dict()},
            fusion=tiny_fusion(NAME),
            audits={NAME: FAULTY},
        ),
    )


@pytest.fixture
def task(tmp_path: Path) -> UnitTask:
    """A person with a lesion mask in standard space, on the left."""
    raw = make_dataset(tmp_path / "raw", {})
    mask = np.zeros(GRID_SHAPE, np.uint8)
    mask[55:70, 45:60, 35:50] = 1
    write_volume(raw / MASK, mask)
    (session,) = find_sessions(Selection(raw))
    bundle = lesion_bundle(tmp_path / "model")
    settings = Settings(modalities=("lesion",))
    model = Model(bundle.path, bundle.sha256)
    return UnitTask(session, tmp_path / "out", tmp_path / "work", settings, model, "Test cohort")


def test_a_unit_says_where_its_network_looked(task: UnitTask) -> None:
    assert run_unit(task).status.status == "done"
    outputs = task.outputs
    path = outputs.standard("evidence", model="mb1", desc="gradcam")
    image = nib.load(path)
    assert image.shape == GRID_SHAPE and np.allclose(image.affine, GRID_AFFINE)
    assert image.get_data_dtype() == np.float32 and np.asarray(image.dataobj).min() >= 0
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert sidecar["Member"] == NAME and sidecar["Weight"] == 1.0 and sidecar["Units"] == "arbitrary"
    assert "poor outcome" in sidecar["Description"] and "no meaning across networks" in sidecar["Scale"]
    assert len(sidecar["LayerShape"]) == 3 and sidecar["Sources"][0].endswith("lesion_mask.nii.gz")
    (row,) = read_explanations(outputs.path("explanation"))
    assert (row.member, row.audit) == (NAME, "failed") and "no better than chance" in row.faults
    assert row.ipsilesional == row.left and row.outside_brain is not None
    assert (outputs.folder / "figures" / row.figure).is_file()
    written = [path for path in outputs.folder.rglob("*") if "explanation" in path.name or "explained" in path.name]
    assert all(
        any(kind.is_name(path.name) for kind in UNIT_FILES.values()) for path in written if path.suffix != ".json"
    )
    total = np.asarray(image.dataobj).sum(dtype=float)
    inside = np.asarray(image.dataobj)[55:70, 45:60, 35:50].sum(dtype=float)
    assert row.lesion == pytest.approx(inside / total, abs=1e-6)


def test_of_mirrored_maps_the_sides_are_those_of_the_person(task: UnitTask) -> None:
    """The mirrored person with `lesion_side: normalise` gives the network the same map: the rest is mirrored back."""
    run_unit(task)
    left = nib.load(task.outputs.standard("evidence", model="mb1", desc="gradcam"))
    (as_is,) = read_explanations(task.outputs.path("explanation"))
    raw = task.output_dir.with_name("raw")
    write_volume(raw / MASK, np.asarray(nib.load(raw / MASK).dataobj)[::-1].copy())
    (session,) = find_sessions(Selection(raw))
    settings = task.settings.model_copy(update={"lesion_side": "normalise"})
    mirrored = replace(task, session=session, settings=settings, output_dir=task.output_dir.with_name("mirrored"))
    assert run_unit(mirrored).status.status == "done"
    path = mirrored.outputs.standard("evidence", model="mb1", desc="gradcam")
    assert json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())["Mirrored"] is True
    assert np.array_equal(np.asarray(nib.load(path).dataobj), np.asarray(left.dataobj))
    (row,) = read_explanations(mirrored.outputs.path("explanation"))
    assert (row.right, row.left) == pytest.approx((as_is.left, as_is.right), abs=1e-6)
    assert (row.ipsilesional, row.lesion) == pytest.approx((as_is.ipsilesional, as_is.lesion), abs=1e-6)


def test_switched_off_it_leaves_nothing(task: UnitTask) -> None:
    run_unit(task)
    found = list(task.outputs.folder.rglob("*expla*"))
    assert found
    off = replace(task, settings=task.settings.model_copy(update={"explain": False}))
    assert run_unit(off).status.status == "done"
    assert not list(task.outputs.folder.rglob("*expla*"))
    assert list(task.outputs.folder.glob("*_prediction.json"))


def test_the_same_again_gives_the_same_bytes(task: UnitTask) -> None:
    run_unit(task)
    before = {path: path.read_bytes() for path in task.outputs.folder.rglob("*expla*")}
    run_unit(replace(task, force=True))
    assert before == {path: path.read_bytes() for path in task.outputs.folder.rglob("*expla*")}


@pytest.mark.parametrize(
    ("share", "column", "side"),
    [(0.9, "R", "L"), (0.05, "", "R"), (0.5, "L", ""), (None, "left", "L"), (None, "both", ""), (None, "", "")],
)
def test_the_affected_side_is_that_of_the_mask_or_else_of_the_table(
    share: float | None, column: str, side: str
) -> None:
    reports = {} if share is None else {"lesion": StepReport(qc={"lesion_side_left_fraction": share})}
    assert affected_side(reports, {"lesion_side": column}) == side


def test_names_of_files_are_safe_and_each_another() -> None:
    names = ["../../etc", "a_1", "a1", "a-1", "?", "!"]
    labels = labels_of(names)
    assert len(set(labels)) == len(names) and all(label.isalnum() for label in labels)
