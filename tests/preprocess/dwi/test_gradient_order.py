"""Tables in another order than the volumes are refused, and shells that no head can show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.gradient_order import check_order, check_rows, check_shells
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.looks import look
from bids_stroke.preprocess.dwi.volume_check import believe
from tests.helpers.template_scan import TemplateScan, grid, scan

Array = NDArray[np.float64]
N = 14
WEIGHTED = np.arange(2, N)
SHUFFLED = np.r_[0, 1, np.random.default_rng(4).permutation(WEIGHTED)]


def with_table(still: TemplateScan, bvals: Array | None = None, bvecs: Array | None = None) -> TemplateScan:
    known = still.gradients
    table = Gradients(known.bvals if bvals is None else bvals, known.bvecs if bvecs is None else bvecs)
    return replace(still, gradients=table)


def reason(odd: TemplateScan) -> str:
    with pytest.raises(DataError, match=r"sub-01_dwi\.nii\.gz") as caught:
        believe(odd.image, odd.gradients, 50.0, "sub-01_dwi.nii.gz")
    return caught.value.reason


@pytest.mark.inputs(
    "A run is refused (`gradient-order`) where its volumes of b=0 are as dark as weighted ones.",
    "So is one whose b-values and b-vectors are zero at different volumes.",
    "So is one whose b-vectors explain the volumes clearly better moved by one or two, or backwards.",
)
def test_rows_in_another_order_than_the_volumes_are_refused(still: TemplateScan) -> None:
    bvals, bvecs = still.gradients.bvals, still.gradients.bvecs
    moved = like(still.image, np.roll(array(still.image), 1, axis=3))
    odd = {
        "the image is moved by one volume": replace(still, image=moved),
        "the table is moved by one row": with_table(still, np.roll(bvals, 1), np.roll(bvecs, 1, axis=0)),
        "b=0 is said to be the last two": with_table(still, bvals[::-1], bvecs[::-1]),
        "only the b-values are moved": with_table(still, bvals=np.roll(bvals, 3)),
        "only the b-vectors are moved": with_table(still, bvecs=np.roll(bvecs, 1, axis=0)),
        "b-values are exchanged": with_table(still, bvals=np.where(bvals > 0, 0.0, 1000.0)),
        "weighted b-vectors are moved": with_table(still, bvecs=bvecs[np.r_[0, 1, np.roll(WEIGHTED, 1)]]),
        "weighted b-vectors are backwards": with_table(still, bvecs=bvecs[np.r_[0, 1, WEIGHTED[::-1]]]),
    }
    assert {what: reason(wrong) for what, wrong in odd.items()} == dict.fromkeys(odd, "gradient-order")


@pytest.mark.inputs("Once motion is corrected, so is one whose b-vectors explain them no better than random orders do.")
def test_shuffled_vectors_are_refused_in_a_still_head(still: TemplateScan) -> None:
    looks, shell = look(still.image), still.gradients.bvals > 0
    check_order(looks, shell, still.gradients, "x", still=True)
    shuffled = with_table(still, bvecs=still.gradients.bvecs[SHUFFLED]).gradients
    with pytest.raises(DataError, match="in any order") as caught:
        check_order(looks, shell, shuffled, "x", still=True)
    assert caught.value.reason == "gradient-order"
    check_order(looks, shell, shuffled, "x")  # motion could be the reason


def test_directions_at_b0_and_trace_images_are_no_contradiction() -> None:
    bvals = np.array([5.0, 5.0, 1000.0, 1000.0, 1000.0, 1000.0])
    bvecs = np.eye(3)[[0, 0, 0, 1, 2, 0]]
    check_rows(Gradients(bvals, bvecs), 50.0, "x")
    bvecs[5] = 0  # a trace image
    check_rows(Gradients(bvals, bvecs), 50.0, "x")
    bvecs[4] = 0
    with pytest.raises(DataError, match=r"volumes 0, 1 .* at 4, 5"):
        check_rows(Gradients(bvals, bvecs), 50.0, "x")


@pytest.mark.inputs(
    "So is a series in which a shell is as bright as b=0, darker than free water, or no darker than a lower shell."
)
@pytest.mark.parametrize(
    ("drops", "says"),
    [
        ({1000.0: 0.0}, "1 times as bright at b=1000"),
        ({1000.0: -0.8}, "2.2 times as bright"),
        ({1000.0: 2.8}, "0.061 times as bright"),
        ({1000.0: 0.8, 2000.0: 0.8}, "no darker than at b=1000"),
        ({700.0: 1.3, 2000.0: 0.55}, "no darker than at b=700"),
        ({500.0: 1.4}, "0.25 times as bright"),
    ],
)
def test_shells_that_no_head_can_show_are_refused(drops: dict[float, float], says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        check_shells(*_table(drops), 50.0, "x")
    assert caught.value.reason == "b-values-unlike"


@pytest.mark.inputs("A shell that is unusually bright or dark for its b-value is named.")
def test_shells_of_real_heads_pass_and_unusual_ones_are_named() -> None:
    for drops in ({930.0: 0.88}, {2500.0: 1.65}, {1000.0: 0.8, 2000.0: 1.3, 3000.0: 1.6}, {300.0: 0.0, 1000.0: 0.9}):
        assert check_shells(*_table(drops), 50.0, "x") == []
    for drops in ({3000.0: 0.9}, {2000.0: 0.9}, {500.0: 0.9}):  # a shell of b=1000 under another b-value
        (told,) = check_shells(*_table(drops), 50.0, "x")
        assert "0.41 times as bright as at b=0, which is unusual" in told
    noisy, drop, contrast = _table({3000.0: 2.4, 5000.0: 2.45})
    assert check_shells(noisy, drop, contrast * 0.2, 50.0, "x") == []  # both are noise


def _table(drops: dict[float, float]) -> tuple[Gradients, Array, Array]:
    bvals = np.r_[0.0, np.repeat([*drops], 6)]
    drop = np.r_[0.0, np.repeat([*drops.values()], 6)]
    return Gradients(bvals, np.zeros((len(bvals), 3))), drop, np.full(len(bvals), 10.0)


def test_the_b_values_of_another_run_are_refused(still: TemplateScan) -> None:
    alternating = np.where(np.arange(N) % 2, 2000.0, 1000.0) * (still.gradients.bvals > 0)
    belief = believe(still.image, Gradients(alternating, still.gradients.bvecs), 50.0, "x")
    with pytest.raises(DataError, match="no darker than at b=1000"):
        check_shells(Gradients(alternating, still.gradients.bvecs), belief.drop, belief.looks.contrast, 50.0, "x")


def test_shells_as_they_are_pass() -> None:
    made = scan(grid(), b=3000.0)
    belief = believe(made.image, made.gradients, 50.0, "x")
    assert belief.keep.all()
    assert check_shells(made.gradients, belief.drop, belief.looks.contrast, 50.0, "x") == []
