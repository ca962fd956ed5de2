"""Lesion masks brought onto another grid."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.lesion.masks import averaged, carry, union_on

GRID = nib.Nifti1Image(np.zeros((40, 40, 40), np.uint8), np.diag([2.0, 2.0, 2.0, 1.0]))


@pytest.mark.inputs(
    "A lesion of 1 mm3 is not lost between the points of a coarser grid: masks more than twice as fine are averaged "
    "over its voxels, and so is one of which nothing else would be left."
)
@pytest.mark.parametrize("size", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("corner", [(21.0, 21.0, 21.0), (20.5, 21.0, 20.75), (20.0, 20.0, 20.0)])
def test_a_cubic_millimetre_is_never_lost(size: float, corner: tuple[float, float, float]) -> None:
    n = round(1.0 / size)
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = np.array(corner) + size / 2 - 8.0
    data = np.zeros((16 * n,) * 3, np.float32)
    data[(slice(8 * n, 9 * n),) * 3] = 1.0
    mask = carry(nib.Nifti1Image(data, affine), GRID, [])
    assert 1 <= mask.sum() <= 8
    found = nib.affines.apply_affine(GRID.affine, np.argwhere(mask).mean(axis=0))
    assert np.abs(found - (np.array(corner) + 0.5)).max() <= 1.5


def test_ordinary_masks_are_sampled_as_before() -> None:
    ball = ((np.indices((80, 80, 80)) - 40.2) ** 2).sum(0) < 15**2
    image = nib.Nifti1Image(ball.astype(np.float32), np.eye(4))
    assert carry(image, GRID, []).sum() * 8 == pytest.approx(ball.sum(), rel=0.03)
    np.testing.assert_array_equal(carry(image, GRID, []), ball[::2, ::2, ::2])


def test_a_box_of_a_large_grid_is_averaged_like_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (((np.indices((60, 60, 60)) - 30) ** 2).sum(0) < 12**2).astype(np.float32)
    image = nib.Nifti1Image(data, np.diag([0.6, 0.6, 0.6, 1.0]))
    whole = averaged(image, GRID)
    monkeypatch.setattr("bids_stroke.imaging.lesion.masks._MANY_POINTS", 0)
    np.testing.assert_allclose(averaged(image, GRID), whole, atol=1e-5)
    assert whole.sum() * 8 == pytest.approx(data.sum() * 0.6**3, rel=0.01)


def test_masks_are_united(tmp_path: Path) -> None:
    files = []
    for index in (5, 30):
        data = np.zeros(GRID.shape, np.uint8)
        data[index] = 1
        like(GRID, data).to_filename(tmp_path / f"{index}.nii.gz")
        files.append(BidsFile(tmp_path / f"{index}.nii.gz", {}))
    united = union_on(GRID, files)
    assert np.unique(np.argwhere(united)[:, 0]).tolist() == [5, 30]
    assert array(GRID).sum() == 0
