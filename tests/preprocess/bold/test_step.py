"""BOLD runs as a whole: what is read, what is refused, what is written, and where it lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine
from nilearn.interfaces.fmriprep import load_confounds
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import array, load_image
from bids_stroke.imaging.motion import motion_parameters, realign
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.bold import step
from bids_stroke.preprocess.bold.confounds import PARAMETERS
from bids_stroke.preprocess.bold.run import Carried, flag_motion
from bids_stroke.preprocess.registry import StepContext
from bids_stroke.simulate.bold import NETWORKS, simulate_bold
from bids_stroke.simulate.head import Pose, draw_head
from bids_stroke.simulate.lesion import draw_lesion
from bids_stroke.simulate.options import RESOLUTIONS
from tests.helpers.bold import TR, run_file

STATS = ("mean", "alff", "falff", "reho", "tsnr")
SEEDS = ("handL", "handR", "legL", "legR")


def context_of(folder: Path, *files: BidsFile) -> StepContext:
    return StepContext(Session("1", None, raw={"bold": files}), Outputs(folder / "out", "1"), Settings(), {}, folder)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "missing-repetition-time"),
        ({"RepetitionTime": "fast"}, "bad-repetition-time"),
        ({"RepetitionTime": 0}, "bad-repetition-time"),
        ({"RepetitionTime": 2000}, "bad-repetition-time"),
    ],
)
def test_a_tr_that_is_none_names_sidecar_and_key(tmp_path: Path, metadata: dict, reason: str) -> None:
    source = run_file(tmp_path, (4, 4, 4, 30), metadata)
    with pytest.raises(DataError, match=r"sub-1_task-rest_bold\.json.*RepetitionTime") as error:
        step.run(context_of(tmp_path, source))
    assert error.value.reason == reason


def test_a_3d_file_is_an_error(tmp_path: Path) -> None:
    source = run_file(tmp_path, (6, 6, 6), {"RepetitionTime": TR})
    with pytest.raises(DataError, match=r"sub-1_task-rest_bold\.nii\.gz is a 3D image") as error:
        step.run(context_of(tmp_path, source))
    assert error.value.reason == "not-4d"


def test_voxels_that_are_nan_are_an_error(tmp_path: Path) -> None:
    source = run_file(tmp_path, (6, 6, 6, 25), {"RepetitionTime": TR})
    data = np.ones((6, 6, 6, 25), np.float32)
    data[2, 2, 2, 7:9] = np.nan
    nib.Nifti1Image(data, np.diag([5.0, 5, 5, 1])).to_filename(source.path)
    with pytest.raises(DataError, match=r"sub-1_task-rest_bold\.nii\.gz holds 2 of 5400 voxels") as error:
        step.run(context_of(tmp_path, source))
    assert error.value.reason == "not-finite"


def with_another_qform(file: BidsFile, folder: Path) -> BidsFile:
    image = nib.load(file.path)
    moved = image.affine.copy()
    moved[:3, 3] += (0, 12, 0)
    image.set_sform(image.affine, code=1)
    image.set_qform(moved, code=1)
    path = folder / file.path.name
    image.to_filename(path)
    return replace(file, path=path)


@pytest.mark.inputs(
    "A broken run beside a good one is left out and named.",
    "Where sform and qform put a T1w, a dwi, a bold run or a lesion mask at places more than 1 mm apart, the sform is "
    "used, which is said.",
)
def test_a_run_that_is_too_short_or_broken_does_not_stop_others(
    processed: StepReport, session: Session, tmp_path: Path
) -> None:
    item = with_another_qform(session.files("bold")[0], tmp_path)
    short = replace(run_file(tmp_path, (6, 6, 6, 1), {"RepetitionTime": TR}), entities={"task": "rest", "run": "2"})
    cut = run_file(tmp_path, (6, 6, 6, 30), {"RepetitionTime": TR}, "task-rest_run-3")
    cut.path.write_bytes(cut.path.read_bytes()[:-40])
    untimed = run_file(tmp_path, (6, 6, 6, 30), {}, "task-rest_run-4")
    runs = (cut, item, short, untimed)
    report = processed_session(tmp_path, replace(session, raw={**session.raw, "bold": runs}), {})
    refused = [warning for warning in report.warnings if warning.startswith("Not used: ")]
    assert len(refused) == 3
    assert all(any(word in text for text in refused) for word in ("1 volumes", "run-3", "RepetitionTime"))
    assert report.qc["n_runs"] == 1
    assert sum("its sform and qform put it up to 12.0 mm apart" in text for text in report.warnings) == 1
    assert report.outputs["bold"][1].read_bytes() == processed.outputs["bold"][1].read_bytes()


def test_a_task_that_is_not_rest_is_said(tmp_path: Path) -> None:
    assert step.not_rest([run_file(tmp_path, (2, 2, 2, 2), {}, "task-rest")]) == []
    assert "task move, not of rest" in step.not_rest([run_file(tmp_path, (2, 2, 2, 2), {}, "task-move")])[0]


@pytest.mark.parametrize("volumes", [1, 19])
def test_a_short_run_is_missing_with_its_number_of_volumes(tmp_path: Path, volumes: int) -> None:
    source = run_file(tmp_path, (6, 6, 6, volumes), {"RepetitionTime": TR})
    with pytest.raises(MissingModalityError, match=f"has {volumes} volumes in steady state") as error:
        step.run(context_of(tmp_path, source))
    assert error.value.reason == "too-few-volumes"


def test_an_empty_image_has_no_brain(tmp_path: Path) -> None:
    source = run_file(tmp_path, (6, 6, 6, 25), {"RepetitionTime": TR})
    with pytest.raises(MissingModalityError, match="no brain") as error:
        step.run(context_of(tmp_path, source))
    assert error.value.reason == "no-brain-found"


def test_runs_are_chosen_by_part_echo_and_task(tmp_path: Path) -> None:
    def file(name: str, echo: float = 0.03) -> BidsFile:
        return run_file(tmp_path, (2, 2, 2, 2), {"EchoTime": echo}, name)

    one, two = file("task-rest_run-1"), file("task-rest_run-2")
    phase, other = file("task-rest_run-1_part-phase"), file("task-move_run-1")
    chosen, warnings = step.choose_runs([one, phase, two, other])
    assert chosen == [one, two]
    assert "part-phase" in warnings[0]
    assert "task-move" in warnings[0]
    early, best, late = (file(f"task-rest_echo-{i}", time) for i, time in ((1, 0.013), (2, 0.031), (3, 0.05)))
    chosen, warnings = step.choose_runs([early, best, late])
    assert chosen == [best]
    assert step.choose_runs([one, two])[1] == []


def test_maps_are_averaged_where_all_runs_show_the_brain() -> None:
    inside = np.array([True, True, False])
    maps = {name: np.array([1.0, 2, 0], np.float32) for name in STATS}
    more = {name: np.array([3.0, 0, 5], np.float32) for name in STATS}
    averaged = step.average([Carried(maps, inside), Carried(more, np.array([True, False, True]))])
    assert averaged["reho"].tolist() == [2, 0, 0]


def processed_session(folder: Path, session: Session, earlier: Mapping[str, StepReport]) -> StepReport:
    folder.mkdir(parents=True, exist_ok=True)
    return step.run(StepContext(session, Outputs(folder, session.subject), Settings(), earlier, folder))


@pytest.fixture(scope="module")
def session(example: Path) -> Session:
    return find_sessions(Selection(example, participant_labels=("02",)))[0]


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory, session: Session) -> StepReport:
    """A run of the example without its T1w: straight to standard space."""
    return processed_session(tmp_path_factory.mktemp("bold"), session, {})


def test_maps_in_standard_space_lie_on_the_brain(processed: StepReport) -> None:
    name = partial(Outputs(processed.files["bold"].parents[2], "02").standard, task="rest", res="3")
    assert processed.outputs["bold"] == (
        *(name("bold_map", stat=stat) for stat in STATS), *(name("seed_map", label=seed) for seed in SEEDS)
    )  # fmt: skip
    brain = array(resample(template("mask"), standard_grid(3.0))) > 0.5
    maps = [nib.load(path).get_fdata() for path in processed.outputs["bold"]]
    inside = maps[0] > 0
    assert 10 < np.median(maps[4][inside]) < 200  # tSNR
    assert 2 * (inside & brain).sum() / (inside.sum() + brain.sum()) > 0.9
    assert all(data.shape == brain.shape and not data[~inside].any() for data in maps)
    assert processed.qc["standard_brain_covered_fraction"] == pytest.approx(inside[brain].mean(), abs=1e-6)
    assert any("no T1w" in warning for warning in processed.warnings)


def test_reho_is_high_where_the_simulator_put_a_network(processed: StepReport) -> None:
    image = nib.load(processed.outputs["bold"][3])
    reho = image.get_fdata()
    posterior_cingulate, white_matter = (
        tuple(np.round(apply_affine(np.linalg.inv(image.affine), point)).astype(int))
        for point in ((0, -54, 28), (28, -10, 30))
    )
    assert reho[posterior_cingulate] > 3 * reho[white_matter]


def test_series_numbers_and_confounds_are_written(processed: StepReport) -> None:
    files, qc = processed.files, processed.qc
    assert qc["n_volumes_dropped"] == 2  # the simulator makes the first two brighter
    assert 0 < qc["mean_framewise_displacement_mm"] < 1
    assert qc["degrees_of_freedom"] >= 6
    table = pd.read_csv(files["confounds"], sep="\t", na_values="n/a")
    assert len(table) == qc["n_volumes"] == 46
    described = json.loads(files["confounds"].with_suffix(".json").read_text())
    assert set(table) == set(described) - {"Sources"}
    assert described["rot_x_power2"]["Units"] == "rad^2"
    for role, stripped in (("bold", False), ("bold_standard", True)):
        image = nib.load(files[role])
        assert image.header.get_zooms()[3] == pytest.approx(TR)
        assert image.shape[3] == 46
        sidecar = json.loads(Path(str(files[role]).replace(".nii.gz", ".json")).read_text())
        assert (sidecar["RepetitionTime"], sidecar["TaskName"]) == (TR, "rest")
        assert sidecar["SkullStripped"] is stripped
        assert sidecar["NumberOfVolumesDiscardedByUser"] == 2
        assert sidecar["SusceptibilityDistortionCorrected"] is False
    mean = nib.load(processed.outputs["bold"][0]).get_fdata()
    series = nib.load(files["bold_standard"]).get_fdata()
    assert not series[mean == 0].any()
    assert np.median(np.abs(series.mean(axis=3)[mean > 0] / mean[mean > 0] - 1)) < 0.02


@dataclass(frozen=True, eq=False)
class Moved:
    """A run in which only the head's pose changes, by about 1 mm and 1 degree from volume to volume."""

    raw: np.ndarray
    poses: np.ndarray
    """(t, 4, 4): world of the first pose -> world of each volume."""
    report: StepReport


@pytest.fixture(scope="module")
def moved(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    tmp_path = tmp_path_factory.mktemp("moved")
    image = load_image(session.files("bold")[0].path, 4)
    rng = np.random.default_rng(0)
    still, volumes, poses = array(image)[..., 10], [], []
    for _ in range(24):
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler("xyz", rng.normal(0, 1, 3), degrees=True).as_matrix()
        pose[:3, 3] = rng.normal(0, 1, 3)
        volumes.append(realign(still, image.affine, pose, order=3) + rng.normal(0, 0.3, still.shape))
        poses.append(np.linalg.inv(pose))
    raw = np.stack(volumes, axis=-1).astype(np.float32)
    path = tmp_path / "sub-02_task-rest_bold.nii.gz"
    nib.Nifti1Image(raw, image.affine).to_filename(path)
    report = processed_session(
        tmp_path, replace(session, raw={**session.raw, "bold": (replace(session.files("bold")[0], path=path),)}), {}
    )
    return Moved(raw, np.array(poses), report)


def test_the_confounds_tell_the_planted_motion(moved: Moved) -> None:
    table = pd.read_csv(moved.report.files["confounds"], sep="\t", na_values="n/a")
    mask = nib.load(moved.report.files["bold_mask"])
    centre = apply_affine(mask.affine, np.argwhere(mask.get_fdata() > 0)).mean(axis=0)
    # the poses count from a reference that the step chooses: take both from the first volume
    truth = motion_parameters(moved.poses @ np.linalg.inv(moved.poses[0]), centre)
    found = table[list(PARAMETERS)].to_numpy()
    errors = np.abs((found - found[0]) - truth)[1:]
    assert np.abs(truth[:, :3]).max() > 2
    assert np.median(errors[:, :3]) < 0.1  # mm; measured: 0.013, and 0.021 degrees
    assert np.median(np.degrees(errors[:, 3:])) < 0.1


def test_much_motion_is_flagged_above_the_limit_and_the_run_is_kept(moved: Moved) -> None:
    mean = moved.report.qc["mean_framewise_displacement_mm"]
    assert mean > 2
    assert f"much head motion, {mean:.2f} mm" in " ".join(moved.report.warnings)
    assert len(moved.report.outputs["bold"]) == 9
    source = BidsFile(Path("sub-1_task-rest_bold.nii.gz"), {})
    for limit, flagged in ((mean - 0.01, True), (mean, False)):
        settings = Settings().bold.model_copy(update={"max_displacement": limit})
        assert bool(flag_motion(moved.report.qc, source, settings)) == flagged


def test_motion_is_undone_in_standard_space_as_on_the_runs_own_grid(moved: Moved) -> None:
    raw, report = moved.raw, moved.report
    brain = nib.load(report.files["bold_mask"]).get_fdata() > 0
    standard = nib.load(report.files["bold_standard"]).get_fdata()
    parts = {
        "raw": raw[brain],
        "native": nib.load(report.files["bold"]).get_fdata()[brain],
        "standard": standard[standard[..., 0] > 0],
    }
    spread = {name: np.median(part.std(axis=1) / part.mean(axis=1)) for name, part in parts.items()}
    assert spread["native"] < 0.4 * spread["raw"]
    assert spread["standard"] < 0.4 * spread["raw"]


def test_two_runs_share_one_set_of_maps_and_the_same_input_gives_the_same_bytes(
    processed: StepReport, session: Session, tmp_path: Path
) -> None:
    item = session.files("bold")[0]
    runs = tuple(replace(item, entities={**item.entities, "run": str(i)}) for i in (1, 2))
    report = processed_session(tmp_path, replace(session, raw={**session.raw, "bold": runs}), {})
    assert report.qc["n_runs"] == 2
    for one, two in zip(report.outputs["bold"], processed.outputs["bold"], strict=True):
        assert one.name == two.name
        assert one.read_bytes() == two.read_bytes()  # the mean of two equal runs
    name = partial(Outputs(tmp_path, "02").path, "confounds", task="rest")
    assert name(run="1").is_file() and name(run="2").is_file()


def test_nilearn_reads_the_confounds_as_it_reads_fmripreps(processed: StepReport) -> None:
    confounds, kept = load_confounds(
        str(processed.files["bold"]), strategy=("motion", "high_pass", "wm_csf", "global_signal", "scrub"), scrub=0
    )
    table = pd.read_csv(processed.files["confounds"], sep="\t", na_values="n/a")
    assert {"rot_z_derivative1_power2", "cosine00", "white_matter", "csf", "global_signal"} <= set(confounds)
    assert len(confounds) == len(table)
    too_much = (table["framewise_displacement"] > 0.5) | (table["std_dvars"] > 1.5)
    assert (len(kept) if kept is not None else len(table)) == int((~too_much).sum())


def test_a_planted_network_is_the_map_of_its_seed(tmp_path: Path) -> None:
    """The sensorimotor network of a simulated run against the connectivity of the left hand, in standard space."""
    sizes = replace(RESOLUTIONS["example"], n_volumes=200)
    rng = np.random.default_rng(3)
    lesion = draw_lesion(rng)
    head = draw_head(rng, replace(lesion, centre=lesion.centre * 0, radii=np.full(3, 0.1)), 60.0, sizes)
    plain = replace(head, pose=Pose(), shape=np.eye(3), warp=np.zeros_like(head.warp), atrophy=0.0)
    source = run_file(tmp_path, (2, 2, 2, 2), {"RepetitionTime": TR})
    simulate_bold(plain, sizes, 1.0, first_axis_left=True, rng=rng).to_filename(source.path)
    report = step.run(context_of(tmp_path, source))
    image = nib.load(next(path for path in report.outputs["bold"] if "label-handL" in path.name))
    seed = image.get_fdata()
    grey = array(resample(template("GM"), image))
    points = apply_affine(image.affine, np.argwhere(np.ones(image.shape))).reshape(*image.shape, 3)
    nearest = np.min([((points - centre) ** 2).sum(axis=-1) for centre in NETWORKS["sensorimotor"]], axis=0)
    weight = gaussian_filter(np.exp(-nearest / (2 * 11.0**2)) * grey, 6.0 / 3.0 / 2.355)  # as coarse as the run
    around = (seed != 0) & (nearest < 30.0**2)
    correlation = np.tanh(seed[around])
    assert np.corrcoef(correlation / np.sqrt(1 - correlation**2 + 1e-6), weight[around])[0, 1] > 0.9
    assert report.qc["hand_left_right_z"] > 1.0
    sidecar = json.loads(Path(str(image.get_filename()).replace(".nii.gz", ".json")).read_text())
    assert sidecar["SeedCentre"] == [-38.0, -24.0, 56.0]
    assert "Side" not in sidecar  # no lesion is known


@pytest.mark.real
def test_a_real_run(real_data: Path, tmp_path: Path) -> None:
    selection = Selection(real_data / "bids_real_open", participant_labels=("02",), task_labels=("oneback",))
    report = processed_session(tmp_path, find_sessions(selection)[0], {})
    reho = nib.load(report.outputs["bold"][3]).get_fdata()
    assert 0.1 < np.median(reho[reho > 0]) < 0.6
    assert report.qc["mean_framewise_displacement_mm"] < 0.3
    assert 1100 < report.qc["brain_volume_ml"] < 1700
    assert report.qc["degrees_of_freedom"] > 20


@pytest.mark.real
def test_a_real_run_of_20_volumes_is_cleaned_of_less(real_data: Path, tmp_path: Path) -> None:
    selection = Selection(real_data / "bids_real_open", participant_labels=("01",), task_labels=("fa",))
    session = find_sessions(selection)[0]
    report = processed_session(tmp_path, replace(session, raw={**session.raw, "t1w": ()}), {})
    assert any("too short for a band-pass (20 volumes, 20 s)" in warning for warning in report.warnings)
    assert report.qc["n_volumes"] == 20
