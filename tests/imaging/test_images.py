"""Images and signals of voxels read from files: broken ones are named, good ones keep their place in space."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import (
    array,
    array_to_sitk,
    like,
    load_image,
    load_signals,
    orientation_known,
    reorient,
    same_grid,
    sitk_affine,
    sitk_array,
    stored_orientation,
    to_sitk,
    voxel_ml,
    voxel_signals,
)

AFFINE = np.array([[0.0, 0.0, 2.0, -10.0], [-1.5, 0.2, 0.0, 20.0], [0.0, 3.0, 0.1, -30.0], [0, 0, 0, 1.0]])
SHAPE = (7, 6, 5, 4)


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.Nifti1Image(data, affine).to_filename(path)
    return path


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)


def test_values_and_place_are_kept(tmp_path: Path) -> None:
    """Voxels come in RAS+ order, each where it was in space; the file's own order is one call away."""
    data = noise((5, 6, 7))
    path = save(tmp_path / "a.nii.gz", data)
    image = load_image(path, 3)
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    assert image.get_data_dtype() == np.float32
    for voxel in [(0, 0, 0), (4, 1, 6), (2, 5, 3)]:
        where = nib.affines.apply_affine(np.linalg.inv(image.affine) @ AFFINE, voxel)
        assert array(image)[tuple(np.round(where).astype(int))] == data[voxel]
    stored = reorient(image, stored_orientation(path))
    np.testing.assert_array_equal(array(stored), data)
    np.testing.assert_allclose(stored.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("order", ["LAS", "PSL", "IRP", "RAS"])
def test_storage_order_changes_nothing(tmp_path: Path, order: str) -> None:
    oblique = AFFINE[:, [1, 2, 0, 3]] * [-1, 1, 1, 1]
    series = nib.Nifti1Image(noise((4, 5, 6, 3)), oblique)
    series.header.set_zooms((*series.header.get_zooms()[:3], 1.5))
    reference = reorient(series, "RAS")
    turned = reorient(series, order)
    turned.to_filename(tmp_path / "a.nii.gz")
    assert stored_orientation(tmp_path / "a.nii.gz") == order
    read = load_image(tmp_path / "a.nii.gz", 4)
    np.testing.assert_array_equal(array(read), array(reference))
    np.testing.assert_allclose(read.affine, reference.affine, atol=1e-5)
    assert turned.header.get_zooms()[3] == 1.5


def test_scaled_integers_are_read_in_their_units(tmp_path: Path) -> None:
    stored = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    stored.header.set_slope_inter(0.5, 3.0)
    stored.to_filename(tmp_path / "a.nii")
    raw = np.asarray(nib.load(tmp_path / "a.nii").dataobj)
    np.testing.assert_allclose(array(load_image(tmp_path / "a.nii", 3)), raw)


def test_repetition_time_is_in_seconds(tmp_path: Path) -> None:
    stored = nib.Nifti1Image(noise((3, 3, 3, 4)), np.eye(4))
    stored.header.set_xyzt_units("mm", "msec")
    stored.header.set_zooms((1, 1, 1, 1500.0))
    stored.to_filename(tmp_path / "a.nii.gz")
    image = load_image(tmp_path / "a.nii.gz", 4)
    assert image.header.get_zooms()[3] == pytest.approx(1.5)
    assert image.header.get_xyzt_units() == ("mm", "sec")


@pytest.mark.parametrize(("stored", "ndim", "wanted"), [((4, 5, 6, 1), 3, (4, 5, 6)), ((4, 5, 6), 4, (4, 5, 6, 1))])
def test_an_axis_of_length_one_is_no_error(tmp_path: Path, stored: tuple, ndim: int, wanted: tuple) -> None:
    assert load_image(save(tmp_path / "a.nii.gz", noise(stored), np.eye(4)), ndim).shape == wanted


@pytest.mark.parametrize(("shape", "ndim"), [((4, 5, 6, 2), 3), ((4, 5), 3), ((4, 5, 1), 3)])
def test_wrong_dimensions(tmp_path: Path, shape: tuple, ndim: int) -> None:
    with pytest.raises(DataError, match=r"a\.nii\.gz has shape") as caught:
        load_image(save(tmp_path / "a.nii.gz", noise(shape)), ndim)
    assert caught.value.reason == "wrong-dimensions"


@pytest.mark.parametrize("cut", [10, 400, 2000])
def test_truncated_file(tmp_path: Path, cut: int) -> None:
    path = save(tmp_path / "cut.nii.gz", noise((20, 20, 20)))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"cut\.nii\.gz cannot be read") as caught:
        load_image(path, 3)
    assert caught.value.reason == "unreadable-image"
    assert caught.value.exit_code == 65


def test_damaged_compression(tmp_path: Path) -> None:
    path = save(tmp_path / "bad.nii.gz", noise((20, 20, 20)))
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        load_image(path, 3)


@pytest.mark.parametrize("content", [b"", b"this is text", gzip.compress(b"this is text", mtime=0)])
def test_no_image_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.nii.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"text\.nii\.gz cannot be read"):
        load_image(path, 3)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        load_image(tmp_path / "nowhere.nii.gz", 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_voxels_are_counted(tmp_path: Path, value: float) -> None:
    data = noise((5, 5, 5))
    data[0, :3, 0] = value
    with pytest.raises(DataError, match="3 of 125 voxels") as caught:
        load_image(save(tmp_path / "a.nii.gz", data), 3)
    assert caught.value.reason == "not-finite"


def test_colour_is_refused(tmp_path: Path) -> None:
    rgb = np.zeros((3, 3, 3), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(DataError, match="not a number"):
        load_image(save(tmp_path / "a.nii.gz", rgb), 3)


def test_broken_affine_and_broken_voxel_size(tmp_path: Path) -> None:
    image = nib.Nifti1Image(noise((4, 4, 4)), np.eye(4))
    image.header["vox_offset"] = 352
    image.header["srow_x"] = [np.nan, 0, 0, 0]
    (tmp_path / "nan.nii").write_bytes(image.header.binaryblock + bytes(4) + array(image).tobytes("F"))
    with pytest.raises(DataError, match="affine"):
        load_image(tmp_path / "nan.nii", 3)
    image.header["srow_x"] = [2.0, 0, 0, 0]
    image.header["pixdim"][1:4] = np.nan  # seen in the wild, with a good sform
    (tmp_path / "pixdim.nii").write_bytes(image.header.binaryblock + bytes(4) + array(image).tobytes("F"))
    assert load_image(tmp_path / "pixdim.nii", 3).header.get_zooms() == pytest.approx((2.0, 1.0, 1.0))


@pytest.mark.parametrize("units", [56, 63, 120, 255, 7])
def test_units_that_are_none_count_as_seconds(tmp_path: Path, units: int) -> None:
    path = save(tmp_path / "a.nii", noise(SHAPE))
    data = bytearray(path.read_bytes())
    data[123] = units
    data[92:96] = np.float32(2.5).tobytes()
    path.write_bytes(bytes(data))
    assert load_image(path, 4).header.get_zooms()[3] == 2.5


def test_unknown_orientation_is_seen(tmp_path: Path) -> None:
    assert orientation_known(load_image(save(tmp_path / "a.nii.gz", noise((4, 4, 4))), 3))
    image = nib.Nifti1Image(noise((4, 4, 4)), np.eye(4))
    image.set_sform(np.eye(4), code=0)
    image.set_qform(np.eye(4), code=0)
    image.to_filename(tmp_path / "b.nii.gz")
    assert not orientation_known(load_image(tmp_path / "b.nii.gz", 3))


def test_simpleitk_and_back() -> None:
    data = noise((4, 5, 6))
    moved = to_sitk(nib.Nifti1Image(data, AFFINE))
    np.testing.assert_array_equal(sitk_array(moved), data)
    np.testing.assert_allclose(sitk_affine(moved), AFFINE, atol=1e-6)
    # a voxel is at the same place: RAS for nibabel, LPS for ITK
    ras = nib.affines.apply_affine(AFFINE, [1, 2, 3])
    np.testing.assert_allclose(moved.TransformIndexToPhysicalPoint((1, 2, 3)), ras * [-1, -1, 1], atol=1e-5)


def test_vectors_keep_their_components() -> None:
    field = noise((4, 5, 6, 3))
    np.testing.assert_array_equal(sitk_array(array_to_sitk(field, AFFINE, vector=True)), field)


def test_grids_and_volumes() -> None:
    image = nib.Nifti1Image(noise((4, 5, 6)), np.diag([2.0, -3.0, 4.0, 1.0]))
    assert voxel_ml(image) == pytest.approx(0.024)
    assert same_grid(image, like(image, np.zeros((4, 5, 6))))
    shifted = nib.Nifti1Image(noise((4, 5, 6)), image.affine + 0.5 * np.eye(4)[[3, 3, 3, 3]])
    assert not same_grid(image, shifted)
    assert not same_grid(image, nib.Nifti1Image(noise((5, 4, 6)), image.affine))


def test_voxels_of_a_mask(tmp_path: Path) -> None:
    data = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    mask = np.random.default_rng(2).random(SHAPE[:3]) > 0.6
    for order in ("C", "F"):
        image = nib.Nifti1Image(np.asarray(data, order=order), np.eye(4))
        np.testing.assert_array_equal(voxel_signals(image, mask), data[mask])
        assert voxel_signals(image, np.zeros_like(mask)).shape == (0, SHAPE[3])


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
@pytest.mark.parametrize("order", ["RAS", "LAS", "PSL"])
def test_voxels_of_a_mask_from_the_file(tmp_path: Path, order: str, ending: str) -> None:
    """As from the loaded series, whichever way it is stored."""
    data = np.random.default_rng(1).integers(0, 900, SHAPE).astype(np.int16)
    image = reorient(nib.Nifti1Image(data, np.diag([2.0, 3.0, 4.0, 1.0])), order)
    image.header.set_slope_inter(0.37, -2.5)
    path = tmp_path / f"a.{ending}"
    image.to_filename(path)
    series = load_image(path, 4)
    mask = np.random.default_rng(2).random(series.shape[:3]) > 0.6
    found = load_signals(path, like(series, mask.astype(np.uint8)))
    np.testing.assert_array_equal(found, voxel_signals(series, mask))
    assert found.T.flags.c_contiguous


def test_signals_of_a_bad_file_are_refused(tmp_path: Path) -> None:
    data = np.ones(SHAPE, dtype=np.float32)
    mask = nib.Nifti1Image(np.ones(SHAPE[:3], dtype=np.uint8), np.eye(4))
    path = tmp_path / "a.nii.gz"
    nib.Nifti1Image(data[..., 0], np.eye(4)).to_filename(path)
    with pytest.raises(DataError, match="4D image is needed"):
        load_signals(path, mask)
    nib.Nifti1Image(data, np.diag([2.0, 1.0, 1.0, 1.0])).to_filename(path)
    with pytest.raises(DataError, match="not on the grid"):
        load_signals(path, mask)
    data[0, 0, 0, 1:3] = np.nan
    nib.Nifti1Image(data, np.eye(4)).to_filename(path)
    with pytest.raises(DataError, match="2 of 840 voxels"):
        load_signals(path, mask)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="cannot be read"):
        load_signals(path, mask)


@pytest.mark.parametrize("link", [True, False], ids=["link", "pointer"])
def test_an_image_that_is_not_fetched_says_so(tmp_path: Path, *, link: bool) -> None:
    path = tmp_path / "sub-01_T1w.nii.gz"
    if link:
        path.symlink_to("../.git/annex/objects/x")
    else:
        path.write_text("/annex/objects/MD5E-s207--0123.nii.gz\n")
    with pytest.raises(DataError, match=r"its content is not here \(git-annex\): datalad get") as error:
        load_image(path, 3)
    assert error.value.reason == "not-fetched"
