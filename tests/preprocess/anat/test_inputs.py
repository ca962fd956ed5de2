"""Which T1w is read, of several and of odd or broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.anat.inputs import choose_t1w
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
    files[0].path.write_bytes(b"broken")
    with pytest.raises(DataError, match="run-1"):
        choose_t1w(files, "best", tmp_path, seed=0)


def test_unknown_orientation_is_said(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.eye(4))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    image.to_filename(tmp_path / "sub-01_T1w.nii.gz")
    _, _, warnings = choose_t1w([file_in(tmp_path, tmp_path / "sub-01_T1w.nii.gz")], "best", tmp_path, seed=0)
    assert "left and right are a guess" in warnings[0]
