"""Which T1w is read, of several and of odd or broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.bids.entities import raw_entities
from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.anat.choice import choose_t1w
from tests.helpers.t1w import T1w, file_in, file_of


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
        choose_t1w([BidsFile(path, {}, {}, "bids:raw:t1w")], "best", tmp_path, seed=0)
    assert caught.value.reason == reason


def test_one_volume_in_4d_is_an_image(tmp_path: Path) -> None:
    file = file_of(tmp_path, brain_like((12, 12, 12, 1)))
    _, image, warnings = choose_t1w([file], "best", tmp_path, seed=0)
    assert image.shape == (12, 12, 12)
    assert warnings == []


def test_the_finest_t1w_is_taken_and_the_others_named(tmp_path: Path) -> None:
    files = []
    for run, size in (("1", 2.0), ("2", 1.5), ("3", 1.5)):
        path = tmp_path / f"sub-01_run-{run}_T1w.nii.gz"
        nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.diag([size, size, size, 1])).to_filename(path)
        files.append(file_in(tmp_path, path))
    used, image, warnings = choose_t1w(files, "best", tmp_path, seed=0)
    assert used == (files[1],)
    assert image.header.get_zooms() == pytest.approx((1.5, 1.5, 1.5))
    assert len(warnings) == 1
    assert "run-1" in warnings[0]
    assert "run-3" in warnings[0]


@pytest.mark.inputs("A T1w whose header cannot be read, or that is no 3D image, is left out where there is another.")
@pytest.mark.parametrize("kind", ["no image", "4D", "one slice"])
def test_one_odd_t1w_does_not_take_the_others(tmp_path: Path, kind: str) -> None:
    good, odd = (tmp_path / f"sub-01_run-{run}_T1w.nii.gz" for run in "21")
    nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.eye(4)).to_filename(good)
    shape = {"4D": (8, 8, 8, 3), "one slice": (8, 8)}.get(kind)
    if shape:
        nib.Nifti1Image(np.ones(shape, np.float32), np.eye(4)).to_filename(odd)
    else:
        odd.write_bytes(b"broken")
    files = [file_in(tmp_path, path) for path in (odd, good)]
    used, _, warnings = choose_t1w(files, "best", tmp_path, seed=0)
    assert used == (files[1],)
    assert warnings[0].startswith(f"{good.name} is used; not used: {odd.name} (it cannot be used: ")
    with pytest.raises(DataError, match="run-1"):
        choose_t1w(files[:1], "best", tmp_path, seed=0)


def test_unknown_orientation_is_said(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.eye(4))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    image.to_filename(tmp_path / "sub-01_T1w.nii.gz")
    _, _, warnings = choose_t1w([file_in(tmp_path, tmp_path / "sub-01_T1w.nii.gz")], "best", tmp_path, seed=0)
    assert "left and right are a guess" in warnings[0]


WHOLE = (180, 220, 200)
"""Field of view of a head, mm."""


def scan(label: str, sides: tuple[float, ...], fov: tuple[float, ...] = WHOLE, **told: object) -> tuple:
    return label, sides, fov, told


def chosen(folder: Path, *scans: tuple) -> tuple[str, str]:
    """Label of the one that is used, and the warning."""
    files = []
    for label, sides, fov, told in scans:
        shape = tuple(round(side / size) for side, size in zip(fov, sides, strict=True))
        path = folder / f"sub-01_{label}_T1w.nii.gz"
        # uint8 zeros, packed to nothing: only the header decides
        nib.Nifti1Image(np.zeros(shape, np.uint8), np.diag([*sides, 1.0])).to_filename(path)
        files.append(BidsFile(path, raw_entities(f"sub-01/anat/{path.name}"), told))
    used, _, warnings = choose_t1w(files, "best", folder, seed=0)
    return used[0].path.name.removeprefix("sub-01_").removesuffix("_T1w.nii.gz"), warnings[0]


@pytest.mark.inputs(
    "One T1w of a session is used, and a warning names the others, each with what the one that is used has before it.",
    "A field of view whose shortest side is below 100 mm holds no whole brain and comes last.",
    "Then the thickest side of the voxels decides, not their volume: 0.43 x 0.43 x 5 mm comes after 1 mm; sides up to "
    "1.5 mm count as equal here.",
    "Then the whole head comes before a part of it (a field of view whose shortest side is below 140 mm, in steps of "
    "14 mm).",
    "Then the smaller thickest side, the smaller voxel and the order of names decide.",
)
@pytest.mark.parametrize(
    ("scans", "best", "why"),
    [
        ((scan("acq-axial", (0.43, 0.43, 5.0)), scan("acq-mprage", (2.0, 2.0, 2.0))), "acq-mprage", "5 mm slices"),
        ((scan("acq-sag", (6.0, 1.0, 1.0)), scan("acq-tra", (1.0, 1.0, 5.0))), "acq-tra", "6 mm slices"),
        ((scan("acq-slab", (1.2, 1.2, 1.2), (180, 220, 48)), scan("acq-tra", (2.0, 2.0, 5.0))), "acq-tra",
         "its field of view is 48 mm: a part of the head"),
        ((scan("acq-cut", (1.5, 1.5, 1.4), (180, 220, 112)), scan("acq-whole", (1.5, 1.5, 1.5))), "acq-whole",
         "its field of view is 112 mm: a part of the head"),
        ((scan("run-1", (2.0, 2.0, 2.0)), scan("run-2", (2.0, 2.0, 1.5))), "run-2", "voxels of 8 mm3"),
        ((scan("run-1", (1.5, 1.5, 1.5)), scan("run-2", (1.4, 1.4, 1.4))), "run-2", "1.5 mm slices"),
        ((scan("run-1", (2.0, 2.0, 2.0)), scan("run-2", (1.5, 1.5, 2.0))), "run-2", "voxels of 8 mm3"),
        ((scan("run-1", (2.0, 2.0, 2.0)), scan("run-2", (2.0, 2.0, 2.0))), "run-1", "as good; names are in order"),
    ],
    ids=["axial", "both thick", "slab", "top cut off", "one side", "thin", "two sides", "equal"],
)  # fmt: skip
def test_of_several_the_best_is_used_and_it_is_said_why(tmp_path: Path, scans: tuple, best: str, why: str) -> None:
    label, said = chosen(tmp_path, *scans)
    (other,) = {one[0] for one in scans} - {best}
    assert label == best
    assert said == f"sub-01_{best}_T1w.nii.gz is used; not used: sub-01_{other}_T1w.nii.gz ({why})."


@pytest.mark.inputs(
    "Then an image without a contrast agent comes before one with it, as told by `ce-`, by words such as `acq-postGad` "
    "or by `ContrastBolusIngredient` in the sidecar."
)
@pytest.mark.parametrize(
    ("label", "told", "enhanced"),
    [
        ("ce-gadolinium", {}, True),
        ("acq-a_ce-gd", {}, True),
        ("acq-aGd", {}, True),
        ("acq-T1ce", {}, True),
        ("acq-postGad", {}, True),
        ("acq-a", {"ContrastBolusIngredient": "GADOLINIUM"}, True),
        ("acq-a", {"ContrastBolusAgent": "Gadovist"}, True),
        ("acq-a", {"ContrastBolusIngredient": "NONE"}, False),
        ("acq-a", {"ContrastBolusIngredient": None}, False),
        ("ce-none", {}, False),
        ("acq-NonContrast", {}, False),
        ("acq-PreGad", {}, False),
        ("acq-cecil", {}, False),
    ],
)
def test_plain_comes_before_enhanced(tmp_path: Path, label: str, told: dict, enhanced: bool) -> None:
    # the plain one has larger voxels of the same class, and a later name
    best, said = chosen(tmp_path, scan(label, (1.4, 1.5, 1.5), **told), scan("run-2", (1.5, 1.5, 1.5)))
    assert best == ("run-2" if enhanced else label)
    assert ("(after a contrast agent)" in said) is enhanced


def test_thin_slices_after_a_contrast_agent_come_before_thick_ones(tmp_path: Path) -> None:
    best, _ = chosen(tmp_path, scan("ce-gd", (1.5, 1.5, 1.5)), scan("acq-axial", (1.0, 1.0, 5.0)))
    assert best == "ce-gd"


@pytest.mark.inputs("`anat.several: average` averages no image after a contrast agent with one before it.")
def test_enhanced_and_plain_are_not_averaged(tmp_path: Path) -> None:
    image = brain_like((12, 12, 12))
    files = [file_of(tmp_path, image, f"sub-01_{name}_T1w.nii.gz") for name in ("ce-gd", "run-1")]
    told = [BidsFile(file.path, raw_entities(f"sub-01/anat/{file.path.name}")) for file in files]
    used, _, warnings = choose_t1w(told, "average", tmp_path, seed=0)
    assert [file.path.name for file in used] == ["sub-01_run-1_T1w.nii.gz"]
    assert "after a contrast agent" in warnings[0]
