"""Diffusion: joining runs, motion, registration, and the whole step on a brain whose tensors are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.spatial.transform import Rotation

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_preprocess import DwiSettings
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.motion import framewise_displacement, motion_parameters
from bids_stroke.imaging.standard_space import template
from bids_stroke.imaging.transforms import resample, save_rigid
from bids_stroke.preprocess.dwi import step
from bids_stroke.preprocess.dwi.denoise.clean import denoise
from bids_stroke.preprocess.dwi.gradients import Gradients, bval_text, bvec_text, fsl_axes
from bids_stroke.preprocess.dwi.quality import quality_warnings
from bids_stroke.preprocess.dwi.registration import affine_of_part, place_by_t1w, rough_mask, t1w_like
from bids_stroke.preprocess.dwi.series import read_series
from bids_stroke.preprocess.dwi.tensor.fit import tensors
from bids_stroke.preprocess.registry import StepContext

Array = NDArray[np.float64]
MM = 5.0
GREY_MD, CSF_MD, AXIAL, RADIAL = 0.8e-3, 3.0e-3, 1.5e-3, 0.4e-3
FA_WHITE = (AXIAL - RADIAL) / np.sqrt(AXIAL**2 + 2 * RADIAL**2)


@dataclass(frozen=True)
class Phantom:
    """The template's tissues with known tensors, seen by a scanner in which the head moves."""

    image: nib.Nifti1Image
    gradients: Gradients
    motions: Array


def rigid(rotation_degrees: Sequence[float], shift_mm: Sequence[float]) -> Array:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rotation_degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


def grid(shape: tuple[int, int, int] = (34, 42, 36), low_mm: float = -75.0) -> nib.Nifti1Image:
    """RAS grid of 5 mm over the brain."""
    affine = np.diag([MM, MM, MM, 1.0])
    affine[:3, 3] = [-82.5, -120.0, low_mm]
    return like(nib.Nifti1Image(np.zeros(shape, np.float32), affine), np.zeros(shape, np.float32))


def scan(where: nib.Nifti1Image, n: int = 12, b: float = 1000.0, motions: Array | None = None) -> Phantom:
    """Two volumes at b=0 and ``n`` weighted ones; fibres run along y in front and along x behind."""
    z = 1 - (np.arange(n) + 0.5) / n
    angle = np.pi * (1 + 5**0.5) * np.arange(n)
    world = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    world = np.vstack([np.zeros((2, 3)), world])
    bvals = np.repeat([0.0, b], [2, n])
    motions = np.tile(np.eye(4), (n + 2, 1, 1)) if motions is None else motions
    rng = np.random.default_rng(0)
    volumes = np.empty((*where.shape, n + 2), np.float32)
    for index, (bval, gradient, motion) in enumerate(zip(bvals, world, motions, strict=True)):
        felt = motion[:3, :3].T @ gradient
        clean = head(bval, felt, where, np.linalg.inv(motion))
        volumes[..., index] = np.hypot(clean + rng.normal(0, 2, clean.shape), rng.normal(0, 2, clean.shape))
    return Phantom(like(where, volumes), Gradients(bvals, world @ fsl_axes(where.affine)), motions)


def head(bval: float, gradient: Array, where: nib.Nifti1Image, to_scanner: Array) -> Array:
    """Signal of the template's tissues on a grid, the head moved."""
    grey, white, brain = (array(template(kind)).astype(np.float64) for kind in ("GM", "WM", "mask"))
    fluid = np.clip(brain - grey - white, 0, 1)
    y = np.arange(brain.shape[1])[None, :, None] * 2.0 - 126.0
    along = np.where(y > -20, gradient[1] ** 2, gradient[0] ** 2)
    signal = 100 * grey * np.exp(-bval * GREY_MD) + 150 * fluid * np.exp(-bval * CSF_MD)
    signal += 80 * white * np.exp(-bval * (RADIAL + (AXIAL - RADIAL) * along))
    seen = resample(like(template("mask"), signal.astype(np.float32)), where, [to_scanner], "linear")
    return array(seen).astype(np.float64)


def moving_head(n: int, degrees: float, mm: float) -> Array:
    rng = np.random.default_rng(5)
    motions = [rigid(rng.normal(0, degrees, 3), rng.normal(0, mm, 3)) for _ in range(n + 2)]
    return np.stack([np.eye(4), *motions[1:]])


def save(folder: Path, name: str, phantom: Phantom, **metadata: Any) -> BidsFile:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_dwi.nii.gz"
    nib.Nifti1Image(array(phantom.image), phantom.image.affine).to_filename(path)
    (folder / f"{name}_dwi.bval").write_text(bval_text(phantom.gradients))
    (folder / f"{name}_dwi.bvec").write_text(bvec_text(phantom.gradients))
    return BidsFile(path, {"sub": "01"}, metadata, f"bids:raw:sub-01/dwi/{path.name}")


def part(phantom: Phantom, keep: Any) -> Phantom:
    return replace(
        phantom,
        image=like(phantom.image, array(phantom.image)[..., keep]),
        gradients=Gradients(phantom.gradients.bvals[keep], phantom.gradients.bvecs[keep]),
    )


@pytest.fixture(scope="module")
def still() -> Phantom:
    return scan(grid())


@pytest.fixture(scope="module")
def brain() -> NDArray[np.bool_]:
    return np.asarray(array(resample(template("mask"), grid())) > 0.5)


# Runs


def test_one_run_is_read_as_it_is(tmp_path: Path, still: Phantom) -> None:
    series = read_series([save(tmp_path, "sub-01", still)], 50.0)
    np.testing.assert_array_equal(array(series.image), array(still.image))
    np.testing.assert_allclose(series.gradients.bvecs, still.gradients.bvecs, atol=1e-6)
    assert series.b0.tolist() == [True] * 2 + [False] * 12
    assert series.warnings == ()


def test_runs_on_one_grid_are_joined_and_scaled(tmp_path: Path, still: Phantom) -> None:
    louder = replace(still, image=like(still.image, array(still.image) * 3))
    files = [
        save(tmp_path, "sub-01_dir-AP", still, PhaseEncodingDirection="j-"),
        save(tmp_path, "sub-01_dir-PA", louder, PhaseEncodingDirection="j"),
    ]
    series = read_series(files, 50.0)
    assert series.image.shape[3] == len(series.gradients) == 28
    np.testing.assert_allclose(array(series.image)[..., 14:], array(still.image), rtol=1e-4, atol=1e-3)
    assert series.sources == tuple(files)
    assert [said.sign for said in series.encodings if said] == [-1] * 14 + [1] * 14


def test_runs_that_do_not_belong_are_left_out_and_named(tmp_path: Path, still: Phantom) -> None:
    main = save(tmp_path, "sub-01_run-1", still)
    other = save(tmp_path, "sub-01_run-2", part(scan(grid((30, 42, 36)), 8), slice(None)))
    only_b0 = save(tmp_path, "sub-01_run-3", part(still, slice(0, 1)))
    series = read_series([only_b0, other, main], 50.0)
    assert series.sources == (main,)
    assert any("run-2" in note and "another grid" in note for note in series.warnings)
    assert any("run-3" in note and "only b=0" in note for note in series.warnings)


def test_trace_images_are_left_out(tmp_path: Path, still: Phantom) -> None:
    vectors = still.gradients.bvecs.copy()
    vectors[-1] = 0
    with_trace = replace(still, gradients=Gradients(still.gradients.bvals, vectors))
    series = read_series([save(tmp_path, "sub-01", with_trace)], 50.0)
    assert series.image.shape[3] == len(series.gradients) == 13
    assert "trace" in series.warnings[0]


@pytest.mark.parametrize(
    ("bvals", "keep", "reason"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6], "too-few-directions"),
        (None, [0, 1, *[2] * 8], "too-few-directions"),
        (None, [0, 1], "too-few-directions"),
        (None, list(range(2, 14)), "no-b0"),
        (np.repeat([700.0, 2000.0], [6, 6]), list(range(2, 14)), "no-b0"),
    ],
)
def test_what_cannot_give_a_tensor_is_missing(
    tmp_path: Path, still: Phantom, bvals: Array | None, keep: list[int], reason: str
) -> None:
    chosen = part(still, keep)
    if bvals is not None:
        chosen = replace(chosen, gradients=Gradients(bvals, chosen.gradients.bvecs))
    with pytest.raises(MissingModalityError) as caught:
        read_series([save(tmp_path, "sub-01", chosen)], 50.0)
    assert caught.value.reason == reason
    assert "sub-01_dwi.nii.gz" in caught.value.message


def test_a_low_shell_stands_in_for_b0(tmp_path: Path, still: Phantom) -> None:
    low = replace(
        still, gradients=Gradients(np.repeat([100.0, 1000.0], [3, 11]), scan(grid((8, 8, 8)), 14).gradients.bvecs[2:])
    )
    series = read_series([save(tmp_path, "sub-01", low)], 50.0)
    assert series.b0.sum() == 3
    assert "b=100" in series.warnings[0]


def test_broken_files_fail_with_their_reason(tmp_path: Path, still: Phantom) -> None:
    def reason(file: BidsFile) -> str:
        with pytest.raises(DataError) as caught:
            read_series([file], 50.0)
        assert "sub-01" in caught.value.message
        assert caught.value.remedy
        return caught.value.reason

    flat = save(tmp_path / "3d", "sub-01", still)
    nib.Nifti1Image(array(still.image)[..., 0], still.image.affine).to_filename(flat.path)
    assert reason(flat) == "not-4d"
    for extension in ("bval", "bvec"):
        file = save(tmp_path / extension, "sub-01", still)
        file.companion(f".{extension}").unlink()
        assert reason(file) == f"missing-{extension}"
    short = save(tmp_path / "short", "sub-01", still)
    short.companion(".bval").write_text("0 1000")
    assert reason(short) == "gradient-count"
    words = save(tmp_path / "words", "sub-01", still)
    words.companion(".bvec").write_text("not numbers")
    assert reason(words) == "gradient-format"
    cut = save(tmp_path / "cut", "sub-01", still)
    cut.path.write_bytes(cut.path.read_bytes()[:20_000])
    assert reason(cut) == "unreadable-image"
    holes = array(still.image).copy()
    holes[3, 3, 3, 3] = np.nan
    assert reason(save(tmp_path / "nan", "sub-01", replace(still, image=like(still.image, holes)))) == "not-finite"
    empty = replace(still, image=like(still.image, np.zeros_like(holes)))
    assert reason(save(tmp_path / "empty", "sub-01", empty)) == "empty-image"


def displacement(found: Array, true: Array, brain: NDArray[np.bool_]) -> Array:
    """Mean distance (mm) between where both put the brain's points, per volume."""
    points = np.argwhere(brain)[::20] * MM + grid().affine[:3, 3]
    points = np.column_stack([points, np.ones(len(points))])
    return np.stack([np.linalg.norm(((a - b) @ points.T)[:3], axis=0).mean() for a, b in zip(found, true, strict=True)])


# Denoising, mask, tensors


def test_denoising_takes_noise_away_and_leaves_the_outside(still: Phantom) -> None:
    clean = np.repeat(array(still.image)[10:22, 15:27, 12:24], 3, axis=3)[..., :36]
    noisy = clean + np.random.default_rng(1).normal(0, 8, clean.shape).astype(np.float32)
    mask = np.zeros(clean.shape[:3], bool)
    mask[2:10, 2:10, 2:10] = True
    cleaned, level = denoise(np.maximum(noisy, 0), mask)
    assert np.median(level[mask]) == pytest.approx(8, rel=0.1)
    assert np.std((cleaned - clean)[mask]) < 0.75 * np.std((noisy - clean)[mask])
    np.testing.assert_array_equal(cleaned[~mask], np.maximum(noisy, 0)[~mask])


def test_the_rough_mask_is_the_brain(still: Phantom, brain: NDArray[np.bool_]) -> None:
    found = rough_mask(array(still.image)[..., :2].mean(axis=3))
    assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.93


def test_an_image_without_a_head_is_refused() -> None:
    empty = np.zeros((12, 12, 12), np.float32)
    speck = empty.copy()
    speck[6, 6, 6] = 1.0  # the median filter takes it away
    for image in (empty, speck):
        with pytest.raises(DataError) as caught:
            rough_mask(image)
        assert caught.value.reason == "no-head"


def test_t1w_like_orders_the_tissues() -> None:
    fa = np.array([0.0, 0.1, 0.15, 0.45], np.float32)
    md = np.array([0.0, 3e-3, 0.8e-3, 0.7e-3], np.float32)
    outside, fluid, grey, white = t1w_like(fa, md)
    assert outside == 0.0 < fluid < 0.5 * grey < grey < 0.8 * white


def test_a_high_shell_alone_is_used_and_said(tmp_path: Path, brain: NDArray[np.bool_]) -> None:
    series = read_series([save(tmp_path, "sub-01", scan(grid(), b=2500.0))], 50.0)
    found = tensors(series, brain, DwiSettings())
    assert found.qc["b_value_max_fitted_s_mm2"] == 2500.0
    assert "b=2500" in found.warnings[0]


# Registration


def test_a_cut_brain_finds_its_height(tmp_path: Path) -> None:
    true = rigid([8, -4, 6], [12, -20, 35])  # template world -> world of the image
    slab = grid((34, 42, 17), low_mm=0.0)
    shown = resample(template("T1w"), slab, [np.linalg.inv(true)])
    found = affine_of_part(shown, tmp_path, seed=0)
    inside = np.argwhere(array(shown) > 0) @ slab.affine[:3, :3].T + slab.affine[:3, 3]
    inside = np.column_stack([inside, np.ones(len(inside))]) @ np.linalg.inv(true).T
    error = np.linalg.norm((inside @ (found - true).T)[:, :3], axis=1)
    assert np.median(error) < 3.0


def test_what_is_no_brain_is_not_registered(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random(grid().shape).astype(np.float32)
    with pytest.raises(MissingModalityError) as caught:
        affine_of_part(like(grid(), noise), tmp_path, seed=0)
    assert caught.value.reason == "not-registered"
    with pytest.raises(MissingModalityError):
        affine_of_part(grid(), tmp_path, seed=0)


# The whole step


def anat_files(folder: Path, shift: Array) -> dict[str, Path]:
    """What the step ``anat`` leaves of a T1w that is the template, moved by ``shift`` (T1w world -> template)."""
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.linalg.inv(shift) @ template("T1w").affine
    files = {}
    for role, kind in (("t1w_brain", "T1w"), ("brain_mask", "mask"), ("wm", "WM")):
        files[role] = folder / f"{role}.nii.gz"
        nib.Nifti1Image(array(template(kind)), affine).to_filename(files[role])
    files["to_standard"] = folder / "to_standard.txt"
    save_rigid(files["to_standard"], np.linalg.inv(shift))
    return files


def context_of(root: Path, file: BidsFile, anat: dict[str, Path] | None = None) -> StepContext:
    work = root / "work"
    work.mkdir(parents=True, exist_ok=True)
    earlier = {"anat": StepReport(files=anat)} if anat else {}
    return StepContext(
        Session("01", None, raw={"dwi": (file,)}), Outputs(root / "out", "01"), Settings(), earlier, work
    )


SHIFT = rigid([3, 2, -4], [3, -6, 4])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[StepContext, StepReport]:
    root = tmp_path_factory.mktemp("dwi")
    moved = scan(grid(), motions=moving_head(12, 0.5, 0.5))
    context = context_of(root, save(root / "raw", "sub-01", moved), anat_files(root / "anat", SHIFT))
    return context, step.run(context)


def test_maps_in_standard_space_are_right(done: tuple[StepContext, StepReport]) -> None:
    _, report = done
    assert set(report.outputs) == {"fa", "md", "rd", "ad"}
    maps = {kind: nib.load(paths[0]) for kind, paths in report.outputs.items()}
    core = array(template("WM")) > 0.98
    for kind, truth in (("fa", FA_WHITE), ("md", (AXIAL + 2 * RADIAL) / 3), ("ad", AXIAL), ("rd", RADIAL)):
        assert maps[kind].shape == (91, 109, 91)
        np.testing.assert_array_equal(maps[kind].affine, template("WM").affine)
        assert np.median(maps[kind].get_fdata()[core]) == pytest.approx(truth, rel=0.15)
    fa, md = maps["fa"].get_fdata(), maps["md"].get_fdata()
    assert fa.min() >= 0.0
    assert fa.max() <= 1.0
    assert md.min() >= 0.0
    inside = array(template("mask")) > 0.5
    assert not fa[~binary_dilation(inside, iterations=8)].any()
    assert np.corrcoef(fa[inside], array(template("WM"))[inside])[0, 1] > 0.75


def test_quality_is_measured(done: tuple[StepContext, StepReport]) -> None:
    qc = done[1].qc
    assert qc["n_directions"] == 12
    assert qc["n_volumes"] == 14
    assert qc["n_shells"] == 1
    assert 0.3 < qc["fa_wm_median"] < 0.75
    assert 0.6e-3 < qc["md_wm_median_mm2_s"] < 0.9e-3
    truth = np.nanmean(framewise_displacement(motion_parameters(moving_head(12, 0.5, 0.5), np.zeros(3))))
    assert qc["mean_framewise_displacement_mm"] == pytest.approx(truth, rel=0.35)
    assert qc["standard_coverage_fraction"] > 0.95
    assert 20 < qc["snr_b0"] < 80
    assert all(np.isfinite(value) for value in qc.values())


def test_every_file_has_the_contracts_name_and_a_sidecar(done: tuple[StepContext, StepReport]) -> None:
    context, report = done
    folder = context.outputs.root / "sub-01" / "dwi"
    space = "space-MNI152NLin2009aSym_res-2_"
    expected = {f"sub-01_{where}model-tensor_param-{kind}_dwimap.nii.gz" for where in ("", space)
                for kind in ("fa", "md", "rd", "ad")}  # fmt: skip
    expected.add("sub-01_model-tensor_param-fa_desc-color_dwimap.nii.gz")
    expected |= {f"sub-01_desc-preproc_dwi.{ending}" for ending in ("nii.gz", "bval", "bvec")}
    expected |= {"sub-01_desc-brain_mask.nii.gz", "sub-01_from-dwi_to-T1w_mode-image_xfm.txt"}
    assert {path.name for path in folder.iterdir() if path.suffix != ".json"} == expected
    for name in expected - {"sub-01_desc-preproc_dwi.bval", "sub-01_desc-preproc_dwi.bvec"}:
        sidecar = json.loads((folder / (name.removesuffix(".gz").rpartition(".")[0] + ".json")).read_text())
        assert sidecar["Sources"] == ["bids:raw:sub-01/dwi/sub-01_dwi.nii.gz"]
        assert ("Resolution" in sidecar) == ("res-2" in name)
        assert ("Units" in sidecar) == (("dwimap" in name and "color" not in name) or "xfm" in name)
    assert json.loads((folder / "sub-01_desc-preproc_dwi.json").read_text())["SkullStripped"] is False
    assert json.loads((folder / "sub-01_desc-brain_mask.json").read_text())["Type"] == "Brain"
    assert report.files["dwi"].name == "sub-01_desc-preproc_dwi.nii.gz"
    assert all(path.is_file() for path in report.files.values())


def test_the_same_input_gives_the_same_bytes(done: tuple[StepContext, StepReport], tmp_path: Path) -> None:
    context, report = done
    again = step.run(replace(context, outputs=Outputs(tmp_path, "01")))
    for kind, paths in report.outputs.items():
        assert again.outputs[kind][0].read_bytes() == paths[0].read_bytes()
    assert again.files["dwi"].read_bytes() == report.files["dwi"].read_bytes()
    assert again.qc == report.qc


def test_registration_to_the_t1w_is_right(tmp_path: Path, still: Phantom, brain: NDArray[np.bool_]) -> None:
    unweighted = like(still.image, array(still.image)[..., :2].mean(axis=3))
    place = place_by_t1w(unweighted, brain, anat_files(tmp_path / "anat", SHIFT), tmp_path, 0)
    assert place.to_t1w is not None
    assert displacement(place.to_t1w[None], SHIFT[None], brain)[0] < 1.5
    assert place.warnings == ()
    assert 2 * (place.mask & brain).sum() / (place.mask.sum() + brain.sum()) > 0.95


@pytest.mark.parametrize(
    ("slices", "ending"), [(19, "txt"), pytest.param(36, "nii.gz", marks=pytest.mark.slow)], ids=["part", "whole"]
)
def test_without_t1w_the_diffusion_images_find_the_template(tmp_path: Path, slices: int, ending: str) -> None:
    low = 105.0 - slices * MM
    context = context_of(tmp_path, save(tmp_path / "raw", "sub-01", scan(grid((34, 42, slices), low))))
    context = replace(context, settings=Settings(dwi=DwiSettings(motion=False)))
    report = step.run(context)
    fa, md = (nib.load(report.outputs[kind][0]).get_fdata() for kind in ("fa", "md"))
    seen = md > 0
    assert np.corrcoef(fa[seen], array(template("WM"))[seen])[0, 1] > 0.7
    assert report.files["dwi_to_standard"].name == f"sub-01_from-dwi_to-MNI152NLin2009aSym_mode-image_xfm.{ending}"
    assert any("no T1w" in note for note in report.warnings)
    assert any("part of the brain" in note for note in report.warnings) == (slices == 19)
    assert "mean_framewise_displacement_mm" not in report.qc


def test_quality_warnings_name_what_is_wrong() -> None:
    good = {"fa_wm_median": 0.45, "standard_coverage_fraction": 0.98}
    assert quality_warnings(good) == []
    assert "0.12" in quality_warnings(good | {"fa_wm_median": 0.12})[0]
    assert "60%" in quality_warnings(good | {"standard_coverage_fraction": 0.6})[0]
    assert "no white matter" in quality_warnings({"standard_coverage_fraction": 0.98})[0]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("subject", ["04", "05", "06"])
def test_real_scans_give_plausible_white_matter(real_data: Path, tmp_path: Path, subject: str) -> None:
    path = real_data / "bids_real_open" / f"sub-{subject}" / "dwi" / f"sub-{subject}_dwi.nii.gz"
    report = step.run(context_of(tmp_path, BidsFile(path, {"sub": subject}, uri="bids:raw:x")))
    assert 0.3 <= report.qc["fa_wm_median"] <= 0.6
    assert report.qc["negative_eigenvalue_fraction"] < 0.02
    assert any("part of the brain" in note for note in report.warnings) == (subject == "06")
