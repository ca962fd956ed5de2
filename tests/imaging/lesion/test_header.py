"""Masks whose header lost, or contradicts, the place of the T1w."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.imaging.images import array, load_image
from bids_stroke.imaging.lesion.header import settled
from tests.helpers.lesion_phantom import Phantom, lesion_in, mask_of, phantom, stored_head
from tests.helpers.lesions import LEFT


def settle(folder: Path, head: Phantom, mask: nib.Nifti1Image, axes: str = "LAS") -> tuple[np.ndarray, list[str]]:
    """Where the mask is laid (mm), and what is said."""
    t1w = stored_head(folder, head, axes)
    mask.to_filename(folder / "mask.nii.gz")
    image, notes = settled(
        load_image(folder / "mask.nii.gz", 3), folder / "mask.nii.gz", (t1w.image, t1w.file.path), t1w.brain
    )
    return nib.affines.apply_affine(image.affine, np.argwhere(array(image) > 0).mean(axis=0)), notes


def bare(mask: nib.Nifti1Image, data: np.ndarray | None = None) -> nib.Nifti1Image:
    """Voxels as they are stored, the header's place lost."""
    image = nib.Nifti1Image(np.asarray(mask.dataobj) if data is None else data, None)
    image.header.set_zooms(mask.header.get_zooms()[:3])
    return image


@pytest.mark.inputs(
    "A mask of the T1w's very matrix that has neither sform nor qform is laid on the T1w's voxels, and it is said "
    "whether the image shows the lesion on that side."
)
@pytest.mark.parametrize("axes", ["RAS", "LAS", "PSL"])
def test_a_lost_header_is_the_t1ws(tmp_path: Path, axes: str) -> None:
    where, (note,) = settle(tmp_path, phantom(), bare(mask_of(phantom(), axes)), axes)
    np.testing.assert_allclose(where, LEFT, atol=0.5)
    assert "neither sform nor qform" in note
    assert "shows the lesion on that side" in note


def test_a_side_that_is_not_seen_is_said(tmp_path: Path) -> None:
    where, (note,) = settle(tmp_path, phantom(False), bare(mask_of(phantom())))
    np.testing.assert_allclose(where, LEFT, atol=0.5)
    assert "left and right rest on the order of its voxels" in note


@pytest.mark.inputs(
    "A mask without a place that the image shows on the other side (`ambiguous-lesion-place`), or that has another "
    "matrix than the T1w (`unknown-orientation`), is not used: nothing is ever mirrored by guess."
)
@pytest.mark.parametrize(("axis", "cut", "reason"), [(0, 0, "ambiguous-lesion-place"), (1, 2, "unknown-orientation")])
def test_a_lost_header_is_never_a_guess(tmp_path: Path, axis: int, cut: int, reason: str) -> None:
    data = np.asarray(mask_of(phantom()).dataobj)
    data = data[::-1] if axis == 0 else data[:, cut:]
    with pytest.raises(MissingModalityError, match="neither sform nor qform") as caught:
        settle(tmp_path, phantom(), bare(mask_of(phantom()), np.ascontiguousarray(data)))
    assert caught.value.reason == reason


def shifted(mask: nib.Nifti1Image, y: float) -> nib.Nifti1Image:
    affine = mask.affine.copy()
    affine[1, 3] += y
    return nib.Nifti1Image(np.asarray(mask.dataobj), affine)


@pytest.mark.inputs(
    "A mask of the T1w's very matrix with another place in its header is laid where the image shows the lesion; where "
    "that cannot be seen, it is not used (`ambiguous-lesion-place`)."
)
def test_of_two_places_the_image_decides(tmp_path: Path) -> None:
    where, (note,) = settle(tmp_path / "a", phantom(), shifted(mask_of(phantom()), 18.0))
    np.testing.assert_allclose(where, LEFT, atol=0.5)
    assert "18.0 mm elsewhere: it is laid on the image's voxels, which fits what the image shows" in note
    moved = nib.Nifti1Image(np.roll(np.asarray(mask_of(phantom()).dataobj), -7, axis=1), mask_of(phantom()).affine)
    where, (note,) = settle(tmp_path / "b", phantom(), shifted(moved, 21.0))
    np.testing.assert_allclose(where, LEFT, atol=0.5)
    assert "its header is believed, which fits what the image shows" in note
    with pytest.raises(MissingModalityError, match="elsewhere: which of the two") as caught:
        settle(tmp_path / "c", phantom(False), shifted(mask_of(phantom()), 18.0))
    assert caught.value.reason == "ambiguous-lesion-place"


@pytest.mark.inputs(
    "A mask whose header tells another order of voxels than the T1w's, while the image shows the lesion where they lie "
    "in the same order, is not used (`ambiguous-lesion-place`)."
)
def test_a_mirrored_header_is_not_believed(tmp_path: Path) -> None:
    mask = mask_of(phantom())
    mirrored = nib.Nifti1Image(np.asarray(mask.dataobj), np.diag([-1.0, 1, 1, 1]) @ mask.affine)
    with pytest.raises(MissingModalityError, match="stored in another order") as caught:
        settle(tmp_path, phantom(), mirrored)
    assert caught.value.reason == "ambiguous-lesion-place"


@pytest.mark.inputs(
    "A mask whose header is the other one of the T1w's sform and qform was drawn in a tool that reads that one: it is "
    "laid on the T1w's voxels, which is said."
)
@pytest.mark.parametrize("seen", [True, False])
def test_a_mask_by_the_other_form(tmp_path: Path, seen: bool) -> None:
    head, mask = stored_head(tmp_path, phantom(seen)), mask_of(phantom())
    other = shifted(mask, 9.0)
    t1w = nib.load(head.file.path)
    t1w = nib.Nifti1Image(t1w.get_fdata(dtype=np.float32), t1w.affine)
    t1w.set_sform(t1w.affine, code=1)
    t1w.set_qform(other.affine, code=1)
    t1w.to_filename(head.file.path)
    other.to_filename(tmp_path / "mask.nii.gz")
    read = load_image(tmp_path / "mask.nii.gz", 3)
    image, (note,) = settled(read, tmp_path / "mask.nii.gz", (head.image, head.file.path), head.brain)
    np.testing.assert_allclose(lesion_in(head, array(image) > 0), LEFT, atol=0.5)
    assert "where the other one of sform and qform is" in note


@pytest.mark.parametrize("axes", ["RAS", "PSL", "IRP"])
def test_another_order_of_voxels_is_no_other_place(tmp_path: Path, axes: str) -> None:
    where, notes = settle(tmp_path, phantom(), mask_of(phantom(), axes))
    np.testing.assert_allclose(where, LEFT, atol=0.5)
    assert notes == []
