"""Files read as samples of a network: volumes, slices and windows; broken ones are named."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_stroke.core.channels import CHANNELS as PUBLISHED
from bids_stroke.core.errors import DataError, MissingModalityError, ModelError
from bids_stroke.core.modalities import BIOMARKERS, MODALITIES
from bids_stroke.core.settings import Settings
from bids_stroke.features.readers import (
    GRID_AFFINE,
    GRID_SHAPE,
    READERS,
    complete_inputs,
    read_samples,
    read_volume,
    reader_of,
)
from bids_stroke.networks import registry
from bids_stroke.networks.base import N_OUTPUTS
from bids_stroke.training.cohort import make_cohort, read_cases
from bids_stroke.training.members import planned_members
from tests.helpers.units import (
    CHANNELS,
    LSTM,
    RATE,
    SECONDS,
    bold_maps,
    labelled,
    rhythm,
    write_recording,
    write_volume,
)

INPUTS = LSTM["inputs"]


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_modality_has_a_reader(modality: str) -> None:
    reader = reader_of(modality)
    assert complete_inputs(modality, {}) == reader.defaults
    assert (reader.read is read_volume) == (MODALITIES[modality].sample == "volume")


def test_no_reader_is_left_over() -> None:
    assert set(READERS) <= {*MODALITIES, BIOMARKERS}


def test_volume_is_scaled_and_keeps_its_axes(tmp_path: Path) -> None:
    data = np.zeros(GRID_SHAPE)
    data[10, 20, 30] = 0.0007
    samples = read_samples("md", [write_volume(tmp_path / "md.nii.gz", data)], {})
    assert samples.data.shape == (1, 1, *GRID_SHAPE)
    assert samples.data.dtype == np.float32
    assert samples.data[0, 0, 10, 20, 30] == pytest.approx(0.7)
    assert samples.positions == (0.0,)


def test_shrunk_volume_holds_means_of_cubes(tmp_path: Path) -> None:
    data = np.random.default_rng(0).random(GRID_SHAPE).astype(np.float32)
    small = read_samples("fa", [write_volume(tmp_path / "fa.nii", data)], {"shrink": 3}).data
    assert small.shape == (1, 1, 30, 36, 30)
    assert small[0, 0, 1, 2, 3] == pytest.approx(data[3:6, 6:9, 9:12].mean(), rel=1e-5)


@pytest.mark.parametrize("kind", ["shape", "affine", "nan", "truncated", "text"])
def test_broken_volume_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sub-01_fa.nii.gz"
    data, affine = np.ones(GRID_SHAPE, dtype=np.float32), GRID_AFFINE.copy()
    if kind == "shape":
        data = data[:-1]
    if kind == "affine":
        affine[0, 0] = 2
    if kind == "nan":
        data[0, 0, 0] = np.nan
    nib.Nifti1Image(data, affine).to_filename(path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    if kind == "text":
        path.write_text("no image")
    with pytest.raises(DataError, match=r"sub-01_fa\.nii\.gz"):
        read_samples("fa", [path], {})


def test_unknown_input_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no input option zoom"):
        read_samples("fa", [tmp_path / "x.nii"], {"zoom": 2})


@pytest.mark.parametrize(
    ("modality", "inputs", "remedy"),
    [
        ("fa", {"shrink": "x"}, "inputs.shrink is 'x'. Give a whole number, above 0"),
        ("fa", {"shrink": 0}, "Give a whole number, above 0"),
        ("fa", {"scale": float("nan")}, "Give a number, above 0"),
        ("eegemg", {"channels": 3}, "inputs.channels is 3. Give a list of names, such as"),
        ("eegemg", {"channels": "C3"}, "Give a list of names"),
        ("eegemg", {"max_interpolated": -1}, "Give a whole number, 0 or more"),
        ("bold", {"size": True}, "Give a whole number, above 0"),
        ("fa", {3: 4}, "no input option 3"),
    ],
)
def test_an_option_of_the_wrong_kind_is_refused(modality: str, inputs: dict, remedy: str) -> None:
    with pytest.raises(ModelError, match=re.escape(remedy)):
        complete_inputs(modality, inputs)


def test_slices_with_little_brain_are_dropped(tmp_path: Path) -> None:
    samples = read_samples("bold", bold_maps(tmp_path), {})
    assert samples.data.shape == (10, 3, 224, 224)
    assert samples.positions == tuple(range(10, 20))


def test_maps_of_slices_can_be_chosen_in_order(tmp_path: Path) -> None:
    paths = bold_maps(tmp_path)
    three = read_samples("bold", paths, {"size": 50}).data
    one = read_samples("bold", paths, {"size": 50, "maps": ["reho"]}).data
    other = read_samples("bold", paths, {"size": 50, "maps": ["reho", "falff", "mean", "alff"]}).data
    assert one.shape[1] == 1 and other.shape[1] == 4
    np.testing.assert_array_equal(one[:, 0], three[:, 2])
    np.testing.assert_array_equal(other[:, [2, 3, 0]], three)
    for wrong in (["t1w"], [], "mean"):
        with pytest.raises(ModelError, match=r"inputs\.maps is .*mean, alff"):
            read_samples("bold", paths, {"maps": wrong})


def test_the_slice_network_has_a_channel_for_each_map(tmp_path: Path) -> None:
    unit = labelled(tmp_path, "01", 5.0, {"bold": bold_maps(tmp_path)})
    members = {"grey": {"modality": "bold", "inputs": {"maps": ["alff"], "size": 64}}, "colour": {"modality": "bold"}}
    settings = Settings.model_validate({"training": {"members": members}})
    cohort = make_cohort([unit], "fma_le")
    grey, colour = planned_members(settings, cohort)
    assert colour[0].arguments["in_channels"] == 3
    samples = read_cases(*grey, cohort).samples[0]
    assert samples is not None
    output = registry.build("slice_cnn", **grey[0].arguments).eval()(samples, torch.zeros(len(samples), 0))
    assert output.shape == (10, N_OUTPUTS)


def test_slices_are_standardised_within_the_brain_and_keep_proportions(tmp_path: Path) -> None:
    slices = read_samples("bold", bold_maps(tmp_path), {"size": 50, "min_area": 0.0}).data
    assert slices.shape == (30, 3, 50, 50)
    inside = slices[10:20, :, 10:40, 5:45]  # 40 voxels of the first axis are padded by 5 on both sides
    assert np.abs(inside.mean(axis=(0, 2, 3))).max() < 0.05
    assert np.abs(inside.std(axis=(0, 2, 3)) - 1).max() < 0.05
    assert not slices[:, :, :10].any()
    assert not slices[:, :, :, 45:].any()


def test_brain_is_where_alff_is_though_the_mean_has_a_background(tmp_path: Path) -> None:
    paths = bold_maps(tmp_path)
    image = nib.Nifti1Image(np.asarray(nib.load(paths[0]).dataobj) + 5.0, np.diag([-3, 3, 3, 1]))
    image.to_filename(paths[0])
    assert read_samples("bold", paths, {}).positions == tuple(range(10, 20))


def test_missing_bold_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="stat-alff"):
        read_samples("bold", [path for path in bold_maps(tmp_path) if "alff" not in path.name], {})


def test_empty_bold_map_holds_no_brain(tmp_path: Path) -> None:
    paths = bold_maps(tmp_path)
    nib.Nifti1Image(np.zeros((40, 50, 30), dtype=np.float32), np.eye(4)).to_filename(paths[0])
    with pytest.raises(DataError) as caught:
        read_samples("bold", paths, {})
    assert caught.value.reason == "no-brain"


def test_windows_have_zero_mean_and_unit_variance_and_the_wanted_order(tmp_path: Path) -> None:
    data = rhythm(2.0, 3, np.random.default_rng(0))
    paths = write_recording(tmp_path, "sub-01_task-leg", data)
    samples = read_samples("eegemg", paths, {**INPUTS, "channels": ["rectus femoris", "C4"]})
    assert samples.data.shape == (3, 40, 2)
    assert samples.positions == (0.0, 2.0, 4.0)
    assert np.abs(samples.data.mean(axis=1)).max() < 1e-5
    assert np.abs(samples.data.std(axis=1) - 1).max() < 1e-4
    second = samples.data[1, :, 0]
    assert np.corrcoef(second, data[2, 40:80])[0, 1] > 0.999


def test_a_log_of_windows_that_is_gone_or_broken_is_named(tmp_path: Path) -> None:
    paths = write_recording(tmp_path, "sub-01_task-leg", rhythm(2.0, 3, np.random.default_rng(0)))
    paths[0].write_text("onset\tduration\n0\t2\n")
    with pytest.raises(DataError, match=rf"{paths[0].name} cannot be read: .*status"):
        read_samples("eegemg", paths, INPUTS)
    paths[0].unlink()
    with pytest.raises(DataError, match=rf"{paths[0].name} cannot be read"):
        read_samples("eegemg", paths, INPUTS)


def test_bad_windows_are_left_out(tmp_path: Path) -> None:
    paths = write_recording(tmp_path, "sub-01_task-leg", rhythm(2.0, 3, np.random.default_rng(0)))
    paths[0].write_text(paths[0].read_text().replace("2\t2\twindow\tgood", "2\t2\twindow\tbad"))
    assert read_samples("eegemg", paths, INPUTS).positions == (0.0, 4.0)
    paths[0].write_text(paths[0].read_text().replace("good", "bad"))
    with pytest.raises(MissingModalityError) as caught:
        read_samples("eegemg", paths, INPUTS)
    assert caught.value.reason == "no-good-window"


def test_windows_of_another_length_are_not_used(tmp_path: Path) -> None:
    paths = write_recording(tmp_path, "sub-01_task-leg", rhythm(2.0, 3, np.random.default_rng(0)))
    with pytest.raises(MissingModalityError, match="no good window of 4 s"):
        read_samples("eegemg", paths, {**INPUTS, "seconds": 4.0})


def test_recordings_are_pooled_and_one_without_channels_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first = write_recording(tmp_path, "sub-01_task-leg_run-1", rhythm(2.0, 2, rng))
    second = write_recording(tmp_path, "sub-01_task-leg_run-2", rhythm(2.0, 1, rng))
    third = write_recording(tmp_path, "sub-01_task-rest", rhythm(2.0, 1, rng)[:2], CHANNELS[:2])
    assert len(read_samples("eegemg", [*third, *second, *first], INPUTS).data) == 3
    with pytest.raises(MissingModalityError, match="rectus femoris") as caught:
        read_samples("eegemg", third, INPUTS)
    assert caught.value.reason == "channels-missing"


def test_resampling_keeps_the_rhythm(tmp_path: Path) -> None:
    paths = write_recording(tmp_path, "sub-01_task-leg", rhythm(3.0, 5, np.random.default_rng(0)))
    windows = read_samples("eegemg", paths, {**INPUTS, "rate": 16.0}).data
    assert windows.shape == (5, 32, 3)
    power = np.abs(np.fft.rfft(windows, axis=1)).mean(axis=(0, 2))
    assert np.fft.rfftfreq(32, 1 / 16)[power.argmax()] == 3.0


def test_missing_site_is_interpolated_from_its_neighbours(tmp_path: Path) -> None:
    sites = [name for name in PUBLISHED if not name.islower()]
    common = rhythm(2.0, 2, np.random.default_rng(3))[0]
    data = np.stack([common for _ in sites])  # the same at every site: what is missing is known
    kept = [name for name in sites if name != "C3"]
    paths = write_recording(tmp_path, "sub-01_task-leg", data[1:], kept)
    windows = read_samples("eegemg", paths, {**INPUTS, "channels": sites}).data
    assert np.corrcoef(windows[0, :, sites.index("C3")], common[: 2 * RATE])[0, 1] > 0.99
    with pytest.raises(MissingModalityError, match="C3"):
        read_samples("eegemg", paths, {**INPUTS, "channels": sites, "max_interpolated": 0})


def test_broken_edf_is_named(tmp_path: Path) -> None:
    paths = write_recording(tmp_path, "sub-01_task-leg", rhythm(3.0, 2, np.random.default_rng(0)))
    paths[1].write_bytes(b"0" * 300)
    with pytest.raises(DataError, match=r"_eeg\.edf"):
        read_samples("eegemg", paths, INPUTS)


def test_recording_without_its_log_is_an_error(tmp_path: Path) -> None:
    paths = write_recording(tmp_path, "sub-01_task-leg", rhythm(3.0, 2, np.random.default_rng(0)))
    with pytest.raises(DataError, match="log of windows"):
        read_samples("eegemg", paths[1:], INPUTS)
    with pytest.raises(MissingModalityError):
        read_samples("eegemg", [], INPUTS)


def test_muscles_of_both_legs_are_not_mixed(tmp_path: Path) -> None:
    names = ("C3", "C4", "RF_L", "RF_R")
    rng = np.random.default_rng(0)
    data = np.concatenate([rhythm(3.0, 2, rng), rng.standard_normal((1, round(2 * SECONDS * RATE)))])
    paths = write_recording(
        tmp_path, "sub-01_task-leg", data, [name.lower() if "RF" in name else name for name in names]
    )
    with pytest.raises(MissingModalityError, match="more than one channel of rectus femoris") as caught:
        read_samples("eegemg", paths, INPUTS)
    assert caught.value.reason == "ambiguous-channels"
