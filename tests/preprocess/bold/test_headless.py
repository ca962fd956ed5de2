"""BOLD volumes without a head: which are found, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.imaging.images import array
from bids_stroke.preprocess.bold.confounds import confound_table
from bids_stroke.preprocess.bold.headless import fill, find_headless
from bids_stroke.preprocess.bold.steady_state import steady_volumes

Volumes = NDArray[np.float32]
SHAPE, N, TR = (20, 24, 18), 40, 2.0


def run(n: int = N) -> Volumes:
    """A head of two tissues on background noise, with slow waves of 1 %."""
    rng = np.random.default_rng(3)
    x, y, z = np.indices(SHAPE) - (np.array(SHAPE)[:, None, None, None] - 1) / 2
    head = np.where((x / 8) ** 2 + (y / 10) ** 2 + (z / 8) ** 2 < 1, 500.0 + 20 * x, 0.0)
    waves = 1 + 0.01 * np.sin(np.arange(n) / 3)
    return np.asarray(np.abs(head[..., None] * waves + rng.normal(0, 5, (*SHAPE, n))), dtype=np.float32)


def image(data: Volumes) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.asfortranarray(data), np.diag([4.0, 4.0, 4.0, 1.0]))


def noise(level: float = 5.0, n: int = 3) -> Volumes:
    rng = np.random.default_rng(4)
    return np.asarray(level * np.abs(rng.normal(0, 1, (*SHAPE, n)) + 1j * rng.normal(0, 1, (*SHAPE, n))), np.float32)


def coils(n: int = 3) -> Volumes:
    """Noise that parallel imaging makes strong in the middle."""
    x, y, _ = np.indices(SHAPE) - (np.array(SHAPE)[:, None, None, None] - 1) / 2
    return np.asarray(noise(n=n) * (1 + np.exp(-(x**2 + y**2) / 60))[..., None], np.float32)


ENDS: dict[str, Callable[[], Volumes]] = {
    "noise for NORDIC": noise,
    "noise scaled to the full range": lambda: noise(600.0),
    "noise of parallel imaging": coils,
    "black": lambda: np.zeros((*SHAPE, 2), np.float32),
    "one number": lambda: np.full((*SHAPE, 1), 7, np.float32),
}


@pytest.mark.inputs(
    "Volumes without a head at the beginning or the end of a run are left out and named: noise recorded for NORDIC, "
    "dummies, black volumes."
)
@pytest.mark.parametrize("at", ["end", "beginning", "both"])
@pytest.mark.parametrize("kind", ENDS)
def test_what_is_at_the_ends_is_cut_off_and_the_rest_is_as_measured(kind: str, at: str) -> None:
    clean, odd = run(), ENDS[kind]()
    parts = {"end": [clean, odd], "beginning": [odd, clean], "both": [odd, clean, odd]}[at]
    whole = image(np.concatenate(parts, axis=3))
    headless = find_headless(whole, "sub-01_bold.nii.gz")
    series, lost, dropped = steady_volumes(whole, headless, TR)
    np.testing.assert_array_equal(array(series), clean)
    assert not lost.any()
    assert dropped == (0 if at == "end" else odd.shape[3])
    (warning,) = headless.warnings("sub-01_bold.nii.gz")
    assert str(N if at == "end" else 0) in warning
    assert "left out" in warning


def test_dummies_before_bright_volumes_are_counted_together() -> None:
    data = run()
    data[..., :2] *= 1.3
    whole = image(np.concatenate([np.zeros((*SHAPE, 2), np.float32), data], axis=3))
    series, _, dropped = steady_volumes(whole, find_headless(whole, "x"), TR)
    assert dropped == 4
    np.testing.assert_array_equal(array(series), data[..., 2:])


@pytest.mark.inputs(
    "Within a run, their neighbours stand in for them, and `motion_outlier` marks them in the confounds."
)
@pytest.mark.parametrize("lost", [[17], [0, 17], [20, 33]])
def test_a_volume_lost_within_a_run_is_replaced_and_marked(lost: list[int]) -> None:
    data = run()
    data[..., lost] = 0
    whole = image(data)
    headless = find_headless(whole, "x")
    series, which, dropped = steady_volumes(whole, headless, TR)
    assert dropped == lost.count(0)
    inner = [index - dropped for index in lost if index]
    assert np.flatnonzero(which).tolist() == inner
    assert series.shape[3] == N - dropped
    kept = np.setdiff1d(np.arange(N), lost)
    np.testing.assert_array_equal(array(series)[..., kept - dropped], data[..., kept])
    index = lost[-1]
    between = (data[..., index - 1] + data[..., index + 1]) / 2
    np.testing.assert_allclose(array(series)[..., index - dropped], between, rtol=1e-5)
    head = array(series)[..., 0] > 200
    still = np.zeros((series.shape[3], 6))
    table = confound_table(array(series), still, {"brain": head}, TR, which)
    marks = table.filter(like="motion_outlier").to_numpy().sum(axis=1)
    assert set(inner) <= set(np.flatnonzero(marks))
    assert any("stand in" in text and str(index) in text for text in headless.warnings("x"))


def test_lines_go_over_several_lost_moments() -> None:
    values = np.array([[0.0, 9.0, 9.0, 3.0]])
    fill(values, np.array([False, True, True, False]))
    np.testing.assert_allclose(values, [[0, 1, 2, 3]])


@pytest.mark.inputs("A run that has lost more than a tenth of its volumes so is left out (`lost-volumes`).")
def test_a_run_with_many_holes_is_missing() -> None:
    data = run()
    data[..., 5:35:5] = 0
    with pytest.raises(MissingModalityError, match="6 of 40") as caught:
        find_headless(image(data), "sub-01_bold.nii.gz")
    assert caught.value.reason == "lost-volumes"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data * np.r_[2.0, 1.5, np.ones(N - 2)],
        lambda data: np.concatenate([data[..., :20], np.roll(data[..., 20:], 2, axis=1)], axis=3),
        lambda data: data * np.linspace(1, 0.7, N),
        lambda data: np.concatenate([data[..., :39], 0.6 * data[..., 39:]], axis=3),
    ],
    ids=["unsteady", "moved by 8 mm", "drift", "a dark volume"],
)
def test_a_head_that_changes_loses_no_volume(change: Callable[[Volumes], Volumes]) -> None:
    assert not find_headless(image(np.asarray(change(run()), np.float32)), "x").any()
