"""All files of a subject from raw data, masks beside them and derivatives."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.bids.subject_files import Datasets
from bids_stroke.core.errors import InputError
from tests.helpers.bids import make_dataset

MASK = "anat/sub-01_label-L_mask.nii.gz"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    files = [f"sub-01/{MASK}", f"derivatives/masks/sub-01/{MASK}", f"derivatives/masks/sub-02/{MASK}"]
    return make_dataset(tmp_path / "raw", dict.fromkeys([*files, "sub-01/anat/sub-01_T1w.nii.gz"]))


def uris(datasets: Datasets, label: str = "01") -> list[str]:
    return [file.uri for file in datasets.subject(label).lesions]


def test_masks_are_those_of_the_subject_wherever_they_lie(raw: Path, tmp_path: Path) -> None:
    given = {"more": make_dataset(tmp_path / "more", {f"sub-01/{MASK}": None})}
    found = uris(Datasets.open(raw, given, needs_lesion=True))
    assert found == [f"bids:{name}:sub-01/{MASK}" for name in ("raw", "masks", "more")]


def test_a_folder_given_under_a_name_replaces_the_one_of_that_name_beside_the_raw_data(
    raw: Path, tmp_path: Path
) -> None:
    given = {"masks": make_dataset(tmp_path / "other", {"sub-01/anat/sub-01_desc-lesion_mask.nii.gz": None})}
    found = uris(Datasets.open(raw, given, needs_lesion=True))
    assert found == [f"bids:raw:sub-01/{MASK}", "bids:masks:sub-01/anat/sub-01_desc-lesion_mask.nii.gz"]


def test_a_folder_given_twice_gives_each_mask_once(raw: Path) -> None:
    found = uris(Datasets.open(raw, {"again": raw / "derivatives" / "masks"}, needs_lesion=True))
    assert found == [f"bids:raw:sub-01/{MASK}", f"bids:again:sub-01/{MASK}"]


def test_masks_that_nobody_needs_are_not_looked_for(raw: Path) -> None:
    datasets = Datasets.open(raw, {}, needs_lesion=False)
    assert datasets.lesions is None
    assert uris(datasets) == []


def test_derivatives_that_cannot_be_listed_are_named(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file cannot be listed: Not a directory"):
        Datasets.open(raw, {"x": tmp_path / "file"}, needs_lesion=True)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["ses-a/anat/sub-03_ses-a_T1w", "ses-b/dwi/sub-03_ses-b_dwi"], {"a", "b"}),
        (["ses-a/anat/sub-03_ses-a_T1w", "anat/sub-03_T1w"], {"a"}),
        (["anat/sub-03_T1w"], {None}),
        (["anat/sub-03_T1w", "ses-a/fmap/sub-03_ses-a_dir-AP_epi"], {None}),
        ([], set()),
    ],
)
def test_sessions_are_those_with_data(raw: Path, names: list[str], labels: set[str | None]) -> None:
    make_dataset(raw, {f"sub-03/{name}.nii.gz": None for name in names})
    (raw / "sub-03").mkdir(exist_ok=True)
    assert Datasets.open(raw, {}, needs_lesion=True).subject("03").sessions() == labels


@pytest.mark.inputs(
    "What may be meant as a lesion mask and is not called like one (`_msk`, `_roi`, `desc-lesion_dseg`, `infarct`), "
    "and a map of shares without its mask, is named."
)
@pytest.mark.parametrize("where", ["raw/derivatives/lesions", "given"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("msk", "lesion masks are called"),
        ("desc-manual_roi", "lesion masks are called"),
        ("desc-lesion_dseg", "lesion masks are called"),
        ("desc-infarct_mask", "lesion masks are called"),
        ("label-L_probseg", "beside a mask only"),
        ("space-MNI152NLin6Asym_label-lesion_probseg", "beside a mask only"),
        ("label-L_desc-lesion_mask", ""),
        ("desc-brain_mask", ""),
        ("label-GM_probseg", ""),
    ],
)
def test_what_looks_like_a_lesion_mask_and_is_not_read_is_named(
    tmp_path: Path, where: str, name: str, why: str
) -> None:
    raw = make_dataset(tmp_path / "raw", {"sub-01/anat/sub-01_T1w.nii.gz": None})
    folder = make_dataset(tmp_path / where, {f"sub-01/anat/sub-01_{name}.nii.gz": None})
    given = {"masks": folder} if where == "given" else {}
    (unit,) = find_sessions(Selection(raw, derivatives=given))
    assert list(unit.left_out) == [f"sub-01_{name}.nii.gz"] * bool(why)
    assert all(why in told for told in unit.left_out.values())
    assert len(unit.lesion) == (name == "label-L_desc-lesion_mask")


def test_a_map_of_shares_beside_its_mask_is_not_named(tmp_path: Path) -> None:
    files = {f"derivatives/x/sub-01/anat/sub-01_label-L_{end}.nii.gz": None for end in ("mask", "probseg")}
    (unit,) = find_sessions(Selection(make_dataset(tmp_path, {"sub-01/anat/sub-01_T1w.nii.gz": None, **files})))
    assert not unit.left_out
    assert [list(file.beside) for file in unit.lesion] == [["share"]]
