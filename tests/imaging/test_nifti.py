"""Our reading and writing of compressed images against nibabel's."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging import nifti
from bids_stroke.imaging.images import array, like, load_image, load_signals, reorient, voxel_signals
from bids_stroke.imaging.nifti import read_voxels

SHAPE = (7, 6, 5, 4)


def stored(path: Path, kind: str, scaled: bool) -> Path:
    data = np.random.default_rng(0).uniform(0, 200, SHAPE).astype(kind)
    image = nib.Nifti1Image(data, np.eye(4))
    if np.dtype(kind).byteorder == ">":
        image = nib.Nifti1Image(data, np.eye(4), nib.Nifti1Header(endianness=">"))
        image.set_data_dtype(kind)
    if scaled:
        image.header.set_slope_inter(0.37, -2.5)
    image.to_filename(path)
    return path


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", ["u1", "<i2", ">i2", "<u4", "<f4", ">f4", "<f8"])
def test_same_numbers_as_nibabel(tmp_path: Path, kind: str, scaled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nifti, "_PIECE", 100)  # several pieces
    path = stored(tmp_path / "a.nii.gz", kind, scaled)
    found = read_voxels(path, nib.load(path))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(nib.load(path).dataobj, dtype=np.float32))


def test_several_members_and_a_wrong_checksum(tmp_path: Path) -> None:
    """A file compressed in parts (as bgzip does) is read; one whose checksum does not hold is refused."""
    path = stored(tmp_path / "a.nii.gz", "<f4", False)
    wanted = np.asarray(nib.load(path).dataobj)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    np.testing.assert_array_equal(array(load_image(path, 4)), wanted)
    damaged = bytearray(gzip.compress(content))
    damaged[-8] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"a\.nii\.gz cannot be read"):
        load_image(path, 4)


def test_a_file_that_holds_too_little(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.nii.gz", "<f4", False)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-4]))
    with pytest.raises(DataError, match="ends after 3356 of 3360 bytes"):
        load_image(path, 4)


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


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_written_images_are_nibabel_s(tmp_path: Path, ending: str) -> None:
    data = np.random.default_rng(3).normal(size=SHAPE)
    image = nib.Nifti1Image(data.astype(np.float32), np.diag([2.0, 3.0, 4.0, 1.0]))
    outputs = Outputs(tmp_path, "1")
    first = outputs.save_image(tmp_path / f"a.{ending}", image, {}).read_bytes()
    assert outputs.save_image(tmp_path / f"b.{ending}", image, {}).read_bytes() == first  # no name, no time
    read = nib.load(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(np.asarray(read.dataobj), data.astype(np.float32))
    np.testing.assert_array_equal(read.affine, image.affine)
    assert read.get_data_dtype() == np.float32
