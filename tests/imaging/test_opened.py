"""Headers alone: what is no image is named by whoever looks at it first."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import DataError, UsageError
from bids_stroke.imaging.forms import form_warnings, other_form, place_known
from bids_stroke.imaging.images import canonical_axis, stored_orientation
from bids_stroke.imaging.opened import opened, readable


def image(path: Path) -> Path:
    nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.diag([2.0, 2.0, 2.0, 1.0])).to_filename(path)
    return path


LOOKS: dict[str, Callable[[Path], object]] = {
    "opened": opened,
    "orientation": stored_orientation,
    "axis": lambda path: canonical_axis(path, "j-"),
    "other form": other_form,
    "forms": lambda path: form_warnings([path]),
    "place": place_known,
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "content",
    [b"", b"no image", gzip.compress(b"\x5c\x01" + b"\x00" * 500, mtime=0), None],
    ids=["empty", "text", "short", "not compressed"],
)
def test_what_is_no_image_is_named(tmp_path: Path, look: str, content: bytes | None) -> None:
    path = tmp_path / "sub-01_mask.nii.gz"
    if content is None:  # not compressed, as its name says
        image(tmp_path / "a.nii").rename(path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"sub-01_mask\.nii\.gz cannot be read") as caught:
        LOOKS[look](path)
    assert caught.value.reason == "unreadable-image"


def test_headers_are_read_and_voxels_are_not(tmp_path: Path) -> None:
    path = image(tmp_path / "a.nii.gz")
    found = opened(path)
    assert found.shape == (3, 4, 5)
    assert not found.in_memory


def test_quaternions_that_are_none_tell_no_place(tmp_path: Path) -> None:
    path = image(tmp_path / "a.nii")
    data = bytearray(path.read_bytes())
    data[252:256] = np.array([1, 1], "<i2").tobytes()
    data[256:268] = np.array([9, 9, 9], "<f4").tobytes()
    path.write_bytes(bytes(data))
    assert other_form(path) is None
    assert form_warnings([path]) == []


def test_errors_of_our_own_are_left_alone(tmp_path: Path) -> None:
    for error in (UsageError("a", "b"), MemoryError("c")):
        with pytest.raises(type(error)), readable(tmp_path / "a.nii"):
            raise error
    with pytest.raises(DataError, match=r"a\.nii cannot be read: KeyError"), readable(tmp_path / "a.nii"):
        raise KeyError
