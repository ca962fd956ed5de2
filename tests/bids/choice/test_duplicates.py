"""Several files of one measurement: one of them is used, and the others are named."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.bids.choice.duplicates import one_of_each, one_of_packed
from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.bold.step import choose_runs


def files_of(*names: str, folder: Path = Path("anat")) -> list[BidsFile]:
    return [BidsFile(folder / f"sub-01_{name}", {}) for name in names]


def kept(*names: str, asked: tuple[str, ...] = ()) -> list[str]:
    found, left_out = one_of_each(files_of(*names), asked)
    assert {file.path.name for file in left_out} == {f"sub-01_{name}" for name in names} - {f.path.name for f in found}
    return [file.path.name.removeprefix("sub-01_") for file in found]


@pytest.mark.inputs(
    "Where one file says `part-mag` and another of the same name says nothing of a part, `part-mag` is used."
)
@pytest.mark.parametrize("name", ["{}T1w.nii.gz", "dir-AP_{}dwi.nii.gz", "task-rest_{}bold.nii", "dir-PA_{}epi.nii.gz"])
def test_an_image_is_one_whether_or_not_it_says_that_it_is_the_magnitude(name: str) -> None:
    both = name.format(""), name.format("part-mag_")
    assert kept(*both) == kept(*both[::-1]) == [both[1]]


@pytest.mark.inputs(
    "Of the echoes of a T1w, dwi or epi the image without `echo-` is used, else the first echo.",
    "Of several reconstructions (`rec-`) of one dwi or epi that without `rec-` is used, else the first by name: they "
    "are one measurement, not two.",
)
@pytest.mark.parametrize(
    ("names", "used"),
    [
        (["echo-1_T1w.nii.gz", "echo-2_T1w.nii.gz", "T1w.nii.gz"], ["T1w.nii.gz"]),
        (["echo-10_T1w.nii.gz", "echo-2_T1w.nii.gz"], ["echo-2_T1w.nii.gz"]),
        (["echo-1_dwi.nii.gz", "echo-2_dwi.nii.gz"], ["echo-1_dwi.nii.gz"]),
        (["dir-AP_echo-1_epi.nii", "dir-AP_echo-2_epi.nii", "dir-PA_echo-1_epi.nii"],
         ["dir-AP_echo-1_epi.nii", "dir-PA_echo-1_epi.nii"]),
        (["dwi.nii.gz", "rec-norm_dwi.nii.gz"], ["dwi.nii.gz"]),
        (["rec-dis2d_dwi.nii.gz", "rec-norm_dwi.nii.gz"], ["rec-dis2d_dwi.nii.gz"]),
        (["run-1_dwi.nii.gz", "run-2_rec-norm_dwi.nii.gz"], ["run-1_dwi.nii.gz", "run-2_rec-norm_dwi.nii.gz"]),
        (["dir-AP_dwi.nii.gz", "dir-PA_dwi.nii.gz"], ["dir-AP_dwi.nii.gz", "dir-PA_dwi.nii.gz"]),
        (["rec-a_T1w.nii.gz", "rec-b_T1w.nii.gz"], ["rec-a_T1w.nii.gz", "rec-b_T1w.nii.gz"]),
    ],
)  # fmt: skip
def test_echoes_and_reconstructions_of_one_measurement(names: list[str], used: list[str]) -> None:
    assert kept(*names) == used


def test_who_asks_for_reconstructions_gets_them() -> None:
    names = ("rec-a_dwi.nii.gz", "rec-b_dwi.nii.gz")
    assert kept(*names, asked=("reconstruction",)) == list(names)


@pytest.mark.inputs("Of the echoes of a bold run that without `echo-` is used, else that nearest to 30 ms.")
@pytest.mark.parametrize(("combined", "used"), [(False, "echo-2_bold.nii.gz"), (True, "bold.nii.gz")])
def test_one_echo_is_no_run_of_its_own(combined: bool, used: str) -> None:
    echoes = [
        BidsFile(
            Path(f"sub-01_task-rest_echo-{i + 1}_bold.nii.gz"), {"task": "rest", "echo": str(i + 1)}, {"EchoTime": t}
        )
        for i, t in enumerate((0.014, 0.032, 0.05))
    ]
    whole = [BidsFile(Path("sub-01_task-rest_bold.nii.gz"), {"task": "rest"}, {"EchoTime": 0.04})]
    chosen, warnings = choose_runs([*one_of_each(echoes)[0], *(whole if combined else [])])
    assert [file.path.name for file in chosen] == [f"sub-01_task-rest_{used}"]
    assert "echo-3" in warnings[0]


def image(shift: float = 0.0, moved: float = 0.0) -> nib.Nifti1Image:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 3] = moved
    return nib.Nifti1Image(np.arange(64, dtype=np.float32).reshape(4, 4, 4) + np.float32(shift), affine)


@pytest.mark.inputs(
    "`x.nii` beside `x.nii.gz` is one image: the packed one is used, and it is said whether both hold the same voxels "
    "in the same place."
)
@pytest.mark.parametrize(
    ("other", "same"),
    [(image(), True), (image(shift=1), False), (image(moved=3), False)],
    ids=["same", "voxels", "place"],
)
@pytest.mark.parametrize("suffix", ["T1w", "dwi", "task-rest_bold", "label-L_mask"])
def test_packed_and_unpacked_are_one_image(tmp_path: Path, suffix: str, other: nib.Nifti1Image, same: bool) -> None:
    image().to_filename(tmp_path / f"sub-01_{suffix}.nii.gz")
    other.to_filename(tmp_path / f"sub-01_{suffix}.nii")
    found, left_out = one_of_each(files_of(f"{suffix}.nii", f"{suffix}.nii.gz", folder=tmp_path))
    assert [file.path.name for file in found] == [f"sub-01_{suffix}.nii.gz"]
    assert len(left_out) == 1
    ((file, why),) = left_out.items()
    assert file.path.name == f"sub-01_{suffix}.nii"
    assert why.endswith("is used: the same image" if same else "is used, but the two differ: remove one of them")


def test_what_a_header_says_beside_the_voxels_makes_no_other_image(tmp_path: Path) -> None:
    first, second = image(), image()
    second.header["descrip"] = b"unpacked by another tool"
    first.to_filename(tmp_path / "sub-01_T1w.nii.gz")
    second.to_filename(tmp_path / "sub-01_T1w.nii")
    _, left_out = one_of_packed(files_of("T1w.nii", "T1w.nii.gz", folder=tmp_path))
    assert [why.split(": ")[1] for why in left_out.values()] == ["the same image"]


def test_two_packed_pieces_in_one_file_are_read_to_their_end(tmp_path: Path) -> None:
    image().to_filename(tmp_path / "sub-01_T1w.nii")
    content = (tmp_path / "sub-01_T1w.nii").read_bytes()
    pieces = gzip.compress(content[:400]) + gzip.compress(content[400:])  # as bgzip and pigz may write them
    (tmp_path / "sub-01_T1w.nii.gz").write_bytes(pieces)
    _, left_out = one_of_packed(files_of("T1w.nii", "T1w.nii.gz", folder=tmp_path))
    assert [why.split(": ")[1] for why in left_out.values()] == ["the same image"]


def test_of_two_the_one_is_used_whose_content_is_here(tmp_path: Path) -> None:
    image().to_filename(tmp_path / "sub-01_T1w.nii")
    (tmp_path / "sub-01_T1w.nii.gz").symlink_to(tmp_path / "nowhere")
    found, left_out = one_of_packed(files_of("T1w.nii", "T1w.nii.gz", folder=tmp_path))
    assert [file.path.name for file in found] == ["sub-01_T1w.nii"]
    assert ["could not be compared" in why for why in left_out.values()] == [True]


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), 1e30, -5.0])
@pytest.mark.parametrize("length", [0, 5, 200, 348, 500])
def test_broken_files_are_said_to_be_or_to_differ(tmp_path: Path, offset: float, length: int) -> None:
    image().to_filename(tmp_path / "sub-01_T1w.nii")
    content = bytearray((tmp_path / "sub-01_T1w.nii").read_bytes())
    content[108:112] = np.float32(offset).tobytes()
    (tmp_path / "sub-01_T1w.nii").write_bytes(content)
    (tmp_path / "sub-01_T1w.nii.gz").write_bytes(gzip.compress(bytes(content[:length])))
    found, left_out = one_of_packed(files_of("T1w.nii", "T1w.nii.gz", folder=tmp_path))
    assert [file.path.name for file in found] == ["sub-01_T1w.nii.gz"]
    assert [": the same image" in why for why in left_out.values()] == [False]
