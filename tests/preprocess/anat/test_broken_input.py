"""T1w images and lesion masks that are odd or broken: processed right, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import BidsStrokeError, DataError
from bids_stroke.core.records import SPACE, BidsFile, Session
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import array, like, load_image
from bids_stroke.imaging.registration import Warp
from bids_stroke.imaging.standard_space import STANDARD_AFFINE, STANDARD_SHAPE
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.anat import inputs as anat_inputs
from bids_stroke.preprocess.anat import step
from bids_stroke.preprocess.lesion import step as lesions
from bids_stroke.preprocess.registry import StepContext
from tests.helpers.lesion_heads import Place, Scan, dice, scan
from tests.imaging.test_transforms import rigid, stored_as

MARKER = Place("left centrum semiovale", (-28.0, -14.0, 26.0), 14.0)
QUICK = Settings.model_validate({"anat": {"lesion_handling": "none"}})
TILTED = "tilted LAS"
T1w = nib.Nifti1Image


def file_of(folder: Path, image: T1w, name: str = "sub-01_T1w.nii.gz") -> BidsFile:
    folder.mkdir(parents=True, exist_ok=True)
    image.to_filename(folder / name)
    return BidsFile(folder / name, {}, {}, f"bids:raw:sub-01/anat/{name}")


def context_of(folder: Path, t1w: T1w, lesion: T1w | None = None) -> StepContext:
    """The anat step of one subject, with its files stored as they are."""
    files = (file_of(folder / "raw", t1w),)
    masks = () if lesion is None else (file_of(folder / "raw", lesion, "sub-01_label-L_mask.nii.gz"),)
    (folder / "work").mkdir()
    session = Session("01", None, raw={"t1w": files}, lesion=masks)
    return StepContext(session, Outputs(folder / "out", "01"), QUICK, {}, folder / "work")


def run_both(context: StepContext) -> dict[str, Path]:
    """Anat and lesion; all maps in standard space by name."""
    report = step.run(context)
    lesions.run(StepContext(context.session, context.outputs, QUICK, {"anat": report}, context.work))
    pattern = f"anat/*space-{SPACE}_res-2*.nii.gz"
    return {path.name.split("res-2_")[1]: path for path in sorted(context.outputs.folder.glob(pattern))}


def whole(seen: Scan, mask: np.ndarray) -> T1w:
    return like(seen.t1w, mask.astype(np.uint8))


@pytest.fixture(scope="module")
def head() -> Scan:
    """A head with a dark lesion on the left, in a tilted, left-handed grid."""
    seen = scan(MARKER, tilt_degrees=14.0, left_handed=True)
    assert np.linalg.det(seen.t1w.affine) < 0
    assert np.abs(seen.t1w.affine[:3, :3]).min() > 0.2
    return seen


@pytest.fixture(scope="module")
def straight() -> Scan:
    return scan(MARKER)


def left_minus_right(path: Path) -> float:
    """Mean within 8 mm of the marker's place less that within 8 mm of its mirror image."""
    image = load_image(path, 3)
    world = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(image.shape), 0, -1))
    left, right = ((((world - np.array(MARKER.centre) * [side, 1, 1]) ** 2).sum(-1) < 64.0) for side in (1.0, -1.0))
    data = array(image)
    return float(data[left].mean() - data[right].mean())


@pytest.mark.parametrize(
    "stored", [TILTED, *(pytest.param(order, marks=pytest.mark.slow) for order in ("RAS", "LAS", "PSL"))]
)
def test_left_stays_left_in_every_map(stored: str, head: Scan, straight: Scan, tmp_path: Path) -> None:
    """The marker is seen on the left (x < 0) of every map in standard space, however the T1w is stored."""
    seen = head if stored == TILTED else straight
    order = stored.split()[-1]
    context = context_of(tmp_path, stored_as(seen.t1w, order), stored_as(whole(seen, seen.mask), order))
    stored_t1w = nib.load(context.session.files("t1w")[0].path)
    assert "".join(nib.aff2axcodes(stored_t1w.affine)) == order
    maps = run_both(context)
    sides = {name: left_minus_right(path) for name, path in maps.items()}
    signs = {
        "desc-preproc_T1w": -1, "label-GM_probseg": 0, "label-WM_probseg": -1, "label-WM_desc-intensity_T1w": -1,
        "label-L_desc-lesion_mask": 1, "label-GM_desc-intensity_T1w": 0, "label-CSF_probseg": 0,
        "desc-brain_mask": 0,
    }  # fmt: skip
    assert {name.removesuffix(".nii.gz") for name in maps} == set(signs)
    for name, sign in signs.items():
        side = sides[f"{name}.nii.gz"]
        assert sign == 0 or side * sign > 0.2, f"{name}: {side}"
    lesion = load_image(maps["label-L_desc-lesion_mask.nii.gz"], 3)
    found = nib.affines.apply_affine(lesion.affine, np.argwhere(array(lesion) > 0.5))
    assert found[:, 0].max() < 0
    np.testing.assert_allclose(found.mean(0), MARKER.centre, atol=3.0)


def phantom(inside: float, outside: float) -> T1w:
    """A sphere of water and noise, at 2.5 mm."""
    affine = np.diag([2.5, 2.5, 2.5, 1.0])
    affine[:3, 3] = -100.0
    radius = np.linalg.norm((np.indices((80, 80, 80)) - 40.0) * 2.5, axis=0)
    noise = np.random.default_rng(0).normal(0.0, 30.0, radius.shape)
    return T1w((np.where(radius < 70, inside, outside) + noise).clip(0).astype(np.float32), affine)


@pytest.mark.parametrize(
    "image",
    [phantom(1000.0, 20.0), pytest.param(phantom(300.0, 300.0), marks=pytest.mark.slow)],
    ids=["sphere", "noise"],
)
def test_a_phantom_gives_no_maps(image: T1w, tmp_path: Path) -> None:
    context = context_of(tmp_path, image)
    with pytest.raises(BidsStrokeError, match=r"T1") as caught:
        step.run(context)
    assert caught.value.reason in ("no-tissue-contrast", "not-a-brain", "no-brain-found")
    assert "whole head" in caught.value.remedy
    assert not list(tmp_path.glob("out/**/*.nii.gz"))


def brain_like(shape: tuple[int, ...]) -> T1w:
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    return T1w(np.random.default_rng(1).uniform(0, 100, shape).astype(np.float32), affine)


def with_header(field: str, value: object) -> Callable[[Path], None]:
    """Overwrite a field of the header of an uncompressed file, which nibabel would not write."""

    def damage(path: Path) -> None:
        header = nib.load(path).header.copy()
        header["vox_offset"] = 352
        header[field] = value
        header["sform_code"] = 0 if field == "pixdim" else header["sform_code"]
        content = path.read_bytes()
        path.write_bytes(header.binaryblock + content[348:])

    return damage


@pytest.mark.parametrize(
    ("shape", "damage", "reason"),
    [
        ((12, 12, 12, 3), None, "wrong-dimensions"),
        ((12, 12), None, "wrong-dimensions"),
        ((12, 12, 12), with_header("pixdim", [1.0, np.nan, np.nan, np.nan, 1, 1, 1, 1]), "bad-affine"),
        ((12, 12, 12), with_header("srow_y", [np.nan, 1.0, 0.0, 0.0]), "bad-affine"),
        ((12, 12, 12), with_header("srow_y", [4.0, 0.0, 0.0, 0.0]), "bad-affine"),
    ],
    ids=["4D", "2D", "NaN voxel size", "NaN affine", "flat affine"],
)
def test_a_broken_header_is_refused(
    shape: tuple[int, ...], damage: Callable[[Path], None] | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "sub-01_T1w.nii"
    brain_like(shape).to_filename(path)
    if damage:
        damage(path)
    with pytest.raises(DataError, match=r"sub-01_T1w\.nii") as caught:
        anat_inputs.choose_t1w([BidsFile(path, {}, {}, "bids:raw:t1w")], "best", tmp_path, seed=0)
    assert caught.value.reason == reason


def test_one_volume_in_4d_is_an_image(tmp_path: Path) -> None:
    file = file_of(tmp_path, brain_like((12, 12, 12, 1)))
    _, image, warnings = anat_inputs.choose_t1w([file], "best", tmp_path, seed=0)
    assert image.shape == (12, 12, 12)
    assert warnings == []


def test_a_tilted_left_handed_t1w_is_read_in_its_place(head: Scan, tmp_path: Path) -> None:
    """Voxels are put into RAS+ order, none is resampled, and each stays where it was in the world."""
    file = file_of(tmp_path, head.t1w)
    image = load_image(file.path, 3)
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    np.testing.assert_array_equal(array(image), array(head.t1w)[::-1])
    corner = nib.affines.apply_affine(image.affine, [0, 0, 0])
    np.testing.assert_allclose(corner, nib.affines.apply_affine(head.t1w.affine, [head.mask.shape[0] - 1, 0, 0]),
                               atol=1e-3)  # fmt: skip


def process(head: Scan, mask: T1w, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, list[str]]:
    """The lesion that the anat step finds on the T1w's grid, and warnings; the slow parts are left out."""
    brain = head.shares["gm"] + head.shares["wm"] + head.shares["csf"] + head.mask > 0.5
    monkeypatch.setattr(step, "extract_brain", lambda _: brain)
    monkeypatch.setattr(step, "correct_bias", lambda t1w, *_: t1w)
    nothing = T1w(np.zeros((*STANDARD_SHAPE, 1, 3), np.float32), STANDARD_AFFINE)
    monkeypatch.setattr(step, "register", lambda *_, **__: Warp(nothing, nothing, np.eye(4)))
    files = step.LesionFiles.of([file_of(folder, mask, "sub-01_label-L_mask.nii.gz")])
    inputs = anat_inputs.AnatInputs(head.t1w, ())
    anatomy, warnings = step.process(inputs, files, QUICK.anat, folder, seed=0)
    return anatomy.lesion, warnings


def test_a_lesion_mask_on_another_grid_lands_in_its_place(
    straight: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn on thick oblique slices of another field of view."""
    affine = rigid((8.0, -5.0, 12.0), (-70.0, -100.0, -40.0)) @ np.diag([1.3, 1.3, 4.0, 1.0])
    grid = T1w(np.zeros((110, 150, 40), np.float32), affine)
    drawn = array(resample(whole(straight, straight.mask), grid)) > 0.5
    assert drawn.sum() * abs(np.linalg.det(affine[:3, :3])) > 8000
    found, warnings = process(straight, like(grid, drawn.astype(np.uint8)), tmp_path, monkeypatch)
    assert dice(found, straight.mask) > 0.85
    assert warnings == []


def test_an_empty_mask_is_as_no_lesion_and_said(
    straight: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, warnings = process(straight, whole(straight, straight.mask & False), tmp_path, monkeypatch)
    assert not found.any()
    assert len(warnings) == 1
    assert "sub-01_label-L_mask.nii.gz is empty" in warnings[0]


@pytest.mark.parametrize(
    ("value", "shift", "reason"),
    [
        (1, 0.0, "lesion-too-large"),
        (0, 62.0, "lesion-outside-brain"),
        (0, 900.0, "mask-outside-image"),
        (-1, 0.0, "not-a-mask"),
    ],
    ids=["everything", "outside the brain", "outside the image", "negative"],
)
def test_an_impossible_mask_is_refused(
    value: int, shift: float, reason: str, straight: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = straight.mask.astype(np.int16) if value == 0 else np.full(straight.mask.shape, value, np.int16)
    affine = straight.t1w.affine.copy()
    affine[0, 3] -= shift
    with pytest.raises(DataError, match=r"sub-01_label-L_mask\.nii\.gz") as caught:
        process(straight, T1w(data, affine), tmp_path, monkeypatch)
    assert caught.value.reason == reason
    assert caught.value.remedy
