"""The cohort as arrays, and the samples of one member, read once and kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bids_stroke import networks
from bids_stroke.covariates import covariate_names, covariate_values
from bids_stroke.errors import MissingModalityError, UsageError
from bids_stroke.features import complete_inputs, read_samples
from bids_stroke.records import MODALITIES, Labelled, Member
from bids_stroke.settings import Settings, TrainingSettings

DEFAULT_NETWORK = {"bold": "slice_cnn", "eegemg": "lstm"}
"""Network of a modality when the settings name no members; the maps take ``cbam_resnet3d``."""
TRAINING_KEYS = ("epochs", "patience", "batch_size", "learning_rate", "schedule", "weight_decay", "samples_per_epoch")
"""Training settings that a member may have of its own."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Outcomes and covariates of all units, row by row."""

    units: tuple[Labelled, ...]
    participants: tuple[str, ...]
    """Dataset and participant of each row: sub-01 of two datasets are two people."""
    poor: NDArray[np.bool_]
    score: NDArray[np.float64]
    covariates: NDArray[np.float64]
    """(n, covariates), NaN where missing; not yet standardised."""
    names: tuple[str, ...]
    """Of the covariates."""


@dataclass(frozen=True, eq=False)
class Cases:
    """What one member trains on."""

    member: Member
    options: TrainingSettings
    """With the member's own values in place of the general ones."""
    samples: tuple[torch.Tensor | None, ...]
    """(n_samples, ...) float32 for each row of the cohort; None where the modality is missing."""
    cohort: Cohort

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all samples, outcomes and covariates."""
        found = hashlib.sha256(repr([None if s is None else tuple(s.shape) for s in self.samples]).encode())
        for array in (self.cohort.poor, self.cohort.score, self.cohort.covariates):
            found.update(np.ascontiguousarray(array).tobytes())
        for samples in self.samples:
            if samples is not None:
                found.update(samples.contiguous().numpy().tobytes())
        return found.hexdigest()

    def having(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those rows that have the modality."""
        return np.array([row for row in rows if self.samples[row] is not None], dtype=np.int64)


def make_cohort(units: Sequence[Labelled], outcome_column: str) -> Cohort:
    """Arrays of a cohort.

    Raises
    ------
    UsageError
        A unit (participant and session) is there twice.
    """
    keys = [(unit.unit.dataset, unit.unit.participant_id, unit.unit.session) for unit in units]
    twice = sorted({f"{key[1]} {key[2] or ''}".strip() for key in keys if keys.count(key) > 1})
    if twice:
        raise UsageError(f"{', '.join(twice)} is in the cohort twice.", "Give every session of a person once.")
    names = covariate_names(outcome_column)
    return Cohort(
        units=tuple(units),
        participants=tuple(f"{dataset}\0{participant}" for dataset, participant, _ in keys),
        poor=np.array([unit.poor for unit in units], dtype=bool),
        score=np.array([unit.score for unit in units], dtype=np.float64),
        covariates=np.stack([covariate_values(unit.unit.covariates, names) for unit in units]),
        names=names,
    )


def planned_members(settings: Settings, cohort: Cohort) -> list[tuple[Member, TrainingSettings]]:
    """Members to train, complete in every argument, with their training settings.

    Without ``training.members`` there is one member for each wanted modality that anybody has.

    Raises
    ------
    UsageError
        A member's description is wrong, or no member's modality is there.
    ModelError
        An argument that the network or the reader does not know.
    """
    there = {modality for unit in cohort.units for modality in unit.unit.features}
    wanted = settings.training.members or {
        modality: {"modality": modality} for modality in MODALITIES if modality in settings.modalities
    }
    planned = [_planned(name, dict(text), settings, len(cohort.names)) for name, text in wanted.items()]
    found = [(member, options) for member, options in planned if member.modality in there]
    if not found:
        raise UsageError(
            f"No unit has a modality of the members {', '.join(wanted)}.",
            "Run the participant level first, or change training.members.",
        )
    return found


def _planned(name: str, text: dict[str, Any], settings: Settings, n_covariates: int) -> tuple[Member, TrainingSettings]:
    place = f"training.members.{name}"
    modality = text.pop("modality", None)
    if modality not in MODALITIES:
        raise UsageError(f"{place}.modality is {modality!r}.", f"Choose one of {', '.join(MODALITIES)}.")
    network = str(text.pop("network", DEFAULT_NETWORK.get(modality, "cbam_resnet3d")))
    inputs = dict(text.pop("inputs", {}))
    if modality == "eegemg":
        inputs.setdefault("seconds", settings.eegemg.window_seconds)
    inputs = complete_inputs(modality, inputs)
    own = dict(text.pop("training", {}))
    if unknown := sorted(set(own) - set(TRAINING_KEYS)):
        raise UsageError(f"{place}.training has no {', '.join(unknown)}.", f"It has {', '.join(TRAINING_KEYS)}.")
    values = settings.training.model_dump() | own
    if network in networks.NETWORKS and networks.NETWORKS[network].takes_covariates:
        text.setdefault("n_covariates", 2 * n_covariates)
    if modality == "eegemg":
        text["n_channels"] = len(inputs["channels"])
    return Member(name, modality, network, text, inputs), TrainingSettings.model_validate(values)


def read_cases(member: Member, options: TrainingSettings, cohort: Cohort) -> Cases:
    """Read the samples of a member for the whole cohort."""
    samples: list[torch.Tensor | None] = []
    for labelled in cohort.units:
        paths = labelled.unit.features.get(member.modality, ())
        try:
            samples.append(
                torch.from_numpy(read_samples(member.modality, paths, member.inputs).data) if paths else None
            )
        except MissingModalityError:  # for this member the unit lacks the modality (a muscle, a window)
            samples.append(None)
    return Cases(member, options, tuple(samples), cohort)
