"""Images of a part of the brain find the whole one, wherever they are cut; whole ones are registered as ever."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.part_of_brain import Part, cut_ends, moved_from_header, register_in_session, register_part
from bids_stroke.imaging.registration import register_rigid
from bids_stroke.imaging.standard_space import template
from tests.helpers.template_scan import SHIFT, head, rigid

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
STILL, LARGE, FAR = np.eye(4), rigid([8, -6, 5], [8, -10, 12]), rigid([6, -6, 5], [60, -90, 120])


def unweighted(shape: tuple[int, int, int], low: tuple[float, float, float], tilt: Array = STILL) -> nib.Nifti1Image:
    """The template's b=0 image, noisy, on a grid of 3 mm that begins at a corner (mm) and is then tilted."""
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = low
    where = nib.Nifti1Image(np.zeros(shape, np.float32), tilt @ affine)
    clean, rng = head(0.0, np.zeros(3), where, np.eye(4)), np.random.default_rng(0)
    return like(where, np.hypot(clean + rng.normal(0, 2, shape), rng.normal(0, 2, shape)).astype(np.float32))


def brain_of(image: nib.Nifti1Image) -> Mask:
    return np.asarray(array(image) > 25)


def t1w(shift: Array) -> nib.Nifti1Image:
    """The template, moved: ``shift`` leads from its world to the template's."""
    inside = array(template("mask")) > 0.5
    return nib.Nifti1Image(array(template("T1w")) * inside, np.linalg.inv(shift) @ template("T1w").affine)


def apart(found: Array, true: Array, image: nib.Nifti1Image, mask: Mask) -> tuple[float, float]:
    """Angle (degrees) between two matrices to an image's world, and mean distance (mm) of where its brain lies."""
    points = apply_affine(image.affine, np.argwhere(mask)[::50])
    first, second = (apply_affine(np.linalg.inv(matrix), points) for matrix in (found, true))
    turn = Rotation.from_matrix((np.linalg.inv(found) @ true)[:3, :3]).magnitude()
    return float(np.degrees(turn)), float(np.linalg.norm(first - second, axis=1).mean())


LOWER = ((56, 68, 14), (-84, -120, -60))
UPPER = ((56, 68, 14), (-84, -120, 38))
FRONT = ((56, 20, 50), (-84, -120, -70))
TILTED = ((56, 68, 16), (-84, -120, -60), rigid([-18, 8, 0], [0, 0, 0]))
THIN = ((56, 68, 5), (-84, -120, 50))
MIDDLE = ((56, 68, 10), (-84, -120, -10))
WHOLE = ((56, 68, 56), (-84, -120, -80))


@pytest.mark.inputs(
    "A series or run that ends within the brain is registered to the T1w with the cut left out, from several starts: "
    "the cut is not taken for the brain's edge."
)
@pytest.mark.parametrize(
    ("part", "shift"),
    [
        (LOWER, LARGE),
        (UPPER, STILL),
        (FRONT, SHIFT),
        (THIN, LARGE),
        (LOWER, FAR),
        *(
            pytest.param(part, shift, marks=pytest.mark.slow)
            for part in (LOWER, UPPER, FRONT, TILTED, MIDDLE, THIN)
            for shift in (STILL, SHIFT, LARGE, FAR)
        ),
    ],
)
def test_parts_find_the_whole_brain(tmp_path: Path, part: tuple, shift: Array) -> None:
    """As the moving image, the first four ended 124, 36, 64 and 120 degrees beside it; now less than 0.6."""
    image = unweighted(*part)
    mask = brain_of(image)
    found = register_in_session(image, mask, t1w(shift), tmp_path, 0)
    degrees, millimetres = apart(found, shift, image, mask)
    assert degrees < 2.0
    assert millimetres < 2.0


def test_whole_brains_are_registered_as_ever(tmp_path: Path) -> None:
    image = unweighted(*WHOLE)
    mask = brain_of(image)
    found = register_in_session(image, mask, t1w(SHIFT), tmp_path, 0)
    expected = register_rigid(like(image, array(image) * mask), t1w(SHIFT), tmp_path, seed=0)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("part", "ends"),
    [
        (WHOLE, set()),
        (LOWER, {(2, True)}),
        (UPPER, {(2, False)}),
        (FRONT, {(1, True)}),
        (MIDDLE, {(2, False), (2, True)}),
        (((24, 68, 56), (-84, -120, -80)), {(0, True)}),
    ],
)
def test_cuts_are_seen(part: tuple, ends: set[tuple[int, bool]]) -> None:
    image = unweighted(*part)
    mask = brain_of(image)
    assert set(cut_ends(image, mask)) == ends
    # masks of BOLD lack what lies at the image's end; images may be padded with 0
    eroded = mask.copy()
    eroded[:2], eroded[-2:], eroded[:, :2], eroded[:, -2:], eroded[..., :2], eroded[..., -2:] = (False,) * 6
    assert set(cut_ends(image, eroded)) == ends
    padded = nib.Nifti1Image(np.pad(array(image), 6), image.affine)
    assert set(cut_ends(padded, np.pad(mask, 6))) == ends
    found = Part.of(padded, np.pad(mask, 6))
    assert (found is None) == (not ends)
    if found is not None:
        axis = next(iter(ends))[0]
        assert np.abs(found.across) @ np.eye(3)[axis] == pytest.approx(1.0)
        assert found.inside.any(axis=tuple({0, 1, 2} - {axis}))[[-1 if last else 0 for _, last in ends]].all()
        np.testing.assert_array_equal(array(found.image)[found.inside], array(padded)[np.pad(mask, 6)])


def test_nothing_is_cut_from_nothing() -> None:
    image = unweighted(*MIDDLE)
    assert cut_ends(image, np.zeros(image.shape, bool)) == []
    assert cut_ends(like(image, np.zeros(image.shape, np.float32)), brain_of(image)) == []


def test_volumes_of_one_series_are_found_near_by(tmp_path: Path) -> None:
    """Two contrasts of the lower half of a head that has moved a little, skull-less but not masked."""
    image = unweighted(*LOWER)
    other = unweighted(*LOWER)
    moved = rigid([1.5, -1, 2], [1.0, -1.5, 1.0])
    part = Part.of(image, brain_of(image))
    assert part is not None
    found = register_part(part, nib.Nifti1Image(200 - array(other), moved @ other.affine), tmp_path, 0, near=True)
    degrees, millimetres = apart(found, moved, other, brain_of(other))
    assert degrees < 0.5
    assert millimetres < 0.5


def test_the_way_from_the_headers_is_measured() -> None:
    image = unweighted(*WHOLE)
    mask = brain_of(image)
    centre = apply_affine(image.affine, np.argwhere(mask).mean(axis=0))
    turned = rigid([0, 25, 0], [0, 0, 0])
    turned[:3, 3] = centre - turned[:3, :3] @ centre + [3.0, 0.0, 4.0]
    assert moved_from_header(np.eye(4), image, mask) == {"t1w_angle_degrees": 0.0, "t1w_shift_mm": 0.0}
    found = moved_from_header(turned, image, mask)
    assert found["t1w_angle_degrees"] == pytest.approx(25.0)
    assert found["t1w_shift_mm"] == pytest.approx(5.0)
