"""BOLD runs are placed on their T1w, and sampled through a chain of transforms."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import array
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.bold import registration
from bids_stroke.preprocess.bold.registration import place, points_of, rough_brain, sample
from bids_stroke.quality.judge import flag, rule_of


def test_points_of_a_chain_are_where_resampling_looks() -> None:
    grid = standard_grid(6.0)
    turn = np.array([[0.99, -0.1, 0, 4], [0.1, 0.99, 0.05, -7], [0, -0.05, 1.02, 3], [0, 0, 0, 1.0]])
    shift = np.eye(4)
    shift[:3, 3] = [2, -3, 5]
    points = points_of(grid, (turn, shift))
    index = (7, 20, 11)
    # a point of the grid goes back through the last transform first
    expected = apply_affine(turn @ shift, apply_affine(grid.affine, index))
    assert points[index] == pytest.approx(expected, abs=1e-5)
    source = template("T1w")
    found = sample(array(source), np.linalg.inv(source.affine), points, 1)
    assert np.abs(found - array(resample(source, grid, (turn, shift)))).max() < 1e-3


@pytest.fixture(scope="module")
def template_as_t1w(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of an anat step for a person whose brain is the template."""
    folder = tmp_path_factory.mktemp("anat")
    inside, grey, white = (array(template(kind)) for kind in ("mask", "GM", "WM"))
    data = {
        "t1w_brain": array(template("T1w")) * inside, "brain_mask": inside, "wm": white,
        "csf": np.clip(inside - grey - white, 0, 1),
    }  # fmt: skip
    for role, values in data.items():
        nib.Nifti1Image(values.astype(np.float32), template("T1w").affine).to_filename(folder / f"{role}.nii.gz")
    still = nib.Nifti1Image(np.zeros((10, 12, 10, 1, 3), np.float32), standard_grid(19.0).affine)
    still.header.set_intent("vector")
    still.to_filename(folder / "to_standard.nii.gz")
    return {role: folder / f"{role}.nii.gz" for role in (*data, "to_standard")}


def test_a_run_is_placed_on_its_t1w(template_as_t1w: dict[str, Path], tmp_path: Path) -> None:
    planted = np.eye(4)  # world of the T1w -> world of the run
    planted[:3, :3] = Rotation.from_euler("xyz", (6, -3, 4), degrees=True).as_matrix()
    planted[:3, 3] = [5, -8, 6]
    inside, t1w = array(template("mask")), array(template("T1w"))
    like_bold = nib.Nifti1Image(inside * (1000 - 600 * t1w), template("T1w").affine)
    grid = nib.Nifti1Image(np.zeros((50, 58, 48), np.uint8), np.diag([4.0, 4, 4, 1]))
    grid.affine[:3, 3] = [-98, -130, -80]
    mean = resample(like_bold, grid, [np.linalg.inv(planted)])
    found = place(mean, array(mean) > 200, template_as_t1w, tmp_path, seed=0)
    points = apply_affine(template("T1w").affine, np.argwhere(inside > 0)[::200])
    distance = np.linalg.norm(apply_affine(found.matrix, points) - apply_affine(planted, points), axis=1)
    assert distance.mean() < 0.7
    assert found.target == "T1w"
    assert found.qc["t1w_brain_dice"] > 0.95
    assert found.warnings == ()
    assert set(found.tissues) == {"white_matter", "csf"}
    values = {name: array(mean)[mask].mean() for name, mask in found.tissues.items()}
    assert values["csf"] > values["white_matter"] + 100  # T1w contrast, inverted


@pytest.mark.parametrize(("low_mm", "slices"), [(-52, 14), (40, 14)], ids=["lower", "upper"])
def test_a_run_of_a_part_of_the_brain_is_placed(
    template_as_t1w: dict[str, Path], tmp_path: Path, low_mm: float, slices: int
) -> None:
    """As the moving image, the runs were put 73 and 12 mm away."""
    planted = np.eye(4)
    planted[:3, :3] = Rotation.from_euler("xyz", (8, -4, 5), degrees=True).as_matrix()
    planted[:3, 3] = [6, -8, 12]
    inside, t1w = array(template("mask")), array(template("T1w"))
    like_bold = nib.Nifti1Image(inside * (1000 - 600 * t1w), template("T1w").affine)
    grid = nib.Nifti1Image(np.zeros((60, 70, slices), np.uint8), np.diag([3.5, 3.5, 3.5, 1]))
    grid.affine[:3, 3] = [-105, -130, low_mm]
    mean = resample(like_bold, grid, [np.linalg.inv(planted)])
    noisy = array(mean) + np.abs(np.random.default_rng(0).normal(0, 15, mean.shape))
    mean = nib.Nifti1Image(noisy.astype(np.float32), mean.affine)
    found = place(mean, rough_brain(mean, "x"), template_as_t1w, tmp_path, seed=0)
    where = apply_affine(mean.affine, np.argwhere(array(mean) > 200)[::50])
    first, second = (apply_affine(np.linalg.inv(matrix), where) for matrix in (found.matrix, planted))
    assert np.linalg.norm(first - second, axis=1).mean() < 2.0
    assert Rotation.from_matrix((np.linalg.inv(found.matrix) @ planted)[:3, :3]).magnitude() < np.radians(2.0)
    assert found.qc["t1w_angle_degrees"] == pytest.approx(10.2, abs=2.0)
    assert found.warnings == ()


def test_a_run_turned_far_from_its_header_is_said(
    template_as_t1w: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("x", 25, degrees=True).as_matrix()
    monkeypatch.setattr(registration, "register_in_session", lambda *_: turned)
    mean = resample(template("T1w"), standard_grid(4.0))
    found = place(mean, array(mean) > 0.2, template_as_t1w, tmp_path, seed=0)
    assert flag(found.qc["t1w_angle_degrees"], rule_of("bold", "t1w_angle_degrees")) == "check"
    assert any("turned by 25 degrees" in warning for warning in found.warnings)


def test_a_run_that_does_not_meet_its_t1w_is_said(template_as_t1w: dict[str, Path], tmp_path: Path) -> None:
    grid = standard_grid(4.0)
    mean = resample(template("T1w"), grid)
    part = np.zeros(grid.shape, bool)
    part[20:28, 25:35, 20:28] = True
    found = place(nib.Nifti1Image(array(mean) * part, grid.affine), part, template_as_t1w, tmp_path, seed=0)
    assert any("overlap badly" in warning for warning in found.warnings)
