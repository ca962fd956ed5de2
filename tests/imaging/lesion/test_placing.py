"""Masks of all spaces on the T1w."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.lesion import placing
from bids_stroke.imaging.lesion.masks import shares_on
from bids_stroke.imaging.lesion.placing import place_masks, standard_masks
from bids_stroke.imaging.other_image import Fit
from tests.helpers.lesion_phantom import lesion_in, mask_of, phantom, stored_head
from tests.helpers.lesions import LEFT
from tests.helpers.spots import rigid

MOVED = rigid((0, 0, 6), (2, 15, -3))


def file(folder: Path, image: nib.Nifti1Image, name: str, **entities: str) -> BidsFile:
    image.to_filename(folder / name)
    return BidsFile(folder / name, entities, {}, f"bids:lesions:{name}")


def flair(folder: Path, name: str = "sub-01_FLAIR.nii.gz", matrix: np.ndarray = MOVED) -> Path:
    """Another image of the head, somewhere else."""
    image = phantom().t1w
    nib.Nifti1Image(100.0 - array(image), matrix @ image.affine).to_filename(folder / name)
    return folder / name


def fixed_fit(monkeypatch: pytest.MonkeyPatch, spread: float = 0.1, gain: float = 5.0) -> None:
    """The registration has a test of its own, and takes its time."""
    monkeypatch.setattr(placing, "register_to_t1w", lambda *_, **__: Fit(MOVED, spread, gain, 15.0, 3.0))


def test_a_mask_on_a_flair_comes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head, mask = stored_head(tmp_path, phantom()), mask_of(phantom())
    moved = nib.Nifti1Image(np.asarray(mask.dataobj), MOVED @ mask.affine)
    one = file(tmp_path, moved, "sub-01_space-FLAIR_mask.nii.gz", space="FLAIR")
    one = BidsFile(one.path, one.entities, {}, one.uri, {"drawn_on_0": flair(tmp_path)})
    fixed_fit(monkeypatch)
    placed = place_masks(head, [one], tmp_path, seed=0)
    np.testing.assert_allclose(lesion_in(head, placed.lesion), LEFT, atol=1.0)
    assert placed.used == (one,) and placed.reason == ""
    assert "was drawn on sub-01_FLAIR.nii.gz, which was registered to the T1w (15.0 mm" in placed.warnings[0]
    assert placed.qc == {"lesion_image_moved_mm": 15.0, "lesion_image_fit": 5.0}


@pytest.mark.inputs(
    "A registration of that image that does not hold (other starts lead elsewhere, or it fits no better than upside "
    "down) costs the mask (`lesion-image-not-registered`)."
)
@pytest.mark.parametrize(("spread", "gain"), [(9.0, 5.0), (0.1, 1.1)])
def test_a_registration_that_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spread: float, gain: float
) -> None:
    head = stored_head(tmp_path, phantom())
    one = file(tmp_path, mask_of(phantom()), "sub-01_space-FLAIR_mask.nii.gz", space="FLAIR")
    one = BidsFile(one.path, one.entities, {}, one.uri, {"drawn_on_0": flair(tmp_path, matrix=np.eye(4))})
    fixed_fit(monkeypatch, spread, gain)
    placed = place_masks(head, [one], tmp_path, seed=0)
    assert not placed.lesion.any()
    assert placed.reason == "lesion-image-not-registered"


@pytest.mark.inputs(
    "A mask that cannot be used costs nothing but itself: the T1w is processed as one without that lesion, which is "
    "said, and the lesion is missing with the reason."
)
@pytest.mark.parametrize(
    ("name", "entities", "change", "reason"),
    [
        ("sub-01_space-FLAIR_mask.nii.gz", {"space": "FLAIR"}, 1.0, "lesion-of-another-image"),
        ("sub-01_space-Talairach_mask.nii.gz", {"space": "Talairach"}, 1.0, "another-template"),
        ("sub-01_space-x_mask.nii.gz", {"space": "x"}, 1.0, "unknown-space"),
        ("sub-01_mask.nii.gz", {}, 0.0, "empty-lesion-mask"),
        ("sub-01_mask.nii.gz", {}, 0.3, "lesion-below-threshold"),
        ("sub-01_mask.nii.gz", {}, -1.0, "not-a-mask"),
    ],
)
def test_what_cannot_be_used_costs_only_itself(
    tmp_path: Path, name: str, entities: dict[str, str], change: float, reason: str
) -> None:
    head, mask = stored_head(tmp_path, phantom()), mask_of(phantom())
    bad = file(tmp_path, like(mask, (np.asarray(mask.dataobj) * change).astype(np.float32)), name, **entities)
    alone = place_masks(head, [bad], tmp_path, seed=0)
    assert (alone.used, alone.reason) == ((), reason)
    assert name in alone.warnings[0] and "processed as one without this lesion" in alone.warnings[0]
    good = file(tmp_path, mask, "sub-01_label-L_mask.nii.gz")
    both = place_masks(head, [bad, good], tmp_path, seed=0)
    assert (both.used, both.reason) == ((good,), "")
    assert both.lesion.sum() == phantom().lesion.sum()


@pytest.mark.inputs("NaN in a lesion mask or a map of shares is 0: SPM writes it where there is nothing.")
def test_nan_in_a_mask_is_outside(tmp_path: Path) -> None:
    head, mask = stored_head(tmp_path, phantom()), mask_of(phantom())
    inside = np.asarray(mask.dataobj) > 0
    one = file(tmp_path, like(mask, np.where(inside, 0.9, np.nan).astype(np.float32)), "sub-01_label-L_mask.nii.gz")
    placed = place_masks(head, [one], tmp_path, seed=0)
    assert placed.used == (one,)
    clean = place_masks(head, [file(tmp_path, mask, "sub-01_label-L_desc-b_mask.nii.gz")], tmp_path, seed=0)
    np.testing.assert_array_equal(placed.lesion, clean.lesion)
    shares = replace(one, beside={"share": one.path})
    grid = like(head.image, np.zeros(head.image.shape, np.float32))
    np.testing.assert_allclose(shares_on(grid, [shares]), 0.9 * clean.lesion, atol=1e-6)
    one.path.unlink()
    nothing = file(tmp_path, like(mask, np.full(mask.shape, np.nan, np.float32)), "sub-01_label-L_mask.nii.gz")
    assert place_masks(head, [nothing], tmp_path, seed=0).reason == "empty-lesion-mask"


def test_a_hint_is_no_more_than_that(tmp_path: Path) -> None:
    """desc-FLAIRlesion on the very grid of the T1w has been brought there."""
    head = stored_head(tmp_path, phantom())
    one = file(tmp_path, mask_of(phantom()), "sub-01_desc-FLAIRlesion_mask.nii.gz", desc="FLAIRlesion")
    assert place_masks(head, [one], tmp_path, seed=0).used == (one,)
    cut = file(tmp_path, mask_of(phantom()).slicer[:, :, 1:], "sub-01_desc-T2lesion_mask.nii.gz", desc="T2lesion")
    assert place_masks(head, [cut], tmp_path, seed=0).reason == "lesion-of-another-image"


def test_of_several_images_the_grid_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head, mask = stored_head(tmp_path, phantom()), mask_of(phantom())
    images = {
        "drawn_on_0": flair(tmp_path, "sub-01_run-1_FLAIR.nii.gz", np.eye(4)),
        "drawn_on_1": flair(tmp_path, "sub-01_run-2_FLAIR.nii.gz"),
    }
    moved = nib.Nifti1Image(np.asarray(mask.dataobj), MOVED @ mask.affine)
    one = file(tmp_path, moved, "sub-01_space-FLAIR_mask.nii.gz", space="FLAIR")
    fixed_fit(monkeypatch)
    placed = place_masks(head, [BidsFile(one.path, one.entities, {}, "", images)], tmp_path, seed=0)
    assert "drawn on sub-01_run-2_FLAIR.nii.gz" in placed.warnings[0]
    elsewhere = file(tmp_path, moved.slicer[:, :, 2:], "sub-01_space-FLAIR_desc-b_mask.nii.gz", space="FLAIR")
    placed = place_masks(head, [BidsFile(elsewhere.path, elsewhere.entities, {}, "", images)], tmp_path, seed=0)
    assert placed.reason == "ambiguous-lesion-image"


def test_a_file_that_cannot_be_read_fails(tmp_path: Path) -> None:
    head = stored_head(tmp_path, phantom())
    (tmp_path / "sub-01_mask.nii.gz").write_bytes(b"broken")
    with pytest.raises(DataError, match="cannot be read"):
        place_masks(head, [BidsFile(tmp_path / "sub-01_mask.nii.gz", {})], tmp_path, seed=0)


@pytest.mark.inputs("A mask in standard space that has neither sform nor qform is not used (`unknown-orientation`).")
def test_a_standard_mask_needs_a_place(tmp_path: Path) -> None:
    data = np.asarray(mask_of(phantom()).dataobj)
    one = file(tmp_path, nib.Nifti1Image(data, None), "a_mask.nii.gz", space="MNI152NLin6Asym")
    found = standard_masks([one])
    assert (found.used, found.reason) == ((), "unknown-orientation")
    good = file(tmp_path, mask_of(phantom()), "b_mask.nii.gz", space="MNI152NLin6Asym")
    assert standard_masks([one, good]).used == (good,)
    assert standard_masks([]).reason == ""
