"""Members as the settings describe them: what their words alone tell to be wrong, before any library is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bids_stroke.core.biomarkers import GROUPS
from bids_stroke.core.errors import UsageError
from bids_stroke.core.modalities import BIOMARKERS, CLINICAL, EARLY, MODALITIES, given_by, record_of
from bids_stroke.core.settings import Settings
from bids_stroke.networks import registry

NAME = rf"(?!baseline_|fusion_|{EARLY}$)[A-Za-z0-9][A-Za-z0-9_-]*"
"""Of a member; ``s_baseline_<name>`` and ``s_fusion_<name>`` are columns of others."""
DEFAULT_SHALLOW_MEMBERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "lesion_regions": {"modality": "lesion", "network": "regions"},
        "lesion_trees": {"modality": "lesion", "network": "regions", "n_trees": 150},
        "lesion_kernel": {"modality": "lesion", "network": "regions", "n_waves": 500},
        "fa_regions": {"modality": "fa", "network": "regions"},
        "eegemg_power": {"modality": "eegemg", "network": "band_power"},
        "eegemg_coherence": {"modality": "eegemg", "network": "coherence"},
    }
)
"""Members beside the networks that are trained by epochs: few numbers, which small cohorts bear better.
These are settings, as those under ``training.members``: a network need not be among them."""
BIOMARKER_MEMBERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {f"{BIOMARKERS}_{group}": {"modality": BIOMARKERS, "inputs": {"columns": [group]}} for group in GROUPS}
)
"""A member on the established biomarkers of each thing that they are made of: who lacks it lacks this member alone."""
TRAINING_KEYS = ("epochs", "patience", "batch_size", "learning_rate", "schedule", "weight_decay", "samples_per_epoch")
"""Training settings that a member may have of its own."""


def member_descriptions(settings: Settings) -> dict[str, dict[str, Any]]:
    """Give the descriptions of all members by name: of ``training.members``, or where there are none by default.

    By default there is one member for each wanted modality, one on covariates only, DEFAULT_SHALLOW_MEMBERS, and
    BIOMARKER_MEMBERS.

    Raises
    ------
    UsageError
        A name, modality, network or training key is not known, or ``training.early_fusion`` names other members.
    """
    described = {name: dict(text) for name, text in settings.training.members.items()}
    described = described or _default_members(settings.modalities)
    _check_early_fusion(settings.training.early_fusion, list(described))
    for name, text in described.items():
        _check_words(place_of(name), text)
    return described


def _default_members(modalities: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {name: {"modality": name} for name in MODALITIES if name in modalities}
    found[CLINICAL] = {"modality": CLINICAL}
    shallow = {name: dict(text) for name, text in DEFAULT_SHALLOW_MEMBERS.items() if text["modality"] in modalities}
    groups = [group for group in GROUPS if set(given_by(group)) & set(modalities)]
    return found | shallow | {name: dict(BIOMARKER_MEMBERS[name]) for name in (f"{BIOMARKERS}_{g}" for g in groups)}


def _check_early_fusion(wanted: bool | Sequence[str], described: Sequence[str]) -> None:
    """UsageError unless the setting names two or more of the members described, each once."""
    if isinstance(wanted, bool):
        return
    if len(set(wanted)) < max(2, len(wanted)) or not set(wanted) <= set(described):
        raise UsageError(
            f"training.early_fusion is {list(wanted)}.", f"Name two or more of {', '.join(described)}, or give true."
        )


def place_of(name: str) -> str:
    """Where a member is described; UsageError for a name that cannot be one."""
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"training.members.{name}: the name would be part of file and column names.", f"Keep to {NAME}."
        )
    return f"training.members.{name}"


def network_of(text: Mapping[str, Any]) -> str:
    """Name of the network of a member: the one that is described, or the usual one of its modality."""
    return str(text.get("network", record_of(text["modality"]).network))


def _check_words(place: str, text: Mapping[str, Any]) -> None:
    for part in ("inputs", "training"):
        if not isinstance(text.get(part, {}), Mapping):
            raise UsageError(
                f"{place}.{part} is {text[part]!r}.", "Write 'key: value' lines below it, or leave it out."
            )
    modality = text.get("modality")
    known = (*MODALITIES, BIOMARKERS, CLINICAL)
    if not isinstance(modality, str) or modality not in known:
        raise UsageError(f"{place}.modality is {modality!r}.", f"Choose one of {', '.join(known)}.")
    network, sample = network_of(text), record_of(modality).sample
    spec = registry.NETWORKS.get(network)
    if spec is None or spec.kind != sample:
        fitting = ", ".join(key for key, other in registry.NETWORKS.items() if other.kind == sample)
        raise UsageError(
            f"{place}.network is {network!r}, which does not read {modality}.", f"Choose one of {fitting}."
        )
    if unknown := sorted(str(key) for key in set(text.get("training", {})) - set(TRAINING_KEYS)):
        raise UsageError(f"{place}.training has no {', '.join(unknown)}.", f"It has {', '.join(TRAINING_KEYS)}.")
