"""The cohort as arrays, and the samples of one member, read once and kept in memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from bids_stroke import networks
from bids_stroke.covariates import covariate_names, covariate_values, first_score_name
from bids_stroke.errors import MissingModalityError, UsageError
from bids_stroke.features import complete_inputs, read_samples
from bids_stroke.networks.direct import DirectNetwork
from bids_stroke.recordings import canonical_name, is_site
from bids_stroke.records import CLINICAL, MODALITIES, Labelled, Member
from bids_stroke.settings import Settings, TrainingSettings

NAME = r"(?!baseline_)[A-Za-z0-9][A-Za-z0-9_-]*"
"""Of a member; ``s_baseline_<name>`` are the columns of the baselines."""
Features = Callable[[torch.Tensor], torch.Tensor]

KINDS = dict.fromkeys(MODALITIES, "volume") | {"bold": "slice", "eegemg": "window", CLINICAL: "none"}
"""What one sample of a modality is, as networks.NetworkSpec.kind."""
DEFAULT_NETWORK = {"bold": "slice_cnn", "eegemg": "lstm", CLINICAL: "covariates"}
"""Network of a modality when the settings name no members; the maps take ``cbam_resnet3d``."""
DEFAULT_DIRECT: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "lesion_regions": {"modality": "lesion", "network": "regions"},
        "lesion_trees": {"modality": "lesion", "network": "regions", "n_trees": 150},
        "fa_regions": {"modality": "fa", "network": "regions"},
        "eegemg_power": {"modality": "eegemg", "network": "band_power"},
        "eegemg_coherence": {"modality": "eegemg", "network": "coherence"},
    }
)
"""Members beside the networks that are trained by epochs: few numbers, which small cohorts bear better."""
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
    first: NDArray[np.float64]
    """(n,) first score, NaN where missing: column `first_name`, which only clinical members and baselines read."""
    first_name: str


@dataclass(frozen=True, eq=False)
class Cases:
    """What one member trains on."""

    member: Member
    options: TrainingSettings
    """With the member's own values in place of the general ones."""
    samples: tuple[torch.Tensor | None, ...]
    """(n_samples, ...) for each row of the cohort, float32, or (n_samples, n_features) float64 for a network that is
    fitted directly; None where the modality is missing."""
    cohort: Cohort

    @property
    def direct(self) -> bool:
        """Whether the network is fitted in one go."""
        return networks.NETWORKS[self.member.network].direct

    @property
    def names(self) -> tuple[str, ...]:
        """Covariates of this member: a clinical one reads the first score too, where somebody has it."""
        return member_covariates(self.cohort, self.member.modality)

    @cached_property
    def covariates(self) -> NDArray[np.float64]:
        """(n, covariates) of this member, NaN where missing; not yet standardised."""
        both = np.column_stack([self.cohort.covariates, self.cohort.first])
        return both[:, : len(self.names)]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether anything is known of this member's covariates."""
        return np.asarray(np.isfinite(self.covariates).any(axis=1))

    @property
    def n_covariates(self) -> int:
        """Columns that the network reads, indicators among them."""
        return int(self.member.arguments.get("n_covariates", 0))

    def of(self, row: int) -> torch.Tensor:
        """Samples of a row that has the modality."""
        samples = self.samples[row]
        assert samples is not None  # rows come from `having`
        return samples

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all samples, outcomes and covariates."""
        found = hashlib.sha256(repr([None if s is None else tuple(s.shape) for s in self.samples]).encode())
        for array in (self.cohort.poor, self.cohort.score, self.covariates):
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
    names, first = covariate_names(outcome_column), first_score_name(outcome_column)
    return Cohort(
        units=tuple(units),
        participants=tuple(f"{dataset}\0{participant}" for dataset, participant, _ in keys),
        poor=np.array([unit.poor for unit in units], dtype=bool),
        score=np.array([unit.score for unit in units], dtype=np.float64),
        covariates=np.stack([covariate_values(unit.unit.covariates, names) for unit in units]),
        names=names,
        first=np.array([covariate_values(unit.unit.covariates, (first,))[0] for unit in units], dtype=np.float64),
        first_name=first,
    )


def member_covariates(cohort: Cohort, modality: str) -> tuple[str, ...]:
    """Names of the covariates that a member on this modality may read."""
    first = (cohort.first_name,) if modality == CLINICAL and np.isfinite(cohort.first).any() else ()
    return (*cohort.names, *first)


def planned_members(settings: Settings, cohort: Cohort) -> list[tuple[Member, TrainingSettings]]:
    """Members to train, complete in every argument, with their training settings.

    Without ``training.members`` there is one member for each wanted modality that anybody has, one on covariates
    only, and those of DEFAULT_DIRECT.

    Raises
    ------
    UsageError
        A member's description is wrong, or no member's modality is there.
    ModelError
        An argument that the network or the reader does not know.
    """
    there = {modality for unit in cohort.units for modality in unit.unit.features}
    if np.isfinite(cohort.covariates).any() or np.isfinite(cohort.first).any():
        there.add(CLINICAL)
    wanted = settings.training.members or default_members(settings.modalities)
    planned = [_planned(name, dict(text), settings, cohort) for name, text in wanted.items()]
    found = [(member, options) for member, options in planned if member.modality in there]
    if not found:
        raise UsageError(
            f"No unit has a modality of the members {', '.join(wanted)}.",
            "Run the participant level first, or change training.members.",
        )
    return found


def default_members(modalities: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Descriptions of the members of an ensemble for which none are described."""
    found: dict[str, dict[str, Any]] = {name: {"modality": name} for name in MODALITIES if name in modalities}
    found[CLINICAL] = {"modality": CLINICAL}
    direct = {name: dict(text) for name, text in DEFAULT_DIRECT.items() if text["modality"] in modalities}
    return found | direct


def _planned(name: str, text: dict[str, Any], settings: Settings, cohort: Cohort) -> tuple[Member, TrainingSettings]:
    place = f"training.members.{name}"
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{place}: the name would be part of file and column names.", f"Keep to {NAME}.")
    modality = text.pop("modality", None)
    if modality not in KINDS:
        raise UsageError(f"{place}.modality is {modality!r}.", f"Choose one of {', '.join(KINDS)}.")
    network = str(text.pop("network", DEFAULT_NETWORK.get(modality, "cbam_resnet3d")))
    spec = networks.NETWORKS.get(network)
    if spec is None or spec.kind != KINDS[modality]:
        fitting = ", ".join(key for key, other in networks.NETWORKS.items() if other.kind == KINDS[modality])
        raise UsageError(
            f"{place}.network is {network!r}, which does not read {modality}.", f"Choose one of {fitting}."
        )
    inputs = dict(text.pop("inputs", {}))
    if modality == "eegemg":
        inputs.setdefault("seconds", settings.eegemg.window_seconds)
    inputs = complete_inputs(modality, inputs)
    options = _member_options(place, network, text.pop("training", {}), settings)
    columns = 2 * len(member_covariates(cohort, modality))
    if spec.takes_covariates:
        text.setdefault("n_covariates", columns)
    given = _given_by_the_input(network, modality, inputs)
    for key in (key for key in given if text.get(key, given[key]) != given[key]):
        raise UsageError(
            f"{place}.{key} is {text[key]!r}, but {modality} as it is read here makes it {given[key]!r}.",
            f"Leave {key} out; the modality and the member's inputs decide it.",
        )
    networks.checked_arguments(network, text | given)  # a wrong one must not wait until the members before are trained
    if text.get("n_covariates", 0) > columns:
        raise UsageError(f"{place}.n_covariates is above {columns}, all that there are.", "Leave it out, or give less.")
    return Member(name, modality, network, text | given, inputs), options


def _member_options(place: str, network: str, own: Mapping[str, Any], settings: Settings) -> TrainingSettings:
    """Training settings with those that the member has of its own."""
    if own and networks.NETWORKS[network].direct:
        raise UsageError(f"{place}.training: {network} is fitted in one go, without epochs.", "Leave it out.")
    if unknown := sorted(set(own) - set(TRAINING_KEYS)):
        raise UsageError(f"{place}.training has no {', '.join(unknown)}.", f"It has {', '.join(TRAINING_KEYS)}.")
    try:
        return TrainingSettings.model_validate(settings.training.model_dump() | dict(own))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{place}.training.{where}: {first['msg']}.", "See docs/configuration.md.") from None


def _given_by_the_input(network: str, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a network that the modality and the options of its reader decide."""
    if network == "regions":
        return {"shrink": inputs["shrink"], "quantity": "volume" if modality == "lesion" else "mean"}
    if network == "slice_cnn":
        return {"in_channels": len(inputs["maps"])}
    if modality != "eegemg":
        return {}
    found: dict[str, Any] = {"n_channels": len(inputs["channels"])}
    if network in ("band_power", "coherence"):
        found["rate"] = inputs["rate"]
    if network == "coherence":
        found["sites"] = [i for i, name in enumerate(inputs["channels"]) if is_site(canonical_name(name))]
    return found


def read_cases(member: Member, options: TrainingSettings, cohort: Cohort) -> Cases:
    """Read the samples of a member for the whole cohort; of a network that is fitted directly, its features only."""
    bare = Cases(member, options, (), cohort)
    features = _features(member) if bare.direct else None
    samples = [
        _read(member, labelled, known, features) for labelled, known in zip(cohort.units, bare.known, strict=True)
    ]
    return replace(bare, samples=tuple(samples))


def _read(member: Member, labelled: Labelled, known: bool, features: Features | None) -> torch.Tensor | None:
    """Samples of one unit; None where it lacks the modality."""
    paths = labelled.unit.features.get(member.modality, ())
    if not (known if member.modality == CLINICAL else paths):
        return None
    try:
        data = torch.from_numpy(read_samples(member.modality, paths, member.inputs).data)
    except MissingModalityError:  # for this member the unit lacks the modality (a muscle, a window)
        return None
    return features(data) if features else data


def _features(member: Member) -> Features:
    """The fixed layer of a direct network."""
    network = networks.build(member.network, **member.arguments)
    assert isinstance(network, DirectNetwork)  # the registry says so
    network.prepare()
    return network.features
