"""Diffusion volumes are believed for what they show, not for their b-value; ordinary ones all stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import shift

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import array, like
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.volume_check import Belief, believe
from tests.helpers.odd_volumes import MAPS, adc_of, as_bright, b0_of, fa_of, insert, noise_of, trace_of
from tests.helpers.template_scan import TemplateScan, part

Data = NDArray[np.float32]
ODD = {
    "ADC, 1e-6 mm^2/s": "times as bright",
    "ADC, 1e-5 mm^2/s": "looks like an ADC map",
    "ADC as bright as b=0": "looks like an ADC map",
    "exponential ADC, 0 to 1000": "looks like an exponential ADC map",
    "FA, 0 to 1": "no brighter than",
    "FA, 0 to 1000": "looks like an FA map",
    "trace": "no brighter than",
    "noise": "noise",
    "nothing": "shows nothing",
    "another gain": "3 times as bright",
    "mask": "no brighter than",
}


def believed(scan: TemplateScan) -> Belief:
    return believe(scan.image, scan.gradients, 50.0, "sub-01_dwi.nii.gz")


def refused(scan: TemplateScan) -> DataError:
    with pytest.raises(DataError) as caught:
        believed(scan)
    assert "sub-01_dwi.nii.gz" in caught.value.message
    assert caught.value.remedy
    return caught.value


def edited(scan: TemplateScan, change: Callable[[Data], Data]) -> TemplateScan:
    return replace(scan, image=like(scan.image, np.asarray(change(array(scan.image).copy()), np.float32)))


@pytest.mark.inputs(
    "ADC, exponential ADC and FA maps among the volumes are left out and named by their number, whatever b-value "
    "they bear.",
    "Trace images are left out and named where they bear b=0 or have no direction.",
    "Volumes of noise, and volumes that show nothing, are left out and named.",
    "A volume of b=0 that is more than 1.43 times as bright or dark as the others is left out and named.",
)
@pytest.mark.parametrize("at", [14, 0])
@pytest.mark.parametrize("kind", ODD)
def test_a_volume_of_b0_that_is_none_is_left_out_and_named(still: TemplateScan, kind: str, at: int) -> None:
    belief = believed(insert(still, MAPS[kind](still), at=at))
    assert np.flatnonzero(~belief.keep).tolist() == [at]
    (note,) = belief.notes
    assert f"volume {at} (b=0;" in note
    assert ODD[kind] in note


@pytest.mark.parametrize("kind", sorted(set(ODD) - {"mask"}))
def test_beside_a_single_b0_the_right_one_stays(still: TemplateScan, kind: str) -> None:
    single = part(still, list(range(1, 14)))
    for at in (0, 13):
        belief = believed(insert(single, MAPS[kind](single), at=at))
        assert np.flatnonzero(~belief.keep).tolist() == [at]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda scan: as_bright(adc_of(scan), scan, trace_of(scan)), "looks like an ADC map"),
        (lambda scan: 0.7 * as_bright(fa_of(scan), scan, trace_of(scan)), "looks like an FA map"),
        (noise_of, "noise"),
        (lambda scan: 0 * b0_of(scan), "shows nothing"),
        (b0_of, "times as bright as the other volumes of b=1000"),
    ],
    ids=["ADC", "FA", "noise", "nothing", "b=0"],
)
def test_a_weighted_volume_that_is_none_is_left_out(
    still: TemplateScan, make: Callable[[TemplateScan], NDArray[np.float64]], says: str
) -> None:
    belief = believed(insert(still, make(still), b=1000.0, vector=still.gradients.bvecs[3]))
    assert np.flatnonzero(~belief.keep).tolist() == [14]
    assert says in belief.notes[0]
    assert "volume 14 (b=1000;" in belief.notes[0]


@pytest.mark.parametrize("make", [trace_of, lambda scan: 1e6 * adc_of(scan)], ids=["trace", "ADC"])
def test_weighted_volumes_without_direction_are_left_out(
    still: TemplateScan, make: Callable[[TemplateScan], NDArray[np.float64]]
) -> None:
    belief = believed(insert(still, make(still), b=1000.0))
    assert np.flatnonzero(~belief.keep).tolist() == [14]
    assert "trace" in belief.notes[0]


@pytest.mark.inputs("A volume that is stored twice counts once: a map that was appended again does not outvote b=0.")
@pytest.mark.parametrize("kind", ["FA, 0 to 1000", "ADC, 1e-5 mm^2/s", "ADC as bright as b=0"])
@pytest.mark.parametrize("n_b0", [1, 2])
def test_a_map_that_is_stored_several_times_outvotes_no_b0(still: TemplateScan, kind: str, n_b0: int) -> None:
    scan = part(still, list(range(2 - n_b0, 14)))
    last = len(scan.gradients)
    odd = scan
    for _ in range(n_b0 + 1):
        odd = insert(odd, MAPS[kind](scan))
    belief = believed(odd)
    assert np.flatnonzero(~belief.keep).tolist() == list(range(last, last + n_b0 + 1))
    assert all("map" in note for note in belief.notes)


def test_several_volumes_of_noise_are_left_out(still: TemplateScan) -> None:
    noisy = still
    for seed, b in enumerate((0.0, 0.0, 0.0, 1000.0)):
        noisy = insert(noisy, noise_of(still, seed), b=b, vector=still.gradients.bvecs[3] * (b > 0))
    assert np.flatnonzero(~believed(noisy).keep).tolist() == [14, 15, 16, 17]


@pytest.mark.inputs("Where two differ and nothing tells which is right, the run is refused (`b0-unlike`).")
def test_two_volumes_of_b0_that_differ_are_a_question(still: TemplateScan) -> None:
    single = part(still, list(range(1, 14)))
    error = refused(insert(single, 1.6 * b0_of(single)))
    assert error.reason == "b0-unlike"
    assert "0, 13 of b=0" in error.message


def test_no_volume_of_b0_that_is_one_is_an_error(still: TemplateScan) -> None:
    weighted = part(still, list(range(2, 14)))
    assert refused(insert(weighted, noise_of(still))).reason == "b0-unlike"
    assert refused(insert(weighted, fa_of(still))).reason == "gradient-order"


@pytest.mark.parametrize("signed", [False, True])
def test_phase_images_are_refused(still: TemplateScan, signed: bool) -> None:
    phase = np.random.default_rng(0).integers(-4096 if signed else 0, 4096, still.image.shape)
    assert refused(edited(still, lambda _: np.asarray(phase, np.float32))).reason == "no-head"
    assert refused(edited(still, lambda data: data * 0)).reason == "empty-image"


def _moved(data: Data) -> Data:
    rng = np.random.default_rng(1)
    return np.stack([shift(volume, rng.uniform(-1, 1, 3), order=1) for volume in np.moveaxis(data, 3, 0)], axis=3)


def _lost(data: Data) -> Data:
    data[:, :, ::2, 4] *= 0.05
    data[:, :, 1::2, 7] = 0
    data[:, :, :18, 9] *= 0.1
    data[:, :, 1::2, 0] *= 0.1
    return data


def _lesion(data: Data) -> Data:
    data[18:28, 14:30, 12:28] = 200 * np.exp(-3e-3 * np.repeat([0, 1000], [2, 12]))
    return data


ORDINARY: dict[str, Callable[[Data], Data]] = {
    "moved by 5 mm": _moved,
    "lost slices": _lost,
    "drift of 15 %": lambda data: data * np.linspace(1, 0.85, 14, dtype=np.float32),
    "gains of 15 %": lambda data: data * np.random.default_rng(2).uniform(0.85, 1.15, 14),
    "noise": lambda data: np.hypot(data + np.random.default_rng(3).normal(0, 12, data.shape), 12),
    "a first volume that is not saturated": lambda data: data * np.r_[1.25, np.ones(13)],
    "skull-stripped": lambda data: data * (data[..., :1] > 20),
    "a large lesion like fluid": _lesion,
    "only the middle": lambda data: data[8:26, 10:32, 8:28],
}


@pytest.mark.inputs(
    "No volume is left out because the head moved, slices were lost or the scanner drifted by some percent.",
    "Low b-values that count as b=0 stay.",
)
@pytest.mark.parametrize("how", ORDINARY)
def test_an_ordinary_series_loses_no_volume(still: TemplateScan, how: str) -> None:
    low = Gradients(np.where(still.gradients.bvals > 0, 1000.0, [5.0, 50.0] + [0.0] * 12), still.gradients.bvecs)
    belief = believed(edited(replace(still, gradients=low), ORDINARY[how]))
    assert belief.notes == ()
    assert belief.keep.all()


@pytest.mark.inputs(
    "A run is refused (`b-values-unlike`) where more than a fifth of a shell is brighter or darker than the rest."
)
@pytest.mark.parametrize("factor", [0.5, 1.7])
def test_a_shell_of_two_brightnesses_is_refused(still: TemplateScan, factor: float) -> None:
    error = refused(edited(still, lambda data: data * np.where(np.arange(14) >= 10, factor, 1)))
    assert error.reason == "b-values-unlike"
    assert "10, 11, 12, 13" in error.message


def test_darkening_is_what_the_b_value_makes_it(still: TemplateScan) -> None:
    drop = believed(still).drop
    np.testing.assert_allclose(drop[:2], 0, atol=0.02)
    assert 0.6 < np.median(drop[2:]) < 1.0  # tissues of 0.75e-3 mm^2/s at b=1000
