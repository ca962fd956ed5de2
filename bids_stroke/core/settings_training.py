"""Settings of the level ``train``."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from bids_stroke.core.frozen import Frozen


def _no_json(value: object) -> str:
    raise ValueError(f"{value!r} is neither a text nor a number, a list or a mapping")


class AugmentSettings(Frozen):
    """Small random changes of the training samples, others in each epoch; ``augment: false`` for none."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Degrees at most: about each axis of a map, in the plane of a slice."""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.03
    """Share of a side at most, along each axis of a map or slice."""
    flip: bool = False
    """Left and right of maps and slices exchanged at random: for outcomes that mean the same on either side, and not
    with ``lesion_side: normalise``."""
    intensity: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Maps are scaled by so much at most, and slices brightened by so many standard deviations; lesion masks never."""
    noise: Annotated[float, Field(ge=0, le=10)] = 0.05
    """Standard deviation of white noise in windows of EEG and EMG, which have one of 1."""


class TrainingSettings(Frozen):
    """How ``train`` fits and evaluates the ensemble."""

    split: Literal["nested", "fixed"] = "nested"
    """``fixed``: 70 % of the participants to train on, 15 % to stop, fuse and calibrate on, 15 % to test on, once, and
    the ensemble that was tested is the one that is kept; folds and repeats then do not count."""
    outer_folds: Annotated[int, Field(ge=2, le=1000)] = 5
    inner_folds: Annotated[int, Field(ge=2, le=1000)] = 3
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    patience: Annotated[int, Field(ge=1)] = 15
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 8
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-4
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    """Of the learning rate: falling to 0 over ``epochs`` as a cosine, or halved where the training loss has not fallen
    for five epochs."""
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 1e-5
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)] = "ensemble"
    """Of the model: its folder under ``models/``."""
    samples_per_epoch: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Slices or windows drawn from each unit in each epoch."""
    score_weight: Annotated[float, Field(ge=0, le=1000)] = 0.5
    """Share of the loss of the continuous score beside that of good and poor."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""
    coverage: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """Share of the people with either outcome whom a decision (poor, good) may not contradict; less decides more."""
    members: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Member name -> {modality, network, inputs (options of the reader), training (epochs, patience, batch_size,
    learning_rate, schedule, weight_decay, samples_per_epoch of this member), and the network's own arguments}; empty:
    one network per modality, one member on covariates only (modality: clinical), and directly fitted ones (network:
    regions on a map, band_power and coherence on eegemg, biomarkers; n_trees above 0: boosted trees, n_waves above 0:
    a kernel machine, not linear functions)."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """For networks trained by epochs, as estimated before each one starts: those that it does not hold are left out,
    and the training says which; null for no end. Directly fitted members always take part."""
    early_fusion: bool | tuple[str, ...] = True
    """Of directly fitted members: one regression on the numbers of several together, which the fusion weighs beside the
    members. true: of the linear ones on images or recordings whose modality at least half of the people have; a list:
    of the members it names; false: none. Left out where fewer than two are there."""
    bootstrap: Annotated[int, Field(ge=100, le=100_000)] = 2000
    permutations: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Shuffles of the outcome against the predictions as they are."""
    retrain_permutations: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Shuffles of the outcome among participants, for each of which the whole cross-validation is run again; 0 for
    none. It takes so many times the time of the training; 99 give a p of .01 at best."""
    audit: bool = True
    """Of networks trained by epochs: whether pictures of where they look can be believed (docs/evaluation.md)."""
    demonstration: bool = False
    """Marks the bundle: every output made with it says that it is only a demonstration."""
    augment: AugmentSettings = AugmentSettings()

    @field_validator("members")
    @classmethod
    def _finite(cls, members: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, options in members.items():
            try:
                json.dumps(options, allow_nan=False, default=_no_json)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return members

    @field_validator("augment", mode="before")
    @classmethod
    def _augment_or_not(cls, value: object) -> object:
        if value is False:
            return AugmentSettings(rotation=0, shift=0, intensity=0, noise=0)
        return AugmentSettings() if value is True else value
