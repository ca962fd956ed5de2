"""sform and qform: written as one, and named where they are two."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from bids_stroke.imaging.forms import apart_mm, form_warnings, other_form, place_known, set_forms, without_shear
from bids_stroke.imaging.images import like, load_image, reorient, stored_orientation
from tests.helpers.spots import rigid

SHAPE = (40, 50, 30)


def stored(path: Path, sform: np.ndarray, qform: np.ndarray, codes: tuple[int, int] = (1, 1)) -> Path:
    image = nib.Nifti1Image(np.ones(SHAPE, np.float32), sform)
    image.set_sform(sform, code=codes[0])
    image.set_qform(qform, code=codes[1])
    image.to_filename(path)
    return path


def sheared(degrees: float) -> np.ndarray:
    """A gantry tilt: slices that are shifted against each other."""
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[1, 2] = 3.0 * np.tan(np.radians(degrees))
    affine[:3, 3] = [-40, -50, -45]
    return affine


def itk_corners(path: Path) -> np.ndarray:
    image = sitk.ReadImage(str(path))
    ends = [[index * (size - 1) for index, size in zip(corner, SHAPE, strict=True)] for corner in np.ndindex(2, 2, 2)]
    return np.array([image.TransformIndexToPhysicalPoint(end) for end in ends]) * [-1, -1, 1]


def corners(affine: np.ndarray) -> np.ndarray:
    return nib.affines.apply_affine(affine, np.array(list(np.ndindex(2, 2, 2))) * (np.array(SHAPE) - 1))


@pytest.mark.inputs(
    "An image whose affine is sheared (a gantry tilt, a registration) is written with its sform alone (`qform_code` "
    "0), because a qform cannot hold a shear: tools built on ITK refuse such an image instead of reading another place."
)
@pytest.mark.parametrize("affine", [sheared(15.0), rigid((10, -20, 30), (1, 2, 3)) @ sheared(-4.0), sheared(0.5)])
def test_a_shear_is_never_in_a_qform(tmp_path: Path, affine: np.ndarray) -> None:
    image = load_image(stored(tmp_path / "in.nii.gz", affine, without_shear(affine)), 3)
    path = tmp_path / "out.nii.gz"
    reorient(like(image, np.ones(image.shape, np.uint8)), stored_orientation(tmp_path / "in.nii.gz")).to_filename(path)
    written = nib.load(path)
    assert int(written.header["qform_code"]) == 0 and int(written.header["sform_code"]) == 1
    np.testing.assert_allclose(corners(written.affine), corners(affine), atol=0.01)
    with pytest.raises(RuntimeError, match="orthonormal"):
        sitk.ReadImage(str(path))


@pytest.mark.parametrize("degrees", [(0, 0, 0), (10, -20, 30), (3, 170, -5)])
@pytest.mark.parametrize("axes", ["RAS", "LAS", "PSL"])
def test_without_a_shear_itk_and_nibabel_read_one_place(
    tmp_path: Path, degrees: tuple[float, float, float], axes: str
) -> None:
    affine = rigid(degrees, (1, 2, 3)) @ np.diag([1.0, 1.2, 3.0, 1.0])
    image = nib.Nifti1Image(np.ones(SHAPE, np.float32), affine)
    set_forms(image, affine, 1, 1)
    turned = reorient(image, axes)
    path = tmp_path / "a.nii.gz"
    reorient(like(turned, np.ones(turned.shape, np.uint8)), "".join(nib.aff2axcodes(affine))).to_filename(path)
    assert int(nib.load(path).header["qform_code"]) == 1
    np.testing.assert_allclose(itk_corners(path), corners(nib.load(path).affine), atol=0.05)


@pytest.mark.inputs(
    "Where sform and qform put a T1w, a dwi, a bold run or a lesion mask at places more than 1 mm apart, the sform is "
    "used, which is said."
)
@pytest.mark.parametrize(("codes", "named"), [((1, 1), True), ((2, 1), True), ((1, 0), False), ((0, 1), False)])
def test_forms_that_disagree_are_named(tmp_path: Path, codes: tuple[int, int], named: bool) -> None:
    moved = np.diag([2.0, 2, 3, 1])
    moved[1, 3] = 12.0
    path = stored(tmp_path / "a.nii.gz", np.diag([2.0, 2, 3, 1]), moved, codes)
    warnings = form_warnings([path])
    assert len(warnings) == named
    if named:
        assert "12.0 mm apart; the sform is used" in warnings[0]
        assert apart_mm(other_form(path), moved, SHAPE) < 1e-3


def test_an_image_without_forms_keeps_its_voxels_where_nibabel_puts_them(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE), None)
    image.to_filename(tmp_path / "a.nii.gz")
    assert not place_known(tmp_path / "a.nii.gz")
    source, read = nib.load(tmp_path / "a.nii.gz"), load_image(tmp_path / "a.nii.gz", 3)
    written = tmp_path / "b.nii.gz"
    like(read, np.asarray(read.dataobj)).to_filename(written)
    for other in (read, nib.load(written)):
        voxel = np.round(nib.affines.apply_affine(np.linalg.inv(other.affine) @ source.affine, [3, 4, 5])).astype(int)
        assert other.get_fdata()[tuple(voxel)] == source.get_fdata()[3, 4, 5]
