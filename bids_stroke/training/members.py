"""The members to train: those that the settings describe, or those of every modality, complete in every argument."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import ValidationError

from bids_stroke.core.errors import UsageError
from bids_stroke.core.modalities import CLINICAL, EARLY, MODALITIES, record_of
from bids_stroke.core.records import Member
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.features.readers import complete_inputs
from bids_stroke.networks import registry
from bids_stroke.training.cohort import Cohort, member_covariates
from bids_stroke.training.early_fusion import check_names, planned_early_fusion

NAME = rf"(?!baseline_|fusion_|{EARLY}$)[A-Za-z0-9][A-Za-z0-9_-]*"
"""Of a member; ``s_baseline_<name>`` and ``s_fusion_<name>`` are columns of others."""
DEFAULT_SHALLOW_MEMBERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "lesion_regions": {"modality": "lesion", "network": "regions"},
        "lesion_trees": {"modality": "lesion", "network": "regions", "n_trees": 150},
        "fa_regions": {"modality": "fa", "network": "regions"},
        "eegemg_power": {"modality": "eegemg", "network": "band_power"},
        "eegemg_coherence": {"modality": "eegemg", "network": "coherence"},
    }
)
"""Members beside the networks that are trained by epochs: few numbers, which small cohorts bear better.
These are settings, as those under ``training.members``: a network need not be among them."""
TRAINING_KEYS = ("epochs", "patience", "batch_size", "learning_rate", "schedule", "weight_decay", "samples_per_epoch")
"""Training settings that a member may have of its own."""


def planned_members(settings: Settings, cohort: Cohort) -> list[tuple[Member, TrainingSettings]]:
    """Members to train, complete in every argument, with their training settings; last, the early fusion of some.

    Without ``training.members`` there is one member for each wanted modality that anybody has, one on covariates
    only, and those of DEFAULT_SHALLOW_MEMBERS.

    Raises
    ------
    UsageError
        A member's description or ``training.early_fusion`` is wrong, or no member's modality is there.
    ModelError
        An argument that the network or the reader does not know.
    """
    there = {modality for unit in cohort.units for modality in unit.unit.features}
    if np.isfinite(cohort.covariates).any() or np.isfinite(cohort.first).any():
        there.add(CLINICAL)
    wanted = settings.training.members or default_members(settings.modalities)
    check_names(settings.training.early_fusion, list(wanted))
    planned = [_planned(name, dict(text), settings, cohort) for name, text in wanted.items()]
    found = [(member, options) for member, options in planned if member.modality in there]
    if not found:
        raise UsageError(
            f"No unit has a modality of the members {', '.join(wanted)}.",
            "Run the participant level first, or change training.members.",
        )
    early = planned_early_fusion(settings.training.early_fusion, [member for member, _ in found], cohort)
    return [*found, (early, settings.training)] if early else found


def default_members(modalities: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Descriptions of the members of an ensemble for which none are described."""
    found: dict[str, dict[str, Any]] = {name: {"modality": name} for name in MODALITIES if name in modalities}
    found[CLINICAL] = {"modality": CLINICAL}
    shallow = {name: dict(text) for name, text in DEFAULT_SHALLOW_MEMBERS.items() if text["modality"] in modalities}
    return found | shallow


def _planned(name: str, text: dict[str, Any], settings: Settings, cohort: Cohort) -> tuple[Member, TrainingSettings]:
    place = _place(name)
    for part in ("inputs", "training"):
        if not isinstance(text.get(part, {}), Mapping):
            raise UsageError(
                f"{place}.{part} is {text[part]!r}.", "Write 'key: value' lines below it, or leave it out."
            )
    modality = text.pop("modality", None)
    if not isinstance(modality, str) or modality not in (*MODALITIES, CLINICAL):
        raise UsageError(f"{place}.modality is {modality!r}.", f"Choose one of {', '.join((*MODALITIES, CLINICAL))}.")
    known = record_of(modality)
    network = str(text.pop("network", known.network))
    spec = registry.NETWORKS.get(network)
    if spec is None or spec.kind != known.sample:
        fitting = ", ".join(key for key, other in registry.NETWORKS.items() if other.kind == known.sample)
        raise UsageError(
            f"{place}.network is {network!r}, which does not read {modality}.", f"Choose one of {fitting}."
        )
    inputs = dict(text.pop("inputs", {}))
    if modality == "eegemg":
        inputs.setdefault("seconds", settings.eegemg.window_seconds)
    inputs = complete_inputs(modality, inputs)
    chosen = spec.network
    options = _member_options(place, network, text.pop("training", {}), settings)
    columns = 2 * len(member_covariates(cohort, modality))
    if chosen.arguments_class.takes_covariates:
        text.setdefault("n_covariates", columns)
    given = chosen.from_input(modality, inputs)
    for key in (key for key in given if text.get(key, given[key]) != given[key]):
        raise UsageError(
            f"{place}.{key} is {text[key]!r}, but {modality} as it is read here makes it {given[key]!r}.",
            f"Leave {key} out; the modality and the member's inputs decide it.",
        )
    registry.checked_arguments(network, text | given)  # a wrong one must not wait until the members before are trained
    _check_covariates(place, text, columns)
    return Member(name, modality, network, text | given, inputs), options


def _check_covariates(place: str, text: Mapping[str, Any], columns: int) -> None:
    if text.get("n_covariates", 0) > columns:
        raise UsageError(f"{place}.n_covariates is above {columns}, all that there are.", "Leave it out, or give less.")


def _place(name: str) -> str:
    """Where a member is described; UsageError for a name that cannot be one."""
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"training.members.{name}: the name would be part of file and column names.", f"Keep to {NAME}."
        )
    return f"training.members.{name}"


def _member_options(place: str, network: str, own: Mapping[str, Any], settings: Settings) -> TrainingSettings:
    """Training settings with those that the member has of its own."""
    if own and registry.NETWORKS[network].network.shallow:
        raise UsageError(f"{place}.training: {network} is fitted in one go, without epochs.", "Leave it out.")
    if unknown := sorted(str(key) for key in set(own) - set(TRAINING_KEYS)):
        raise UsageError(f"{place}.training has no {', '.join(unknown)}.", f"It has {', '.join(TRAINING_KEYS)}.")
    try:
        return TrainingSettings.model_validate(settings.training.model_dump() | dict(own))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{place}.training.{where}: {first['msg']}.", "See docs/configuration.md.") from None
