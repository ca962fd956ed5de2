"""BOLD: maps against plain reference implementations, confounds, steady state, bad runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from bids_stroke.dataset import Selection, find_sessions
from bids_stroke.derivatives import Outputs
from bids_stroke.errors import DataError, MissingModalityError
from bids_stroke.preprocess import bold
from bids_stroke.preprocess.boldmaps import alff, reho
from bids_stroke.preprocess.confounds import MINIMUM_FREE, confound_table, nuisance_columns
from bids_stroke.preprocess.step import StepContext
from bids_stroke.records import BidsFile, StepReport
from bids_stroke.settings import BoldSettings, Settings

TR = 2.0
BAND = (0.01, 0.1)


def test_alff_is_the_mean_amplitude_within_the_band() -> None:
    rng = np.random.default_rng(0)
    n = 100
    series = rng.standard_normal((n, 3))
    time = np.arange(n) * TR
    amplitude, fraction = alff(series, TR, BAND)
    # the plain definition: project on each sine and cosine
    for voxel in range(3):
        sizes = {}
        for k in range(1, n // 2 + 1):
            angle = 2 * np.pi * k / (n * TR) * time
            sizes[k / (n * TR)] = 2 / n * np.hypot(series[:, voxel] @ np.cos(angle), series[:, voxel] @ np.sin(angle))
        inside = [size for frequency, size in sizes.items() if BAND[0] <= frequency <= BAND[1]]
        assert amplitude[voxel] == pytest.approx(np.mean(inside), rel=1e-5)
        assert fraction[voxel] == pytest.approx(sum(inside) / sum(sizes.values()), rel=1e-5)


def test_alff_of_a_slow_wave_is_large_and_of_a_fast_one_small() -> None:
    time = np.arange(200) * TR
    waves = np.stack([np.sin(2 * np.pi * 0.05 * time), np.sin(2 * np.pi * 0.2 * time)], axis=1)
    _, fraction = alff(waves, TR, BAND)
    assert fraction[0] > 0.95
    assert fraction[1] < 0.05


def test_reho_equals_kendalls_w_written_out() -> None:
    rng = np.random.default_rng(1)
    series = rng.standard_normal((4, 4, 4, 30)) + rng.standard_normal(30)
    mask = np.ones((4, 4, 4), dtype=bool)
    mask[0, 0, 0] = False
    result = reho(series, mask)
    ranks = [rankdata(series[i, j, k]) for i in range(3) for j in range(3) for k in range(3) if mask[i, j, k]]
    m, n = len(ranks), 30
    total = np.sum(ranks, axis=0)
    expected = 12 * ((total - total.mean()) ** 2).sum() / (m**2 * (n**3 - n))
    assert result[1, 1, 1] == pytest.approx(expected, rel=1e-5)
    assert result[0, 0, 0] == 0


def test_reho_of_identical_neighbours_is_one_and_few_neighbours_give_none() -> None:
    series = np.tile(np.random.default_rng(2).standard_normal(20), (5, 5, 5, 1))
    mask = np.ones((5, 5, 5), dtype=bool)
    result = reho(series, mask)
    assert np.allclose(result[1:-1, 1:-1, 1:-1], 1)
    assert result[0, 0, 0] == 0  # 7 of 26 neighbours


def test_confounds_have_fmriprep_names_and_plain_values() -> None:
    rng = np.random.default_rng(3)
    series = rng.normal(100, 1, (4, 4, 4, 12)).astype(np.float32)
    parameters = rng.normal(0, 0.1, (12, 6))
    masks = {"brain": np.ones((4, 4, 4), dtype=bool), "csf": np.zeros((4, 4, 4), dtype=bool)}
    masks["csf"][0] = True
    table = confound_table(series, parameters, masks)
    names = [
        f"{axis}{end}"
        for axis in ("trans_x", "rot_z")
        for end in ("", "_derivative1", "_power2", "_derivative1_power2")
    ]
    assert {*names, "framewise_displacement", "dvars", "global_signal", "csf"} <= set(table)
    assert sum(name.startswith(("trans_", "rot_")) for name in table) == 24
    assert table["trans_x_derivative1"][3] == pytest.approx(parameters[3, 0] - parameters[2, 0])
    assert table["rot_z_derivative1_power2"][3] == pytest.approx((parameters[3, 5] - parameters[2, 5]) ** 2)
    assert table["csf"][5] == pytest.approx(series[0, :, :, 5].mean(), rel=1e-6)
    change = (series[..., 4] - series[..., 3]).ravel().astype(np.float64)
    assert table["dvars"][4] == pytest.approx(np.sqrt((change**2).mean()), rel=1e-5)


def test_short_runs_use_fewer_confounds() -> None:
    table = confound_table(np.ones((2, 2, 2, 40), np.float32), np.zeros((40, 6)), {"brain": np.ones((2, 2, 2), bool)})
    assert len(nuisance_columns(table, 100)) == 24
    assert len(nuisance_columns(table, 12)) == 6
    assert nuisance_columns(table, MINIMUM_FREE - 1) == []


def test_confounds_and_frequencies_outside_the_band_are_gone() -> None:
    rng = np.random.default_rng(4)
    n = 200
    time = np.arange(n) * TR
    mask = np.ones((3, 3, 3), dtype=bool)
    slow = np.sin(2 * np.pi * 0.05 * time)
    motion = rng.standard_normal((n, 6)).cumsum(axis=0) * 0.02
    series = 100 + slow + 20 * motion[:, 0] + 0.3 * rng.standard_normal((3, 3, 3, n))
    table = confound_table(series.astype(np.float32), motion, {"brain": mask})
    maps, qc, warnings = bold.feature_maps(series.astype(np.float32), mask, table, (TR, BoldSettings()))
    clean = 100 + slow + 0.3 * rng.standard_normal((3, 3, 3, n))
    still = confound_table(clean.astype(np.float32), np.zeros((n, 6)), {"brain": mask})
    wanted, _, _ = bold.feature_maps(clean.astype(np.float32), mask, still, (TR, BoldSettings()))
    assert np.median(maps["alff"]) == pytest.approx(np.median(wanted["alff"]), rel=0.2)
    assert qc["n_confounds"] == 24
    assert warnings == []


def test_bright_first_volumes_are_found() -> None:
    rng = np.random.default_rng(5)
    series = rng.normal(100, 1, (6, 6, 6, 40)).astype(np.float32)
    assert bold.non_steady_volumes(series) == 0
    series[..., :3] *= np.array([1.5, 1.2, 1.1], np.float32)
    assert bold.non_steady_volumes(series) == 3


def run_file(tmp_path: Path, data: np.ndarray, metadata: dict, header_tr: float = TR) -> BidsFile:
    path = tmp_path / "sub-1_task-rest_bold.nii.gz"
    image = nib.Nifti1Image(data.astype(np.float32), np.diag([5.0, 5, 5, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((5, 5, 5, header_tr)[: data.ndim])
    image.to_filename(path)
    return BidsFile(path, {"task": "rest"}, metadata, "bids:raw:x")


def context_of(tmp_path: Path, item: BidsFile, example: Path) -> StepContext:
    session = replace(find_sessions(Selection(example, participant_labels=("02",)))[0], bold=(item,))
    return StepContext(session, Outputs(tmp_path / "out", "1"), Settings(), {}, tmp_path)


def test_tr_comes_from_the_sidecar_and_a_contradiction_is_said(tmp_path: Path) -> None:
    item = run_file(tmp_path, np.ones((4, 4, 4, 3)), {"RepetitionTime": 2.5})
    tr, warnings = bold.repetition_time(item, nib.load(item.path))
    assert tr == 2.5
    assert "2.5 s, the header says 2 s" in warnings[0]
    assert bold.repetition_time(replace(item, metadata={"RepetitionTime": 2.0}), nib.load(item.path)) == (2.0, [])


@pytest.mark.parametrize("metadata", [{}, {"RepetitionTime": "fast"}, {"RepetitionTime": 0}])
def test_a_missing_tr_names_file_and_key(tmp_path: Path, example: Path, metadata: dict) -> None:
    item = run_file(tmp_path, np.ones((4, 4, 4, 30)), metadata)
    with pytest.raises(DataError, match=r"sub-1_task-rest_bold\.nii\.gz.*RepetitionTime") as error:
        bold.run(context_of(tmp_path, item, example))
    assert error.value.reason == "missing-repetition-time"


@pytest.mark.parametrize("volumes", [1, 12])
def test_a_short_run_is_missing_with_its_number_of_volumes(tmp_path: Path, example: Path, volumes: int) -> None:
    item = run_file(tmp_path, np.ones((6, 6, 6, volumes)), {"RepetitionTime": TR})
    with pytest.raises(MissingModalityError, match=f"{volumes} volumes") as error:
        bold.run(context_of(tmp_path, item, example))
    assert error.value.reason == "too-few-volumes"


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory, example: Path) -> tuple[StepReport, Path]:
    """A run of the example without its T1w: straight to standard space."""
    folder = tmp_path_factory.mktemp("bold")
    session = find_sessions(Selection(example, participant_labels=("02",)))[0]
    return bold.run(StepContext(session, Outputs(folder, "02"), Settings(), {}, folder)), folder


def test_maps_in_standard_space_lie_on_the_brain(processed: tuple[StepReport, Path]) -> None:
    from bids_stroke.preprocess.images import array
    from bids_stroke.preprocess.registration import standard_grid, template
    from bids_stroke.preprocess.transforms import resample

    report, _ = processed
    assert [path.name.split("_stat-")[1] for path in report.outputs["bold"]] == [
        f"{name}_boldmap.nii.gz" for name in ("mean", "alff", "falff", "reho")
    ]
    brain = array(resample(template("mask"), standard_grid(3.0))) > 0.5
    mean = nib.load(report.outputs["bold"][0]).get_fdata() > 0
    assert mean.shape == brain.shape
    assert 2 * (mean & brain).sum() / (mean.sum() + brain.sum()) > 0.85
    assert any("No T1w" in warning for warning in report.warnings)


def test_numbers_and_confounds_are_written(processed: tuple[StepReport, Path]) -> None:
    report, _ = processed
    assert report.qc["n_volumes_dropped"] == 2  # the simulator makes the first two brighter
    assert 0 < report.qc["mean_framewise_displacement_mm"] < 1
    table = pd.read_csv(report.files["confounds"], sep="\t", na_values="n/a")
    assert len(table) == report.qc["n_volumes"]
    sidecar = json.loads(report.files["bold"].with_name("sub-02_task-rest_desc-preproc_bold.json").read_text())
    assert sidecar["RepetitionTime"] == 2.0
    assert nib.load(report.files["bold"]).header.get_zooms()[3] == pytest.approx(2.0)


def real_context(real_data: Path, folder: Path, subject: str, task: str) -> StepContext:
    selection = Selection(real_data / "bids_real_open", participant_labels=(subject,), task_labels=(task,))
    session = replace(find_sessions(selection)[0], t1w=())
    return StepContext(session, Outputs(folder, subject), Settings(), {}, folder)


@pytest.mark.real
def test_a_real_run(real_data: Path, tmp_path: Path) -> None:
    report = bold.run(real_context(real_data, tmp_path, "02", "oneback"))
    values = nib.load(report.outputs["bold"][3]).get_fdata()
    assert 0.05 < np.median(values[values > 0]) < 0.9
    assert report.qc["mean_framewise_displacement_mm"] < 2


@pytest.mark.real
def test_a_real_run_that_is_too_short(real_data: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingModalityError, match="has 20 volumes in steady state; 34 are needed"):
        bold.run(real_context(real_data, tmp_path, "01", "fa"))
