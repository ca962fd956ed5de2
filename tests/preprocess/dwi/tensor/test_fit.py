"""The tensor's maps: colours, RESTORE, counted negative eigenvalues, and files stored in any order of axes."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel, fractional_anisotropy
from numpy.typing import NDArray

from bids_stroke.core.records import BidsFile
from bids_stroke.core.settings_preprocess import DwiSettings
from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.series import Series, read_series
from bids_stroke.preprocess.dwi.tensor.fit import above_one, colours, restore, tensors
from bids_stroke.preprocess.dwi.tensor.wls import fit_tensor, scalar_maps
from tests.helpers.phantom import Phantom
from tests.helpers.template_scan import grid, save, scan


def test_colours_are_of_the_world() -> None:
    tilt = np.array([[0, -2.0, 0], [2.0, 0, 0], [0, 0, 2.0]])  # the first axis points to the front
    affine = np.eye(4)
    affine[:3, :3] = tilt
    first_axis = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    assert colours(first_axis, np.array([1.0, 0.5]), affine).tolist() == [[0, 255, 0], [0, 128, 0]]


def test_negative_eigenvalues_are_counted_not_hidden() -> None:
    good, bad = [1.7, 0.3, 0.3, 0, 0, 0], [1.7, -0.5, -0.4, 0, 0, 0]
    elements = np.array([good, good, good, bad]) * 1e-3
    assert above_one(elements) == 0.25
    values = np.linalg.eigvalsh(np.diag(bad[:3]))
    assert fractional_anisotropy(values) > 1


def test_restore_is_hardly_moved_by_outliers(fine: Phantom) -> None:
    which = np.flatnonzero(fine.white)[::100]
    signal = array(fine.image).reshape(-1, len(fine.bvals))[which]
    signal[:, [4, 9]] *= 0.4
    gradients, truth = Gradients(fine.bvals, fine.bvecs), fine.truth["fa"].ravel()[which]
    plain = scalar_maps(fit_tensor(signal, gradients))
    robust = scalar_maps(restore(signal, gradients, 1e-4, 31.0))
    assert np.median(np.abs(robust.fa - truth)) < 0.7 * np.median(np.abs(plain.fa - truth))


def test_restore_equals_dipy(small: Phantom) -> None:
    signal = array(small.image)[small.white][::60].astype(np.float64)
    table = gradient_table(small.bvals, bvecs=small.bvecs)
    peer = TensorModel(table, fit_method="RESTORE", sigma=31.0, min_signal=1e-4).fit(signal)
    found = scalar_maps(restore(signal.astype(np.float32), Gradients(small.bvals, small.bvecs), 1e-4, 31.0))
    np.testing.assert_allclose(found.fa, peer.fa, atol=1e-5)


def test_restore_says_where_it_could_not_be_had(small: Phantom) -> None:
    """Seven volumes leave no residuals to judge outliers by; two b=0 of unequal b are one to dipy."""
    gradients = Gradients(small.bvals.copy(), small.bvecs)
    first, second = np.flatnonzero(small.bvals == 0)[:2]
    gradients.bvals[second] = 5.0
    series = Series(small.image, gradients, small.bvals == 0, (), ())
    mask = small.mask & (np.arange(small.mask.shape[2]) == small.mask.shape[2] // 2)
    settings = DwiSettings(fit="restore")
    assert tensors(series, mask, settings).facts["FitMethod"] == "RESTORE"
    few = np.r_[first, np.flatnonzero(small.bvals > 0)[:6]]
    least = Series(
        like(small.image, array(small.image)[..., few]), gradients.select(few), small.bvals[few] == 0, (), ()
    )
    assert tensors(least, mask, settings).facts["FitMethod"] == "WLS"


def fitted(file: BidsFile) -> tuple[nib.Nifti1Image, dict[str, NDArray[np.float32]]]:
    """FA of a run by the step's own functions, without corrections, within 30 % of the brightest voxels."""
    series = read_series([file], 50.0)
    found = tensors(series, array(series.image)[..., 0] > 300, DwiSettings())
    return series.image, {**found.maps, "color": found.colour}


@pytest.mark.parametrize("order", ["LAS", "PSL", "LPI"])
def test_left_handed_and_turned_files_give_the_same_maps(tmp_path: Path, small: Phantom, order: str) -> None:
    plain = small.write(tmp_path / "raw", "01", t1w=False)
    turned = small.write(tmp_path / "turned", "01", t1w=False, order=order)
    assert "".join(nib.aff2axcodes(nib.load(turned[0]).affine)) == order
    (_, first), (_, second) = (fitted(BidsFile(path[0], {"sub": "01"}, {}, "x")) for path in (plain, turned))
    for kind in ("fa", "md", "color"):
        np.testing.assert_allclose(first[kind], second[kind], atol=1e-4)


def test_an_oblique_affine_gives_the_same_fa_and_turned_colours(tmp_path: Path, small: Phantom) -> None:
    (plain,) = small.write(tmp_path / "raw", "01", t1w=False)
    _, first = fitted(BidsFile(plain, {"sub": "01"}, {}, "x"))
    image = nib.load(plain)
    turn = np.eye(4)
    angle = np.deg2rad(30)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = nib.Nifti1Image(np.asarray(image.dataobj), turn @ image.affine)  # b-vectors are of the image's axes
    oblique.header["pixdim"][4] = np.nan
    oblique.to_filename(plain)
    _, second = fitted(BidsFile(plain, {"sub": "01"}, {}, "x"))
    np.testing.assert_allclose(first["fa"], second["fa"], atol=1e-4)
    crosswise = (first["fa"] > 0.3) & (first["color"][..., 0] > 100)
    assert crosswise.sum() > 50
    turned = second["color"][crosswise].astype(float) - first["color"][crosswise]
    assert np.median(np.abs(turned[:, 0])) > 5
    assert np.abs(turned[:, 2]).max() <= 1


def test_a_high_shell_alone_is_used_and_said(tmp_path: Path, brain: NDArray[np.bool_]) -> None:
    series = read_series([save(tmp_path, "sub-01", scan(grid(), b=2500.0))], 50.0)
    found = tensors(series, brain, DwiSettings())
    assert found.qc["b_value_max_fitted_s_mm2"] == 2500.0
    assert "b=2500" in found.warnings[0]
