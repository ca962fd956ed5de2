"""Chains of transforms go the right way, and left never becomes right."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from bids_stroke.imaging.images import array
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.imaging.transforms import read_transform, resample, save_rigid, save_warp
from tests.helpers.spots import LEFT_FRONT_TOP, centre, rigid, small_ras, spot, stored_as


@pytest.mark.parametrize("axes", ["RAS", "LAS", "PSL", "AIR"])
def test_left_stays_left_whatever_the_storage(axes: str) -> None:
    image = stored_as(small_ras(), axes)
    assert "".join(nib.aff2axcodes(image.affine)) == axes
    moved = resample(image, standard_grid())
    assert nib.aff2axcodes(moved.affine) == ("L", "A", "S")
    np.testing.assert_allclose(centre(moved), LEFT_FRONT_TOP, atol=0.05)


@pytest.mark.parametrize("axes", ["RAS", "LAS", "PSL"])
def test_a_matrix_maps_grid_to_image(axes: str) -> None:
    matrix = rigid((5, -8, 12), (6, -3, 4))
    image = stored_as(spot(small_ras().affine, (60, 70, 60), (matrix @ [*LEFT_FRONT_TOP, 1])[:3]), axes)
    np.testing.assert_allclose(centre(resample(image, standard_grid(), [matrix])), LEFT_FRONT_TOP, atol=0.05)


def test_a_matrix_survives_its_file(tmp_path: Path) -> None:
    matrix = rigid((5, -8, 12), (6, -3, 4))
    save_rigid(tmp_path / "from-dwi_to-T1w_mode-image_xfm.txt", matrix)
    image = small_ras()
    by_file = resample(image, standard_grid(4.0), [tmp_path / "from-dwi_to-T1w_mode-image_xfm.txt"])
    np.testing.assert_allclose(array(by_file), array(resample(image, standard_grid(4.0), [matrix])), atol=1e-6)


def test_chain_is_in_the_order_of_travel(tmp_path: Path) -> None:
    """Dwi -> T1w by a matrix, T1w -> S by a field."""
    to_dwi = rigid((0, 0, 90), (10, 0, 0))  # T1w world -> dwi world
    grid = standard_grid(4.0)
    field = np.zeros((*grid.shape, 1, 3), np.float32)
    field[..., 0], field[..., 2] = -8.0, 4.0  # LPS: 8 mm to the right, 4 mm up
    image = nib.Nifti1Image(field, grid.affine)
    image.header.set_intent("vector")
    save_warp(tmp_path / "warp.nii.gz", image)
    in_t1w = LEFT_FRONT_TOP + [8.0, 0.0, 4.0]
    dwi = spot(small_ras().affine, (60, 70, 60), (to_dwi @ [*in_t1w, 1])[:3])
    moved = resample(dwi, grid, [to_dwi, tmp_path / "warp.nii.gz"])
    np.testing.assert_allclose(centre(moved), LEFT_FRONT_TOP, atol=0.05)
    wrong = centre(resample(dwi, grid, [tmp_path / "warp.nii.gz", to_dwi]))
    assert np.linalg.norm(wrong - LEFT_FRONT_TOP) > 5


def test_itk_reads_the_field_alike(tmp_path: Path) -> None:
    grid = standard_grid(8.0)
    field = np.random.default_rng(0).normal(0, 3, (*grid.shape, 1, 3)).astype(np.float32)
    image = nib.Nifti1Image(field, grid.affine)
    image.header.set_intent("vector")
    save_warp(tmp_path / "warp.nii.gz", image)
    by_itk = sitk.ReadImage(str(tmp_path / "warp.nii.gz"), sitk.sitkVectorFloat64)
    assert by_itk.GetNumberOfComponentsPerPixel() == 3
    transform = sitk.DisplacementFieldTransform(by_itk)
    for point in ([10.0, 20.0, 30.0], [-31.0, 4.0, -9.0]):
        ours = read_transform(tmp_path / "warp.nii.gz").TransformPoint(point)
        np.testing.assert_allclose(transform.TransformPoint(point), ours, atol=1e-5)


def test_series_and_interpolations() -> None:
    image = small_ras()
    series = nib.Nifti1Image(np.stack([array(image), 2 * array(image)], axis=-1), image.affine)
    series.header.set_zooms((3, 3, 3, 2.5))
    grid = standard_grid(3.0)
    moved = resample(series, grid)
    assert moved.header.get_zooms()[3] == pytest.approx(2.5)
    np.testing.assert_allclose(array(moved)[..., 1], 2 * array(moved)[..., 0], rtol=1e-5, atol=1e-12)
    np.testing.assert_array_equal(array(moved)[..., 0], array(resample(image, grid)))
    assert set(np.unique(array(resample(image, grid, interpolation="nearest")))) <= set(np.unique(array(image))) | {0}
    truth = spot(grid.affine, grid.shape)
    error = {kind: np.abs(array(resample(image, grid, [], kind)) - array(truth)).max() for kind in ("linear", "cubic")}
    assert error["cubic"] < 0.5 * error["linear"]


def test_outside_is_zero() -> None:
    far = np.eye(4)
    far[:3, 3] = 1000.0
    assert array(resample(small_ras(), standard_grid(4.0), [far])).max() == 0.0
