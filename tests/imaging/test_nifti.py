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
