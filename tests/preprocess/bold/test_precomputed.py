"""Maps of a BOLD run that fMRIPrep has preprocessed are those of the raw run; wrong confounds are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from scipy.ndimage import binary_erosion

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import parse, sidecar_of
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import array
from bids_stroke.imaging.motor_areas import MOTOR_AREAS
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.bold import step
from bids_stroke.preprocess.bold.headless import Headless
from bids_stroke.preprocess.bold.precomputed import read_confounds, without_headless
from bids_stroke.preprocess.registry import StepContext
from tests.helpers.bids import make_dataset

CASYM = "space-MNI152NLin2009cAsym_res-2"
N_UNSTEADY = 2


def process(folder: Path, session: Session) -> StepReport:
    (folder / "work").mkdir(parents=True)
    return step.run(StepContext(session, Outputs(folder, session.subject), Settings(), {}, folder / "work"))


@pytest.fixture(scope="module")
def raw_report(tmp_path_factory: pytest.TempPathFactory, example: Path) -> StepReport:
    unit = find_sessions(Selection(example, participant_labels=("02",)))[0]
    return process(tmp_path_factory.mktemp("raw"), unit)


def write_table(path: Path, ours: Path) -> None:
    """Our confounds as fMRIPrep writes them: with rows for the volumes that are not steady, and many more columns."""
    table = pd.read_csv(ours, sep="\t", na_values="n/a")
    rng = np.random.default_rng(0)
    first = table.iloc[[0] * N_UNSTEADY].assign(csf=1e4, white_matter=1e4)
    table = pd.concat([first, table], ignore_index=True)
    for name in ("csf_wm", "a_comp_cor_00", "w_comp_cor_00", "edge_comp_00", "rmsd"):
        table[name] = rng.standard_normal(len(table))
    for index in range(N_UNSTEADY):
        table[f"non_steady_state_outlier{index:02d}"] = (np.arange(len(table)) == index).astype(float)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")


def as_fmriprep(folder: Path, report: StepReport, space: str) -> Path:
    """Aligned volumes of the raw run (in a standard space on another grid than ours), mask and confounds."""
    root = make_dataset(folder, {"sub-02/func/.keep": None})
    stem = root / "sub-02" / "func" / "sub-02_task-rest"
    series, mask = nib.load(report.files["bold"]), nib.load(report.files["bold_mask"])
    data = np.concatenate([1.3 * series.get_fdata()[..., :N_UNSTEADY], series.get_fdata()], axis=3)
    image, inside = nib.Nifti1Image(data.astype(np.float32), series.affine), mask
    if space:
        chain = [report.files["bold_to_standard"]]  # the registration of the raw run
        grid = standard_grid(2.5)
        volumes = [
            np.asarray(resample(nib.Nifti1Image(volume, image.affine), grid, chain).dataobj)
            for volume in np.moveaxis(np.asarray(image.dataobj), 3, 0)
        ]
        image = nib.Nifti1Image(np.stack(volumes, axis=-1), grid.affine)
        near = np.asarray(
            resample(nib.Nifti1Image(mask.get_fdata().astype(np.float32), mask.affine), grid, chain).dataobj
        )
        inside = nib.Nifti1Image((near > 0.5).astype(np.uint8), grid.affine)
    end = f"_{space}" if space else ""
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], 2.0))
    image.to_filename(f"{stem}{end}_desc-preproc_bold.nii.gz")
    inside.to_filename(f"{stem}{end}_desc-brain_mask.nii.gz")
    sidecar = {"RepetitionTime": 2.0, "TaskName": "rest", "SkullStripped": False, "SliceTimingCorrected": False}
    Path(f"{stem}{end}_desc-preproc_bold.json").write_text(json.dumps(sidecar))
    write_table(Path(f"{stem}_desc-confounds_timeseries.tsv"), report.files["confounds"])
    return root


def ready_unit(example: Path, prep: Path) -> Session:
    return find_sessions(
        Selection(example, participant_labels=("02",), derivatives={"fmriprep": prep}, modalities=("bold",))
    )[0]


def likeness(one: StepReport, two: StepReport) -> dict[str, float]:
    """Correlation of each map within both brains."""
    found = {}
    for first, second in zip(one.outputs["bold"], two.outputs["bold"], strict=True):
        assert first.name == second.name
        x, y = nib.load(first).get_fdata(), nib.load(second).get_fdata()
        both = binary_erosion((x != 0) & (y != 0), iterations=2)  # its edge is where the interpolations differ most
        labels = parse(first.name).entities
        found[labels.get("label", labels["stat"])] = float(np.corrcoef(x[both], y[both])[0, 1])
    return found


@pytest.fixture(scope="module")
def own_space(tmp_path_factory: pytest.TempPathFactory, raw_report: StepReport, example: Path) -> Session:
    return ready_unit(example, as_fmriprep(tmp_path_factory.mktemp("prep") / "own", raw_report, ""))


def test_maps_in_the_runs_own_space_are_those_of_the_raw_run(
    raw_report: StepReport, own_space: Session, tmp_path: Path
) -> None:
    report = process(tmp_path, own_space)
    assert min(likeness(raw_report, report).values()) > 0.98  # measured: 0.991 to 0.9998
    same = ("n_volumes", "degrees_of_freedom", "mean_framewise_displacement_mm", "n_volumes_dropped")
    assert {name: report.qc[name] for name in same} == pytest.approx({name: raw_report.qc[name] for name in same})
    assert report.qc["n_volumes_dropped"] == N_UNSTEADY
    assert "bold_to_standard" in report.files
    assert any("of fmriprep replaces our corrections" in warning for warning in report.warnings)


def test_maps_in_standard_space_are_like_those_of_the_raw_run(
    raw_report: StepReport, example: Path, tmp_path: Path
) -> None:
    unit = ready_unit(example, as_fmriprep(tmp_path / "prep", raw_report, CASYM))
    report = process(tmp_path / "out", unit)
    found = likeness(raw_report, report)
    # the run has voxels of 6 mm: on a fine grid they are smooth, which changes all but the mean
    assert found["mean"] > 0.99  # measured: 0.9987
    assert min(found[seed] for seed in MOTOR_AREAS) > 0.85  # 0.90 to 0.94
    assert found["alff"] > 0.8  # 0.847
    reho = [
        np.median(nib.load(one.outputs["bold"][3]).get_fdata()[20:40, 20:50, 20:40]) for one in (report, raw_report)
    ]
    assert reho[0] > 2 * reho[1]
    assert any("ReHo is of a run that was resampled" in warning for warning in report.warnings)
    assert any("taken as equal to MNI152NLin2009aSym" in warning for warning in report.warnings)
    assert set(report.files) == {"bold_standard", "confounds"}
    sidecar = json.loads(sidecar_of(report.files["bold_standard"]).read_text())
    stem = "bids:fmriprep:sub-02/func/sub-02_task-rest"
    assert sidecar["Sources"] == [f"{stem}_{CASYM}_desc-preproc_bold.nii.gz", f"{stem}_{CASYM}_desc-brain_mask.nii.gz",
                                  f"{stem}_desc-confounds_timeseries.tsv"]  # fmt: skip
    confounds, _ = load_confounds(str(report.files["bold_standard"]), strategy=("motion", "high_pass", "wm_csf"))
    assert len(confounds) == report.qc["n_volumes"] == 46


def changed(source: Session, folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Session:
    item = source.files("bold")[0]
    path = folder / item.beside["confounds"].name
    change(pd.read_csv(item.beside["confounds"], sep="\t", na_values="n/a")).to_csv(path, sep="\t", index=False)
    return replace(source, raw={**source.raw, "bold": (replace(item, beside={**item.beside, "confounds": path}),)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.iloc[1:], "has 47 rows, .* has 48 volumes"),
        (lambda table: table.drop(columns=["trans_x", "rot_z"]), "lacks trans_x, rot_z"),
        (lambda table: table.assign(csf="high"), "something else than numbers under csf"),
        (lambda table: table.iloc[:0, :0], "cannot be read as a table"),
    ],
)
def test_confounds_that_cannot_be_those_of_the_run(
    own_space: Session, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    with pytest.raises(DataError, match=said) as error:
        process(tmp_path / "out", changed(own_space, tmp_path, change))
    assert error.value.reason == "bad-confounds"


def test_no_confounds_and_no_raw_run_is_an_error(own_space: Session, tmp_path: Path) -> None:
    alone = replace(own_space.files("bold")[0], beside={})
    with pytest.raises(DataError, match=r"no desc-confounds_timeseries\.tsv") as error:
        process(tmp_path, replace(own_space, raw={**own_space.raw, "bold": (alone,)}))
    assert error.value.reason == "no-confounds"


def test_a_mask_off_the_brain_and_too_few_steady_volumes_are_refused(own_space: Session, tmp_path: Path) -> None:
    item = own_space.files("bold")[0]
    mask = nib.load(item.beside["mask"])
    empty = tmp_path / "empty_mask.nii.gz"
    nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine).to_filename(empty)
    with pytest.raises(DataError, match=r"empty_mask\.nii\.gz: no voxel") as error:
        process(
            tmp_path / "a",
            replace(own_space, raw={**own_space.raw, "bold": (replace(item, beside={**item.beside, "mask": empty}),)}),
        )
    assert error.value.reason == "empty-brain-mask"
    unsteady = changed(own_space, tmp_path, lambda table: table.assign(
        **{f"non_steady_state_outlier{i:02d}": np.eye(48)[i] for i in range(30)}))  # fmt: skip
    with pytest.raises(MissingModalityError, match="18 volumes in steady state \\(of 48\\)"):
        process(tmp_path / "b", unsteady)


def test_what_is_taken_from_fmripreps_table(own_space: Session) -> None:
    table, steady = read_confounds(own_space.files("bold")[0], 48)
    assert steady.tolist() == [False] * N_UNSTEADY + [True] * 46
    assert table["csf"].max() < 1e4
    assert not [name for name in table if "comp_cor" in name or name in ("csf_wm", "rmsd")]
    assert {"trans_x_derivative1_power2", "cosine00", "std_dvars"} <= set(table)


def test_neighbours_stand_in_for_lost_volumes_and_their_confounds() -> None:
    data = np.tile(np.arange(8, dtype=np.float32), (3, 3, 2, 1))
    data[..., 4] = 0
    steady = np.array([False, *[True] * 7])
    table = pd.DataFrame({"csf": [1.0, 2, 3, 99, 5, 6, 99], "trans_x_derivative1": [np.nan, 1, 1, 99, 1, 1, 99]})
    headless = Headless(1, 1, np.arange(1, 7) == 4)
    whole, found, kept = without_headless(headless, nib.Nifti1Image(data, np.eye(4)), table, steady)
    np.testing.assert_array_equal(array(whole)[0, 0, 0], np.arange(8))
    assert kept.tolist() == [False, *[True] * 6, False]
    np.testing.assert_array_equal(found, [[1, np.nan], [2, 1], [3, 1], [4, 1], [5, 1], [6, 1]])
