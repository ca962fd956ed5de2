"""Random changes of training samples: how large, where they are allowed, and the same again by seed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bids_stroke.core.errors import UsageError
from bids_stroke.core.settings import load_settings
from bids_stroke.core.settings_training import AugmentSettings, TrainingSettings
from bids_stroke.training.augment import augment

NOTHING = {"rotation": 0, "shift": 0, "intensity": 0, "noise": 0}
SHAPES = {"volume": (6, 1, 30, 36, 30), "slice": (6, 3, 32, 32), "window": (6, 50, 3)}
each_kind = pytest.mark.parametrize("kind", SHAPES)


def only(**changes: float) -> AugmentSettings:
    return AugmentSettings.model_validate(NOTHING | changes)


def changed(batch: Tensor, kind: str, options: AugmentSettings, *, modality: str = "fa", seed: int = 3) -> Tensor:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return augment(batch, kind, modality, options)


def off_centre(n: int, n_axes: int) -> Tensor:
    """A block beside the middle, towards the low end of the first axis."""
    batch = torch.zeros(n, 1, *(31,) * n_axes)
    batch[:, :, 6:11, 13:18] = 1.0
    return batch


@each_kind
def test_changes_are_small_differ_between_samples_and_repeat_by_seed(kind: str) -> None:
    batch = torch.rand(SHAPES[kind])
    batch[1:] = batch[0]
    before = batch.clone()
    first, again, other = (changed(batch, kind, AugmentSettings(), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(batch, before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert type(first) is Tensor and first.dtype == torch.float32 and first.shape == batch.shape
    assert float((first - first[:1]).abs().amax(dim=tuple(range(1, first.ndim)))[1:].min()) > 0
    assert float((first.mean() - batch.mean()).abs()) < 0.15


@each_kind
def test_no_changes_leave_the_samples(kind: str) -> None:
    batch = torch.rand(SHAPES[kind])
    result = changed(batch, kind, only())
    assert torch.equal(result, batch)
    assert result.data_ptr() != batch.data_ptr()


@pytest.mark.parametrize(("kind", "n_axes"), [("volume", 3), ("slice", 2)])
def test_rotation_is_about_the_centre_and_within_the_limit(kind: str, n_axes: int) -> None:
    batch = torch.zeros(24, 1, *(41,) * n_axes)
    batch[:, :, 4:37, 18:23] = 1.0  # a bar along the first axis
    if n_axes == 3:
        batch[..., :18] = batch[..., 23:] = 0.0
    turned = changed(batch, kind, only(rotation=15))
    places = [torch.nonzero(image[0] > 0.5).double() for image in turned]
    assert all((place.mean(0) - 20).abs().max() < 0.5 for place in places)
    directions = torch.stack([torch.linalg.svd(place - place.mean(0))[2][0] for place in places])
    angles = torch.rad2deg(torch.acos(directions[:, 0].abs().clamp(max=1)))
    assert 8 < angles.max() < 15 * math.sqrt(n_axes - 1) + 1  # a bar turns about the two other axes of a volume
    assert angles.std() > 2
    if n_axes == 3:
        assert directions[:, 1].abs().max() > 0.1 < directions[:, 2].abs().max()


@pytest.mark.parametrize(("kind", "n_axes"), [("volume", 3), ("slice", 2)])
def test_shift_is_within_the_share_of_a_side(kind: str, n_axes: int) -> None:
    batch = off_centre(24, n_axes)
    moved = changed(batch, kind, only(shift=0.1))
    weights = moved / moved.sum(dim=tuple(range(1, moved.ndim)), keepdim=True)
    place = (weights.sum(dim=tuple(range(3, moved.ndim)))[:, 0] * torch.arange(31)).sum(dim=1)
    assert 1.0 < float((place - 8).abs().max()) < 3.2


@pytest.mark.parametrize(("kind", "n_axes"), [("volume", 3), ("slice", 2)])
def test_flips_are_left_right_only_and_only_when_asked_for(kind: str, n_axes: int) -> None:
    batch = off_centre(64, n_axes)
    batch[:, :, :, :15] *= 2  # tells the second axis's ends apart
    flipped = changed(batch, kind, only(flip=True))
    mirrored = [bool(torch.equal(image, batch[0].flip(1))) for image in flipped]
    same = [bool(torch.equal(image, batch[0])) for image in flipped]
    assert sum(mirrored) + sum(same) == 64
    assert 20 < sum(mirrored) < 44
    plain = changed(batch, kind, AugmentSettings())
    assert float(plain[:, :, :15].sum(dim=tuple(range(1, plain.ndim))).min()) > float(plain[:, :, 16:].abs().max())


def test_maps_are_scaled_slices_brightened_and_masks_left() -> None:
    volume, image = torch.rand(40, 1, 9, 9, 9) + 0.1, torch.randn(40, 3, 32, 32)
    image[:, :, :8] = 0.0  # outside the brain
    scaled = changed(volume, "volume", only(intensity=0.1)) / volume
    factors = scaled.flatten(1).mean(1)
    assert float((scaled.flatten(1) - factors[:, None]).abs().max()) < 1e-5
    assert 0.9 <= float(factors.min()) < 0.98 and 1.02 < float(factors.max()) <= 1.1
    brighter = changed(image, "slice", only(intensity=0.1)) - image
    assert torch.count_nonzero(brighter[:, :, :8]) == 0
    offsets = brighter[:, :, 8:].flatten(1)
    assert float((offsets - offsets.mean(1, keepdim=True)).abs().max()) < 1e-5
    assert 0.05 < float(offsets.abs().max()) <= 0.1001
    assert torch.equal(changed(volume, "volume", only(intensity=0.1), modality="lesion"), volume)


def test_noise_of_windows_has_its_standard_deviation() -> None:
    batch = torch.zeros(4, 1000, 3)
    assert float(changed(batch, "window", only(noise=0.05)).std()) == pytest.approx(0.05, rel=0.05)


def test_augment_is_true_false_or_a_section() -> None:
    assert TrainingSettings.model_validate({"augment": True}).augment == AugmentSettings()
    assert TrainingSettings.model_validate({"augment": False}).augment == only()
    assert TrainingSettings.model_validate({"augment": {"rotation": 5}}).augment == AugmentSettings(rotation=5)


def test_flips_and_ordered_sides_exclude_each_other(tmp_path: Path) -> None:
    config = tmp_path / "settings.yml"
    config.write_text("lesion_side: normalise\ntraining: {augment: {flip: true}}\n")
    with pytest.raises(UsageError, match=r"flip exchanges the sides"):
        load_settings(config)
    config.write_text("training: {augment: {flip: true}}\n")
    assert load_settings(config).training.augment.flip
