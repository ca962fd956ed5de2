"""The early fusion: whose numbers it joins, and its samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bids_stroke.core.errors import UsageError
from bids_stroke.core.modalities import BIOMARKERS, EARLY
from bids_stroke.core.records import Member
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.networks import registry
from bids_stroke.training.cohort import Cases, Cohort, member_covariates, shallow_network

PLACE = "training.early_fusion"


def planned_early_fusion(wanted: bool | Sequence[str], members: Sequence[Member], cohort: Cohort) -> Member | None:
    """Whose numbers are joined, and by what network.

    Parameters
    ----------
    wanted : bool or sequence of str
        The setting ``training.early_fusion``.
    members : sequence of Member
        Those that are trained.
    cohort : Cohort
        Units and covariates.

    Returns
    -------
    Member or None
        Its ``inputs`` are ``{"parts": [names of members]}``; None where none is wanted, or fewer than two can be
        joined.

    Raises
    ------
    UsageError
        A member that is named cannot be joined.
    """
    if isinstance(wanted, bool):
        parts = [member for member in members if wanted and _by_default(member, cohort)]
    else:
        parts = [member for member in members if member.name in wanted]
        if wrong := [part.name for part in parts if not _joinable(part.network)]:
            *first, last = (name for name in registry.NETWORKS if _joinable(name))
            raise UsageError(
                f"{PLACE}: {', '.join(wrong)} cannot be joined.", f"Name {', '.join(first)} or {last} members."
            )
    if len(parts) < 2:
        return None
    blocks = [size for part in parts for size in shallow_network(part).blocks]
    arguments = {"n_covariates": 2 * len(member_covariates(cohort, EARLY)), "part_blocks": blocks}
    return Member(EARLY, EARLY, EARLY, arguments, {"parts": [part.name for part in parts]})


def join_cases(member: Member, options: TrainingSettings, parts: Sequence[Cases]) -> Cases:
    """Samples of the early fusion: its parts' numbers side by side; None where one is missing: nothing is filled in."""
    samples = []
    for row in zip(*(part.samples for part in parts), strict=True):
        known = [sample.mean(0) for sample in row if sample is not None]
        samples.append(torch.cat(known)[None] if len(known) == len(parts) else None)
    return Cases(member, options, tuple(samples), parts[0].cohort)


def _joinable(network: str) -> bool:
    """Whether a network makes numbers of images or recordings that others' can be joined with."""
    spec = registry.NETWORKS[network]
    return spec.kind not in ("none", "numbers") and spec.network.shallow


def _by_default(member: Member, cohort: Cohort) -> bool:
    """Whether a member is a part without being named.

    It must be linear (the numbers of trees and waves are often another member's too, and so are biomarkers), and most
    units must have its modality, because all parts are needed.
    """
    having = sum(bool(unit.unit.features.get(member.modality)) for unit in cohort.units)
    linear = not (member.arguments.get("n_trees") or member.arguments.get("n_waves"))
    own = member.modality != BIOMARKERS
    return _joinable(member.network) and linear and own and 2 * having >= len(cohort.units)
