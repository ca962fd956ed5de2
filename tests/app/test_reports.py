"""``--reports-only``: pages and figures of what is there, and a word on what is not."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from bids_stroke.app.belonging import claim
from bids_stroke.app.model import FEATURES_ONLY
from bids_stroke.app.plan import UnitTask, plan_unit
from bids_stroke.app.reports import run_reports
from bids_stroke.app.request import Request
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import InputError
from bids_stroke.core.records import StepReport, UnitStatus
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.derivatives.status import write_status
from tests.helpers.bids import make_dataset
from tests.helpers.figures import brain

LABELS = ("1", "2", "3")
NAME = "Test cohort"


def leave(request: Request, label: str) -> None:
    """What the participant level leaves of a person with a T1w: images in place, manifests that say so."""
    session = next(item for item in find_sessions(request.selection) if item.subject == label)
    task = UnitTask(session, request.output_dir, request.output_dir, request.settings, None, NAME)
    outputs = Outputs(request.output_dir, label)
    noise = np.random.default_rng(int(label)).random(brain().shape)
    for stage in (item for item in plan_unit(task) if item.step):
        report = StepReport(qc={"brain_volume_ml": 1400.0} if stage.name == "anat" else {})
        if stage.name == "anat":
            files = {
                "t1w": outputs.save_image(outputs.path("t1w"), brain(noise + 1), {}),
                "brain_mask": outputs.save_image(outputs.path("brain_mask"), brain(), {}),
                "gm": outputs.save_image(outputs.path("tissue_probability", label="GM"), brain(noise), {}),
                "wm": outputs.save_image(outputs.path("tissue_probability", label="WM"), brain(noise), {}),
            }
            report = replace(report, files=files)
        done = manifest.make_manifest(request.output_dir, stage.recipe, stage.inputs, [], report)
        manifest.write_manifest(stage.manifest_path(task), request.output_dir, done)
    write_status(request.output_dir, UnitStatus(label, None, "done"))


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """Three people, of whom two were computed."""
    raw = make_dataset(tmp_path / "raw", {f"sub-{label}/anat/sub-{label}_T1w.nii.gz": "head" for label in LABELS})
    request = Request(
        "participant", tmp_path / "out", Selection(raw), Settings(), Execution(), FEATURES_ONLY, reports_only=True
    )
    request.output_dir.mkdir()
    claim(request.output_dir, raw, NAME)
    for label in LABELS[:2]:
        leave(request, label)
    return request


def run(request: Request) -> str:
    said = io.StringIO()
    assert run_reports(request, find_sessions(request.selection), NAME, Console(file=said, width=500)) == 0
    return said.getvalue()


def files_of(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}


def test_pages_and_figures_come_from_what_is_there_and_nothing_else_changes(asked: Request) -> None:
    before = files_of(asked.output_dir)
    said = run(asked)
    assert "Warning: sub-3: nothing there is current: it was never computed." in said
    page = (asked.output_dir / "sub-1.html").read_text()
    assert page.count("data:image/png;base64,") == 1 and "Tissues on the T1-weighted image" in page
    assert not (asked.output_dir / "sub-3.html").exists()
    after = files_of(asked.output_dir)
    assert {path: after[path] for path in before} == before
    assert files_of(asked.output_dir) == after and run(asked)  # once more:
    assert files_of(asked.output_dir) == after


def test_the_participant_level_has_nothing_to_draw_again(asked: Request) -> None:
    run(asked)
    session = find_sessions(asked.selection)[0]
    task = UnitTask(session, asked.output_dir, asked.output_dir, asked.settings, None, NAME)
    assert {stage.name: stage.earlier_report(task)[1] for stage in plan_unit(task)} == dict.fromkeys(
        [stage.name for stage in plan_unit(task)], ""
    )


def test_what_the_dataset_no_longer_gives_is_said_and_its_page_left_alone(asked: Request) -> None:
    run(asked)
    for path in asked.output_dir.rglob("*.html"):
        os.utime(path, ns=(1, 1))
    (asked.selection.bids_dir / "sub-2" / "anat" / "sub-2_T1w.nii.gz").write_text("another head")
    said = run(asked)
    assert "sub-2: nothing there is current: anat (inputs changed: sub-2_T1w.nii.gz)" in said
    assert (asked.output_dir / "sub-2.html").stat().st_mtime_ns == 1


def test_a_figure_that_cannot_be_drawn_costs_no_page(asked: Request) -> None:
    path = Outputs(asked.output_dir, "1").path("t1w")
    flat = nib.Nifti1Image(np.zeros((4, 4), np.float32), np.eye(4))
    flat.to_filename(path)
    done = manifest.read_manifest(manifest.manifest_path(asked.output_dir, "sub-1", "anat"), asked.output_dir)
    assert done is not None
    again = manifest.make_manifest(asked.output_dir, done.recipe, map(Path, done.inputs), [], done.report)
    manifest.write_manifest(manifest.manifest_path(asked.output_dir, "sub-1", "anat"), asked.output_dir, again)
    assert "Warning: sub-1: its figures were not drawn: " in run(asked)
    assert (asked.output_dir / "sub-1.html").is_file() and (asked.output_dir / "sub-2.html").is_file()


def test_an_empty_output_is_refused(asked: Request, tmp_path: Path) -> None:
    empty = replace(asked, output_dir=tmp_path / "empty")
    with pytest.raises(InputError, match="holds nothing of the selected units that is current"):
        run(empty)
