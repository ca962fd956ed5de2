"""Registration finds a known transformation, and leaves a lesion out."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.registration import register_affine, register_deformable, register_rigid, thick_enough
from bids_stroke.imaging.standard_space import STANDARD_AFFINE, STANDARD_SHAPE, template
from bids_stroke.imaging.transforms import read_transform, resample
from tests.helpers.spots import rigid, stored_as

SHAPE = np.array([[1.06, 0.02, 0, 5.0], [-0.01, 0.95, 0.03, -4.0], [0, 0.02, 1.04, 6.0], [0, 0, 0, 1.0]])
"""Standard world -> world of the made-up brain."""


def made_up_brain(target: nib.Nifti1Image) -> nib.Nifti1Image:
    """The template with a dark spot on the left, under SHAPE, at 4 mm, other contrast."""
    world = nib.affines.apply_affine(STANDARD_AFFINE, np.moveaxis(np.indices(STANDARD_SHAPE), 0, -1))
    dark = np.exp(-((world - [-28, -20, 28]) ** 2).sum(-1) / 200.0)
    marked = like(template("T1w"), (array(template("T1w")) ** 1.3 * (1 - dark)).astype(np.float32))
    return resample(marked, target, [np.linalg.inv(SHAPE)])


@pytest.mark.parametrize("axes", ["RAS", "LAS", "PSL"])
def test_a_known_shape_is_found(target: nib.Nifti1Image, tmp_path: Path, axes: str) -> None:
    moving = stored_as(made_up_brain(target), axes)
    affine = register_affine(moving, target, tmp_path, seed=3)
    warp = register_deformable(moving, target, affine, tmp_path, seed=3)
    assert warp.determinant == pytest.approx(np.linalg.det(SHAPE[:3, :3]), rel=0.05)
    inside = np.argwhere(array(target) > 0.3)[::50]
    points = nib.affines.apply_affine(target.affine, inside)
    truth = nib.affines.apply_affine(SHAPE, points)
    lps = np.array([-1.0, -1.0, 1.0])
    forward, inverse = read_transform(warp.forward), read_transform(warp.inverse)
    found = np.array([forward.TransformPoint(point.tolist()) for point in points * lps]) * lps
    assert np.median(np.linalg.norm(found - truth, axis=1)) < 1.0
    back = np.array([inverse.TransformPoint(point.tolist()) for point in found * lps]) * lps
    errors = np.linalg.norm(back - points, axis=1)
    assert np.median(errors) < 0.1
    assert errors.max() < 0.8
    # the spot is on the left, where it was made
    moved = array(resample(moving, target, [warp.forward]))
    left, right = (nib.affines.apply_affine(np.linalg.inv(target.affine), [x, -20, 28]).round() for x in (-28, 28))
    assert moved[tuple(left.astype(int))] < 0.6 * moved[tuple(right.astype(int))]


def test_same_seed_same_bytes(target: nib.Nifti1Image, tmp_path: Path) -> None:
    moving = made_up_brain(target)
    first, second = (register_affine(moving, target, tmp_path, seed=1) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert register_affine(moving, target, tmp_path, seed=2).tobytes() != first.tobytes()


def test_weight_leaves_a_lesion_out(target: nib.Nifti1Image, tmp_path: Path) -> None:
    """Brain tissue out of place inside the lesion pulls, in the lesion itself, only without a weight."""
    brain = made_up_brain(target)
    lesion = np.zeros(brain.shape, bool)
    lesion[10:17, 20:32, 18:28] = True
    weight = like(brain, (~lesion).astype(np.float32))
    inside = array(resample(weight, target, [SHAPE])) < 0.5
    displaced = [np.roll(array(brain), 3, axis=1), np.roll(array(brain), -3, axis=2)]
    contents = [like(brain, np.where(lesion, value, array(brain)).astype(np.float32)) for value in displaced]
    fields = [
        [array(register_deformable(content, target, SHAPE, tmp_path, weight=w).forward) for content in contents]
        for w in (None, weight)
    ]
    careless, careful = (float(np.abs(first - second)[inside].max()) for first, second in fields)
    assert careful < 0.3 * careless


@pytest.mark.parametrize("shift", [(4.0, -3.0, 5.0), (150.0, 0.0, -90.0)])
def test_rigid_maps_fixed_to_moving(target: nib.Nifti1Image, tmp_path: Path, shift: tuple) -> None:
    """Near by, from the headers; far apart, from the centres."""
    matrix = rigid((4, -6, 5), shift)
    affine = matrix @ target.affine  # the same voxels, lying elsewhere in the scanner: fixed world -> moving world
    moving = nib.Nifti1Image(array(target).max() - 0.9 * array(target) * (array(target) > 0.1), affine)
    moving = nib.Nifti1Image(array(moving) * (array(target) > 0.1), affine)  # other contrast
    folder = tmp_path / "a folder"
    folder.mkdir()
    found = register_rigid(moving, target, folder)
    corners = nib.affines.apply_affine(target.affine, np.array([[8, 8, 8], [36, 46, 36], [8, 46, 20], [22, 27, 22]]))
    error = nib.affines.apply_affine(found, corners) - nib.affines.apply_affine(matrix, corners)
    assert np.abs(error).max() < 1.0
    assert Rotation.from_matrix(found[:3, :3]).magnitude() > 0.1
    assert np.linalg.det(found[:3, :3]) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_images_of_few_slices_are_registered(target: nib.Nifti1Image, tmp_path: Path, slices: int) -> None:
    part = target.slicer[:, :, 22 : 22 + slices]
    corners = nib.affines.apply_affine(target.affine, np.array([[8, 8, 22], [36, 46, 22], [8, 46, 22]]))
    thick = thick_enough(part)
    assert thick.shape[2] == {1: 4, 2: 4, 3: 6}[slices]
    for end in (0, 1):
        edges = [image.affine @ [0, 0, end * image.shape[2] - 0.5, 1] for image in (part, thick)]
        np.testing.assert_allclose(*edges, atol=1e-6)
    found = register_rigid(target, part, tmp_path)
    assert np.abs(nib.affines.apply_affine(found, corners) - corners).max() < 1.0


def test_an_empty_image_is_an_error(target: nib.Nifti1Image, tmp_path: Path) -> None:
    empty = like(target, np.zeros(target.shape, np.float32))
    with pytest.raises(DataError, match="empty"):
        register_rigid(empty, target, tmp_path)
