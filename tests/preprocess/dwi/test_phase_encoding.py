"""Phase encoding from sidecars, in the axes that images are processed in, and which runs and images make a pair."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import load_image
from bids_stroke.preprocess.dwi.phase_encoding import (
    USUAL_READOUT_S,
    Encoding,
    fill_readouts,
    opposite_of,
    read_encoding,
    signs_by_name,
)
from tests.helpers.spots import rigid, stored_as


def stored(folder: Path, axes: str, metadata: dict[str, object], shape: tuple[int, int, int] = (6, 8, 4)) -> BidsFile:
    """An image in a storage order, with a sidecar in the axes of that order."""
    folder.mkdir(parents=True, exist_ok=True)
    image = stored_as(nib.Nifti1Image(np.ones(shape, np.float32), np.diag([2.0, 2.0, 3.0, 1.0])), axes)
    path = folder / f"sub-01_acq-{axes}_dwi.nii.gz"
    image.to_filename(path)
    return BidsFile(path, {}, metadata, f"bids:raw:sub-01/dwi/{path.name}")


@pytest.mark.parametrize(
    ("axes", "said", "axis", "sign"),
    [
        ("RAS", "j", 1, 1), ("RAS", "j-", 1, -1), ("LAS", "i", 0, -1), ("LAS", "j-", 1, -1), ("LPI", "j", 1, -1),
        ("LPI", "k-", 2, 1), ("PSL", "i", 1, -1), ("PSL", "j", 2, 1), ("PSL", "k-", 0, 1),
    ],
)  # fmt: skip
def test_directions_are_carried_to_the_axes_of_processing(
    tmp_path: Path, axes: str, said: str, axis: int, sign: int
) -> None:
    file = stored(tmp_path, axes, {"PhaseEncodingDirection": said, "TotalReadoutTime": 0.04})
    assert read_encoding(file) == Encoding(axis, sign, 0.04)


@pytest.mark.parametrize(
    ("metadata", "readout"),
    [
        ({"TotalReadoutTime": 0.0312}, 0.0312),
        ({"EffectiveEchoSpacing": 0.0005, "ReconMatrixPE": 97}, 0.048),
        ({"TotalReadoutTime": 0.03, "EffectiveEchoSpacing": 0.0005, "ReconMatrixPE": 97}, 0.03),
        ({"EffectiveEchoSpacing": 0.0005}, math.nan),
        ({"TotalReadoutTime": 48.0}, math.nan),  # milliseconds
        ({"TotalReadoutTime": 0}, math.nan),
        ({"TotalReadoutTime": "0.05"}, math.nan),
        ({}, math.nan),
    ],
)
def test_readouts(tmp_path: Path, metadata: dict[str, object], readout: float) -> None:
    found = read_encoding(stored(tmp_path, "RAS", {"PhaseEncodingDirection": "j-", **metadata}))
    assert found is not None
    assert found.readout_s == pytest.approx(readout, nan_ok=True)
    assert found.hz_to_voxels == pytest.approx(-(USUAL_READOUT_S if math.isnan(readout) else readout))


@pytest.mark.parametrize("metadata", [{}, {"PhaseEncodingDirection": "AP"}, {"PhaseEncodingDirection": 1}])
def test_what_is_not_told_is_not_guessed(tmp_path: Path, metadata: dict[str, object]) -> None:
    assert read_encoding(stored(tmp_path, "RAS", metadata)) is None


def test_an_axis_without_sign_counts_as_positive(tmp_path: Path) -> None:
    found = read_encoding(stored(tmp_path, "RAS", {"PhaseEncodingAxis": "j"}))
    assert found is not None
    assert found[:2] == (1, 1)


@pytest.mark.inputs(
    "Where the sidecar of a diffusion run or field image tells the axis of the phase encoding only "
    "(`PhaseEncodingAxis`), the sign is that of `dir-AP`, `PA`, `LR`, `RL`, `IS` or `SI` in its name, which is said; "
    "of another `dir-` it is not known."
)
@pytest.mark.parametrize(
    ("axes", "axis", "label", "expected"),
    [
        ("RAS", "j", "AP", (1, -1)), ("RAS", "j", "PA", (1, 1)), ("LPS", "j", "AP", (1, -1)),
        ("RAS", "i", "lr", (0, 1)), ("LAS", "i", "RL", (0, -1)), ("PSL", "i", "AP", (1, -1)),
        ("RAS", "k", "SI", (2, -1)), ("RAS", "i", "AP", None), ("RAS", "j", "main", None), ("RAS", "j", "1", None),
    ],
)  # fmt: skip
def test_the_name_tells_the_sign_where_the_sidecar_tells_the_axis_only(
    tmp_path: Path, axes: str, axis: str, label: str, expected: tuple[int, int] | None
) -> None:
    file = replace(stored(tmp_path, axes, {"PhaseEncodingAxis": axis}), entities={"direction": label})
    found = read_encoding(file)
    assert (found and found[:2]) == expected
    said = signs_by_name({"sub-01_dwi.nii.gz": found})
    assert len(said) == (expected is not None)
    assert all(
        text.startswith("sub-01_dwi.nii.gz: the sidecar tells the axis of the phase encoding only") for text in said
    )


def test_a_sign_in_the_sidecar_is_believed_before_the_name(tmp_path: Path) -> None:
    file = replace(stored(tmp_path, "RAS", {"PhaseEncodingDirection": "j"}), entities={"direction": "AP"})
    found = read_encoding(file)
    assert found is not None
    assert (found[:2], found.by_name) == ((1, 1), False)


def test_a_readout_is_taken_from_the_other_run_and_said() -> None:
    lacking, known = Encoding(1, 1, math.nan), Encoding(1, -1, 0.03)
    filled, notes = fill_readouts([lacking, known, None])
    assert filled == [Encoding(1, 1, 0.03), known, None]
    assert "0.03" in notes[0]
    assert fill_readouts([known, None]) == ([known, None], [])
    assert fill_readouts([lacking])[1] == []


def at_b0(folder: Path, axes: str, direction: str | None, **metadata: object) -> tuple[BidsFile, nib.Nifti1Image]:
    told = {"PhaseEncodingDirection": direction} if direction else {}
    file = stored(folder, axes, told | metadata)
    return file, load_image(file.path, 3)


@pytest.mark.parametrize(
    ("direction", "words"),
    [("j-", "not opposite"), ("i", "not opposite"), (None, "not told")],
    ids=["the same", "another axis", "unknown"],
)
def test_what_is_no_pair_is_named(tmp_path: Path, direction: str | None, words: str) -> None:
    file, image = at_b0(tmp_path, "RAS", direction)
    found, notes = opposite_of([Encoding(1, -1, 0.05)], image, [(file, image, read_encoding(file))])
    assert found == ()
    assert file.path.name in notes[0]
    assert words in notes[0]


def test_an_opposite_image_on_another_grid_is_brought_to_the_series(tmp_path: Path) -> None:
    """Stored PSL with voxels half as large along the phase encoding: the same displacement in mm, twice the readout."""
    _, grid = at_b0(tmp_path / "series", "RAS", "j")
    fine = nib.Nifti1Image(np.ones((6, 16, 4), np.float32), np.diag([2.0, 1.0, 3.0, 1.0]))
    path = tmp_path / "sub-01_dir-PA_epi.nii.gz"
    stored_as(fine, "PSL").to_filename(path)
    # in PSL, the first axis runs backwards: its i- is forwards, j in RAS+
    file = BidsFile(path, {}, {"PhaseEncodingDirection": "i-", "TotalReadoutTime": 0.04}, "bids:raw:sub-01/fmap/x")
    [found], notes = opposite_of([Encoding(1, -1, 0.05)], grid, [(file, load_image(path, 4), read_encoding(file))])
    assert notes == []
    assert found.encoding == Encoding(1, 1, pytest.approx(0.02))
    assert found.image.shape[:3] == grid.shape
    turned = nib.Nifti1Image(np.asarray(fine.dataobj)[..., None], rigid((0, 0, 30.0), (0, 0, 0)) @ fine.affine)
    tilted, notes = opposite_of([Encoding(1, -1, 0.05)], grid, [(file, turned, Encoding(1, 1, 0.04))])
    assert tilted == ()  # it is displaced along none of the series' axes
    assert len(notes) == 1
