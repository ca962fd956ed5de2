"""Our reading of compressed images against nibabel's."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.imaging import nifti
from bids_stroke.imaging.images import array, load_image
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


def with_dimensions(path: Path, *dimensions: int) -> Path:
    """An image of a few voxels whose header promises others."""
    image = nib.Nifti1Image(np.zeros(SHAPE, np.int16), np.eye(4))
    image.to_filename(path)
    packed = path.name.endswith(".gz")
    data = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    data[40:56] = np.array([len(dimensions), *dimensions, *[1] * (7 - len(dimensions))], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(data)) if packed else bytes(data))
    return path


@pytest.mark.inputs(
    "A header that promises more voxels than the file can hold is refused before memory is made for them.",
    "An image whose voxels need more memory than is free fails with the figure.",
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dimensions", [(32767, 32767, 32767), (32767, 32767, 32767, 9), (3000, 3000, 3000, 30)])
def test_a_header_that_asks_for_terabytes(tmp_path: Path, name: str, dimensions: tuple[int, ...]) -> None:
    path = with_dimensions(tmp_path / name, *dimensions)
    with pytest.raises(DataError, match=rf"{name} cannot be read: its header promises 3.*cannot hold") as caught:
        load_image(path, len(dimensions))
    assert caught.value.reason == "unreadable-image"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_whole_file_that_memory_cannot_hold(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(tmp_path / name, "<i2", scaled=False)
    assert load_image(path, 4).shape == SHAPE
    memory = type("Memory", (), {"available": 3000})
    monkeypatch.setattr(nifti.psutil, "virtual_memory", memory)  # 7 x 6 x 5 x 4 voxels of 4 bytes need 3360
    with pytest.raises(MemoryError, match=rf"{name} needs 0\.0 GB of memory"):
        load_image(path, 4)


def test_zeros_pack_well_and_are_no_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    nib.Nifti1Image(np.zeros((100, 100, 100), np.uint8), np.eye(4)).to_filename(path)
    packed = tmp_path / "b.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 9))
    assert path.stat().st_size > 900 * packed.stat().st_size
    assert load_image(packed, 3).shape == (100, 100, 100)
