"""The lesion step: masks under all the forms in which people keep them, and maps of shares beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import BidsStrokeError, MissingModalityError
from bids_stroke.core.records import SPACE, BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import is_named
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import array, like, load_image, reorient, stored_orientation
from bids_stroke.imaging.lesion.placing import Head, place_masks
from bids_stroke.imaging.standard_space import STANDARD_AFFINE, STANDARD_SHAPE, standard_grid, template
from bids_stroke.imaging.transforms import save_warp
from bids_stroke.preprocess.lesion import step as lesions
from bids_stroke.preprocess.registry import StepContext
from tests.helpers.lesions import LEFT, ball
from tests.helpers.spots import stored_as


def mask_file(folder: Path, image: nib.Nifti1Image, space: str | None = SPACE, name: str = "a") -> BidsFile:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"sub-01_desc-{name}_mask.nii.gz"
    image.to_filename(path)
    return BidsFile(path, {"space": space} if space else {}, {}, f"bids:lesions:{path.name}")


def context(folder: Path, files: tuple[BidsFile, ...], anat: StepReport | None = None) -> StepContext:
    session = Session("01", None, lesion=files)
    earlier = {"anat": anat} if anat else {}
    return StepContext(session, Outputs(folder / "out", "01"), Settings(), earlier, folder)


def native_anat(folder: Path) -> tuple[nib.Nifti1Image, StepReport]:
    """A T1w grid 20 mm off the standard space, with the translation as its registration."""
    grid = standard_grid(3.0)
    shift = np.eye(4)
    shift[:3, 3] = [20.0, -10.0, 5.0]
    t1w = nib.Nifti1Image(np.ones(grid.shape, np.float32), shift @ grid.affine)
    field = np.zeros((*STANDARD_SHAPE, 1, 3), np.float32)
    field[...] = shift[:3, 3] * [-1, -1, 1]
    warp = nib.Nifti1Image(field, STANDARD_AFFINE)
    save_warp(folder / "to.nii.gz", warp)
    t1w.to_filename(folder / "t1w.nii.gz")
    world = nib.affines.apply_affine(np.linalg.inv(STANDARD_AFFINE) @ np.linalg.inv(shift) @ t1w.affine,
                                     np.moveaxis(np.indices(t1w.shape), 0, -1))  # fmt: skip
    index = np.clip(world.round().astype(int), 0, np.array(STANDARD_SHAPE) - 1)
    like(t1w, (array(template("mask"))[tuple(np.moveaxis(index, -1, 0))] > 0).astype(np.uint8)).to_filename(
        folder / "brain.nii.gz"
    )
    files = {"t1w": folder / "t1w.nii.gz", "brain_mask": folder / "brain.nii.gz", "to_standard": folder / "to.nii.gz"}
    return t1w, StepReport(files=files)


def placed(folder: Path, file: BidsFile, anat: StepReport) -> StepReport:
    """The anat step's report with the mask laid on the T1w."""
    t1w = load_image(anat.files["t1w"], 3)
    head = Head(t1w, BidsFile(anat.files["t1w"], {}), array(load_image(anat.files["brain_mask"], 3)) > 0)
    path = folder / "placed.nii.gz"
    lesion = like(t1w, place_masks(head, [file], folder, seed=0).lesion.astype(np.uint8))
    reorient(lesion, stored_orientation(anat.files["t1w"])).to_filename(path)
    return replace(anat, files={**anat.files, "lesion_native": path})


@pytest.mark.parametrize("axes", ["RAS", "LAS", "PSL"])
def test_standard_mask_keeps_side_place_and_volume(tmp_path: Path, axes: str) -> None:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = [-80, -110, -60]
    image = stored_as(nib.Nifti1Image(ball(affine, (160, 190, 150)).astype(np.uint8), affine), axes)
    report = lesions.run(context(tmp_path, (mask_file(tmp_path, image),)))
    path = report.outputs["lesion"][0]
    assert is_named(path, "lesion_mask", space=SPACE, res="2")
    saved = nib.load(path)
    assert saved.get_data_dtype() == np.uint8
    assert saved.shape == STANDARD_SHAPE
    np.testing.assert_allclose(
        nib.affines.apply_affine(saved.affine, np.argwhere(saved.get_fdata() > 0).mean(0)), LEFT, atol=0.2
    )
    assert report.qc["lesion_volume_ml"] == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.04)
    assert report.qc["lesion_side_left_fraction"] == 1.0
    assert report.qc["lesion_in_brain_fraction"] > 0.9
    assert report.warnings == ()
    assert report.files == {"lesion_standard": path}


def test_another_template_is_taken_as_equal_and_said(tmp_path: Path) -> None:
    image = like(standard_grid(), ball(STANDARD_AFFINE, STANDARD_SHAPE).astype(np.uint8))
    report = lesions.run(context(tmp_path, (mask_file(tmp_path, image, "MNI152NLin6Asym"),)))
    assert "MNI152NLin6Asym" in report.warnings[0]
    np.testing.assert_array_equal(nib.load(report.outputs["lesion"][0]).get_fdata(), image.get_fdata())


def test_masks_are_united(tmp_path: Path) -> None:
    right = LEFT * [-1, 1, 1]
    files = tuple(
        mask_file(
            tmp_path, like(standard_grid(), ball(STANDARD_AFFINE, STANDARD_SHAPE, at).astype(np.uint8)), name=name
        )
        for name, at in (("left", LEFT), ("right", right))
    )
    report = lesions.run(context(tmp_path, files))
    assert report.qc["lesion_side_left_fraction"] == pytest.approx(0.5, abs=0.02)
    assert report.qc["lesion_volume_ml"] == pytest.approx(2 * 4 / 3 * np.pi * 1.2**3, rel=0.05)


def test_native_mask_travels_with_the_registration(tmp_path: Path) -> None:
    t1w, anat = native_anat(tmp_path)
    place = LEFT + [20.0, -10.0, 5.0]
    affine = np.array([[-2.0, 0, 0, 80], [0, 2.0, 0, -120], [0, 0, 4.0, -60], [0, 0, 0, 1]])
    other_grid = nib.Nifti1Image(ball(affine, (80, 110, 40), place).astype(np.uint8), affine)
    report = lesions.run(
        context(tmp_path, (file := mask_file(tmp_path, other_grid, None),), placed(tmp_path, file, anat))
    )
    saved = nib.load(report.outputs["lesion"][0])
    found = nib.affines.apply_affine(saved.affine, np.argwhere(saved.get_fdata() > 0).mean(0))
    np.testing.assert_allclose(found, LEFT, atol=0.7)
    native = nib.load(report.files["lesion_native"])
    assert native.shape == t1w.shape
    np.testing.assert_allclose(native.affine, t1w.affine)


def test_a_tiny_lesion_does_not_vanish(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = [-80.5, -110.5, -60.5]
    data = np.zeros((160, 190, 150), np.uint8)
    data[56, 104, 82] = 1
    report = lesions.run(context(tmp_path, (mask_file(tmp_path, nib.Nifti1Image(data, affine)),)))
    assert 0 < report.qc["lesion_volume_ml"] < 0.1


def test_empty_mask_is_missing(tmp_path: Path) -> None:
    empty = like(standard_grid(), np.zeros(STANDARD_SHAPE, np.uint8))
    with pytest.raises(MissingModalityError, match=r"_mask\.nii\.gz is empty") as caught:
        lesions.run(context(tmp_path, (mask_file(tmp_path, empty),)))
    assert caught.value.reason == "empty-lesion-mask"


@pytest.mark.parametrize("reason", ["lesion-of-another-image", "ambiguous-lesion-place", "unknown-space"])
def test_what_the_anat_step_could_not_place_is_missing_for_its_reason(tmp_path: Path, reason: str) -> None:
    _, anat = native_anat(tmp_path)
    image = like(standard_grid(), ball(STANDARD_AFFINE, STANDARD_SHAPE).astype(np.uint8))
    anat = replace(anat, missing={"lesion": reason})
    with pytest.raises(MissingModalityError, match="cannot be used") as caught:
        lesions.run(context(tmp_path, (mask_file(tmp_path, image, None),), anat))
    assert caught.value.reason == reason


def test_native_mask_without_registration_is_missing(tmp_path: Path) -> None:
    image = like(standard_grid(), ball(STANDARD_AFFINE, STANDARD_SHAPE).astype(np.uint8))
    with pytest.raises(MissingModalityError, match="native space") as caught:
        lesions.run(context(tmp_path, (mask_file(tmp_path, image, None),)))
    assert caught.value.reason == "no-t1w-registration"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (array(template("mask")) > 0, "lesion-too-large"),
        (ball(STANDARD_AFFINE, STANDARD_SHAPE, np.array([80.0, 80.0, -60.0])), "lesion-outside-brain"),
    ],
)
def test_impossible_masks_fail(tmp_path: Path, data: np.ndarray, reason: str) -> None:
    file = mask_file(tmp_path, like(standard_grid(), data.astype(np.uint8)))
    with pytest.raises(BidsStrokeError, match=file.path.name) as caught:
        lesions.run(context(tmp_path, (file,)))
    assert caught.value.reason == reason


@pytest.mark.real
def test_real_masks(real_data: Path, tmp_path: Path) -> None:
    paths = sorted((real_data / "soop_open").rglob("*mask.nii.gz"))[:3]
    assert paths
    for path in paths:
        file = BidsFile(path, {"space": "MNI152NLin6Asym"}, {}, f"bids:raw:{path.name}")
        report = lesions.run(context(tmp_path, (file,)))
        stored = nib.load(path)
        volume = float((stored.get_fdata() > 0.5).sum() * abs(np.linalg.det(stored.affine[:3, :3]))) / 1000
        assert report.qc["lesion_volume_ml"] == pytest.approx(volume, rel=0.02)


def share_beside(folder: Path, mask: np.ndarray, shares: np.ndarray) -> BidsFile:
    """A mask with a map of shares beside it, in percent."""
    file = mask_file(folder, like(standard_grid(), mask.astype(np.uint8)))
    path = folder / "sub-01_probseg.nii.gz"
    like(standard_grid(), (100 * shares).astype(np.float32)).to_filename(path)
    return replace(file, beside={"share": path})


def test_shares_beside_a_mask_are_the_modality(tmp_path: Path) -> None:
    mask = ball(STANDARD_AFFINE, STANDARD_SHAPE)
    shares = np.where(mask, 0.75, 0.0) + np.where(ball(STANDARD_AFFINE, STANDARD_SHAPE, LEFT, 16.0) & ~mask, 0.25, 0.0)
    report = lesions.run(context(tmp_path, (share_beside(tmp_path, mask, shares),)))
    (path,) = report.outputs["lesion"]
    assert is_named(path, "lesion_shares", space=SPACE, res="2")
    np.testing.assert_allclose(nib.load(path).get_fdata(), shares, atol=1e-6)
    np.testing.assert_array_equal(nib.load(report.files["lesion_standard"]).get_fdata() > 0, mask)
    assert report.qc["lesion_volume_ml"] == pytest.approx(0.008 * shares.sum(), rel=1e-5)
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert sidecar["Sources"] == ["bids:lesions:sub-01_probseg.nii.gz"]


def test_two_maps_of_shares_are_said_not_to_be_used(tmp_path: Path) -> None:
    mask = ball(STANDARD_AFFINE, STANDARD_SHAPE)
    file = share_beside(tmp_path, mask, np.where(mask, 0.75, 0.0))
    assert not any("shares" in text for text in lesions.run(context(tmp_path, (file,))).warnings)
    path, other = file.beside["share"], tmp_path / "sub-01_desc-b_probseg.nii.gz"
    report = lesions.run(context(tmp_path, (replace(file, beside={"share_or_not_0": path, "share_or_not_1": other}),)))
    (warning,) = [text for text in report.warnings if "shares" in text]
    assert f"{path.name} and {other.name} may each be the map of its shares, so none is used." in warning
    assert report.outputs["lesion"] == (report.files["lesion_standard"],)


def test_a_lesion_below_half_a_voxel_is_not_empty(tmp_path: Path) -> None:
    shares = np.zeros(STANDARD_SHAPE)
    shares[57, 60, 47] = 0.3
    report = lesions.run(context(tmp_path, (share_beside(tmp_path, np.zeros(STANDARD_SHAPE), shares),)))
    assert report.qc["lesion_volume_ml"] == pytest.approx(0.0024, rel=1e-5)
    assert nib.load(report.files["lesion_standard"]).get_fdata().sum() == 1


def test_a_finer_map_of_shares_keeps_its_volume(tmp_path: Path) -> None:
    """Voxels of 1 mm between the 2 mm grid's centres count as much as those on them."""
    affine = np.eye(4)
    affine[:3, 3] = [-80, -110, -60]
    shares = np.zeros((160, 190, 150), np.float32)
    shares[55, 103, 81] = shares[56, 104, 82] = 0.8
    shares[60:63, 100, 80] = 0.4
    image = nib.Nifti1Image(shares, affine)
    file = mask_file(tmp_path, nib.Nifti1Image((shares > 0.5).astype(np.uint8), affine))
    image.to_filename(tmp_path / "sub-01_probseg.nii.gz")
    report = lesions.run(context(tmp_path, (replace(file, beside={"share": tmp_path / "sub-01_probseg.nii.gz"}),)))
    assert report.qc["lesion_volume_ml"] == pytest.approx(0.001 * shares.sum(), rel=1e-4)


def test_shares_hold_the_native_mask_too(tmp_path: Path) -> None:
    t1w, anat = native_anat(tmp_path)
    shares = np.where(ball(STANDARD_AFFINE, STANDARD_SHAPE), 0.5, 0.0)
    standard = share_beside(tmp_path, shares > 0.4, shares)
    own = ball(t1w.affine, t1w.shape, LEFT * [-1, 1, 1] + [20.0, -10.0, 5.0])
    native = mask_file(tmp_path, like(t1w, own.astype(np.uint8)), None, "native")
    report = lesions.run(context(tmp_path, (standard, native), placed(tmp_path, native, anat)))
    written = nib.load(report.outputs["lesion"][0]).get_fdata()
    mask = nib.load(report.files["lesion_standard"]).get_fdata() > 0
    assert (written[mask] > 0.4).all() and (written[mask] == 1.0).sum() > 500
