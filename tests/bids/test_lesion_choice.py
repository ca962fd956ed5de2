"""Which of a unit's lesion masks are used, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.bids.lesion_choice import UNITED
from bids_stroke.bids.sessions import Selection, find_sessions
from tests.helpers.bids import make_dataset

LESIONS = "derivatives/lesions/sub-1/anat/sub-1_"


def unit(folder: Path, *names: str, t1w: bool = True) -> tuple[list[str], list[str], dict[str, str]]:
    """Masks used, images that they were drawn on, and what is left out."""
    files = dict.fromkeys([*names, *(["sub-1/anat/sub-1_T1w.nii.gz"] if t1w else ["sub-1/func/sub-1_x.json"])], "{}")
    (session,) = find_sessions(Selection(make_dataset(folder, files), modalities=("lesion",)))
    drawn = [path.name for file in session.lesion for role, path in file.beside.items() if role.startswith("drawn_on")]
    return [file.path.name for file in session.lesion], drawn, dict(session.left_out)


@pytest.mark.inputs(
    "A mask on another image of the person is carried to the T1w by that image, which is registered to it; if the "
    "image is not in the dataset, the mask is not used (`lesion-of-another-image`)."
)
@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("space-FLAIR_label-L_mask.nii.gz", "anat/sub-1_FLAIR.nii.gz"),
        ("T2w_desc-lesion_mask.nii.gz", "anat/sub-1_T2w.nii.gz"),
        ("space-TRACE_desc-lesion_mask.nii.gz", "dwi/sub-1_rec-TRACE_dwi.nii.gz"),
        ("space-CT_desc-lesion_mask.nii.gz", "ct/sub-1_ct.nii.gz"),
    ],
)
def test_the_image_that_a_mask_was_drawn_on(tmp_path: Path, name: str, image: str) -> None:
    used, drawn, left_out = unit(tmp_path / "with", f"{LESIONS}{name}", f"sub-1/{image}")
    assert (used, drawn, left_out) == ([f"sub-1_{name}"], [image.split("/")[1]], {})
    used, drawn, left_out = unit(tmp_path / "without", f"{LESIONS}{name}")
    assert (used, drawn) == ([f"sub-1_{name}"], [])  # kept, for the steps to give its reason code
    assert "of which there is no image in the dataset" in left_out[f"sub-1_{name}"]


@pytest.mark.inputs(
    "With a T1w, masks on it come first, then those in standard space, then those on other images; without one, those "
    "in standard space; masks that are not used are named."
)
def test_the_order_of_masks(tmp_path: Path) -> None:
    own, standard, other = (f"{space}label-L_mask.nii.gz" for space in ("", "space-MNI152NLin6Asym_", "space-FLAIR_"))
    files = [*(f"{LESIONS}{name}" for name in (own, standard, other)), "sub-1/anat/sub-1_FLAIR.nii.gz"]
    used, _, left_out = unit(tmp_path / "a", *files)
    assert used == [f"sub-1_{own}"]
    assert {name: why for name, why in left_out.items() if name.endswith("mask.nii.gz")} == {
        f"sub-1_{name}": f"sub-1_{own} is used" for name in (standard, other)
    }
    assert "is not read" in left_out["sub-1_FLAIR.nii.gz"]
    assert unit(tmp_path / "b", *files[1:])[0] == [f"sub-1_{standard}"]
    assert unit(tmp_path / "c", *files, t1w=False)[0] == [f"sub-1_{standard}"]
    assert unit(tmp_path / "d", f"{LESIONS}space-Talairach_label-L_mask.nii.gz", files[1])[0] == [f"sub-1_{standard}"]


@pytest.mark.inputs(
    "An older lesion (`desc-`, `label-`, `acq-` or `rec-` with `chronic`, `previous` or `old`) is used only where "
    "there is no other mask that can be."
)
@pytest.mark.parametrize("older", ["desc-lesionChronic", "desc-chroniclesion", "desc-oldLesion", "acq-old_label-L"])
@pytest.mark.parametrize("recent", ["desc-lesionAcute", "desc-lesion", "label-L", "space-MNI152NLin6Asym_label-L"])
def test_an_older_lesion_is_no_part_of_the_one_that_is_asked_about(tmp_path: Path, older: str, recent: str) -> None:
    first, second = (f"sub-1_{entities}_mask.nii.gz" for entities in (older, recent))
    folder = LESIONS.rsplit("/", 1)[0]
    used, _, left_out = unit(tmp_path / "both", f"{folder}/{first}", f"{folder}/{second}")
    assert used == [second]
    assert left_out[first] == f"{older.split('_')[0]} is an older lesion: {second} is used"
    assert unit(tmp_path / "alone", f"{folder}/{first}")[0] == [first]


@pytest.mark.inputs("A mask for tests (`lesionTruth`, `lesionTest`, `lesionGT`) is never used, and named.")
@pytest.mark.parametrize("label", ["lesionTruth", "truelesiontruth", "lesionGroundTruth", "lesionGT", "lesionTest"])
def test_a_mask_for_tests_is_not_used(tmp_path: Path, label: str) -> None:
    truth, lesion = (f"{LESIONS}desc-{desc}_mask.nii.gz" for desc in (label, "lesion"))
    used, _, left_out = unit(tmp_path / "both", truth, lesion)
    assert used == ["sub-1_desc-lesion_mask.nii.gz"]
    assert left_out[f"sub-1_desc-{label}_mask.nii.gz"].startswith(f"desc-{label} is a mask for tests")
    assert unit(tmp_path / "alone", truth)[0] == []


@pytest.mark.parametrize("label", ["lesionLatest", "lesionGolden", "lesionManual", "boldlesion"])
def test_other_labels_say_nothing_of_age_and_use(tmp_path: Path, label: str) -> None:
    names = [f"{LESIONS}desc-{desc}_mask.nii.gz" for desc in (label, "lesion")]
    assert len(unit(tmp_path, *names)[0]) == 2


@pytest.mark.inputs("Where several masks of one session are used, they are united, which is said.")
def test_masks_that_are_united_are_said(tmp_path: Path) -> None:
    files = dict.fromkeys([f"{LESIONS}desc-{desc}_mask.nii.gz" for desc in ("lesionA", "lesionB")], "{}")
    files["sub-1/anat/sub-1_T1w.nii.gz"] = "{}"
    dataset = make_dataset(tmp_path, files)
    (session,) = find_sessions(Selection(dataset, modalities=("lesion",)))
    assert len(session.lesion) == 2
    assert UNITED in session.notes
    (dataset / f"{LESIONS}desc-lesionB_mask.nii.gz").unlink()
    assert find_sessions(Selection(dataset, modalities=("lesion",)))[0].notes == session.notes[:-1]
