"""The members to train: those that the settings describe, or those of every modality, complete in every argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from bids_stroke.core.errors import UsageError
from bids_stroke.core.modalities import BIOMARKERS, CLINICAL, EARLY
from bids_stroke.core.records import Member
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.features.biomarkers import can_have, expanded
from bids_stroke.features.readers import complete_inputs
from bids_stroke.networks import registry
from bids_stroke.training.cohort import Cohort, member_covariates
from bids_stroke.training.descriptions import member_descriptions, network_of, place_of
from bids_stroke.training.early_fusion import planned_early_fusion


def planned_members(settings: Settings, cohort: Cohort) -> list[tuple[Member, TrainingSettings]]:
    """Members to train, complete in every argument, with their training settings; last, the early fusion of some.

    Of those that `member_descriptions` gives, the ones whose modality anybody has.

    Raises
    ------
    UsageError
        A member's description or ``training.early_fusion`` is wrong, or no member's modality is there.
    ModelError
        An argument that the network or the reader does not know.
    """
    wanted = member_descriptions(settings)
    planned = [planned_member(name, dict(text), settings, cohort) for name, text in wanted.items()]
    found = [(member, options) for member, options in planned if somebody_has(member, cohort)]
    if not found:
        raise UsageError(
            f"No unit has a modality of the members {', '.join(wanted)}.",
            "Run the participant level first, or change training.members.",
        )
    early = planned_early_fusion(settings.training.early_fusion, [member for member, _ in found], cohort)
    return [*found, (early, settings.training)] if early else found


def told_members(
    settings: Settings, cohort: Cohort, progress: Callable[[str], None]
) -> list[tuple[Member, TrainingSettings]]:
    """`planned_members`, each that the settings ask for besides told of in a line, with the reason."""
    training, planned = settings.training, planned_members(settings, cohort)
    for name in sorted(set(training.members) - {member.name for member, _ in planned}):
        progress(f"{name}: left out, nobody has {training.members[name]['modality']}")
    if training.early_fusion not in (True, False) and planned[-1][0].modality != EARLY:
        progress(f"{EARLY}: left out, fewer than two of its parts are there")
    return planned


def somebody_has(member: Member, cohort: Cohort) -> bool:
    """Whether any unit has what a member reads."""
    if member.modality == CLINICAL:
        return bool(np.isfinite(cohort.covariates).any() or np.isfinite(cohort.first).any())
    own = [unit.unit.features for unit in cohort.units if unit.unit.features.get(member.modality)]
    return any(member.modality != BIOMARKERS or can_have(member.inputs["columns"], there) for there in own)


def planned_member(
    name: str, text: dict[str, Any], settings: Settings, cohort: Cohort
) -> tuple[Member, TrainingSettings]:
    """A member that is described as under ``training.members``, complete, with its training settings.

    Raises
    ------
    UsageError, ModelError
        As for `planned_members`.
    """
    place, network = place_of(name), network_of(text)
    modality, spec = text.pop("modality"), registry.NETWORKS[network]
    text.pop("network", None)
    inputs = dict(text.pop("inputs", {}))
    if modality == "eegemg":
        inputs.setdefault("seconds", settings.eegemg.window_seconds)
    inputs = complete_inputs(modality, inputs)
    if modality == BIOMARKERS:
        inputs["columns"] = expanded(inputs["columns"])
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


def _member_options(place: str, network: str, own: Mapping[str, Any], settings: Settings) -> TrainingSettings:
    """Training settings with those that the member has of its own."""
    if own and registry.NETWORKS[network].network.shallow:
        raise UsageError(f"{place}.training: {network} is fitted in one go, without epochs.", "Leave it out.")
    try:
        return TrainingSettings.model_validate(settings.training.model_dump() | dict(own))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{place}.training.{where}: {first['msg']}.", "See docs/configuration.md.") from None
