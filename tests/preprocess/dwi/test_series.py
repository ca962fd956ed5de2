"""Runs and images of opposite phase encoding joined to one series; what cannot give a tensor is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.phase_encoding import Encoding
from bids_stroke.preprocess.dwi.series import read_series, require_order
from tests.helpers.diffusion import bids_files, change_gradients, times
from tests.helpers.phantom import Phantom, make_phantom
from tests.helpers.template_scan import TemplateScan, grid, part, save, scan

GRID = (45, 54, 42)
Array = NDArray[np.float64]


def test_a_readout_that_only_the_field_images_tell_holds_for_the_series(tmp_path: Path) -> None:
    phantom = make_phantom(shape=GRID, voxel_mm=4.0, n_directions=6, n_b0=2, field_hz=40.0, pairs="b0")
    phantom.write(tmp_path, "01", t1w=False)
    raw = tmp_path / "sub-01"
    told = {key: value for key, value in bids_files(raw / "dwi")[0].metadata.items() if key != "TotalReadoutTime"}
    dwi = tuple(replace(file, metadata=told) for file in bids_files(raw / "dwi"))
    epi = tuple(
        replace(file, metadata={**file.metadata, "TotalReadoutTime": 0.03}) for file in bids_files(raw / "fmap")
    )
    series = read_series(dwi, 50.0, epi)
    assert {said.readout_s for said in series.encodings if said} == {0.03}
    assert series.opposite[0].encoding.readout_s == 0.03
    assert any("0.03" in text for text in series.warnings)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(shape=GRID, voxel_mm=4.0, n_directions=6, n_b0=2, snr=50.0, field_hz=40.0, pairs="full")


@pytest.mark.parametrize("order", ["RAS", "LAS", "PSL"])
def test_runs_of_both_encodings_are_joined_and_told_apart(tmp_path: Path, phantom: Phantom, order: str) -> None:
    phantom.write(tmp_path, "01", t1w=False, order=order)
    series = read_series(bids_files(tmp_path / "sub-01" / "dwi"), 50.0)
    assert len(series.gradients) == len(phantom.bvals)
    groups = series.groups()
    assert [said[:2] for said, _ in groups if said] == [(1, -1), (1, 1)]
    assert [int(which.sum()) for _, which in groups] == [8, 8]
    assert series.opposite == ()
    assert {said.readout_s for said in series.encodings if said} == {0.05}
    assert series.warnings == ()


def test_a_run_at_b0_only_tells_the_field_and_takes_no_part_in_the_tensor(tmp_path: Path) -> None:
    phantom = make_phantom(shape=GRID, voxel_mm=4.0, n_directions=6, n_b0=2, field_hz=40.0, pairs="b0")
    phantom.write(tmp_path, "01", t1w=False)
    raw = tmp_path / "sub-01"
    series = read_series(bids_files(raw / "dwi"), 50.0, bids_files(raw / "fmap"))
    assert len(series.gradients) == 8
    assert len(series.groups()) == 1
    [opposite] = series.opposite
    assert opposite.encoding == Encoding(1, 1, 0.05)
    assert opposite.image.shape == (*GRID, 2)
    assert opposite.source.path.parent.name == "fmap"


def test_one_run_is_read_as_it_is(tmp_path: Path, still: TemplateScan) -> None:
    series = read_series([save(tmp_path, "sub-01", still)], 50.0)
    np.testing.assert_array_equal(array(series.image), array(still.image))
    np.testing.assert_allclose(series.gradients.bvecs, still.gradients.bvecs, atol=1e-6)
    assert series.b0.tolist() == [True] * 2 + [False] * 12
    assert series.warnings == ()


def test_runs_on_one_grid_are_joined_and_scaled(tmp_path: Path, still: TemplateScan) -> None:
    louder = replace(still, image=like(still.image, array(still.image) * 3))
    files = [
        save(tmp_path, "sub-01_dir-AP", still, PhaseEncodingDirection="j-"),
        save(tmp_path, "sub-01_dir-PA", louder, PhaseEncodingDirection="j"),
    ]
    series = read_series(files, 50.0)
    assert series.image.shape[3] == len(series.gradients) == 28
    np.testing.assert_allclose(array(series.image)[..., 14:], array(still.image), rtol=1e-4, atol=1e-3)
    assert series.sources == tuple(files)
    assert [said.sign for said in series.encodings if said] == [-1] * 14 + [1] * 14


def test_runs_that_do_not_belong_are_left_out_and_named(tmp_path: Path, still: TemplateScan) -> None:
    main = save(tmp_path, "sub-01_run-1", still)
    other = save(tmp_path, "sub-01_run-2", part(scan(grid((30, 42, 36)), 8), slice(None)))
    only_b0 = save(tmp_path, "sub-01_run-3", part(still, slice(0, 1)))
    series = read_series([only_b0, other, main], 50.0)
    assert series.sources == (main,)
    assert any("run-2" in note and "another grid" in note for note in series.warnings)
    assert any("run-3" in note and "only b=0" in note for note in series.warnings)


def test_trace_images_are_left_out(tmp_path: Path, still: TemplateScan) -> None:
    vectors = still.gradients.bvecs.copy()
    vectors[-1] = 0
    with_trace = replace(still, gradients=Gradients(still.gradients.bvals, vectors))
    series = read_series([save(tmp_path, "sub-01", with_trace)], 50.0)
    assert series.image.shape[3] == len(series.gradients) == 13
    assert "trace" in series.warnings[0]


@pytest.mark.parametrize(
    ("bvals", "keep", "reason"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6], "too-few-directions"),
        (None, [0, 1, *[2] * 8], "too-few-directions"),
        (None, [0, 1], "too-few-directions"),
        (None, list(range(2, 14)), "no-b0"),
        (np.repeat([700.0, 2000.0], [6, 6]), list(range(2, 14)), "no-b0"),
    ],
)
def test_what_cannot_give_a_tensor_is_missing(
    tmp_path: Path, still: TemplateScan, bvals: Array | None, keep: list[int], reason: str
) -> None:
    chosen = part(still, keep)
    if bvals is not None:
        chosen = replace(chosen, gradients=Gradients(bvals, chosen.gradients.bvecs))
    with pytest.raises(MissingModalityError) as caught:
        read_series([save(tmp_path, "sub-01", chosen)], 50.0)
    assert caught.value.reason == reason
    assert "sub-01_dwi.nii.gz" in caught.value.message


def test_a_low_shell_stands_in_for_b0(tmp_path: Path, still: TemplateScan) -> None:
    low = replace(
        still, gradients=Gradients(np.repeat([100.0, 1000.0], [3, 11]), scan(grid((8, 8, 8)), 14).gradients.bvecs[2:])
    )
    series = read_series([save(tmp_path, "sub-01", low)], 50.0)
    assert series.b0.sum() == 3
    assert "b=100" in series.warnings[0]


def test_broken_files_fail_with_their_reason(tmp_path: Path, still: TemplateScan) -> None:
    def reason(file: BidsFile) -> str:
        with pytest.raises(DataError) as caught:
            read_series([file], 50.0)
        assert "sub-01" in caught.value.message
        assert caught.value.remedy
        return caught.value.reason

    flat = save(tmp_path / "3d", "sub-01", still)
    nib.Nifti1Image(array(still.image)[..., 0], still.image.affine).to_filename(flat.path)
    assert reason(flat) == "not-4d"
    for extension in ("bval", "bvec"):
        file = save(tmp_path / extension, "sub-01", still)
        file.companion(f".{extension}").unlink()
        assert reason(file) == f"missing-{extension}"
    short = save(tmp_path / "short", "sub-01", still)
    short.companion(".bval").write_text("0 1000")
    assert reason(short) == "gradient-count"
    words = save(tmp_path / "words", "sub-01", still)
    words.companion(".bvec").write_text("not numbers")
    assert reason(words) == "gradient-format"
    cut = save(tmp_path / "cut", "sub-01", still)
    cut.path.write_bytes(cut.path.read_bytes()[:20_000])
    assert reason(cut) == "unreadable-image"
    holes = array(still.image).copy()
    holes[3, 3, 3, 3] = np.nan
    assert reason(save(tmp_path / "nan", "sub-01", replace(still, image=like(still.image, holes)))) == "not-finite"
    empty = replace(still, image=like(still.image, np.zeros_like(holes)))
    assert reason(save(tmp_path / "empty", "sub-01", empty)) == "empty-image"


def test_scaled_b_vectors_are_named(tmp_path: Path, small: Phantom) -> None:
    (path,) = small.write(tmp_path / "raw", "01", t1w=False)
    change_gradients(bvecs=lambda text: "\n".join(times(0.5)(row) for row in text.splitlines()))(tmp_path / "raw")
    assert any("length 0.50" in note for note in read_series(bids_files(path.parent), 50.0).gradients.notes)


def test_a_still_series_with_shuffled_directions_is_refused(tmp_path: Path, still: TemplateScan) -> None:
    series = read_series([save(tmp_path, "sub-01", still)], 50.0)
    require_order(series, 50.0)
    order = np.r_[0, 1, np.random.default_rng(4).permutation(np.arange(2, 14))]
    shuffled = replace(series, gradients=Gradients(series.gradients.bvals, series.gradients.bvecs[order]))
    with pytest.raises(DataError) as caught:
        require_order(shuffled, 50.0)
    assert caught.value.reason == "gradient-order"


def test_shells_of_two_runs_are_compared(tmp_path: Path, still: TemplateScan) -> None:
    high = replace(still, gradients=Gradients(2 * still.gradients.bvals, still.gradients.bvecs))
    files = [save(tmp_path, "sub-01_run-1", still), save(tmp_path, "sub-01_run-2", high)]
    with pytest.raises(DataError, match="no darker than at b=1000") as caught:
        read_series(files, 50.0)
    assert caught.value.reason == "b-values-unlike"
