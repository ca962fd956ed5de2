"""The step: which numbers come of which files, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.biomarkers import BIOMARKERS, of_group
from bids_stroke.core.records import Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.biomarkers import read_biomarkers
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.features.readers import GRID_AFFINE, GRID_SHAPE
from bids_stroke.preprocess.biomarkers import step
from bids_stroke.preprocess.registry import STEPS, StepContext

EVERYTHING = Settings()


def image(path: Path, data: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(data.astype(np.float32), GRID_AFFINE).to_filename(path)
    return path


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(tmp_path, "1")


@pytest.fixture
def lesion(outputs: Outputs) -> StepReport:
    data = np.zeros(GRID_SHAPE)
    data[50:60, 45:60, 38:52] = 1  # on the left, where the internal capsule is
    return StepReport(outputs={"lesion": (image(outputs.standard("lesion_mask"), data),)})


@pytest.fixture
def dwi(outputs: Outputs) -> StepReport:
    fa = np.full(GRID_SHAPE, 0.5)
    fa[46:] = 0.3
    return StepReport(outputs={"fa": (image(outputs.standard("tensor_map", param="fa"), fa),)})


def run(outputs: Outputs, settings: Settings = EVERYTHING, **earlier: StepReport) -> StepReport:
    return step.run(StepContext(Session("1", None), outputs, settings, earlier, outputs.root))


def known(report: StepReport) -> dict[str, float]:
    return {name: value for name, value in read_biomarkers(report.outputs["biomarkers"][0]).items() if value == value}


def test_numbers_of_what_is_there_and_nothing_else(outputs: Outputs, lesion: StepReport, dwi: StepReport) -> None:
    found = known(run(outputs, lesion=lesion, dwi=dwi))
    of_fa = {name for name in of_group("dwi") if "_fa_" in name}
    assert set(found) == {*of_group("lesion"), *of_fa}
    assert found["lesion_volume_ml"] == pytest.approx(10 * 15 * 14 * 0.008)
    assert found["lesion_laterality"] == 1.0
    assert found["cst_load_left"] > 0.05 > found["cst_load_right"] == 0.0
    assert found["plic_fa_asymmetry"] == pytest.approx(0.2 / 0.8, abs=1e-3)
    assert found["plic_fa_left"] < found["plic_fa_right"]


def test_of_bold_and_of_recordings(outputs: Outputs, tmp_path: Path) -> None:
    bold = StepReport(outputs={"bold": ()}, qc={"hand_left_right_z": 0.8})
    found = known(run(outputs, bold=bold))
    assert found == {"hand_connectivity_z": 0.8}


def test_ready_maps_count_before_those_that_were_computed(outputs: Outputs, dwi: StepReport) -> None:
    ready = image(outputs.standard("external_tensor_map", param="fa"), np.full(GRID_SHAPE, 0.4))
    found = known(run(outputs, dwi=dwi, maps=StepReport(outputs={"fa": (ready,)})))
    assert found["cst_fa_left"] == pytest.approx(0.4)


def test_what_is_not_asked_for_gives_no_number(outputs: Outputs, lesion: StepReport, dwi: StepReport) -> None:
    found = known(run(outputs, Settings(modalities=("fa",)), lesion=lesion, dwi=dwi))
    assert {BIOMARKERS[name].group for name in found} == {"dwi"}


def test_without_any_number_no_table_is_left(outputs: Outputs, lesion: StepReport) -> None:
    path = run(outputs, lesion=lesion).outputs["biomarkers"][0]
    assert path.is_file()
    assert run(outputs, Settings(modalities=("gm",)), lesion=lesion) == StepReport()
    assert not path.exists()


def test_the_sidecar_defines_every_column_and_says_what_is_mirrored(outputs: Outputs, lesion: StepReport) -> None:
    path = run(outputs, lesion=lesion).outputs["biomarkers"][0]
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert set(sidecar) == {*BIOMARKERS, "Sources"}
    assert sidecar["Sources"] == [outputs.uri(lesion.outputs["lesion"][0])]
    assert "Zhu" in sidecar["cst_load"]["Reference"]
    mirrored = StepReport(outputs=lesion.outputs, qc={"mirrored": 1.0})
    path = run(outputs, lesion=mirrored).outputs["biomarkers"][0]
    assert json.loads(path.with_suffix(".json").read_text())["Mirrored"] is True


def test_every_step_that_measures_is_read() -> None:
    assert set(step.ORDER) == set(STEPS["biomarkers"].after)
