"""b-values and b-vectors: reading, checking, shells, directions, rotation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.dwi.gradients import (
    Gradients,
    bval_text,
    bvec_text,
    determines_tensor,
    find_companion,
    fsl_axes,
    n_directions,
    read_gradients,
    rotate,
    shells,
    tensor_volumes,
)

SIX = np.array([[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]]) / np.sqrt(2)


def write(folder: Path, bval: str, bvec: str) -> tuple[Path, Path]:
    paths = folder / "sub-01_dwi.bval", folder / "sub-01_dwi.bvec"
    for path, text in zip(paths, (bval, bvec), strict=True):
        path.write_text(text)
    return paths


@pytest.mark.parametrize("by_column", [True, False])
def test_both_layouts_are_read_and_vectors_get_unit_length(tmp_path: Path, by_column: bool) -> None:
    vectors = np.array([[0, 0, 0], [0, 0, 2.0], [0.6, 0.8, 0], [-1, 0, 0]])
    table = vectors.T if by_column else vectors
    paths = write(tmp_path, "0 1000\n1000 2000\n", "\n".join(" ".join(map(str, row)) for row in table))
    read = read_gradients(*paths, 4)
    np.testing.assert_array_equal(read.bvals, [0, 1000, 1000, 2000])
    np.testing.assert_allclose(read.bvecs, [[0, 0, 0], [0, 0, 1], [0.6, 0.8, 0], [-1, 0, 0]])


def test_a_byte_order_mark_is_no_number(tmp_path: Path) -> None:
    bval, bvec = tmp_path / "x.bval", tmp_path / "x.bvec"
    bval.write_text("0\r\n1000\r\n1000\r\n", encoding="utf-8-sig")
    bvec.write_text("0,1,0\n0,0,1\n0,0,0\n", encoding="utf-8-sig")
    found = read_gradients(bval, bvec, 3)
    assert found.bvals.tolist() == [0, 1000, 1000]
    assert found.bvecs.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    before = Gradients(np.array([0, 1.25126, 929.75, *[1000] * 4]), np.vstack([np.zeros(3), SIX]))
    paths = write(tmp_path, bval_text(before), bvec_text(before))
    after = read_gradients(*paths, 7)
    np.testing.assert_allclose(after.bvals, before.bvals, rtol=1e-5)
    np.testing.assert_allclose(after.bvecs, before.bvecs, atol=1e-6)


@pytest.mark.parametrize(
    ("bval", "bvec", "reason", "named"),
    [
        ("0 1000", "0 1 0\n0 0 1\n0 0 0", "gradient-count", ".bval"),
        ("0 1000 1000", "0 1\n0 0\n0 0", "gradient-count", ".bvec"),
        ("0 1000 abc", "0 1 0\n0 0 1\n0 0 0", "gradient-format", ".bval"),
        ("0 1000 1000", "0 x 0\n0 0 1\n0 0 0", "gradient-format", ".bvec"),
        ("0 1000 1000", "0 1 0 0\n0 0 1 0", "gradient-format", ".bvec"),
        ("0 1000 1000", "0 1 0\n0 0\n0 0 0", "gradient-format", ".bvec"),
        ("", "0 1 0\n0 0 1\n0 0 0", "gradient-format", ".bval"),
        ("0 -5 1000", "0 1 0\n0 0 1\n0 0 0", "gradient-format", ".bval"),
        ("0 nan 1000", "0 1 0\n0 0 1\n0 0 0", "gradient-format", ".bval"),
        ("0 1000 1000", "0 nan 0\n0 0 1\n0 0 0", "gradient-format", ".bvec"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, bval: str, bvec: str, reason: str, named: str) -> None:
    paths = write(tmp_path, bval, bvec)
    with pytest.raises(DataError) as caught:
        read_gradients(*paths, 3)
    assert caught.value.reason == reason
    assert f"sub-01_dwi{named}" in caught.value.message
    assert caught.value.remedy


def test_a_binary_file_is_no_table(tmp_path: Path) -> None:
    paths = write(tmp_path, "0 1000 1000", "")
    paths[1].write_bytes(b"\xff\xfe\x00\x9c")
    with pytest.raises(DataError, match=r"does not hold numbers"):
        read_gradients(*paths, 3)


@pytest.mark.inputs("`.bval` and `.bvec` are read with a byte order mark, too.")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_gradients_that_windows_has_written(tmp_path: Path, encoding: str) -> None:
    paths = (tmp_path / "x.bval", tmp_path / "x.bvec")
    paths[0].write_text("0 1000 1000\r\n", encoding=encoding)
    paths[1].write_text("0 1 0\r\n0 0 1\r\n0 0 0\r\n", encoding=encoding)
    read = read_gradients(*paths, 3)
    assert read.bvals.tolist() == [0, 1000, 1000]
    assert read.bvecs.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_nan_directions_at_b0_count_as_none(tmp_path: Path) -> None:
    paths = write(tmp_path, "0 1000 1000", "nan 1 0\nnan 0 1\nnan 0 0")
    np.testing.assert_array_equal(read_gradients(*paths, 3).bvecs[0], np.zeros(3))


@pytest.mark.inputs(
    "A `.bval` or `.bvec` is inherited from the nearest folder, if its name has no entity that the run lacks."
)
def test_companions_are_found_beside_and_above_but_not_those_of_others(tmp_path: Path) -> None:
    (tmp_path / "dataset_description.json").write_text("{}")
    folder = tmp_path / "sub-01" / "dwi"
    folder.mkdir(parents=True)
    dwi = BidsFile(folder / "sub-01_dir-AP_dwi.nii.gz", {})
    (folder / "sub-01_dir-PA_dwi.bval").write_text("0")
    with pytest.raises(DataError) as caught:
        find_companion(dwi, ".bval")
    assert caught.value.reason == "missing-bval"
    inherited = tmp_path / "dwi.bval"
    inherited.write_text("0")
    assert find_companion(dwi, ".bval") == inherited
    nearer = tmp_path / "sub-01" / "sub-01_dwi.bval"
    nearer.write_text("0")
    assert find_companion(dwi, ".bval") == nearer
    beside = folder / "sub-01_dir-AP_dwi.bval"
    beside.write_text("0")
    assert find_companion(dwi, ".bval") == beside


@pytest.mark.parametrize("image", ["sub-01_dwi.nii.gz", "sub-01_dwi.nii"])
def test_a_file_with_its_own_image_is_not_inherited(tmp_path: Path, image: str) -> None:
    (tmp_path / "sub-01_dwi.bval").write_text("0")
    dwi = BidsFile(tmp_path / "sub-01_dir-AP_dwi.nii.gz", {})
    assert find_companion(dwi, ".bval") == tmp_path / "sub-01_dwi.bval"
    (tmp_path / image).touch()
    with pytest.raises(DataError) as caught:
        find_companion(dwi, ".bval")
    assert caught.value.reason == "missing-bval"


def test_of_two_that_apply_in_one_folder_the_nearer_in_name_counts(tmp_path: Path) -> None:
    dwi = BidsFile(tmp_path / "sub-01_acq-a_dir-AP_dwi.nii.gz", {})
    for name in ("sub-01_dwi", "sub-01_acq-a_dwi"):
        (tmp_path / f"{name}.bval").write_text("0")
    assert find_companion(dwi, ".bval").name == "sub-01_acq-a_dwi.bval"
    (tmp_path / "sub-01_dir-AP_dwi.bval").write_text("0")
    with pytest.raises(DataError, match=r"sub-01_acq-a_dwi\.bval and sub-01_dir-AP_dwi\.bval") as caught:
        find_companion(dwi, ".bval")
    assert caught.value.reason == "ambiguous-bval"


def test_files_outside_the_dataset_are_not_inherited(tmp_path: Path) -> None:
    folder = tmp_path / "dataset" / "sub-01" / "dwi"
    folder.mkdir(parents=True)
    (tmp_path / "dataset" / "dataset_description.json").write_text("{}")
    (tmp_path / "dwi.bvec").write_text("0")
    with pytest.raises(DataError) as caught:
        find_companion(BidsFile(folder / "sub-01_dwi.nii.gz", {}), ".bvec")
    assert caught.value.reason == "missing-bvec"


def test_shells_gather_what_scanners_jitter() -> None:
    bvals = np.array([0, 995, 1005, 1000, 2005, 1990, 300, 5])
    found = shells(bvals, 50.0)
    assert [sorted(bvals[shell]) for shell in found] == [[300], [995, 1000, 1005], [1990, 2005]]
    assert shells(np.zeros(3), 50.0) == []


def test_opposite_and_repeated_directions_count_once() -> None:
    assert n_directions(np.vstack([SIX, -SIX, SIX[:2], np.zeros((2, 3))])) == 6


def test_directions_in_a_plane_do_not_determine_a_tensor() -> None:
    angle = np.linspace(0, np.pi, 12, endpoint=False)
    plane = np.stack([np.cos(angle), np.sin(angle), np.zeros(12)], axis=1)
    assert n_directions(plane) == 12
    assert not determines_tensor(plane)
    assert not determines_tensor(SIX[:5])
    assert determines_tensor(SIX)


def test_high_shells_are_used_only_where_needed() -> None:
    both = Gradients(np.repeat([0.0, 1000.0, 3000.0], [1, 6, 6]), np.vstack([np.zeros(3), SIX, SIX]))
    np.testing.assert_array_equal(tensor_volumes(both, 50, 1500), both.bvals < 2000)
    np.testing.assert_array_equal(tensor_volumes(both, 50, 3000), np.ones(13, bool))
    high = both.select((both.bvals == 0) | (both.bvals == 3000))
    assert tensor_volumes(high, 50, 1500).all()
    few = both.select(np.arange(13) != 3)  # five directions in the low shell
    assert tensor_volumes(few, 50, 1500).all()


def test_trace_images_and_directions_of_b0_are_not_directions() -> None:
    vectors = np.vstack([[0, 0, 1.0], SIX, np.zeros(3)])
    gradients = Gradients(np.array([1.25, *[1000.0] * 6, 1000.0]), vectors)
    assert gradients.trace.tolist() == [False] * 7 + [True]
    assert tensor_volumes(gradients, 50, 1500).tolist() == [True] * 7 + [False]


def test_fsl_axes_flip_x_only_for_a_positive_determinant() -> None:
    tilt = Rotation.from_euler("x", 20, degrees=True).as_matrix()
    for left, expected in ((1.0, [-1.0, 1.0, 1.0]), (-1.0, [-1.0, 1.0, 1.0])):
        affine = np.eye(4)
        affine[:3, :3] = tilt @ np.diag([left * 2.0, 2.5, 3.0])
        # in LAS storage the first axis already points to the left
        np.testing.assert_allclose(fsl_axes(affine), tilt @ np.diag(expected), atol=1e-12)


@pytest.mark.parametrize("left", [1.0, -1.0])
def test_gradients_turn_back_with_the_head(left: float) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [10, 5, 0], degrees=True).as_matrix() @ np.diag([left * 2, 2, 3])
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec([0.1, -0.2, 0.3]).as_matrix()
    motion[:3, 3] = [4, 5, 6]
    gradients = Gradients(np.full(6, 1000.0), SIX)
    turned = rotate(gradients, np.tile(motion, (6, 1, 1)), affine)
    world, felt = gradients.bvecs @ fsl_axes(affine).T, turned.bvecs @ fsl_axes(affine).T
    np.testing.assert_allclose(felt @ motion[:3, :3].T, world, atol=1e-12)
    assert np.abs(turned.bvecs - SIX).max() > 0.05
