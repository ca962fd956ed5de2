"""Baselines in the folds of the members: what age, the first score, the clinic's rules and models of few numbers tell.

Each is a member that is fitted in one go, and calibrated as an ensemble of itself, so that nothing but what it knows
sets it apart from the fusion. They are kept in the bundle, so that the fusion can be held against them on new people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.modalities import CLINICAL
from bids_stroke.core.records import Member
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.features.clinical_rules import RANKS, values_of
from bids_stroke.fusion.people import People
from bids_stroke.fusion.subset import LEAST
from bids_stroke.training.cohort import Cases, Cohort
from bids_stroke.training.cross_validation import TrainedMember, cross_validate, fit_final
from bids_stroke.training.descriptions import BIOMARKER_MEMBERS
from bids_stroke.training.folds import OuterFold, roles
from bids_stroke.training.late_fusion import Fused, fuse_members
from bids_stroke.training.members import planned_member, somebody_has
from bids_stroke.training.trainer import Place

Array = NDArray[np.float64]

INITIAL_SCORE = "initial_score"
BASELINES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "clinical": {"modality": CLINICAL},
        INITIAL_SCORE: {"modality": CLINICAL},
        "lesion_volume": {"modality": "lesion", "network": "regions", "n_parcels": 1, "numbers": "whole"},
        "tract_load": {"modality": "lesion", "network": "regions", "n_parcels": 1, "numbers": "tract"},
        "parcels_linear": {"modality": "lesion", "network": "regions"},
        "parcels_trees": {"modality": "lesion", "network": "regions", "n_trees": 150},
        "band_power": {"modality": "eegemg", "network": "band_power"},
        **BIOMARKER_MEMBERS,
        **{rank: {"modality": CLINICAL} for rank in RANKS},
    }
)
"""Described as members are. All have age, sex and days since stroke too, where they are known; ``clinical`` nothing
else, `INITIAL_SCORE` the outcome's first value beside them. A rule of the clinic (`RANKS`) has what it says alone."""


@dataclass(frozen=True, eq=False)
class TrainedBaseline:
    """A baseline after training, with what it said out of the folds, calibrated."""

    name: str
    entry: TrainedMember
    fused: Fused
    needs: str | None
    """Covariate without which it says nothing."""


def planned_baselines(settings: Settings, cohort: Cohort, members: Sequence[Member]) -> list[Cases]:
    """The baselines that somebody has the modality of, without samples; named ``baseline_<name>``.

    Parameters
    ----------
    settings : Settings
        Of the training.
    cohort : Cohort
        Units and covariates.
    members : sequence of Member
        Those that are trained: a modality is read as a member reads it, if possible one of the same network.
    """
    found = []
    for name, description in BASELINES.items():
        text, own = dict(description), _as_read(name, cohort) if description["modality"] == CLINICAL else cohort
        if name == INITIAL_SCORE and not np.isfinite(own.first).any():
            continue
        read = _read_as(str(text["modality"]), str(text.get("network")), members)
        if read is not None and "inputs" not in text:
            text["inputs"] = read
        elif text["modality"] == "eegemg":  # nobody says which channels
            continue
        member, options = planned_member(name, text, settings, own)
        if not somebody_has(member, own):
            continue
        found.append(Cases(replace(member, name=f"baseline_{name}"), options, (), own))
    return found


def _read_as(modality: str, network: str, members: Sequence[Member]) -> Mapping[str, Any] | None:
    """Options of the reader that a member has; of images only those of the same network, which fix its grid."""
    own = [member for member in members if member.modality == modality]
    alike = [member for member in own if member.network == network]
    chosen = alike or (own if modality == "eegemg" else [])
    return chosen[0].inputs if chosen else None


def _as_read(name: str, cohort: Cohort) -> Cohort:
    """The cohort with those covariates only that a baseline without images reads."""
    if name == INITIAL_SCORE:
        return cohort
    bare = replace(cohort, first=np.full_like(cohort.first, np.nan))
    if name not in RANKS:
        return bare
    ranks = np.stack([values_of(unit.unit.covariates, (name,)) for unit in cohort.units])
    return replace(bare, covariates=ranks, names=(name,))


def _needs(name: str, cohort: Cohort) -> str | None:
    """Covariate without which a baseline says nothing."""
    return cohort.first_name if name == INITIAL_SCORE else name if name in RANKS else None


def train_baselines(
    cases: Sequence[Cases], folds: Sequence[OuterFold], place: Place, training: TrainingSettings
) -> list[TrainedBaseline]:
    """Baselines through the folds of the members, then fitted for good; left out where too few have what they need."""
    found = []
    for i, read in enumerate(cases):
        name = read.member.name.removeprefix("baseline_")
        needs = _needs(name, read.cohort)
        own = _knowing(read, needs) if needs else read
        here = replace(place, seed=500_000_000 + 1_000_000 * i + place.seed)
        run = cross_validate(own, folds, here, _silent)
        fitted = fit_final(own, run, here, roles(folds, len(own.cohort.units))["train"])
        if fitted is None or not all(_enough(own, run.inner_probability[k], outer) for k, outer in enumerate(folds)):
            continue
        entry = TrainedMember(own.member, run, fitted, len(own.having(np.arange(len(own.samples)))))
        found.append(TrainedBaseline(name, entry, fuse_members([entry], own.cohort, folds, training.coverage), needs))
    return found


def _enough(cases: Cases, said: Array, outer: OuterFold) -> bool:
    """Whether a baseline said enough of a fold's training people to be calibrated on them."""
    known = outer.learned[np.isfinite(said[outer.learned])]
    poor = cases.cohort.poor[known]
    people = People.of(cases.cohort.participants[row] for row in known)
    return min(people.among(of_class).n for of_class in (poor, ~poor)) >= LEAST


def _knowing(cases: Cases, needs: str) -> Cases:
    """Of those only of whom a covariate is known."""
    known = np.isfinite(cases.covariates[:, cases.names.index(needs)])
    return replace(cases, samples=tuple(s if has else None for s, has in zip(cases.samples, known, strict=True)))


def _silent(_: str) -> None:
    """Baselines take seconds: their folds need no line each."""
