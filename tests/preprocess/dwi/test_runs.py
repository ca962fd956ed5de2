"""Runs of a session: a broken one is left out, one without b-values is b=0 only where that is certain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.phase_encoding import Encoding
from bids_stroke.preprocess.dwi.runs import read_runs
from bids_stroke.preprocess.dwi.series import Series, read_series
from tests.helpers.template_scan import TemplateScan, grid, part, save, scan

AP, PA = {"PhaseEncodingDirection": "j-"}, {"PhaseEncodingDirection": "j"}


def cut(file: BidsFile) -> None:
    file.path.write_bytes(file.path.read_bytes()[:20_000])


def few_bvals(file: BidsFile) -> None:
    file.companion(".bval").write_text("0 0 1000")


def phases(file: BidsFile) -> None:
    image = nib.load(file.path)
    data = np.random.default_rng(0).integers(0, 4096, image.shape)
    nib.Nifti1Image(data.astype(np.float32), image.affine).to_filename(file.path)


def three_d(file: BidsFile) -> None:
    image = nib.load(file.path)
    nib.Nifti1Image(image.get_fdata()[..., 0].astype(np.float32), image.affine).to_filename(file.path)


BROKEN: dict[str, tuple[Callable[[BidsFile], object], str]] = {
    "cut short": (cut, "cannot be read"),
    "too few b-values": (few_bvals, "3 b-values for 14 volumes"),
    "no b-vectors": (lambda file: file.companion(".bvec").unlink(), "no sub-01_run-2_dwi.bvec"),
    "phases": (phases, "no volume a head"),
    "3D": (three_d, "14 b-values for 1 volumes"),
    "not numbers": (lambda file: file.companion(".bval").write_text("b0 b1"), "does not hold numbers"),
}


@pytest.mark.inputs(
    "A broken run beside a good one is left out and named: cut short, with too few b-values, without b-vectors, of "
    "phases instead of magnitudes.",
    "Only where no run with weighted volumes is left, the unit fails with the first one's reason.",
)
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_run_never_takes_the_series(tmp_path: Path, still: TemplateScan, what: str) -> None:
    good, bad = save(tmp_path, "sub-01_run-1", still), save(tmp_path, "sub-01_run-2", still)
    break_it, says = BROKEN[what]
    break_it(bad)
    series = read_series([bad, good], 50.0)
    assert series.sources == (good,)
    np.testing.assert_array_equal(array(series.image), array(still.image))
    assert any(says in text and "left out" in text for text in series.warnings)
    with pytest.raises(DataError, match=says):
        read_series([bad, bad], 50.0)


def test_names_tell_which_of_two_runs_is_the_opposite_one(tmp_path: Path, still: TemplateScan) -> None:
    axis = {"PhaseEncodingAxis": "j", "TotalReadoutTime": 0.05}
    runs = {"AP": still, "PA": part(still, slice(0, 2))}
    files = [
        replace(file, entities={**file.entities, "direction": label})
        for label, file in ((label, save(tmp_path, f"sub-01_dir-{label}", run, **axis)) for label, run in runs.items())
    ]
    series = read_series(files, 50.0)
    (opposite,) = series.opposite
    assert (series.encodings[0], opposite.encoding) == (Encoding(1, -1, 0.05, True), Encoding(1, 1, 0.05, True))
    (said,) = (text for text in series.warnings if "axis of the phase encoding only" in text)
    assert said.startswith("sub-01_dir-AP_dwi.nii.gz, sub-01_dir-PA_dwi.nii.gz: ")


def test_b0_alone_does_not_hide_that_the_weighted_run_is_broken(tmp_path: Path, still: TemplateScan) -> None:
    bad = save(tmp_path, "sub-01_dir-AP", still, **AP)
    cut(bad)
    with pytest.raises(DataError) as caught:
        read_series([save(tmp_path, "sub-01_dir-PA", part(still, slice(0, 2)), **PA), bad], 50.0)
    assert caught.value.reason == "unreadable-image"


def unlabelled(folder: Path, what: TemplateScan, **metadata: object) -> BidsFile:
    file = save(folder, "sub-01_dir-PA", what, **metadata)
    for end in (".bval", ".bvec"):
        file.companion(end).unlink()
    return replace(file, entities={**file.entities, "direction": "PA"})


def beside(folder: Path, still: TemplateScan, what: TemplateScan, **metadata: object) -> tuple[Series, str]:
    main = save(folder, "sub-01_dir-AP", still, **AP)
    series = read_series([main, unlabelled(folder, what, **metadata)], 50.0)
    assert series.sources == (main,)
    assert len(series.gradients) == 14
    return series, " ".join(text for text in series.warnings if "dir-PA" in text)


@pytest.mark.inputs(
    "A run without `.bval` counts as b=0 only where that is certain: at most 10 volumes on the grid of a run that has "
    "one, both phase encodings told and different, each volume as bright as that run's b=0."
)
def test_a_run_without_b_values_that_is_b0_for_certain_tells_the_field(tmp_path: Path, still: TemplateScan) -> None:
    series, told = beside(tmp_path, still, part(still, slice(0, 2)), **PA)
    (opposite,) = series.opposite
    assert opposite.source.path.name == "sub-01_dir-PA_dwi.nii.gz"
    assert opposite.image.shape[3] == 2
    assert "counts as that" in told


@pytest.mark.inputs("Else it is left out and named.")
@pytest.mark.parametrize(
    ("make", "metadata", "says"),
    [
        (lambda still: part(still, [2, 3]), PA, "0.44 times as bright"),
        (lambda still: part(still, [0, 1, 2]), PA, "times as bright"),
        (lambda still: part(still, [0, 1]), AP, "that of the weighted run"),
        (lambda still: part(still, [0, 1]), {}, "not told"),
        (lambda still: part(still, [0] * 11), PA, "11 volumes"),
        (lambda _: part(scan(grid((30, 42, 36)), 8), [0, 1]), PA, "grid"),
        (
            lambda still: replace(part(still, [0]), image=like(still.image, 3 * array(still.image)[..., :1])),
            PA,
            "3 times as bright",
        ),
        (
            lambda still: replace(part(still, [0]), image=like(still.image, 0 * array(still.image)[..., :1] + 1)),
            PA,
            "no head",
        ),
    ],
    ids=["weighted", "one weighted", "same encoding", "encoding unknown", "many", "grid", "gain", "empty"],
)
def test_any_doubt_leaves_it_out(
    tmp_path: Path, still: TemplateScan, make: Callable[[TemplateScan], TemplateScan], metadata: dict, says: str
) -> None:
    series, told = beside(tmp_path, still, make(still), **metadata)
    assert series.opposite == ()
    assert says in told
    assert "not used" in told


@pytest.mark.inputs(
    "One with an image of its own name beside it belongs to that image alone.",
    "A run of b=0 beside another one needs no `.bvec`.",
)
def test_gradients_of_a_neighbour_are_not_inherited(tmp_path: Path, still: TemplateScan) -> None:
    main = save(tmp_path, "sub-01", still, **AP)
    pa = unlabelled(tmp_path, part(still, slice(0, 2)), **PA)
    runs = read_runs([main, pa], 50.0)
    assert [run.file for run in runs.read] == [main]
    assert runs.unlabelled == [pa]
    pa.companion(".bval").write_text("0 0\n")
    runs = read_runs([main, pa], 50.0)
    assert [run.file for run in runs.read] == [main, pa]
    assert runs.failures == []


@pytest.mark.inputs("A broken field image (`fmap/*_epi`) is left out and named.")
@pytest.mark.parametrize("break_it", [cut, lambda file: file.path.write_text("lost"), lambda file: file.path.unlink()])
def test_a_broken_field_image_does_not_take_the_series(
    tmp_path: Path, still: TemplateScan, break_it: Callable[[BidsFile], object]
) -> None:
    main = save(tmp_path, "sub-01", still, **AP)
    fine = save(tmp_path, "sub-01_dir-PA_run-1", part(still, slice(0, 1)), **PA)
    bad = save(tmp_path, "sub-01_dir-PA_run-2", part(still, slice(0, 1)), **PA)
    break_it(bad)
    series = read_series([main], 50.0, [bad, fine])
    assert [opposite.source for opposite in series.opposite] == [fine]
    assert any("field image is left out" in text and "run-2" in text for text in series.warnings)


def test_empty_volumes_of_a_field_image_are_left_out(tmp_path: Path, still: TemplateScan) -> None:
    main = save(tmp_path, "sub-01", still, **AP)
    data = array(still.image)[..., [0, 1, 0]].copy()
    data[..., 1] = 0
    holed = replace(part(still, [0, 1, 0]), image=like(still.image, data))
    series = read_series([main], 50.0, [save(tmp_path, "sub-01_dir-PA", holed, **PA)])
    assert series.opposite[0].image.shape[3] == 2
    assert any("volumes 1 " in text for text in series.warnings)


def test_volumes_that_are_left_out_leave_the_rest_as_it_was(tmp_path: Path, still: TemplateScan) -> None:
    noisy = array(still.image)[..., [*range(14), 0]].copy()
    noisy[..., 14] = 12 * noisy[..., 14].max() - 12 * noisy[..., 14]
    gradients = still.gradients.select(np.r_[np.ones(14, bool)])
    table = replace(gradients, bvals=np.r_[gradients.bvals, 0.0], bvecs=np.vstack([gradients.bvecs, np.zeros(3)]))
    odd = TemplateScan(like(still.image, noisy), table, still.motions)
    series = read_series([save(tmp_path, "sub-01", odd, **AP)], 50.0)
    np.testing.assert_array_equal(array(series.image), array(still.image))
    assert len(series.encodings) == len(series.gradients) == len(series.b0) == 14
    assert "volume 14 (b=0" in series.warnings[0]


def test_a_run_whose_forms_disagree_is_named(tmp_path: Path, still: TemplateScan) -> None:
    file = save(tmp_path, "sub-01", still)
    assert not any("qform" in note for note in read_runs([file], 50.0).notes())
    image = nib.load(file.path)
    moved = image.affine.copy()
    moved[0, 3] += 9.0
    image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
    image.set_qform(moved, code=1)
    image.to_filename(file.path)
    (note,) = read_runs([file], 50.0).notes()
    assert "sub-01_dwi.nii.gz: its sform and qform put it up to 9.0 mm apart; the sform is used" in note
