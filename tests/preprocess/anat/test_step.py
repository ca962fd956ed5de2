"""The whole step on the example dataset, and its parts on data whose truth is known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import SPACE, BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_preprocess import AnatSettings
from bids_stroke.derivatives.outputs import Outputs, write_dataset_files
from bids_stroke.imaging.images import array, like, load_image
from bids_stroke.imaging.registration import Warp
from bids_stroke.imaging.standard_space import STANDARD_AFFINE, STANDARD_SHAPE, standard_grid, template
from bids_stroke.imaging.transforms import read_transform, resample
from bids_stroke.preprocess.anat import brain, step
from bids_stroke.preprocess.anat.inputs import choose_t1w
from bids_stroke.preprocess.anat.quality import quality_warnings
from bids_stroke.preprocess.lesion import step as lesions
from bids_stroke.preprocess.registry import StepContext


def bids_file(root: Path, path: Path, dataset: str = "raw") -> BidsFile:
    return BidsFile(path, {}, {}, f"bids:{dataset}:{path.relative_to(root).as_posix()}")


@pytest.fixture(scope="module")
def done(example: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[StepContext, StepReport, StepReport]:
    """Anat and lesion of one subject of the example."""
    root = example / "derivatives" / "lesions"
    mask = next(root.rglob("sub-04_*desc-lesion_mask.nii.gz"))
    t1w = example / "sub-04" / "anat" / "sub-04_T1w.nii.gz"
    session = Session("04", None, raw={"t1w": (bids_file(example, t1w),)}, lesion=(bids_file(root, mask, "lesions"),))
    folder = tmp_path_factory.mktemp("anat")
    write_dataset_files(folder / "out", str(example), {"lesions": root})
    (folder / "work").mkdir()
    context = StepContext(session, Outputs(folder / "out", "04"), Settings(), {}, folder / "work")
    report = step.run(context)
    after = StepContext(session, Outputs(folder / "out", "04"), Settings(), {"anat": report}, folder / "work")
    return context, report, lesions.run(after)


def test_names_and_roles(done: tuple[StepContext, StepReport, StepReport]) -> None:
    context, report, _ = done
    assert set(report.files) == {
        "t1w", "t1w_brain", "brain_mask", "csf", "gm", "wm", "to_standard", "from_standard"
    }  # fmt: skip
    standard = f"sub-04_space-{SPACE}_res-2"
    names = {path.name for path in context.outputs.folder.glob("anat/*.nii.gz")}
    assert {
        "sub-04_desc-preproc_T1w.nii.gz",
        "sub-04_desc-brain_mask.nii.gz",
        "sub-04_label-WM_probseg.nii.gz",
        f"{standard}_desc-preproc_T1w.nii.gz",
        f"{standard}_desc-brain_mask.nii.gz",
        f"{standard}_label-CSF_probseg.nii.gz",
        f"sub-04_from-T1w_to-{SPACE}_mode-image_xfm.nii.gz",
        f"sub-04_from-{SPACE}_to-T1w_mode-image_xfm.nii.gz",
    } <= names
    assert {modality: paths[0].name for modality, paths in report.outputs.items()} == {
        tissue.lower(): f"{standard}_label-{tissue}_desc-intensity_T1w.nii.gz" for tissue in ("GM", "WM")
    }


def test_quality_numbers(done: tuple[StepContext, StepReport, StepReport]) -> None:
    _, report, _ = done
    qc = report.qc
    assert 1000 < qc["brain_volume_ml"] < 2200
    assert qc["brain_dice_template"] > 0.95
    assert qc["template_correlation"] > 0.8
    tissues = qc["gm_volume_ml"] + qc["wm_volume_ml"] + qc["csf_volume_ml"]
    assert 0.9 * qc["brain_volume_ml"] < tissues <= qc["brain_volume_ml"] * 1.001
    assert 0.7 < qc["affine_determinant"] < 1.3
    assert report.warnings == ()
    json.dumps(qc, allow_nan=False)


def test_tissues_leave_the_lesion_out_and_lie_in_the_template(
    done: tuple[StepContext, StepReport, StepReport],
) -> None:
    _, report, lesion_report = done
    lesion = array(load_image(lesion_report.files["lesion_native"], 3)) > 0.5
    assert lesion.sum() > 50
    for tissue in ("gm", "wm", "csf"):
        assert not array(load_image(report.files[tissue], 3))[lesion].any()
    for tissue in ("gm", "wm"):
        data = array(load_image(report.outputs[tissue][0], 3))
        assert data.shape == STANDARD_SHAPE
        assert 0.0 <= data.min() < 0.5 < data.max() <= 1.0
        expected = array(template(tissue.upper())) > 0.5  # type: ignore[arg-type]
        found = data > 0
        assert (found & expected).sum() / expected.sum() > 0.85
    white, grey = (array(load_image(report.outputs[name][0], 3)) for name in ("wm", "gm"))
    assert np.median(white[white > 0]) > np.median(grey[grey > 0])


def test_transforms_are_inverse(done: tuple[StepContext, StepReport, StepReport]) -> None:
    _, report, _ = done
    forward, back = (read_transform(report.files[role]) for role in ("to_standard", "from_standard"))
    points = nib.affines.apply_affine(STANDARD_AFFINE, np.argwhere(array(template("mask")) > 0)[::4000])
    errors = [
        np.linalg.norm(np.array(back.TransformPoint(forward.TransformPoint(point.tolist()))) - point)
        for point in points * [-1, -1, 1]
    ]
    assert np.median(errors) < 0.5


def test_outputs_are_valid_bids(done: tuple[StepContext, StepReport, StepReport]) -> None:
    context, _, _ = done
    program = Path(sys.executable).parent / "bids-validator-deno"
    told = subprocess.run([program, context.outputs.root, "--format", "json"], capture_output=True, text=True)
    issues = json.loads(told.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    for path in context.outputs.folder.glob("anat/*.nii.gz"):
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert sidecar["Sources"][0] in ("bids:raw:sub-04/anat/sub-04_T1w.nii.gz",
                                         context.session.lesion[0].uri)  # fmt: skip


def test_without_t1w_or_brain(tmp_path: Path) -> None:
    with pytest.raises(MissingModalityError) as caught:
        choose_t1w((), "best", tmp_path, seed=0)
    assert caught.value.reason == "no-t1w"
    with pytest.raises(MissingModalityError) as caught:
        brain.extract_brain(nib.Nifti1Image(np.full((40, 40, 40), 7, np.float32), np.diag([4, 4, 4, 1.0])))
    assert caught.value.reason == "no-brain-found"
    sphere = ((np.indices((48, 48, 48)) - 24.0) ** 2).sum(0) < 25
    noise = np.random.default_rng(0).normal(5, 1, sphere.shape) + 100 * sphere
    with pytest.raises(MissingModalityError) as caught:
        brain.extract_brain(nib.Nifti1Image(noise.astype(np.float32), np.diag([1.0, 1, 1, 1])))
    assert caught.value.reason == "no-brain-found"


def test_the_finest_t1w_is_taken_and_the_others_named(tmp_path: Path) -> None:
    files = []
    for run, size in (("1", 2.0), ("2", 1.5), ("3", 1.5)):
        path = tmp_path / f"sub-01_run-{run}_T1w.nii.gz"
        nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.diag([size, size, size, 1])).to_filename(path)
        files.append(bids_file(tmp_path, path))
    used, image, warnings = choose_t1w(files, "best", tmp_path, seed=0)
    assert used == (files[1],)
    assert image.header.get_zooms() == pytest.approx((1.5, 1.5, 1.5))
    assert len(warnings) == 1
    assert "run-1" in warnings[0]
    assert "run-3" in warnings[0]
    files[0].path.write_bytes(b"broken")
    with pytest.raises(DataError, match="run-1"):
        choose_t1w(files, "best", tmp_path, seed=0)


def test_unknown_orientation_is_said(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.eye(4))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    image.to_filename(tmp_path / "sub-01_T1w.nii.gz")
    _, _, warnings = choose_t1w([bids_file(tmp_path, tmp_path / "sub-01_T1w.nii.gz")], "best", tmp_path, seed=0)
    assert "left and right are a guess" in warnings[0]


def test_bias_is_taken_out_and_the_rest_kept() -> None:
    grid = standard_grid(3.0)
    truth = array(resample(template("T1w"), grid)) * 100
    inside = truth > 30
    x, _, z = np.indices(truth.shape) / np.array(truth.shape)[:, None, None, None] - 0.5
    field = np.exp(0.7 * x - 0.5 * z + 0.6 * x * z)
    before = like(grid, (truth * field).astype(np.float32))
    after = array(brain.correct_bias(before, inside, 2))
    spread = [float(np.std(np.log(data[inside] / truth[inside]))) for data in (array(before), after)]
    assert spread[1] < 0.35 * spread[0]
    assert after.min() == 0.0
    assert after.max() <= np.percentile(after[inside], 99.6)


def test_intensity_map() -> None:
    t1w = np.float32([0.5, 0.7, 1.2, 0.9])
    np.testing.assert_allclose(step.intensity_map(t1w, np.float32([0.1, 0.2, 0.9, 0.0])), [0, 0.7, 1.0, 0])


GOOD = {"brain_volume_ml": 1400.0, "affine_determinant": 0.9, "brain_dice_template": 0.97, "brain_asymmetry": 0.01}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"affine_determinant": 0.3}, "determinant"),
        ({"brain_dice_template": 0.6}, "Dice"),
        ({"brain_volume_ml": 450.0}, "450 ml"),
        ({"brain_asymmetry": -0.2}, "smaller on the left"),
        ({"brain_asymmetry": 0.2}, "smaller on the right"),
    ],
)
def test_what_is_implausible_is_said(wrong: dict[str, float], words: str) -> None:
    assert quality_warnings(GOOD) == []
    warnings = quality_warnings(GOOD | wrong)
    assert len(warnings) == 1
    assert words in warnings[0]


@pytest.mark.parametrize(
    ("handling", "filled", "weighted"), [("fill", True, False), ("mask", False, True), ("none", False, False)]
)
def test_lesion_handling(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, handling: str, filled: bool, weighted: bool
) -> None:
    seen: dict[str, object] = {}

    nothing = nib.Nifti1Image(np.zeros((*STANDARD_SHAPE, 1, 3), np.float32), STANDARD_AFFINE)
    identity = Warp(nothing, nothing, np.eye(4))

    def deformable(moving: nib.Nifti1Image, *_: object, seed: int, weight: nib.Nifti1Image | None = None) -> Warp:
        seen.update(moving=array(moving), weight=weight)
        return identity

    monkeypatch.setattr(step, "register_affine", lambda *_, **__: np.eye(4))
    monkeypatch.setattr(step, "register_deformable", deformable)
    t1w = template("T1w")
    lesion = np.zeros(STANDARD_SHAPE, bool)
    lesion[55:62, 50:58, 45:52] = True
    hurt = like(t1w, np.where(lesion, 0.01, array(t1w)).astype(np.float32))
    settings = AnatSettings.model_validate({"lesion_handling": handling})
    assert step.register(hurt, array(template("mask")) > 0, lesion, settings, tmp_path, seed=0) is identity
    inside = seen["moving"][lesion]  # type: ignore[index]
    assert bool(inside.mean() > 0.3) is filled
    assert (seen["weight"] is not None) is weighted


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("subject", ["01", "03"])
def test_real_heads(real_data: Path, tmp_path: Path, subject: str) -> None:
    root = real_data / "bids_real_open"
    t1w = bids_file(root, next((root / f"sub-{subject}" / "anat").glob("*_T1w.nii.gz")))
    context = StepContext(
        Session(subject, None, raw={"t1w": (t1w,)}), Outputs(tmp_path / "out", subject), Settings(), {}, tmp_path
    )
    report = step.run(context)
    assert report.qc["brain_dice_template"] > 0.97
    assert 1200 < report.qc["brain_volume_ml"] < 2000
    assert 1.1 < report.qc["gm_volume_ml"] / report.qc["wm_volume_ml"] < 2.2
    assert report.warnings == ()
